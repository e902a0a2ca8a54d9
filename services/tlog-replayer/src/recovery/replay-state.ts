/** Checkpoint of a `dr.replay` operation. */
import { z } from 'zod';
import { vdiskCheckpointSchema } from './restore-vdisk.ts';

export const replayStateSchema = z.looseObject({
  cluster: z.string().min(1),
  /** Only this one. */
  vdisk: z.string().min(1).optional(),
  /** Revisions of etcd from before and after the loss. */
  before: z.string().regex(/^\d+$/).optional(),
  after: z.string().regex(/^\d+$/).optional(),
  dryRun: z.boolean().default(false),
  force: z.boolean().default(false),
  by: z.string().default('operator'),
  /** The recovery that it carries out; null: none is open. Absent before that was looked at. */
  recovery: z.string().nullable().optional(),
  attempt: z.number().int().min(1).default(1),
  /** Vdisks that are under way, and where to go on with each. */
  underWay: z.record(z.string(), vdiskCheckpointSchema).default({}),
  /** Of a replay without a recovery: those that are done. */
  done: z.array(z.string()).default([]),
});
export type ReplayState = z.output<typeof replayStateSchema>;
