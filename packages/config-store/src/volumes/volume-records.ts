/** What etcd of one zone holds of a volume, as zod schemas. */
import { z } from 'zod';

const millis = z.number().int().min(0);
const count = z.number().int().min(0);
const text = z.string().min(1);
const id = z.string().regex(/^[A-Za-z0-9_:-]{1,64}$/, 'expected 1 to 64 of A-Z a-z 0-9 _ : -');

/** Ended generations that a volume remembers; each stands for one promote. */
export const lineageMax = 64;

/** One life of a volume under one primary: raised by each promote, and held by the zone that was promoted. */
export const generationSchema = z.looseObject({ number: count, zone: id });
export type Generation = z.infer<typeof generationSchema>;

/** A generation that is over, and the last record of it that the next one builds on, in the log of the zone that held it. */
export const endedGenerationSchema = z.looseObject({ generation: generationSchema, ends: count });
export type EndedGeneration = z.infer<typeof endedGenerationSchema>;

/** How a volume is copied to the other zone. */
export const volumeModes = ['none', 'instant'] as const;
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
});
export type ReplicationPoint = z.infer<typeof replicationPointSchema>;

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
  /** Of a secondary: how far it is in the log of the zone that holds its generation; null: it holds no complete state, or does not know. */
  sequence: count.nullable(),
  /** The highest number of a generation that this zone ever heard of. */
  known: count,
  peer: id.nullable(),
  mode: z.enum(volumeModes),
  /** A promote that was asked for and is not done yet. */
  promotion: z.looseObject({ operation: text, force: z.boolean(), at: millis }).nullable(),
  divergence: divergenceSchema.nullable(),
  /** The other zone calls itself primary as well. */
  rival: z.looseObject({ generation: generationSchema, at: millis }).nullable(),
  /** What keeps it from going on. */
  trouble: z.looseObject({ code: text, reason: text, at: millis }).nullable(),
  point: replicationPointSchema.nullable(),
  changedAt: millis,
  reason: z.string(),
});
export type VolumeRecord = z.infer<typeof volumeSchema>;

/** `/salvor/vdisks/<id>/volume` */
export const vdiskVolumeSchema = z.looseObject({ volume: text });
