import {
  type Generation,
  type PeerTold,
  type VolumeCut,
  volumeCutSchema,
  volumeSchema,
} from '@salvor/config-store';
import type { VolumeDescription } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';

/**
 * What another zone says of a volume, checked: it comes over the wire, perhaps from another version.
 *
 * @throws SalvorError `bad-peer`
 */
export function toldBy(zone: string, description: VolumeDescription): PeerTold {
  const { begins, begun, sequence, promotion, promotionAt } = description;
  if (description.zone !== zone) throw bad(zone, `it calls itself zone ${description.zone}`);
  const parsed = volumeSchema
    .pick({
      role: true,
      phase: true,
      mode: true,
      link: true,
      schedule: true,
      lineage: true,
      generation: true,
      begins: true,
      begun: true,
      sequence: true,
      peer: true,
    })
    .safeParse({
      ...{ role: description.role, phase: description.phase, mode: description.mode, begins },
      generation: generationOf(description),
      schedule: description.schedule ?? null,
      link: { bandwidthMib: description.bandwidthMib, compression: description.compression },
      lineage: description.lineage.map(({ number, zone, incarnation, ends, segment }) => ({
        ...{ generation: { number, zone, incarnation }, ends, segment: segment ?? null },
      })),
      begun: begun ?? null,
      ...{ sequence: sequence ?? null, peer: description.peer ?? null },
    });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw bad(zone, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not understood'}`);
  }
  if (parsed.data.role === 'primary' && parsed.data.generation.number < 1)
    throw bad(zone, 'a primary without a generation');
  return { zone, promotionAt: promotion == null ? null : (promotionAt ?? null), ...parsed.data };
}

/** Cuts of its group that were made there, oldest first. @throws SalvorError `bad-peer` */
export function toldCuts({ zone, group }: Pick<VolumeDescription, 'zone' | 'group'>): VolumeCut[] {
  return (group?.made ?? []).map((made) => {
    const { id, number, at, generation, generationZone, incarnation, segment } = made;
    const parsed = volumeCutSchema.safeParse({
      ...{ id, number, at, segment },
      generation: { number: generation, zone: generationZone, incarnation },
    });
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw bad(
      zone,
      `cut of its group: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not understood'}`,
    );
  });
}

/** That the content belongs to which is described. */
export function generationOf({
  generation,
  generationZone,
  incarnation,
}: Pick<VolumeDescription, 'generation' | 'generationZone' | 'incarnation'>): Generation {
  return { number: generation, zone: generationZone, incarnation };
}

function bad(zone: string, what: string): SalvorError {
  return new SalvorError(
    'bad-peer',
    `zone ${zone} describes the volume in a way that is not understood (${what}); run the same version in both zones`,
  );
}
