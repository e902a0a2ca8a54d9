import type { ArchiveRecord } from '@salvor/config-store';
import { type ArchiveEnd, decideCoverage, type VdiskChunks } from '@salvor/tlog';

/** What is missing of what an archive had stored, and the last record that is left; null: nothing is. */
export async function heldContent(
  chunks: VdiskChunks,
  { base, place, source, backup }: ArchiveRecord,
  stored: ArchiveEnd,
): Promise<{ readonly sequence: number; readonly number: number; readonly reason: string } | null> {
  const { chunks: used, gaps } = decideCoverage(await chunks.list());
  const [oldest, newest] = [used[0]?.chunk, used.at(-1)?.chunk];
  const number = Math.max(stored.number, place?.number ?? 0);
  const where = `${chunks.folder} in ${chunks.store.name}`;
  if (newest === undefined)
    return number > 0 || base > 0
      ? { sequence: 0, number: 0, reason: `${where} holds nothing any more` }
      : null;
  if (base > 0 && oldest !== undefined && oldest.first > base)
    return {
      ...{ sequence: 0, number: 0 },
      reason: `${where} begins with record ${oldest.first}; what it builds on begins with record ${base}`,
    };
  // What the newest base builds on is whole; a copy of another archive goes on behind what that one does not hold any more.
  const builtOn = backup?.base ?? base;
  const gap = gaps.find(({ to }) => (used.find(({ chunk }) => chunk.from > to)?.chunk.first ?? 0) > builtOn);
  if (gap !== undefined && builtOn > 0 && source.kind === 'zone')
    return {
      ...{ sequence: 0, number: 0 },
      reason: `${where} lacks segments ${gap.from} to ${gap.to}`,
    };
  return newest.to < number
    ? {
        ...{ sequence: newest.last, number: newest.to },
        reason: `${where} ends with segment ${newest.to}; segment ${number} was stored`,
      }
    : null;
}
