import { z } from 'zod';

/** Vdisks that a record names; the sums count all of them. */
export const unavailableVdisksMax = 2_000;

const millis = z.number().int().min(0);
const text = z.string().min(1);
const blocks = z.number().int().min(0);

export const unavailableVdiskSchema = z.looseObject({
  vdisk: text,
  /** Blocks of it on this shard without a live copy. */
  blocks,
  /** Counted on an engine that answers; else an upper bound from the size of the vdisk. */
  counted: z.boolean(),
  /** What is known, as a sentence. */
  detail: z.string(),
});
export type UnavailableVdisk = z.infer<typeof unavailableVdiskSchema>;

/** `/salvor/unavailable/<cluster>/<shard>`: there while vdisks have no live member on a shard of their primary cluster. */
export const unavailableShardSchema = z.looseObject({
  cluster: text,
  /** Absent when the shard has one member. */
  slaveCluster: text.optional(),
  shard: z.number().int().min(0),
  since: millis,
  /** The open incidents of its members. */
  incidents: z.array(text).max(2),
  /** Which engines are down, and which of them served last, as a sentence. */
  reason: z.string(),
  /** Of all its vdisks together. */
  blocks,
  /** Whether all of them were counted. */
  counted: z.boolean(),
  vdisks: z.array(unavailableVdiskSchema).max(unavailableVdisksMax),
  updatedAt: millis,
});
export type UnavailableShard = z.infer<typeof unavailableShardSchema>;

/** `/salvor/available-again/<cluster>/<shard>`: written in the transaction that ends an {@link UnavailableShard}. */
export const availableAgainSchema = z.looseObject({
  cluster: text,
  shard: z.number().int().min(0),
  /** Since when there was no live copy. */
  since: millis,
  /** When one was there again. */
  at: millis,
  /** Which engine serves again, or why there is nothing to serve any more, as a sentence. */
  reason: z.string(),
  /** The incident of the member that had failed last. */
  incident: text.optional(),
  vdisks: z.array(text).max(unavailableVdisksMax),
});
export type AvailableAgain = z.infer<typeof availableAgainSchema>;
