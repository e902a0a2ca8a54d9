import { z } from 'zod';

/** A state of a vdisk that somebody asked for. */
export const logPointSchema = z.union([
  z.object({ kind: z.literal('newest') }),
  z.object({ kind: z.literal('sequence'), sequence: z.number().int().min(0) }),
  z.object({ kind: z.literal('time'), at: z.number().int().min(0) }),
  z.object({ kind: z.literal('snapshot'), name: z.string().min(1) }),
]);
export type RequestedPoint = z.infer<typeof logPointSchema>;

/** What a point is called in a sentence. */
export function pointText(point: RequestedPoint): string {
  switch (point.kind) {
    case 'newest':
      return 'its newest state';
    case 'sequence':
      return `its state after record ${point.sequence}`;
    case 'time':
      return `its state at ${new Date(point.at).toISOString()}`;
    case 'snapshot':
      return `its snapshot '${point.name}'`;
  }
}
