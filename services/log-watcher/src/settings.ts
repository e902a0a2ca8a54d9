import { isId } from '@salvor/contracts';
import { boolean, integer, orElse, type Setting, text } from '@salvor/service-kit';
import { z } from 'zod';
import { type SourceSpec, sourceList } from './source-spec.ts';

const MIB = 1024 * 1024;

/** What a log-watcher is configured with, beside what every service has. */
export const logWatcherSettings: {
  sources: Setting<SourceSpec[]>;
  stateDir: Setting<string>;
  watcherId: Setting<string>;
  stopChildren: Setting<boolean>;
  childStopTimeoutMs: Setting<number>;
  restartMaxMs: Setting<number>;
  repeatWindowMs: Setting<number>;
  maxSpoolBytes: Setting<number>;
} = {
  sources: {
    schema: sourceList,
    help: 'what to watch: a JSON array, or the path of a file that holds it; name = id of the server',
    example: '[{"kind":"spawn","name":"nbd-1","command":["node","services/nbd-server/dist/main.js"]}]',
  },
  stateDir: {
    schema: text('a directory for positions, spools and records of children'),
    help: 'where positions, spools and records of children are kept; one for each log-watcher',
    example: '/var/lib/salvor/log-watcher',
  },
  watcherId: {
    schema: orElse(
      z.string().refine((id) => id === '' || isId(id), 'expected 1 to 64 of A-Z a-z 0-9 _ : -'),
      '',
    ),
    help: 'with several log-watchers: the id under which source.list asks this one',
    example: 'host-1',
  },
  stopChildren: {
    schema: orElse(boolean(), true),
    help: 'whether an orderly stop ends the spawned servers; when not, the next start adopts them',
    example: 'true',
  },
  childStopTimeoutMs: {
    schema: orElse(integer(100, 15_000), 12_000),
    help: 'a spawned server that has not ended so long after SIGTERM is killed',
    example: '12000',
  },
  restartMaxMs: {
    schema: orElse(integer(100, 600_000), 10_000),
    help: 'a server that ends again and again is started again after at most so long',
    example: '10000',
  },
  repeatWindowMs: {
    schema: orElse(integer(0, 600_000), 5_000),
    help: 'a failure that a 0-Disk server prints again within so long is the same failure',
    example: '5000',
  },
  maxSpoolBytes: {
    schema: orElse(integer(1, 1024 * MIB), 16 * MIB),
    help: 'output of a spawned server that is read and acknowledged is thrown away when it is more than this',
    example: '16777216',
  },
};
