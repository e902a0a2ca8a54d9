/** In which group a volume goes on record as being. Pure. */
import {
  type ConsistencyGroup,
  type VolumeGroup,
  type VolumeRecord,
  withMembership,
} from '@salvor/config-store';

/**
 * As the plans say, but not while a volume of its group is being promoted, or a plan about it is run: one that left the group meanwhile
 * would go on to a later moment than those that were promoted.
 *
 * @param others the other volumes of the group that it is in, and of the one that it comes into
 * @param isRun a run of the plan of either group is under way
 * @returns what changes; null: nothing, or not now
 */
export function decideMembership(
  record: VolumeRecord,
  group: ConsistencyGroup | null,
  { others, isRun }: { readonly others: readonly (VolumeRecord | null)[]; readonly isRun: boolean },
): { readonly group: VolumeGroup | null } | null {
  const change = withMembership(record, group);
  if (change === null || isRun) return null;
  return [record, ...others].some((each) => each !== null && each.promotion !== null) ? null : change;
}
