/** How far the journal of the other zone is applied, as the mirror daemon of this one says. Pure. */

export type RbdJournalStanding =
  | { readonly kind: 'applied' }
  | { readonly kind: 'behind'; readonly reason: string }
  | { readonly kind: 'unknown' };

/** @param members of a report that says `replaying` */
export function journalStanding(members: Readonly<Record<string, unknown>>): RbdJournalStanding {
  const behind = members.entries_behind_primary;
  if (typeof behind !== 'number') return { kind: 'unknown' };
  if (behind > 0) return { kind: 'behind', reason: `${behind} entries of the journal are not applied` };
  const theirs = tagOf(members.primary_position);
  // Entries are counted within a tag, of which each opening of the image begins one: 0 says nothing about the other ones.
  if (theirs !== null && tagOf(members.non_primary_position) !== theirs)
    return { kind: 'behind', reason: 'what was written since the image was opened last is not applied' };
  return { kind: 'applied' };
}

/** Null: it has none, as before the first entry. */
function tagOf(position: unknown): string | null {
  if (typeof position !== 'object' || position === null || !('tag_tid' in position)) return null;
  return `${position.tag_tid}`;
}
