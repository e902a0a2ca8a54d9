/** What it takes to bring back, from the log, what both members of a pair have lost. */
import { z } from 'zod';

/** Pairs that one recovery brings back: each takes four keys of a transaction, and etcd takes 128. Others follow when it is done. */
export const recoveryPairsMax = 24;
/** Vdisks that one recovery names. */
export const recoveryVdisksMax = 2_000;
/** Steps that a recovery remembers; the first one and the latest are kept. */
export const recoveryHistoryMax = 64;

const millis = z.number().int().min(0);
const count = z.number().int().min(0);
const text = z.string().min(1);
const revision = z.string().regex(/^\d+$/);

/**
 * `prepared`: the plan waits for an operator, nothing was changed; `replaying`: the surviving configuration is in force and
 * blocks are coming back; `verifying`: all were written, and are read once more; `cancelled` and `failed`: once the
 * configuration is in force, the replay can be begun again.
 */
export const recoveryStatuses = [
  'prepared',
  'replaying',
  'verifying',
  'done',
  'cancelled',
  'failed',
] as const;
export type RecoveryStatus = (typeof recoveryStatuses)[number];

const engineSchema = z.looseObject({
  address: text,
  db: z.number().int().min(0),
  generation: z.number().int().min(1),
});

export const lostMemberSchema = engineSchema.extend({
  cluster: text,
  role: z.enum(['primary', 'slave']),
  /** Its open incident when the plan was made. */
  incident: text,
  /** The engine that takes its place. */
  replacement: engineSchema.optional(),
});
export type LostMember = z.infer<typeof lostMemberSchema>;

/**
 * `spares`: empty engines take the places of the lost ones; `rip`: there are none, and its blocks belong to the other pairs
 * from then on; `survivor`: the member that was recorded stale is back, and gets what was written since; `none`: nothing of
 * this can be done, `waitsFor` says what is needed.
 */
export const recoveryWays = ['spares', 'rip', 'survivor', 'none'] as const;
export type RecoveryWay = (typeof recoveryWays)[number];

export const lostPairSchema = z.looseObject({
  shard: z.number().int().min(0),
  way: z.enum(recoveryWays),
  waitsFor: z.string().optional(),
  /** One, where the cluster has no partner. */
  members: z.array(lostMemberSchema).min(1).max(2),
  /** The member that is back with old data; only of `survivor`. */
  survivor: lostMemberSchema.optional(),
  /** The way was taken: the configuration of etcd is without the lost engines. */
  applied: z.boolean().default(false),
});
export type LostPair = z.infer<typeof lostPairSchema>;

/** How much of what a vdisk has lost its log can bring back. */
export const recoverabilities = ['all', 'part', 'nothing'] as const;
export type Recoverability = (typeof recoverabilities)[number];

export function isWorse(one: Recoverability, other: Recoverability): boolean {
  return recoverabilities.indexOf(one) > recoverabilities.indexOf(other);
}

export const recoveryVdiskSchema = z.looseObject({
  vdisk: text,
  /** Blocks without a live copy: counted, or at most so many. */
  blocks: count,
  counted: z.boolean(),
  recoverable: z.enum(recoverabilities),
  /** Where that is known better than `blocks`: those that are lost for good. */
  unproven: count.optional(),
  /** Why not all of it, as a sentence. */
  why: z.string().optional(),
  /** What a walk through its log found: how many blocks, and bytes, are to be written. */
  log: z
    .looseObject({
      blocks: count,
      bytes: count,
      /** Newest sequence of the log. */
      last: count,
      at: millis,
    })
    .optional(),
});
export type RecoveryVdisk = z.infer<typeof recoveryVdiskSchema>;

/** `/salvor/recoveries/<cluster>`: the latest recovery of a primary cluster. */
export const recoverySchema = z.looseObject({
  id: text,
  cluster: text,
  slaveCluster: text.optional(),
  status: z.enum(recoveryStatuses),
  /** 1, and one more each time another pair was lost before the end: then every vdisk is replayed again. */
  attempt: z.number().int().min(1),
  /** Why it has this status, as a sentence. */
  reason: z.string(),
  preparedAt: millis,
  updatedAt: millis,
  /** When all blocks were back. */
  endedAt: millis.optional(),
  pairs: z.array(lostPairSchema).min(1).max(recoveryPairsMax),
  /** An operator said that its engines will not come back: a plan stands whatever is judged of them, while they are down. */
  ordered: z.boolean().optional(),
  /** The configurations as they were before anything was changed, and the revision of etcd that they were read at. */
  before: z.looseObject({ storage: text, slaveStorage: text.optional(), revision }),
  /** Set when the surviving configuration was put in force, with the revision of etcd that did it as soon as that is known. */
  after: z.looseObject({ revision: revision.optional() }).optional(),
  vdisks: z.array(recoveryVdiskSchema).max(recoveryVdisksMax),
  /** Bytes a second that a replay makes here, and how that is known. */
  rate: z.looseObject({ bytesPerSecond: z.number().positive(), from: z.string() }).optional(),
  /** The operation that replays. */
  operation: text.optional(),
  history: z
    .array(
      z.looseObject({
        at: millis,
        from: z.enum(recoveryStatuses).optional(),
        to: z.enum(recoveryStatuses),
        reason: z.string(),
        by: text,
        operation: text,
      }),
    )
    .max(recoveryHistoryMax),
});
export type RecoveryRecord = z.infer<typeof recoverySchema>;

/** `/salvor/recoveries/<cluster>/<vdisk>`: what a vdisk got back in a recovery; written when its blocks are back, or given up. */
export const recoveredVdiskSchema = z.looseObject({
  recovery: text,
  attempt: z.number().int().min(1),
  vdisk: text,
  outcome: z.enum(['restored', 'loss-accepted']),
  /** Blocks that were written, and their bytes. */
  blocks: count,
  bytes: count,
  /** Blocks that were read again afterwards, and are as the log has them. */
  verified: count,
  durationMs: count,
  by: text,
  at: millis,
  /** What was given up, where something was. */
  lost: z.looseObject({ blocks: count, reason: z.string() }).optional(),
});
export type RecoveredVdisk = z.infer<typeof recoveredVdiskSchema>;
