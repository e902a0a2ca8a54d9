import { integer, orElse, type Setting } from '@salvor/service-kit';
import { engineLoginSettings } from '@salvor/vdisk';
import { z } from 'zod';

/** What a repair-coordinator is configured with, beside what every service has. */
export const coordinatorSettings: typeof engineLoginSettings & {
  engineTimeoutMs: Setting<number>;
  cloneBandwidthMib: Setting<number>;
  spreadAfterMs: Setting<number>;
  hooksFile: Setting<string>;
  tlogContainers: Setting<number>;
  natsMonitorUrl: Setting<string>;
  flappingFailures: Setting<number>;
  flappingWindowMs: Setting<number>;
  stuckRepairMs: Setting<number>;
  stuckVerdictMs: Setting<number>;
  stuckOperationMs: Setting<number>;
  stuckTakeoverMs: Setting<number>;
  stuckUnhealthyMs: Setting<number>;
  stuckArchiveMs: Setting<number>;
} = {
  engineTimeoutMs: {
    schema: orElse(integer(50, 60_000), 2_000),
    help: 'bound of a call to a storage engine',
    example: '2000',
  },
  cloneBandwidthMib: {
    schema: orElse(integer(0, 1_000_000), 128),
    help: 'MiB a second that all clones of this service together may read; 0 = no limit',
    example: '128',
  },
  spreadAfterMs: {
    schema: orElse(integer(-1, 604_800_000), 600_000),
    help: 'how long after a permanent verdict a spare is waited for before the blocks of the pair are spread over the other pairs; -1 = for ever',
    example: '600000',
  },
  ...engineLoginSettings,
  tlogContainers: {
    schema: orElse(integer(1, 256), 4),
    help: 'containers over which the transaction logs of vdisks that get one from now on are spread; as many as bus apply made',
    example: '4',
  },
  natsMonitorUrl: {
    schema: orElse(z.string(), ''),
    help: 'monitoring address of a nats-server, asked how it writes to its disks',
    example: 'http://127.0.0.1:8222',
  },
  flappingFailures: {
    schema: orElse(integer(0, 32), 6),
    help: 'failures of an engine within the window after which it is held offline until somebody acknowledges; 0 = never',
    example: '6',
  },
  flappingWindowMs: {
    schema: orElse(integer(1_000, 86_400_000), 600_000),
    help: 'window in which the failures of an engine are counted',
    example: '600000',
  },
  hooksFile: {
    schema: orElse(z.string(), ''),
    help: 'YAML or JSON file of the hooks; the same for every coordinator. Read again on SIGHUP',
    example: '/etc/salvor/hooks.yaml',
  },
  stuckRepairMs: stuckAfter(60_000, 'a repair that has made no progress, or waits for a spare'),
  stuckVerdictMs: stuckAfter(1_200_000, 'an outage that has no verdict'),
  stuckOperationMs: stuckAfter(300_000, 'an operation that has made no progress'),
  stuckTakeoverMs: stuckAfter(30_000, 'a takeover that has neither ended nor failed'),
  stuckUnhealthyMs: stuckAfter(60_000, 'a cluster that is unhealthy'),
  stuckArchiveMs: stuckAfter(60_000, 'a transaction log that cannot be archived'),
};

function stuckAfter(valueMs: number, what: string): Setting<number> {
  return {
    schema: orElse(integer(100, 86_400_000), valueMs),
    help: `${what} for so long raises an alert`,
    example: String(valueMs),
  };
}
