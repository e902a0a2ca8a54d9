import { integer, orElse, type Setting, text } from '@salvor/service-kit';
import { type TlogStoreSettings, tlogStoreSettings } from '@salvor/tlog';
import { engineLoginSettings } from '@salvor/vdisk';
import { z } from 'zod';

/** Another zone, as this one reaches it. */
export interface PeerZone extends TlogStoreSettings {
  readonly zone: string;
  readonly natsServers: readonly string[];
  readonly natsCreds: string;
  readonly natsNkeySeed: string;
  readonly natsTlsCa: string;
  readonly natsTlsCert: string;
  readonly natsTlsKey: string;
}

const peerSchema = z.strictObject({
  zone: z.string().regex(/^[A-Za-z0-9_:-]{1,64}$/, 'expected 1 to 64 of A-Z a-z 0-9 _ : -'),
  natsServers: z.array(z.string().min(1)).min(1),
  natsCreds: z.string().default(''),
  natsNkeySeed: z.string().default(''),
  natsTlsCa: z.string().default(''),
  natsTlsCert: z.string().default(''),
  natsTlsKey: z.string().default(''),
  tlogStore: z.string().default(''),
  tlogStoreEndpoint: z.string().default(''),
  tlogStoreRegion: z.string().default(''),
  tlogStoreAccessKey: z.string().default(''),
  tlogStoreSecretKey: z.string().default(''),
});

const peersSchema = z
  .array(peerSchema)
  .refine((peers) => new Set(peers.map(({ zone }) => zone)).size === peers.length, 'expected each zone once');

/** Where an archive keeps what it holds. */
export interface ArchiveSettings extends TlogStoreSettings {
  readonly archive: string;
}

const archivesSchema = z
  .array(
    z.strictObject({
      archive: z.string().regex(/^[A-Za-z0-9_:-]{1,64}$/, 'expected 1 to 64 of A-Z a-z 0-9 _ : -'),
      tlogStore: z.string().min(1),
      tlogStoreEndpoint: z.string().default(''),
      tlogStoreRegion: z.string().default(''),
      tlogStoreAccessKey: z.string().default(''),
      tlogStoreSecretKey: z.string().default(''),
    }),
  )
  .refine(
    (all) => new Set(all.map(({ archive }) => archive)).size === all.length,
    'expected each archive once',
  );

/** A Ceph cluster whose images are volumes of a zone, as it is reached from here. */
export interface RbdClusterSettings {
  readonly zone: string;
  readonly conf: string;
  /** Without `client.`. */
  readonly user: string;
  readonly pool: string;
  readonly program: string;
}

const rbdClustersSchema = z
  .array(
    z.strictObject({
      zone: z.string().regex(/^[A-Za-z0-9_:-]{1,64}$/, 'expected 1 to 64 of A-Z a-z 0-9 _ : -'),
      conf: z.string().regex(/^\//, 'expected an absolute path'),
      user: z.string().min(1).default('admin'),
      pool: z.string().regex(/^[^/@\s]+$/, 'expected the name of a pool'),
      program: z.string().min(1).default('rbd'),
    }),
  )
  .refine((all) => new Set(all.map(({ zone }) => zone)).size === all.length, 'expected each zone once');

/** What a replication-manager is configured with, beside what every service has. */
export const managerSettings: typeof engineLoginSettings &
  typeof tlogStoreSettings & {
    zone: Setting<string>;
    zonePeers: Setting<PeerZone[]>;
    engineTimeoutMs: Setting<number>;
    replicationBandwidthMib: Setting<number>;
    returnHoldMs: Setting<number>;
    groupHeldMib: Setting<number>;
    groupHinderedSeconds: Setting<number>;
    archives: Setting<ArchiveSettings[]>;
    archiveChunkMib: Setting<number>;
    archiveMaxAgeMs: Setting<number>;
    archiveCompactIntervalMs: Setting<number>;
    rbdClusters: Setting<RbdClusterSettings[]>;
    rbdIntervalMs: Setting<number>;
  } = {
  zone: {
    schema: text('the name of this zone'),
    help: 'name of this zone',
    example: 'north',
  },
  zonePeers: {
    schema: orElse(fromJson(peersSchema), []),
    help: 'the other zones, as JSON: zone, natsServers, natsCreds (a path), natsNkeySeed, natsTlsCa, natsTlsCert, natsTlsKey (paths), tlogStore and its keys where they are needed',
    secret: true,
    example: '[{"zone":"south","natsServers":["10.2.0.1:4222"]}]',
  },
  engineTimeoutMs: {
    schema: orElse(integer(50, 60_000), 2_000),
    help: 'bound of a call to a storage engine',
    example: '2000',
  },
  ...engineLoginSettings,
  ...tlogStoreSettings,
  replicationBandwidthMib: {
    schema: orElse(integer(0, 65_536), 0),
    help: 'MiB a second that copies of whole volumes bring over, all volumes together; 0 = no limit',
    example: '200',
  },
  returnHoldMs: {
    schema: orElse(integer(0, 3_600_000), 60_000),
    help: 'a primary whose other zone does not answer is taken by no server before this long after a manager began to ask',
    example: '60000',
  },
  groupHeldMib: {
    schema: orElse(integer(1, 65_536), 64),
    help: 'MiB of a volume in a consistency group that wait for a cut at most; then it goes on without one, up to the next',
    example: '64',
  },
  groupHinderedSeconds: {
    schema: orElse(integer(1, 86_400), 600),
    help: 'a volume in a consistency group that cannot cut as it is goes on without cuts after so long',
    example: '600',
  },
  archives: {
    schema: orElse(fromJson(archivesSchema), []),
    help: 'the archives that this process writes, as JSON: archive (its name), tlogStore (an absolute folder, or s3://<bucket>[/<prefix>]) and its keys where they are needed',
    secret: true,
    example: '[{"archive":"a1","tlogStore":"/var/lib/salvor/a1"}]',
  },
  archiveChunkMib: {
    schema: orElse(integer(1, 256), 16),
    help: 'MiB of a chunk in an archive',
    example: '16',
  },
  archiveMaxAgeMs: {
    schema: orElse(integer(50, 3_600_000), 15_000),
    help: 'what an archive has read of a log for so long is stored, however little it is',
    example: '15000',
  },
  archiveCompactIntervalMs: {
    schema: orElse(integer(50, 86_400_000), 3_600_000),
    help: 'pause between two looks for what an archive need not keep any more',
    example: '3600000',
  },
  rbdClusters: {
    schema: orElse(fromJson(rbdClustersSchema), []),
    help: 'the Ceph clusters of this zone and of the others, as JSON: zone, conf (a path), user (default admin), pool, program (default rbd)',
    example: '[{"zone":"north","conf":"/etc/ceph/ceph.conf","pool":"vol"}]',
  },
  rbdIntervalMs: {
    schema: orElse(integer(50, 3_600_000), 5_000),
    help: 'pause between two looks at a volume of driver rbd',
    example: '5000',
  },
};

/** A list as JSON text, or as it stands in a settings file. */
function fromJson<T>(schema: z.ZodType<T>): z.ZodType<T> {
  return z.preprocess((value) => {
    if (typeof value !== 'string') return value;
    if (value.trim() === '') return [];
    try {
      return JSON.parse(value);
    } catch {
      return value;
    }
  }, schema) as unknown as z.ZodType<T>;
}
