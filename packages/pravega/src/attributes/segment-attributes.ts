/** Attributes of one segment: carried from its row, and brought up to what its data shows. */
import { isNamedLikeTable } from '../naming/segment-name.ts';
import { coreAttribute, isCarried, segmentType } from '../records/core-attributes.ts';
import type { SegmentInfo } from '../records/segment-info.ts';
import { countTable } from '../table/table-counts.ts';
import { deduceKeyLength } from '../table/table-keys.ts';
import type { Findings } from '../tree/finding.ts';
import type { ByteRange, SegmentBytes } from '../tree/segment-bytes.ts';
import { countEvents } from './event-count.ts';
import { readExtendedAttributes } from './extended-attributes.ts';

export interface AttributeSources {
  readonly name: string;
  readonly bytes: SegmentBytes;
  /** The attribute index, where the storage has one. */
  readonly index: SegmentBytes | undefined;
  /** The index of its events, where it has one. */
  readonly eventIndex: SegmentBytes | undefined;
  /** Where the storage's metadata says that the index ends, if it says so. */
  readonly indexRecordedLength: number | null;
  readonly row: SegmentInfo | undefined;
  readonly startOffset: number;
  readonly length: number;
  /** Parts that came by merges: their events were counted elsewhere. */
  readonly merged: readonly ByteRange[];
  readonly findings: Findings;
}

export interface SegmentAttributes {
  /** By the second half of their id. */
  readonly core: ReadonlyMap<bigint, bigint>;
  readonly extended: ReadonlyMap<string, bigint>;
  readonly coreDoubt?: string;
  readonly extendedDoubt?: string;
}

export async function readAttributes(sources: AttributeSources): Promise<SegmentAttributes> {
  const { row, index, name } = sources;
  const core = new Map([...(row?.attributes ?? [])].filter(([attribute]) => isCarried(attribute)));
  const coreDoubts: string[] = [];
  const isTable = isTableSegment(name, row);
  let extended: SegmentAttributes['extended'] = new Map();
  let extendedDoubt: string | undefined;
  const hadIndex = core.has(coreAttribute.attributeIndexRoot);
  const keyLength =
    row === undefined && isTable
      ? await deduceKeyLength(sources)
      : Number(core.get(coreAttribute.idLength) ?? 0n);
  if (index !== undefined) {
    const { values, footerAt, doubt } = await readExtendedAttributes(index, keyLength, !isTable);
    extended = values;
    extendedDoubt = doubt;
    if (footerAt !== null) core.set(coreAttribute.attributeIndexRoot, BigInt(footerAt));
    // A flush may have been behind the row: an index cannot be older than its row, unless bytes of it are lost.
    const rowFooter = row?.attributes.get(coreAttribute.attributeIndexRoot);
    if (rowFooter !== undefined && BigInt(footerAt ?? -1) < rowFooter)
      extendedDoubt = 'its attribute index is older than its metadata';
    else extendedDoubt ??= indexDoubt(sources, footerAt);
  } else if (hadIndex) extendedDoubt = 'its attribute index is not there';

  if (extendedDoubt !== undefined) coreDoubts.push(extendedDoubt);
  if (isTable) coreDoubts.push(...(await countEntries(sources, core, keyLength > 0)));
  else {
    const { count, doubt } = await countEvents(sources);
    if (count !== undefined) core.set(coreAttribute.eventCount, count);
    if (doubt !== undefined) coreDoubts.push(doubt);
  }
  const isAhead = row !== undefined && sources.length > row.length;
  if (isAhead && core.has(coreAttribute.attributeIndexSequence))
    coreDoubts.push('the data is newer than its metadata, which PERSIST_SEQ_NO was saved with');
  return {
    core,
    extended,
    ...(coreDoubts.length === 0 ? {} : { coreDoubt: coreDoubts.join('; ') }),
    ...(extendedDoubt === undefined ? {} : { extendedDoubt }),
  };
}

/** Whether anything but the index itself says that it ends where it does. */
function indexDoubt(
  { index, row, indexRecordedLength }: AttributeSources,
  footerAt: number | null,
): string | undefined {
  const end = index?.end ?? 0;
  const rowFooter = row?.attributes.get(coreAttribute.attributeIndexRoot);
  if (indexRecordedLength !== null && end < indexRecordedLength)
    return 'bytes of its attribute index are lost';
  const isConfirmed =
    indexRecordedLength === null ? rowFooter === BigInt(footerAt ?? -1) : end === indexRecordedLength;
  return isConfirmed || end === 0 ? undefined : 'its attribute index is newer than any metadata';
}

export function isTableSegment(name: string, row: SegmentInfo | undefined): boolean {
  const type = row?.attributes.get(coreAttribute.type);
  if (type !== undefined) return (type & segmentType.table) !== 0n;
  return row?.attributes.has(coreAttribute.tableIndexed) ?? isNamedLikeTable(name);
}

/** What a table's attributes count is counted again. In a table with keys of one length most of them stay 0. */
async function countEntries(
  sources: AttributeSources,
  core: Map<bigint, bigint>,
  isFixed: boolean,
): Promise<string[]> {
  const { startOffset, length } = sources;
  const compacted = core.get(coreAttribute.tableCompacted);
  if (compacted !== undefined && compacted < BigInt(startOffset))
    core.set(coreAttribute.tableCompacted, BigInt(startOffset));
  const countFrom = Number(core.get(coreAttribute.tableCompacted) ?? BigInt(startOffset));
  const { totalEntries, liveKeys, buckets, isWhole } = await countTable(sources, countFrom, isFixed);
  core.set(coreAttribute.tableTotalEntries, BigInt(totalEntries));
  if (!isFixed) {
    core.set(coreAttribute.tableIndexed, BigInt(length));
    core.set(coreAttribute.tableEntries, BigInt(liveKeys));
    core.set(coreAttribute.tableBuckets, BigInt(buckets));
  }
  return isWhole ? [] : ['not all of its entries could be read'];
}
