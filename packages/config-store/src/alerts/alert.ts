/** What neither progresses nor ends, and how far repairs are. */
import { createHash } from 'node:crypto';
import { z } from 'zod';

/** Repairs that one server tells of at once; those that have not moved for the longest come first. */
export const repairProgressMax = 256;

const millis = z.number().int().min(0);
const text = z.string().min(1);
const count = z.number().int().min(0);

export const alertKinds = [
  'archive-unprotected',
  'cluster-unhealthy',
  'configuration-not-kept',
  'engine-held',
  'instance-stuck',
  'log-not-archived',
  'no-spare',
  'operation-stuck',
  'recovery-waits',
  'repair-stuck',
  'takeover-stuck',
  'verdict-late',
] as const;
export type AlertKind = (typeof alertKinds)[number];

/** `/salvor/alerts/<alert>`. Times are Unix milliseconds. */
export const alertSchema = z.looseObject({
  alert: text,
  kind: z.enum(alertKinds),
  /** The id of what neither progresses nor ends. */
  subject: text,
  /** What it waits for, as a sentence. */
  message: z.string(),
  /** When it last made progress. */
  since: millis,
  raisedAt: millis,
  /** Absent while it is raised. */
  clearedAt: millis.optional(),
  incident: text.optional(),
  cluster: text.optional(),
  vdisk: text.optional(),
});
export type AlertRecord = z.infer<typeof alertSchema>;

/** `/salvor/repair-progress/<server>`: the repairs that an NBD server carries out now. */
export const repairProgressSchema = z.looseObject({
  server: text,
  at: millis,
  repairs: z
    .array(
      z.looseObject({
        vdisk: text,
        incident: text,
        attempt: z.number().int().min(1),
        address: text,
        total: count,
        done: count,
        /** When it last made progress. */
        movedAt: millis,
      }),
    )
    .max(repairProgressMax),
});
export type RepairProgressRecord = z.infer<typeof repairProgressSchema>;
export type RepairUnderWay = RepairProgressRecord['repairs'][number];

const TOKEN = /^[A-Za-z0-9_:-]{1,64}$/;
const HASH_DIGITS = 16;

/** The same for the same trouble, and a token of a subject: ids of a stock fleet may be longer, or hold any character. */
export function alertId(kind: AlertKind, subject: string): string {
  const readable = `${kind}:${subject}`;
  if (TOKEN.test(readable)) return readable;
  return `${kind}:${createHash('sha256').update(subject).digest('hex').slice(0, HASH_DIGITS)}`;
}
