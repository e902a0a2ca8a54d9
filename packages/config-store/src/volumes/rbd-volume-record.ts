/** What etcd of one zone holds of a volume whose copies Ceph RBD mirroring makes. Times are Unix milliseconds. */
import { z } from 'zod';
import { ConfigValueError } from '../errors.ts';
import { formatRecord, parseRecord } from '../healing/record-text.ts';
import { RBD_VOLUMES_PREFIX, rbdVolumeKey } from '../keys.ts';
import type { Compare, ConfigStore } from '../types.ts';

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

/** Orders that a volume holds before they are begun. */
export const rbdOrdersMax = 16;

/** An order that was given, and has not ended. */
const orderSchema = openSchema
  .pick({ operation: true, verb: true, order: true, at: true, reason: true })
  .extend({
    /** Of a detach: with its end the volume is one no more. */
    forget: z.boolean().default(false),
  });
export type RbdOrder = z.infer<typeof orderSchema>;

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
  /** Points that were begun because a slot was due. */
  runs: count.default(0),
});
export type PointSlots = z.infer<typeof pointSlotsSchema>;

/** `/salvor/rbd-volumes/<volume>` */
export const rbdVolumeSchema = z.looseObject({
  volume: text,
  pool: text,
  image: text,
  /** The image whose place `image`, a clone of a point of it, took; empty: none. */
  replaces: z.string().default(''),
  /** The other zone; null: none is named yet. */
  peer: text.nullable().default(null),
  /** It was enabled as the copy of the other zone. */
  follows: z.boolean().default(false),
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
  /** Oldest first; the manager that keeps the volume carries them out. */
  orders: z.array(orderSchema).max(rbdOrdersMax).default([]),
  done: z.array(doneSchema).max(rbdDoneMax),
  /** The last promote in this zone. */
  promotion: z
    .looseObject({ zone: text, at: millis, force: z.boolean(), snapId: id64.nullable(), generation: count })
    .nullable(),
  clones: z.array(z.looseObject({ name: text, point: text, at: millis, operation: text })),
  /** Images that keep what a resync would have lost, or a detach left. */
  kept: z.array(text),
  changedAt: millis.default(0),
});
export type RbdVolumeRecord = z.infer<typeof rbdVolumeSchema>;

export interface StoredRbdVolume {
  readonly record: RbdVolumeRecord;
  readonly revision: string;
}

/** A volume of which nothing is known yet but its image. */
export function newRbdVolume(
  at: Pick<RbdVolumeRecord, 'volume' | 'pool' | 'image'> & Partial<RbdVolumeRecord>,
): RbdVolumeRecord {
  return {
    ...{ replaces: '', peer: null, follows: false, mode: null, generation: 0, nextPoint: 1, points: [] },
    ...{ schedule: null, slots: { last: null, owed: false, missed: 0, coalesced: 0, runs: 0 } },
    ...{ open: null, orders: [], done: [], promotion: null, clones: [], kept: [], changedAt: 0 },
    ...at,
  };
}

/**
 * All of this zone, by name.
 *
 * @param bad told of each record that cannot be used
 * @throws StoreError
 */
export async function listRbdVolumes(
  store: Pick<ConfigStore, 'list'>,
  bad: (error: ConfigValueError) => void,
): Promise<RbdVolumeRecord[]> {
  const { entries } = await store.list(RBD_VOLUMES_PREFIX);
  return entries.flatMap(({ key, value }) => {
    try {
      return parseRecord(rbdVolumeSchema, key, value);
    } catch (error) {
      if (!(error instanceof ConfigValueError)) throw error;
      bad(error);
      return [];
    }
  });
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
 * @param record null: it is there no more
 * @param revision of what was read; `absent`: there was none
 * @param compare must hold as well: the right of whoever keeps the volume, or that a native volume has not its name
 * @returns its revision now; null: others were faster, or something else does not hold
 */
export async function writeRbdVolume(
  store: Pick<ConfigStore, 'transact'>,
  volume: string,
  record: RbdVolumeRecord | null,
  revision: string,
  compare: readonly Compare[] = [],
): Promise<string | null> {
  const key = rbdVolumeKey(volume);
  const all = [{ key, revision }, ...compare];
  const result = await store.transact(
    record === null
      ? { compare: all, deletes: [key] }
      : { compare: all, puts: [{ key, value: formatRecord(rbdVolumeSchema, key, record) }] },
  );
  return result.ok ? result.revision : null;
}
