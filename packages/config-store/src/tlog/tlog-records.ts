/** What etcd holds of the transaction log of a vdisk, as zod schemas. */
import { z } from 'zod';

const millis = z.number().int().min(0);
const text = z.string().min(1);
const count = z.number().int().min(0);

/** What becomes of writes when Tier-1 does not take what is to be logged: they wait, or go on while the log is broken. */
export const TLOG_POLICIES = ['block', 'overflow'] as const;
export type TlogPolicy = (typeof TLOG_POLICIES)[number];

/** A vdisk has a log exactly when this is there. */
export const tlogConfigSchema = z.looseObject({
  /** Never changes under a vdisk, however many containers there are later. */
  container: count,
  containers: z.number().int().min(1),
  policy: z.enum(TLOG_POLICIES),
  /** Where the log begins: what is up to here, under the same name, belongs to an earlier vdisk or an earlier log. */
  begins: z.looseObject({ number: count, sequence: count }),
  /** Operation. */
  enabledBy: text,
  at: millis,
});
export type TlogConfig = z.infer<typeof tlogConfigSchema>;

/**
 * How far the vdisk can be restored from the log. `whole`: everything its owner flushed. `basing`: nothing yet, a copy of all
 * blocks is being written. `broken`: up to before `since` at most, and the next owner that can write it begins a new copy.
 */
export const TLOG_STATUSES = ['whole', 'basing', 'broken'] as const;
export type TlogStatus = (typeof TLOG_STATUSES)[number];

export const tlogStateSchema = z.looseObject({
  status: z.enum(TLOG_STATUSES),
  /** A sentence. */
  reason: z.string(),
  since: millis,
  /** Sequence at which the newest base begins, complete or not; 0: none. */
  sequence: count,
});
export type TlogState = z.infer<typeof tlogStateSchema>;
