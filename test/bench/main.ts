/** Measurements, printed as JSON and always beside a peer measured in the same run: `npm run -s bench -- nbd --json`. */
import { parseArgs } from 'node:util';
import { runHistory } from '../history/run.ts';
import { benchCopy, copyTable } from './copy.ts';
import { benchDisaster, disasterOptions, disasterTable } from './disaster.ts';
import { historyOptions, historyTable } from './history.ts';
import { benchLayouts, layoutTable } from './layout.ts';
import { benchMany, manyOptions, manyTable } from './many.ts';
import { benchMemory, memoryOptions, memoryTable } from './memory.ts';
import { benchNbd, nbdTable } from './nbd.ts';
import { benchNodes, nodesTable } from './nodes.ts';
import { benchReplay, replayOptions, replayTable } from './replay.ts';
import { benchResync, resyncOptions, resyncTable } from './resync.ts';
import { benchRolling, rollingTable } from './rolling.ts';
import { benchScenarios, scenarioOptions, scenarioTable } from './scenarios.ts';
import { benchSegments, segmentsOptions, segmentsTable } from './segments.ts';
import { benchSoak, soakOptions, soakTable } from './soak.ts';
import { benchTlog, tlogTable } from './tlog.ts';
import { benchZones, zonesOptions, zonesTable } from './zones.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean' },
    rounds: { type: 'string' },
    seconds: { type: 'string', default: '2' },
    'fault-every': { type: 'string' },
    ...historyOptions,
    ...soakOptions,
    ...memoryOptions,
    ...manyOptions,
    ...replayOptions,
    ...scenarioOptions,
    ...disasterOptions,
    ...segmentsOptions,
    ...resyncOptions,
    ...zonesOptions,
  },
});
const [name] = positionals;
const progress = (line: string): boolean => process.stderr.write(`${line}\n`);
const print = (result: unknown, table: string): boolean =>
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : table);
switch (name) {
  case 'nbd': {
    const result = await benchNbd({
      rounds: Number(values.rounds ?? 5),
      seconds: Number(values.seconds),
      progress,
    });
    print(result, nbdTable(result));
    break;
  }
  case 'disaster': {
    const result = await benchDisaster({
      vdisks: positive('--vdisks', values.vdisks ?? '4'),
      kills: positive('--kills', values.kills ?? '20'),
      mib: positive('--mib', values.mib ?? '128'),
      progress,
    });
    print(result, disasterTable(result));
    if (result.broken.length > 0) process.exitCode = 1;
    break;
  }
  case 'segments': {
    const result = await benchSegments({
      segments: positive('--segments', values.segments ?? '100000'),
      containers: positive('--containers', values.containers ?? '16'),
      layout: values.layout === 'legacy' ? 'legacy' : 'chunked',
      recovers: values['no-recovery'] !== true,
      progress,
    });
    print(result, segmentsTable(result));
    if (result.broken.length > 0) process.exitCode = 1;
    break;
  }
  case 'resync': {
    const shares = (values.changed ?? '0.1,1').split(',').map((share) => positive('--changed', share));
    const result = await benchResync({
      gib: Math.ceil(positive('--size-mib', values['size-mib'] ?? '1024') / 1024),
      ...{ changed: shares, progress },
    });
    print(result, resyncTable(result));
    if (result.broken.length > 0) process.exitCode = 1;
    break;
  }
  case 'copy': {
    const result = await benchCopy({ rounds: Number(values.rounds ?? 5), progress });
    print(result, copyTable(result));
    break;
  }
  case 'layout': {
    const result = await benchLayouts({
      rounds: Number(values.rounds ?? 5),
      seconds: Number(values.seconds),
      progress,
    });
    print(result, layoutTable(result));
    break;
  }
  case 'soak': {
    const result = await benchSoak({
      minutes: positive('--minutes', values.minutes ?? '30'),
      faultEveryMs: positive('--fault-every', values['fault-every'] ?? '10') * 1_000,
      killServer: values['kill-server'] ?? false,
      progress,
    });
    print(result, soakTable(result));
    if (result.broken.length > 0) process.exitCode = 1;
    break;
  }
  case 'history': {
    const result = await runHistory({
      operations: positive('--operations', values.operations ?? '10000000'),
      seed: positive('--seed', values.seed ?? String(Date.now() % 0xffff_ffff)),
      faultEveryMs: positive('--fault-every', values['fault-every'] ?? '5') * 1_000,
      progress,
    });
    print(result, historyTable(result));
    if (result.violationCount > 0) process.exitCode = 1;
    break;
  }
  case 'memory': {
    const result = await benchMemory({
      exports: positive('--exports', values.exports ?? '1000'),
      connections: positive('--connections', values.connections ?? '64'),
      progress,
    });
    print(result, memoryTable(result));
    if (result.broken.length > 0) process.exitCode = 1;
    break;
  }
  case 'many': {
    const result = await benchMany({
      pairs: positive('--pairs', values.pairs ?? '50'),
      vdisks: positive('--vdisks', values.vdisks ?? '1000'),
      mounted: positive('--mounted', values.mounted ?? '200'),
      progress,
    });
    print(result, manyTable(result));
    if (result.broken.length > 0) process.exitCode = 1;
    break;
  }
  case 'replay': {
    const result = await benchReplay({
      sizeMib: positive('--size-mib', values['size-mib'] ?? '1024'),
      times: positive('--times', values.times ?? '8'),
      rounds: Number(values.rounds ?? 3),
      progress,
    });
    print(result, replayTable(result));
    if (result.broken.length > 0) process.exitCode = 1;
    break;
  }
  case 'tlog': {
    const result = await benchTlog({
      rounds: Number(values.rounds ?? 5),
      seconds: Number(values.seconds),
      progress,
    });
    print(result, tlogTable(result));
    break;
  }
  case 'zones': {
    const result = await benchZones({
      rounds: Number(values.rounds ?? 5),
      seconds: positive('--seconds', values.seconds),
      perSecond: positive('--writes-per-second', values['writes-per-second'] ?? '5000'),
      progress,
    });
    print(result, zonesTable(result));
    if (result.broken.length > 0) process.exitCode = 1;
    break;
  }
  case 'nodes': {
    const result = await benchNodes({
      seconds: positive('--seconds', values.seconds),
      perSecond: positive('--writes-per-second', values['writes-per-second'] ?? '400'),
      progress,
    });
    print(result, nodesTable(result));
    if (result.broken.length > 0) process.exitCode = 1;
    break;
  }
  case 'rolling': {
    const result = await benchRolling(progress);
    print(result, rollingTable(result));
    if (result.broken.length > 0) process.exitCode = 1;
    break;
  }
  case 'scenarios': {
    const result = await benchScenarios({ only: values.only, progress });
    print(result, scenarioTable(result));
    if (result.rows.some(({ okay }) => !okay)) process.exitCode = 1;
    break;
  }
  default:
    process.stderr.write(
      `bench: expected one of: copy, nbd, layout, soak, memory, history, many, replay, resync, disaster, tlog, zones, nodes, rolling, scenarios; found ${name ?? 'nothing'}\n`,
    );
    process.exitCode = 2;
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new RangeError(`${flag} must be a number above 0, found '${text}'`);
}
