/** What etcd of one zone holds of a volume whose copies Ceph RBD mirroring makes. Times are Unix milliseconds. */
import { z } from 'zod';
import { formatRecord, parseRecord } from '../healing/record-text.ts';
import { rbdVolumeKey } from '../keys.ts';
import type { ConfigStore } from '../types.ts';

/** Orders whose end a volume remembers: the same one again gets the same answer. */
export const rbdDoneMax = 64;
/** Points that a volume remembers. */
export const rbdPointsMax = 64;

const millis = z.number().int().min(0);
const count = z.number().int().min(0);
const text = z.string().min(1);
/** An unsigned 64-bit number as text. */
const id64 = z.string().regex(/^\d{1,20}$/);

export const rbdVerbs = [
  'enable',
  'detach',
  'take-point',
  'promote',
  'demote',
  'resync',
  'test-clone',
  'remove-clone',
] as const;

const doneSchema = z.looseObject({
  operation: text,
  verb: z.enum(rbdVerbs),
  state: z.enum(['done', 'refused', 'unknown']),
  code: z.string(),
  reason: z.string(),
  made: z.string(),
});
export type RbdDone = z.infer<typeof doneSchema>;

const openSchema = z.looseObject({
  operation: text,
  verb: z.enum(rbdVerbs),
  /** The last thing that was begun; what it was for is in the order. */
  step: z.string(),
  order: z.looseObject({
    mode: z.string().default(''),
    force: z.boolean().default(false),
    /** A point, or a clone. */
    name: z.string().default(''),
  }),
  at: millis,
  /** What it waits for. */
  reason: z.string(),
  /** Of a resync: the image that is to go. */
  imageId: z.string().default(''),
});
export type RbdOpen = z.infer<typeof openSchema>;

const pointSchema = z.looseObject({
  number: z.number().int().min(1),
  /** Of the snapshot that a clone is made of. */
  name: text,
  /** Of the mirror snapshot in the cluster of the primary; null: not taken yet. */
  snapId: id64.nullable(),
  at: millis,
  operation: z.string(),
  /** All of it was seen in the other zone. */
  complete: z.boolean(),
});
export type RbdPoint = z.infer<typeof pointSchema>;

export const pointScheduleSchema = z.looseObject({
  everyMs: z.number().int().min(1_000),
  startAt: millis,
  /** What becomes of slots that passed while nobody was there. */
  missed: z.enum(['skip', 'run-once']),
  /** Points that the other zone lacks; from so many on none is taken. */
  backlogMax: z.number().int().min(1).max(64),
});
export type PointSchedule = z.infer<typeof pointScheduleSchema>;

export const pointSlotsSchema = z.looseObject({
  /** Number of the last slot that was dealt with; null: none yet. */
  last: count.nullable(),
  /** A run is due, and waits. */
  owed: z.boolean(),
  missed: count,
  coalesced: count,
});
export type PointSlots = z.infer<typeof pointSlotsSchema>;

/** `/salvor/rbd-volumes/<volume>` */
export const rbdVolumeSchema = z.looseObject({
  volume: text,
  pool: text,
  image: text,
  /** The image whose place `image`, a clone of a point of it, took; empty: none. */
  replaces: z.string().default(''),
  /** Null: not replicated. */
  mode: z.enum(['instant', 'one-time', 'periodic']).nullable(),
  /** Raised by each promote in this zone, above every one that it heard of. */
  generation: count,
  /** Never given again. */
  nextPoint: z.number().int().min(1),
  points: z.array(pointSchema).max(rbdPointsMax),
  schedule: pointScheduleSchema.nullable(),
  slots: pointSlotsSchema,
  open: openSchema.nullable(),
  done: z.array(doneSchema).max(rbdDoneMax),
  /** The last promote in this zone. */
  promotion: z
    .looseObject({ zone: text, at: millis, force: z.boolean(), snapId: id64.nullable(), generation: count })
    .nullable(),
  clones: z.array(z.looseObject({ name: text, point: text, at: millis, operation: text })),
  /** Images that keep what a resync would have lost, or a detach left. */
  kept: z.array(text),
});
export type RbdVolumeRecord = z.infer<typeof rbdVolumeSchema>;

export interface StoredRbdVolume {
  readonly record: RbdVolumeRecord;
  readonly revision: string;
}

/** Null: there is none. Throws StoreError, ConfigValueError. */
export async function readRbdVolume(
  store: Pick<ConfigStore, 'get'>,
  volume: string,
): Promise<StoredRbdVolume | null> {
  const key = rbdVolumeKey(volume);
  const entry = await store.get(key);
  if (entry === null) return null;
  return { record: parseRecord(rbdVolumeSchema, key, entry.value), revision: entry.revision };
}

/**
 * Stores it where it is as it was read.
 *
 * @param revision of what was read; `absent`: there was none
 * @returns its revision now; null: others were faster
 */
export async function writeRbdVolume(
  store: Pick<ConfigStore, 'transact'>,
  record: RbdVolumeRecord,
  revision: string,
): Promise<string | null> {
  const key = rbdVolumeKey(record.volume);
  const value = formatRecord(rbdVolumeSchema, key, record);
  const result = await store.transact({ compare: [{ key, revision }], puts: [{ key, value }] });
  return result.ok ? result.revision : null;
}
