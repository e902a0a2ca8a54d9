import { isDeepStrictEqual } from 'node:util';
import { type ArchiveCopied, type ArchiveRecord, copiedFrom, decideCopy } from '@salvor/config-store';
import type { TlogSegment } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import { type SegmentIndex, Tier2Source, type VdiskChunks } from '@salvor/tlog';
import { indexedSegmentOf } from '../zone-log.ts';
import type { ArchiveWork } from './archive-work.ts';

/**
 * Takes what another archive holds and this one lacks, with its numbers and its history, as long as both have the same one.
 *
 * @param from that archive's record, as it is before what it holds is looked at
 * @param now that archive's record, as it is then
 * @returns whether anything came
 * @throws SalvorError `archive-parted`, `source-changed`, `archive-damaged`; LogError `store`, `bad-chunk`, `bad-segment`
 */
export async function copyArchive(
  work: ArchiveWork,
  record: ArchiveRecord,
  from: ArchiveRecord,
  theirs: VdiskChunks,
  now: () => Promise<ArchiveRecord | null>,
): Promise<boolean> {
  const { writer, tell, signal } = work;
  const before = writer.end.number;
  const step = decideCopy(record, before, from);
  if (step === 'waits') return false;
  if (step === 'begins-anew') {
    await tell({ kind: 'begins-anew' });
    return true;
  }
  if (step === 'parted') throw parted(record, from);
  const flush = async (): Promise<void> => {
    // A history is put on record before its first segment is written: what was read belongs to the one that is named here.
    if ((await now())?.history !== from.history)
      throw new SalvorError('source-changed', `archive ${from.archive} was begun anew meanwhile`);
    await writer.flush();
  };
  const copied = (isLevel: boolean): ArchiveCopied =>
    copiedFrom(record, from, { isLevel, sequence: writer.stored.sequence });
  const source = await Tier2Source.open(theirs);
  try {
    const { range } = source;
    if (range !== null && range.from > before + 1 && before > 0 && record.overflow === null)
      await tell({
        kind: 'source-lost',
        reason: `archive ${from.archive} begins with segment ${range.from}, and segment ${before} is the last one here`,
      });
    let newest: SegmentIndex | null = null;
    for await (const index of source.oldestAbove(before)) {
      signal.throwIfAborted();
      if (index.number <= writer.end.number) continue;
      const data = await source.read(index, index.records);
      const segment = clipped(work.chunks.vdisk, index, data, writer.end);
      if (newest === null && !(await isSameThere(work.chunks, before, source))) throw parted(record, from);
      const { number, first } = segment.covers ?? segment;
      if (number > writer.end.number + 1) {
        if (newest !== null || number !== range?.from) throw gapIn(from, writer.end.number, number);
        writer.goOnFrom({ number: number - 1, sequence: first - 1 });
      }
      writer.add(segment);
      newest = index;
      if (!writer.isDue) continue;
      // What is on record is this one's own: it goes on there.
      await flush();
      const place = { segment: indexedSegmentOf(index), ...writer.stored };
      await tell({ kind: 'archived', place, isLevel: false, writtenAt: index.lastAt, copied: copied(false) });
    }
    if (newest !== null) await flush();
    const isWhole = from.base > 0 && from.backup === null && from.place !== null;
    const isLevel = isWhole && writer.stored.number >= (from.place?.number ?? 0);
    const taken = copied(isLevel);
    const isNews = newest !== null || isLevel !== (record.levelAt !== null) || !isCopied(record, taken);
    if (!isNews) return false;
    const place = newest === null ? record.place : { segment: indexedSegmentOf(newest), ...writer.stored };
    if (place === null) return false;
    await tell({ kind: 'archived', place, isLevel, writtenAt: newest?.lastAt ?? 0, copied: taken });
    return newest !== null;
  } finally {
    await source.close();
  }
}

/**
 * Whether the last segment that is held, `number`, is theirs; that may have become a part of another one there. The folder tells,
 * not the record: that may be older.
 */
async function isSameThere(chunks: VdiskChunks, number: number, theirs: Tier2Source): Promise<boolean> {
  if (number === 0) return true;
  const held = await Tier2Source.open(chunks);
  try {
    const [own, found] = [await held.segment(number), await theirs.segment(number)];
    return own === null || found === null || (found.epoch === own.epoch && found.lastAt === own.lastAt);
  } finally {
    await held.close();
  }
}

function isCopied(record: ArchiveRecord, taken: ArchiveCopied): boolean {
  return Object.entries(taken).every(([key, value]) =>
    isDeepStrictEqual(record[key as keyof ArchiveCopied], value),
  );
}

function parted({ archive, volume }: ArchiveRecord, from: ArchiveRecord): SalvorError {
  return new SalvorError(
    'archive-parted',
    `archive ${from.archive} of volume ${volume} was begun anew, and archive ${archive} holds its earlier history: it stays as it is. 'salvor archive make-primary ${archive} ${volume} --force' goes on with it; 'salvor archive stop-synchronizing ${archive} ${volume} --forget' and 'salvor archive replicate' give it up`,
  );
}

function gapIn({ archive, volume }: ArchiveRecord, after: number, before: number): SalvorError {
  return new SalvorError(
    'archive-damaged',
    `archive ${archive} of volume ${volume} lacks segments ${after + 1} to ${before - 1}: verify it`,
  );
}

/** What compaction made of segments that are partly here is taken without what is. */
function clipped(
  vdisk: string,
  index: SegmentIndex,
  parts: readonly Buffer[],
  end: { readonly number: number; readonly sequence: number },
): TlogSegment {
  const { number, epoch, kind, name, firstAt, lastAt, base, blockSize, covers } = index;
  const isPartlyHere = covers !== undefined && covers.number <= end.number;
  const kept = index.records.flatMap((record, i) =>
    isPartlyHere && record.sequence <= end.sequence ? [] : [{ record, data: parts[i] ?? Buffer.alloc(0) }],
  );
  const first = kept[0]?.record.sequence ?? Math.max(index.last, end.sequence) + 1;
  return {
    ...{ vdisk, number, epoch, generation: 0, kind, name, firstAt, lastAt, base, blockSize, positions: [] },
    first: isPartlyHere ? first : index.first,
    records: kept.map(({ record: { sequence, block, length, checksum } }) => ({
      ...{ sequence, block, length, checksum },
    })),
    covers: isPartlyHere
      ? { number: end.number + 1, first: end.sequence + 1, exactFrom: covers.exactFrom }
      : covers,
    data: Buffer.concat(kept.map(({ data }) => data)),
  };
}
