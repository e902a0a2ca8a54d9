/** What was asked for; kept in the checkpoint of the operation. */
import { z } from 'zod';

export const RECOVERY_KIND = 'dr.recover';

export const recoveryRequestSchema = z.looseObject({
  root: z.string().min(1),
  /** Where the directory has files of both. */
  layout: z.enum(['chunked', 'legacy']).optional(),
  dryRun: z.boolean(),
  backupDir: z.string().min(1).optional(),
  containers: z.number().int().min(1).optional(),
  replace: z.boolean(),
});
export type RecoveryRequest = z.infer<typeof recoveryRequestSchema>;
