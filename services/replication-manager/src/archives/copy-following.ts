import type { ArchiveRecord } from '@salvor/config-store';
import type { TlogSegment } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import { type SegmentIndex, Tier2Source, type VdiskChunks } from '@salvor/tlog';
import { indexedSegmentOf } from '../zone-log.ts';
import type { ArchiveWork } from './archive-work.ts';

/**
 * Takes what another archive holds and this one lacks, with its numbers and its history.
 *
 * @param from that archive's record, as it is before what it holds is looked at
 * @returns whether anything came
 * @throws LogError `store`, `bad-chunk`, `bad-segment`
 */
export async function copyArchive(
  work: ArchiveWork,
  record: ArchiveRecord,
  from: ArchiveRecord,
  theirs: VdiskChunks,
): Promise<boolean> {
  const { writer, tell, signal } = work;
  const source = await Tier2Source.open(theirs);
  const before = writer.end.number;
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
      const { number, first } = segment.covers ?? segment;
      if (number > writer.end.number + 1) {
        if (newest !== null || number !== range?.from) throw gapIn(from, writer.end.number, number);
        writer.goOnFrom({ number: number - 1, sequence: first - 1 });
      }
      writer.add(segment);
      newest = index;
      if (!writer.isDue) continue;
      // What is on record is this one's own: it goes on there.
      await writer.flush();
      const place = { segment: indexedSegmentOf(index), ...writer.stored };
      await tell({ kind: 'archived', place, isLevel: false, writtenAt: index.lastAt });
    }
    await writer.flush();
    const isLevel = from.place === null || writer.stored.number >= from.place.number;
    const isNews = newest !== null || isLevel !== (record.levelAt !== null) || from.base !== record.base;
    if (!isNews) return false;
    const place = newest === null ? record.place : { segment: indexedSegmentOf(newest), ...writer.stored };
    if (place === null) return false;
    const reached = from.snapshots.filter(
      ({ sequence }) => sequence !== null && sequence <= writer.stored.sequence,
    );
    await tell({
      ...{ kind: 'archived', place, isLevel, writtenAt: newest?.lastAt ?? 0 },
      copied: {
        base: isLevel ? from.base : record.base,
        ...{ generation: from.generation, sizeBytes: from.sizeBytes, blockSize: from.blockSize },
        snapshots: reached,
      },
    });
    return newest !== null;
  } finally {
    await source.close();
  }
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
