/** What a verification was asked for; kept in the checkpoint of the operation. */
import { z } from 'zod';

export const VERIFY_KIND = 'dr.verify';

export const verifyRequestSchema = z.looseObject({
  root: z.string().min(1),
  /** Where the directory has files of both. */
  layout: z.enum(['chunked', 'legacy']).optional(),
  containers: z.number().int().min(1).optional(),
  /** Without it, the tree alone. */
  tier1: z.boolean(),
});
export type VerifyRequest = z.infer<typeof verifyRequestSchema>;
