/** What etcd holds about its own loss. */
import { z } from 'zod';

const text = z.string().min(1);
const millis = z.number().int().min(0);

/** `/salvor/installation` */
export const installationSchema = z.looseObject({ id: text, at: millis });
export type Installation = z.infer<typeof installationSchema>;

/** `/salvor/configuration-trouble` */
export const configurationTroubleSchema = z.looseObject({ reason: text, since: millis });

/** `/salvor/segment-recovery/tier1`, not under a lease: it outlives the process that recovers. */
export const tier1RecoveryMarkSchema = z.looseObject({
  ...{ operation: text, root: text, at: millis },
  /** When the first of the recoveries began that nobody has ended; absent: this one. */
  since: millis.optional(),
});

/** `/salvor/segment-recoveries/<operation>` of a recovery of Salvor's own. Further members as in `Tier1Recovery` of the contracts. */
export const tier1RecoverySchema = z.looseObject({
  operation: text,
  root: text,
  at: millis,
  loss: z.string(),
});
