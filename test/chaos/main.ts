/** Breaks a whole stack by a plan that follows from a seed: `npm run -s chaos -- --minutes 2 --seed 1 --json`. */
import { parseArgs } from 'node:util';
import { brokenBy, type ChaosReport, runChaos } from './run.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    patience: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Date.now() % 0xffff_ffff) },
    json: { type: 'boolean', default: false },
  },
});
const report = await runChaos({
  minutes: positive('--minutes', values.minutes),
  seed: positive('--seed', values.seed),
  patience: positive('--patience', values.patience),
  progress: (line) => process.stderr.write(`${line}\n`),
});
process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : table(report));
if (brokenBy(report).length > 0) process.exitCode = 1;

function table({ violations, plan, ...figures }: ChaosReport): string {
  const lines = Object.entries(figures).map(
    ([name, value]) => `${name.padEnd(16)} ${typeof value === 'object' ? JSON.stringify(value) : value}`,
  );
  const told = violations.map(
    ({ kind, device, block, reason }) => `${kind}: ${device} block ${block}: ${reason}`,
  );
  const planned = (plan ?? []).map(
    ({ kind, atMs, lastsMs, shard, side, index }) =>
      `planned: ${atMs} ms for ${lastsMs} ms: ${kind} ${shard}/${side}/${index}`,
  );
  return `${[...lines, ...told, ...planned].join('\n')}\n`;
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new RangeError(`${flag} must be a number above 0, found '${text}'`);
}
