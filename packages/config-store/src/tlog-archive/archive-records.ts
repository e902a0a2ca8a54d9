import { z } from 'zod';

const millis = z.number().int().min(0);
const count = z.number().int().min(0);

/** Ranges of segments that were lost, of one log: the newest ones are kept. */
export const missingRangesMax = 32;

/** What an archiver needs to know of a log. */
export const followedLogSchema = z.looseObject({
  container: count,
  /** What is up to here, under the same name, belongs to an earlier log. */
  begins: z.looseObject({ number: count, sequence: count }).optional(),
});
export type FollowedLog = z.infer<typeof followedLogSchema>;

/** `/salvor/tlogs/<vdisk>/archived` */
export const archivedSchema = z.looseObject({
  /** Number of the last segment in Tier-2, and the sequence that it ends with. */
  number: count,
  sequence: count,
  chunks: count,
  bytes: count,
  at: millis,
  /** Why nothing is archived now; absent while all goes well. */
  trouble: z.looseObject({ reason: z.string(), since: millis }).optional(),
  /** Segments that were in neither tier when they were looked for. */
  missing: z
    .array(z.looseObject({ from: count, to: count, after: count, before: count, at: millis }))
    .max(missingRangesMax)
    .optional(),
});
export type ArchivedRecord = z.infer<typeof archivedSchema>;
export type MissingRange = NonNullable<ArchivedRecord['missing']>[number];

/** A named state of a vdisk that compaction keeps exact. */
export const keptSnapshotSchema = z.looseObject({ sequence: count, at: millis.optional() });

export const holderSchema = z.looseObject({ holder: z.string().min(1), since: millis });
