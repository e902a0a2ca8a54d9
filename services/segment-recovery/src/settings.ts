import { integer, list, orElse, type Setting } from '@salvor/service-kit';
import { engineLoginSettings } from '@salvor/vdisk';

/** What a segment-recovery is configured with, beside what every service has. */
export const segmentRecoverySettings: typeof engineLoginSettings & {
  segmentContainerMib: Setting<number>;
  segmentReplicas: Setting<number>;
  segmentsAtOnce: Setting<number>;
  treeMemoryMib: Setting<number>;
  treeRoots: Setting<string[]>;
  engineTimeoutMs: Setting<number>;
} = {
  segmentContainerMib: {
    schema: orElse(integer(1, 1_048_576), 64),
    help: 'room of the stream of a container, at least; it gets twice what its segments hold',
    example: '64',
  },
  segmentReplicas: {
    schema: orElse(integer(1, 5), 1),
    help: 'copies of each stream of segments in a cluster of NATS servers',
    example: '3',
  },
  segmentsAtOnce: {
    schema: orElse(integer(1, 256), 16),
    help: 'segments that are written at once',
    example: '16',
  },
  treeMemoryMib: {
    schema: orElse(integer(64, 65_536), 300),
    help: 'MiB of memory for what is known of a tree; a tree that needs more is refused',
    example: '300',
  },
  treeRoots: {
    schema: orElse(list('a comma-separated list of absolute paths'), ['/']),
    help: 'directories in which commands may name trees and folders for backups, comma-separated',
    example: '/mnt/tier2,/var/backups',
  },
  engineTimeoutMs: {
    schema: orElse(integer(50, 60_000), 2_000),
    help: 'bound of a call to a storage engine',
    example: '2000',
  },
  ...engineLoginSettings,
};
