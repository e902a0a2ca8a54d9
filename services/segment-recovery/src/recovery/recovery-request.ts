/** What was asked for; kept in the checkpoint of the operation. */
import { z } from 'zod';

export const RECOVERY_KIND = 'dr.recover';

export const recoveryRequestSchema = z.looseObject({
  root: z.string().min(1),
  /** `salvor`: what Salvor archived; `chunked`, `legacy`: a Pravega directory that has files of both. */
  layout: z.enum(['salvor', 'chunked', 'legacy']).optional(),
  dryRun: z.boolean(),
  backupDir: z.string().min(1).optional(),
  containers: z.number().int().min(1).optional(),
  replace: z.boolean(),
  /** A file of `_system/configuration/`, or a time; default: the newest one. */
  configuration: z.string().min(1).optional(),
  /** Id of the installation that the directory is of, although something else is found. */
  installation: z.string().min(1).optional(),
  /** Although engines do not answer. */
  acceptUnreachable: z.boolean().optional(),
});
export type RecoveryRequest = z.infer<typeof recoveryRequestSchema>;
