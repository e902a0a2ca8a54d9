/** What etcd of one zone holds of a volume, as zod schemas. */
import { z } from 'zod';
import { toldCutsMax } from './decide-told-cuts.ts';

const millis = z.number().int().min(0);
const count = z.number().int().min(0);
/** Of a JavaScript date. */
const dateMax = 8_640_000_000_000_000;
const text = z.string().min(1);
const id = z.string().regex(/^[A-Za-z0-9_:-]{1,64}$/, 'expected 1 to 64 of A-Z a-z 0-9 _ : -');

/** As the setting of all volumes of a manager. */
export const bandwidthMibMax = 65_536;

/** Ended generations that a volume remembers; each stands for one promote. */
export const lineageMax = 64;

/**
 * One life of a volume under one primary: raised by each promote, and held by the zone that was promoted. `incarnation`: of the
 * volume, so that one that was disabled and enabled again is not taken for what it was.
 */
export const generationSchema = z.looseObject({
  number: count,
  zone: id,
  incarnation: z
    .string()
    .regex(/^[A-Za-z0-9_-]{0,32}$/)
    .default(''),
});
export type Generation = z.infer<typeof generationSchema>;

/**
 * A segment of the log of a vdisk, told from every other that has its number: a log that lost its end gives numbers, of
 * segments and of records, a second time.
 */
export const logSegmentSchema = z.looseObject({
  number: z.number().int().min(1),
  epoch: count,
  /** Its last record, or the one before its first where it has none. */
  last: count,
  /** When its last record was taken. */
  at: millis,
  /** The record with which the base begins that it builds on. */
  base: count,
});
export type LogSegment = z.infer<typeof logSegmentSchema>;

const known = logSegmentSchema.nullable().default(null);

/** A place in a log: a record, and the segment that ends with it. */
export interface LogEnd {
  readonly sequence: number;
  /** Null: not known. */
  readonly segment: LogSegment | null;
}

/** A generation that is over, and the last record of it that the next one builds on, in the log of the zone that held it. */
export const endedGenerationSchema = z.looseObject({
  generation: generationSchema,
  ends: count,
  segment: known,
});
export type EndedGeneration = z.infer<typeof endedGenerationSchema>;

/**
 * How a volume is copied to the other zone. `instant`: its log is followed; `one-time`: once for each order; `periodic`: by a
 * schedule.
 */
export const volumeModes = ['none', 'instant', 'one-time', 'periodic'] as const;
export type VolumeMode = (typeof volumeModes)[number];

/**
 * `serving`: it is the primary. Of a secondary, `settling`: it was the primary, and how far its own log goes is not known yet;
 * `waiting`: it holds a complete state, and nobody is there to follow; `copying`: a state is being copied, and is not complete;
 * `following`: complete, and kept up to date; `split`: it has writes that the other zone lacks, and the other way round;
 * `resyncing`: an operator has given up its own writes, and those of the other zone are being brought over, not complete yet.
 */
export const volumePhases = [
  'serving',
  'settling',
  'waiting',
  'copying',
  'following',
  'split',
  'resyncing',
] as const;
export type VolumePhase = (typeof volumePhases)[number];

/** What both zones wrote after they parted. */
export const divergenceSchema = z.looseObject({
  /** The other zone, and its generation. */
  other: generationSchema,
  /** Last record both have in common, in the log of the zone that held its generation; null: none is known. */
  fork: z.looseObject({ generation: generationSchema, sequence: count }).nullable(),
  /** Records that this zone wrote past it; null: not known. */
  records: count.nullable(),
  at: millis,
});
export type Divergence = z.infer<typeof divergenceSchema>;

/** How what comes over from the primary may be compressed. */
export const linkCompressions = ['none', 'brotli'] as const;
export type LinkCompression = (typeof linkCompressions)[number];

/** How a volume comes over; `bandwidthMib`: MiB a second at most, 0 = no limit of its own. */
export const volumeLinkSchema = z.looseObject({
  bandwidthMib: z.number().int().min(0).max(bandwidthMibMax),
  compression: z.enum(linkCompressions),
});
export type VolumeLink = z.infer<typeof volumeLinkSchema>;

export const unlimitedLink: VolumeLink = { bandwidthMib: 0, compression: 'none' };

/** What becomes of slots when nobody was there: `skip`: nothing; `run-once`: one run for all of them. */
export const missedPolicies = ['skip', 'run-once'] as const;
export type MissedPolicy = (typeof missedPolicies)[number];

export const everyMsMin = 1_000;
export const everyMsMax: number = 366 * 86_400_000;

/** When a volume is synchronised: at `startAt`, and every so many milliseconds from there on; 0: once. */
export const volumeScheduleSchema = z.looseObject({
  everyMs: z.union([z.literal(0), z.number().int().min(everyMsMin).max(everyMsMax)]),
  startAt: millis.max(dateMax),
  missed: z.enum(missedPolicies),
});
export type VolumeSchedule = z.infer<typeof volumeScheduleSchema>;

/** How far a secondary is with its schedule. */
export const volumeSyncSchema = z.looseObject({
  /** The last slot that was dealt with; null: none of this schedule was. */
  slotAt: millis.nullable(),
  /** That is under way; null: none is. */
  run: z
    .looseObject({
      slotAt: millis,
      beganAt: millis,
      /** Up to which record, of the log of whoever holds that generation; null: the primary was not asked yet. */
      target: z.looseObject({ generation: generationSchema, sequence: count }).nullable(),
    })
    .nullable(),
  /** That were completed. */
  runs: count,
  /** Slots with nobody there. */
  missed: count,
  /** Slots that came while a run was under way. */
  overlaps: count,
  /** The last run that was completed. */
  last: z.looseObject({ slotAt: millis, beganAt: millis, endedAt: millis, sequence: count }).nullable(),
});
export type VolumeSync = z.infer<typeof volumeSyncSchema>;

/** A state of the primary that the secondary has reached; its number is never given again. */
export const replicationPointSchema = z.looseObject({
  generation: generationSchema,
  number: z.number().int().min(1),
  /** Of the log of the zone that holds the generation. */
  sequence: count,
  /** The record of this zone's own log with which its vdisk had reached that state. */
  ownSequence: count,
  /** When its last write was made, by the clock of the primary. */
  writtenAt: millis,
  /** When it was complete here. */
  at: millis,
  /** That came over since the point before. */
  bytes: count.default(0),
  /** When the first of these did; null: not known. */
  beganAt: millis.nullable().default(null),
});
export type ReplicationPoint = z.infer<typeof replicationPointSchema>;

/** A complete state that is being written over, and can be brought back from this zone's own log. */
export const keptStateSchema = z.looseObject({
  generation: generationSchema,
  lineage: z.array(endedGenerationSchema).max(lineageMax),
  /** Of the log of the zone that holds the generation. */
  sequence: count,
  segment: known,
  /** The record of this zone's own log with which its vdisk was in that state; null: nothing was written over it yet. */
  ownSequence: count.nullable(),
  /** The segment of this zone's own log that ends with it. */
  ownSegment: known,
});
export type KeptState = z.infer<typeof keptStateSchema>;

/**
 * How a whole volume is brought over: `since-fork`: blocks that either log names behind the fork; `compare`: hashes of all
 * blocks; `replay`: the log of the primary, newest block first.
 */
export const copyWays = ['since-fork', 'compare', 'replay'] as const;
export type CopyWay = (typeof copyWays)[number];

/** The last copy of everything. */
export const volumeCopySchema = z.looseObject({
  way: z.enum(copyWays),
  /** Why that way, a sentence. */
  reason: z.string(),
  /** That is copied. */
  generation: generationSchema,
  /** Of a comparison: what the other zone writes behind this place of its log is applied once all blocks were compared. */
  behind: z
    .looseObject({
      sequence: count,
      segment: logSegmentSchema,
      /** Of each shard of the other zone: the batch that its log has up to there. */
      positions: z.array(z.looseObject({ shard: count, batch: count })),
      /** The copies on the engines there that are read. */
      image: z.string(),
    })
    .nullable(),
  /** Of a comparison: all blocks before this one are done. */
  next: count,
  blocks: count,
  sentBlocks: count,
  sentBytes: count,
  hashBytes: count,
  beganAt: millis,
  /** Null: it is not complete. */
  endedAt: millis.nullable(),
});
export type VolumeCopyState = z.infer<typeof volumeCopySchema>;

/** Cuts that the vdisk has stood at, and are remembered: a test failover takes one that all volumes have. */
export const reachedCutsMax = 16;

/** One moment of all volumes of a consistency group, as it is in the log of one of them. */
export const volumeCutSchema = z.looseObject({
  /** The same for all volumes of the group, and never given again. */
  id: z.string().regex(/^[A-Za-z0-9_:-]{1,64}$/),
  number: z.number().int().min(1),
  /** By the clock of the primary. */
  at: millis.max(dateMax),
  /** Whose log it is in. */
  generation: generationSchema,
  /** The last one before the cut. */
  segment: logSegmentSchema,
});
export type VolumeCut = z.infer<typeof volumeCutSchema>;

/** A cut that the vdisk of a secondary has stood at: the record of this zone's own log that stands for it. */
export const reachedCutSchema = volumeCutSchema
  .pick({ id: true, number: true, at: true })
  .extend({ ownSequence: count });
export type ReachedCut = z.infer<typeof reachedCutSchema>;

/** The consistency group that a volume is in. */
export const volumeGroupSchema = z.looseObject({
  /** `<plan>/<group>` */
  name: z.string().regex(/^[A-Za-z0-9_:-]{1,64}\/[A-Za-z0-9_:-]{1,64}$/),
  /** All of its volumes, this one too. */
  members: z.array(id).min(1).max(64),
  /** Of the newest cut that was heard of; cuts count up. */
  number: count.default(0),
  /** Cuts that were made here, as the primary or right after, oldest first. */
  made: z.array(volumeCutSchema).max(toldCutsMax).default([]),
  /** Of a secondary: cuts that this zone has whole of this volume, oldest first. */
  arrived: z.array(volumeCutSchema).max(toldCutsMax).default([]),
  /** Of a secondary: the newest cut that this zone has whole of all volumes; the vdisk goes up to there and no further. */
  released: volumeCutSchema.nullable().default(null),
  /** Of a secondary, oldest first. */
  reached: z.array(reachedCutSchema).max(reachedCutsMax).default([]),
  /** Why there is no newer cut, a sentence; empty: there is nothing to say. */
  reason: z.string().default(''),
  /** Since when it has been known that no cut can come as the group is, whatever time passes; null: one may. */
  hinderedAt: millis.nullable().default(null),
});
export type VolumeGroup = z.infer<typeof volumeGroupSchema>;

/** `/salvor/volumes/<volume>`. Times are Unix milliseconds. */
export const volumeSchema = z.looseObject({
  volume: id,
  vdisk: text,
  role: z.enum(['primary', 'secondary']),
  phase: z.enum(volumePhases),
  /** That its content belongs to; number 0: nothing was copied yet. */
  generation: generationSchema,
  /** The generations before, oldest first. */
  lineage: z.array(endedGenerationSchema).max(lineageMax),
  /** Of a primary: the last record of its own log before its generation. */
  begins: count,
  /** The segment of its own log that ends there. */
  begun: known,
  /** Of a secondary: how far it is in the log of the zone that holds its generation; null: it holds no complete state, or does not know. */
  sequence: count.nullable(),
  /** The segment of that log that it has last. */
  segment: known,
  /** Of a copy that is not complete: what was there before. */
  kept: keptStateSchema.nullable().default(null),
  /** Of a secondary: how everything was, or is being, brought over last. */
  copy: volumeCopySchema.nullable().default(null),
  /** The highest number of a generation that this zone ever heard of. */
  known: count,
  peer: id.nullable(),
  mode: z.enum(volumeModes),
  /** Ordered where it is primary; a secondary has it from there. */
  link: volumeLinkSchema.default(unlimitedLink),
  /** Of the modes that have one; from the primary as well. */
  schedule: volumeScheduleSchema.nullable().default(null),
  /** Of a secondary. */
  sync: volumeSyncSchema.nullable().default(null),
  /** A promote that was asked for and is not done yet. */
  promotion: z.looseObject({ operation: text, force: z.boolean(), at: millis }).nullable(),
  /** The latest time of a promote that the other zone was ever heard to have asked for: one that is asked for here is later. */
  promotionHeardAt: millis.default(0),
  divergence: divergenceSchema.nullable(),
  /** The other zone calls itself primary as well. */
  rival: z.looseObject({ generation: generationSchema, at: millis }).nullable(),
  /** What keeps it from going on. */
  trouble: z.looseObject({ code: text, reason: text, at: millis }).nullable(),
  point: replicationPointSchema.nullable(),
  group: volumeGroupSchema.nullable().default(null),
  changedAt: millis,
  reason: z.string(),
});
export type VolumeRecord = z.infer<typeof volumeSchema>;

/** `/salvor/vdisks/<id>/volume` */
export const vdiskVolumeSchema = z.looseObject({ volume: text });
