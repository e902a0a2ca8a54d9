/** What etcd holds of segments; their bytes are in JetStream. */
import { z } from 'zod';

const text = z.string().min(1);
const count = z.number().int().min(0);
const container = count;
const range = z.looseObject({ from: count, to: count });
const attribute = z.looseObject({ id: text, value: z.string().regex(/^-?\d{1,19}$/) });

/** Ranges of one kind that a record names; a segment with more is described by the first of them. */
export const SEGMENT_RANGES_MAX = 1_000;

/** `/salvor/segments/<container>/<name>`. Members as in `SegmentDescription` of the contracts. */
export const segmentSchema = z.looseObject({
  segment: text,
  container,
  length: count,
  startOffset: count,
  appendAt: count,
  sealed: z.boolean(),
  framing: z.enum(['events', 'entries', 'index-records', 'bytes']),
  events: count.optional(),
  runs: z.array(range).max(SEGMENT_RANGES_MAX),
  entries: count.optional(),
  sha256: z.string().length(64).optional(),
  lost: z.array(range).max(SEGMENT_RANGES_MAX),
  coreAttributes: z.array(attribute),
  extendedAttributes: count,
  uncertain: z.array(z.looseObject({ fact: text, why: text })),
  stream: text,
  subject: text,
  messages: count,
  /** Of all facts; the log ends with the same. */
  digest: z.string().length(64),
  operation: text,
  at: count,
});
export type SegmentRecord = z.infer<typeof segmentSchema>;

/** `/salvor/segment-containers/<n>` */
export const segmentContainerSchema = z.looseObject({
  container,
  /** Of the cluster that it was in. */
  containers: z.number().int().min(1),
  /** Above every epoch that left a trace. */
  epoch: count,
  stream: text,
  segments: count,
  operation: text,
  at: count,
});
export type SegmentContainer = z.infer<typeof segmentContainerSchema>;

/** `/salvor/segment-recoveries/<operation>`. Further members as in `SegmentRecovery` of the contracts. */
export const segmentRecoverySchema = z.looseObject({ operation: text, root: text, at: count });

/** `/salvor/segment-recovery/owner` */
export const segmentRecoveryOwnerSchema = z.looseObject({ operation: text, worker: text, since: count });
export type SegmentRecoveryOwner = z.infer<typeof segmentRecoveryOwnerSchema>;
