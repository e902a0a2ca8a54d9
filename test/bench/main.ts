/** Measurements, printed as JSON and always beside a peer measured in the same run: `npm run -s bench -- nbd --json`. */
import { parseArgs } from 'node:util';
import { benchNbd, nbdTable } from './nbd.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
  },
});
const [name] = positionals;
if (name !== 'nbd') {
  process.stderr.write(`bench: expected one of: nbd; found ${name ?? 'nothing'}\n`);
  process.exit(2);
}
const result = await benchNbd({
  rounds: Number(values.rounds),
  seconds: Number(values.seconds),
  progress: (line) => process.stderr.write(`${line}\n`),
});
process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : nbdTable(result));
