/** What the manager that keeps a mirrored image saw last of it, in both clusters. Times are Unix milliseconds. */
import { z } from 'zod';

const millis = z.number().int().min(0);
const count = z.number().int().min(0);

export const rbdSightSchema = z.looseObject({
  role: z.enum(['primary', 'secondary', 'none', 'unknown']),
  /** Empty: none of the three words is true. */
  status: z.enum(['', 'active - primary', 'active - updating', 'active - secondary']),
  phase: z.string(),
  reason: z.string(),
  conditions: z.array(z.looseObject({ condition: z.string(), reason: z.string() })),
  sizeBytes: count,
  /** Of a secondary: nothing is missing here that the other zone had when it was asked. */
  level: z.boolean(),
  /** Snapshot of the primary that this side has, or ends with; null: none. */
  sequence: count.nullable(),
  /** Generation of the other zone; null: it did not answer. */
  peerGeneration: count.nullable(),
  peerSeenAt: millis.nullable(),
  rpoMs: count.nullable(),
  stale: z.boolean(),
  backlog: count.nullable(),
  /** Those that can be cloned here, oldest first. */
  points: z.array(z.looseObject({ name: z.string(), at: millis.nullable(), complete: z.boolean() })),
  at: millis,
  reportedAt: millis.nullable(),
});
export type RbdSightRecord = z.infer<typeof rbdSightSchema>;
