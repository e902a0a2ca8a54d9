import { z } from 'zod';
import { VDISK_TYPES } from '../vdisk-config.ts';

/** Checkpoint of the operation that frees what a deleted vdisk held. */
export const vdiskRemovalSchema = z.looseObject({
  vdisk: z.string().min(1),
  type: z.enum(VDISK_TYPES),
  clusters: z.array(z.string().min(1)),
  /** Places that are free of it, as `cluster/shard/generation`. */
  done: z.array(z.string()),
  /** Every key under that id is looked for, on spares too; else the keys that the layout has. */
  orphan: z.boolean().default(false),
  /** Keys that a later owner has used stay; default: the revision at which the vdisk was deleted. */
  untilEpoch: z.string().regex(/^\d+$/).optional(),
  /** Keys removed so far, and the memory they had. */
  keys: z.number().int().min(0).optional(),
  bytes: z.number().int().min(0).optional(),
});
export type VdiskRemoval = z.input<typeof vdiskRemovalSchema>;
