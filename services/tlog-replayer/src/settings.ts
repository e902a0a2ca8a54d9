import { integer, orElse, type Setting } from '@salvor/service-kit';
import { tlogStoreSettings } from '@salvor/tlog';
import { engineLoginSettings } from '@salvor/vdisk';

/** What a tlog-replayer is configured with, beside what every service has. */
export const replayerSettings: typeof engineLoginSettings &
  typeof tlogStoreSettings & {
    engineTimeoutMs: Setting<number>;
    replaysAtOnce: Setting<number>;
    replayBandwidthMib: Setting<number>;
    archiveChunkMib: Setting<number>;
    archiveMaxAgeMs: Setting<number>;
    archivePollMs: Setting<number>;
    archiveMemoryMib: Setting<number>;
    retainMs: Setting<number>;
    retainPoints: Setting<number>;
    retainPointEveryMs: Setting<number>;
    compactIntervalMs: Setting<number>;
    configurationIntervalMs: Setting<number>;
  } = {
  engineTimeoutMs: {
    schema: orElse(integer(50, 60_000), 2_000),
    help: 'bound of a call to a storage engine',
    example: '2000',
  },
  ...engineLoginSettings,
  ...tlogStoreSettings,
  replaysAtOnce: {
    schema: orElse(integer(1, 64), 4),
    help: 'vdisks that are brought back at once',
    example: '4',
  },
  replayBandwidthMib: {
    schema: orElse(integer(0, 65_536), 0),
    help: 'MiB a second that replays, rollbacks and clones of this process bring back, or read again, at most; 0 = no limit',
    example: '200',
  },
  archiveChunkMib: {
    schema: orElse(integer(1, 256), 16),
    help: 'MiB of a chunk in Tier-2',
    example: '16',
  },
  archiveMaxAgeMs: {
    schema: orElse(integer(50, 3_600_000), 60_000),
    help: 'what is in Tier-1 alone for so long is archived, however little it is',
    example: '60000',
  },
  archivePollMs: {
    schema: orElse(integer(20, 60_000), 1_000),
    help: 'pause between two looks at Tier-1',
    example: '1000',
  },
  archiveMemoryMib: {
    schema: orElse(integer(16, 65_536), 256),
    help: 'MiB that chunks which are not full yet may take in memory, all vdisks together; beyond that they are written early',
    example: '256',
  },
  retainMs: {
    schema: orElse(integer(0, 31_536_000_000), 604_800_000),
    help: 'every state of a vdisk that is younger can be restored; 0 = only the newest for certain',
    example: '604800000',
  },
  retainPoints: {
    schema: orElse(integer(0, 1_000), 0),
    help: 'how many older states can be restored beside those that have a name',
    example: '30',
  },
  retainPointEveryMs: {
    schema: orElse(integer(60_000, 31_536_000_000), 86_400_000),
    help: 'from one of these older states to the next',
    example: '86400000',
  },
  compactIntervalMs: {
    schema: orElse(integer(50, 86_400_000), 3_600_000),
    help: 'pause between two looks for archived logs that are worth to be compacted',
    example: '3600000',
  },
  configurationIntervalMs: {
    schema: orElse(integer(50, 60_000), 5_000),
    help: 'pause between two looks at the configuration in etcd, whose changes are kept in Tier-2',
    example: '5000',
  },
};
