/** A deduped vdisk that is made from a template: whose block map it still has to get. */
import { z } from 'zod';
import { recordIn } from '../healing/record-text.ts';
import { vdiskTemplateKey } from '../keys.ts';
import type { StoreEntry } from '../types.ts';

/** `/salvor/vdisks/<id>/template`, from the creation of the vdisk until its first owner has copied the map. */
export const vdiskTemplateSchema = z.looseObject({
  /** The vdisk that is the template, and the clusters that hold it. */
  vdisk: z.string().min(1),
  cluster: z.string().min(1),
  slaveCluster: z.string().min(1).optional(),
  at: z.number().int().min(0),
});
export type VdiskTemplate = z.infer<typeof vdiskTemplateSchema>;

/** The template whose block map a vdisk lacks, among entries that were read; null when it lacks none. Throws ConfigValueError. */
export function templateIn(
  entries: ReadonlyMap<string, StoreEntry | null>,
  vdisk: string,
): VdiskTemplate | null {
  return recordIn(entries, vdiskTemplateKey(vdisk), vdiskTemplateSchema);
}
