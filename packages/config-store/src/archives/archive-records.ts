/** What etcd holds of a volume in an archive, as zod schemas. */
import { z } from 'zod';
import { logSegmentSchema } from '../volumes/volume-records.ts';

const millis = z.number().int().min(0);
const count = z.number().int().min(0);
const text = z.string().min(1);
const id = z.string().regex(/^[A-Za-z0-9_:-]{1,64}$/, 'expected 1 to 64 of A-Z a-z 0-9 _ : -');

/** Snapshots of a volume in one archive. */
export const archiveSnapshotsMax = 1_000;
/** Stretches without a restorable state that are remembered. */
export const archiveHolesMax = 64;

/** Where its content comes from: the log of the volume in a zone, or what another archive of this zone holds. */
export const archiveSourceSchema = z.union([
  z.looseObject({ kind: z.literal('zone'), zone: id }),
  z.looseObject({ kind: z.literal('archive'), archive: id }),
]);
export type ArchiveSource = z.infer<typeof archiveSourceSchema>;

/** A segment of the source, and the number and the last record that it has in the archive. */
export const archivePlaceSchema = z.looseObject({
  segment: logSegmentSchema,
  number: count,
  sequence: count,
});
export type ArchivePlace = z.infer<typeof archivePlaceSchema>;

const positionsSchema = z.array(z.looseObject({ shard: count, batch: count }));

/** A comparison with the primary that is under way. */
export const archiveBackupSchema = z.looseObject({
  /** `full`: with nothing; `hash`: with what the archive holds. */
  way: z.enum(['full', 'hash']),
  reason: z.string(),
  beganAt: millis,
  /** First block that is not compared yet. */
  next: count,
  blocks: count,
  sentBlocks: count,
  sentBytes: count,
  hashBytes: count,
  /** Of a full backup: the record with which its base begins; null: it is written with the first block. */
  base: count.nullable().default(null),
  /** Of the log of the primary when it began, and which engines are compared with; null: it has not begun. */
  behind: z
    .looseObject({
      segment: logSegmentSchema,
      positions: positionsSchema,
      image: z.string(),
    })
    .nullable()
    .default(null),
  /** What was on the engines when the last block had been read: the state is clean once the log has all of it. */
  until: positionsSchema.nullable().default(null),
  /** Number of the segment without records that says so, once it is about to be written. */
  mark: count.nullable().default(null),
});
export type ArchiveBackup = z.infer<typeof archiveBackupSchema>;

/** A named state: `promised` until the archive has it, `lost` when it will never have it. */
export const archiveSnapshotSchema = z.looseObject({
  name: text,
  state: z.enum(['promised', 'restorable', 'lost']),
  /** Backups that the archive had seen complete: a sequence is one of that generation. */
  generation: count,
  /** Last record of it, in the log of the source. */
  source: count,
  /** In the archive; null: not there yet. */
  sequence: count.nullable().default(null),
  at: millis,
});
export type ArchiveSnapshot = z.infer<typeof archiveSnapshotSchema>;

export const archiveRetentionSchema = z.looseObject({
  /** Every state that is younger can be restored. */
  everyStateMs: millis,
  /** Of older ones, so many: one each `pointEveryMs`. */
  points: z.number().int().min(0).max(1_000),
  pointEveryMs: z.number().int().min(1_000),
});
export type ArchiveRetention = z.infer<typeof archiveRetentionSchema>;

/** A stretch of time without a state that can be restored. */
export const archiveHoleSchema = z.looseObject({
  from: millis,
  to: millis.nullable().default(null),
  reason: z.string(),
});

export const archiveRoles = ['primary', 'secondary'] as const;
export type ArchiveRole = (typeof archiveRoles)[number];

/**
 * `backup`: what the primary has is compared, and what differs is taken; `following`: the log is taken as it comes; `stopped`:
 * nothing comes until it is started again.
 */
export const archivePhases = ['backup', 'following', 'stopped'] as const;
export type ArchivePhase = (typeof archivePhases)[number];

/** `/salvor/archives/<archive>/<volume>` */
export const archiveSchema = z.looseObject({
  archive: id,
  volume: id,
  role: z.enum(archiveRoles),
  source: archiveSourceSchema,
  phase: z.enum(archivePhases),
  reason: z.string(),
  /** Backups that are complete; a name and a sequence are of one of them. */
  generation: count,
  backup: archiveBackupSchema.nullable().default(null),
  place: archivePlaceSchema.nullable().default(null),
  /** Of the folder that holds it: a copy of another archive begins in an empty one. */
  lineage: count.default(0),
  /** Of whoever writes it: raised whenever one begins. */
  epoch: count.default(0),
  /** Archives that have the same one have the same segments under the same numbers; null: a copy that has nothing yet. */
  history: z.string().nullable().default(''),
  /** Histories that it went on from, oldest first: what is up to that segment, they have as well. */
  forks: z.array(z.looseObject({ history: z.string(), number: count })).default([]),
  /** Of the vdisk; 0: not known yet. */
  sizeBytes: count.default(0),
  blockSize: count.default(0),
  /** Record of the archive with which its newest complete base begins; 0: none is complete. */
  base: count.default(0),
  /** What the source had, and has no more, before it was taken: nothing is protected until a backup is complete. */
  overflow: z.looseObject({ at: millis, reason: z.string() }).nullable().default(null),
  /** Why nothing comes at the moment. */
  trouble: z
    .looseObject({ code: text, reason: z.string(), at: millis, tries: count })
    .nullable()
    .default(null),
  /** What was there and is lost. */
  lost: z.looseObject({ at: millis, reason: z.string() }).nullable().default(null),
  holes: z.array(archiveHoleSchema).max(archiveHolesMax).default([]),
  snapshots: z.array(archiveSnapshotSchema).max(archiveSnapshotsMax).default([]),
  retention: archiveRetentionSchema,
  /** Raised by each kick: whoever waits tries again at once. */
  kicks: count.default(0),
  /** When the last write was made that it holds, by the clock of the source; 0: not known. */
  writtenAt: millis.default(0),
  /** Everything that the source had when it was last looked at is held; since when. */
  levelAt: millis.nullable().default(null),
  changedAt: millis,
});
export type ArchiveRecord = z.infer<typeof archiveSchema>;

export const defaultArchiveRetention: ArchiveRetention = {
  everyStateMs: 604_800_000,
  points: 30,
  pointEveryMs: 86_400_000,
};
