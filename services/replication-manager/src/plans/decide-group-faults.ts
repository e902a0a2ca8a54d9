/** What is wrong with the consistency groups of a plan that is written. Pure. */
import { consistencyGroups, type PlanDocument, type PlanRecord } from '@salvor/config-store';
import type { ErrorDetail } from '@salvor/service-kit';

/**
 * Volumes that could not be cut with the others of their group: one is in one group only, whatever plans name it, and an image of Ceph
 * has no log of ours to cut.
 *
 * @param plans all that there are; the one that is written replaces its version before
 * @param images volumes of driver rbd
 */
export function decideGroupFaults(
  { plan, groups }: Pick<PlanDocument, 'plan' | 'groups'>,
  plans: readonly Pick<PlanRecord, 'plan' | 'document'>[],
  images: ReadonlySet<string>,
): ErrorDetail[] {
  const others = plans
    .filter((each) => each.plan !== plan)
    .flatMap((each) => consistencyGroups([each]).groups);
  return groups.flatMap(({ consistent, volumes }, at) =>
    (consistent === true ? volumes : []).flatMap((volume, index) => {
      const path = `groups[${at}].volumes[${index}]`;
      const taken = others.find(({ members }) => members.includes(volume));
      const isTaken = {
        path,
        expected: `a volume that is in no other consistent group: ${volume} is in ${taken?.name}`,
      };
      const isImage = {
        path,
        expected: `a volume that is a vdisk: ${volume} is an image of Ceph, which has no cuts`,
      };
      return [...(taken === undefined ? [] : [isTaken]), ...(images.has(volume) ? [isImage] : [])];
    }),
  );
}
