import { type PeerTold, volumeSchema } from '@salvor/config-store';
import type { VolumeDescription } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';

/**
 * What another zone says of a volume, checked: it comes over the wire, perhaps from another version.
 *
 * @throws SalvorError `bad-peer`
 */
export function toldBy(zone: string, description: VolumeDescription): PeerTold {
  const { generation, generationZone, begins, sequence } = description;
  if (description.zone !== zone) throw bad(zone, `it calls itself zone ${description.zone}`);
  const parsed = volumeSchema
    .pick({
      role: true,
      phase: true,
      mode: true,
      lineage: true,
      generation: true,
      begins: true,
      sequence: true,
      peer: true,
    })
    .safeParse({
      ...{ role: description.role, phase: description.phase, mode: description.mode, begins },
      generation: { number: generation, zone: generationZone },
      lineage: description.lineage.map((each) => ({
        generation: { number: each.number, zone: each.zone },
        ends: each.ends,
      })),
      ...{ sequence: sequence ?? null, peer: description.peer ?? null },
    });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw bad(zone, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not understood'}`);
  }
  if (parsed.data.role === 'primary' && parsed.data.generation.number < 1)
    throw bad(zone, 'a primary without a generation');
  return { zone, ...parsed.data };
}

function bad(zone: string, what: string): SalvorError {
  return new SalvorError(
    'bad-peer',
    `zone ${zone} describes the volume in a way that is not understood (${what}); run the same version in both zones`,
  );
}
