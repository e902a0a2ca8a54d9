/** Bytes that no metadata knows of are taken only as far as they are whole. */
import { UUID_KEY_BYTES } from '../attributes/attribute-key.ts';
import { isTableSegment } from '../attributes/segment-attributes.ts';
import { boundariesIn } from '../events/event-index-search.ts';
import { ATTRIBUTE_SUFFIX, INDEX_SUFFIX, isAttributeIndex, isInternal } from '../naming/segment-name.ts';
import { coreAttribute } from '../records/core-attributes.ts';
import type { SegmentInfo } from '../records/segment-info.ts';
import { dataEnd, type StoredSegment } from '../stored-segment.ts';
import { firstKeyLength } from '../table/table-keys.ts';
import { SegmentBytes } from '../tree/segment-bytes.ts';
import type { TreeFiles } from '../tree/tree-files.ts';
import { type ContentKind, wholeEnd } from './whole-end.ts';

/** What else is known of segments, at the time. */
export interface KnownSegments {
  readonly rowOf: (name: string) => SegmentInfo | undefined;
  readonly stored: ReadonlyMap<string, StoredSegment>;
}

/** Behind half an event or entry nothing could be appended: what ends with one ends before it. */
export async function trimExtension(
  files: TreeFiles,
  stored: StoredSegment,
  knownEnd: number,
  known: KnownSegments,
): Promise<StoredSegment> {
  const { name, startOffset, extents } = stored;
  const to = dataEnd(stored);
  const bytes = new SegmentBytes(files, extents);
  const content = await contentOf(files, name, known);
  const end = await wholeEnd(bytes, Math.max(startOffset, bytes.start), knownEnd, content);
  if (end > knownEnd) {
    const range = { segment: name, from: knownEnd, to: end };
    files.findings.note('adopted-bytes', 'bytes that no metadata knows of continue the segment', range);
  }
  if (end === to) return stored;
  const message = 'bytes behind the end of the segment are no whole event or entry, and are left out';
  files.findings.damage('quarantined-chunk', message, { segment: name, from: end, to });
  const kept = extents
    .filter(({ at }) => at < end)
    .map((extent) => ({ ...extent, length: Math.min(extent.length, end - extent.at) }));
  return { ...stored, extents: kept };
}

async function contentOf(
  files: TreeFiles,
  name: string,
  { rowOf, stored }: KnownSegments,
): Promise<ContentKind> {
  if (isAttributeIndex(name)) {
    const owner = name.slice(0, -ATTRIBUTE_SUFFIX.length);
    const row = rowOf(owner);
    const known = Number(row?.attributes.get(coreAttribute.idLength) ?? 0n);
    const table = row === undefined && isTableSegment(owner, row) ? stored.get(owner) : undefined;
    const bytes = table && new SegmentBytes(files, table.extents);
    const other = bytes && (await firstKeyLength({ bytes, startOffset: table.startOffset }));
    return { kind: 'attribute-index', keyLengths: [known || UUID_KEY_BYTES, other ?? []].flat() };
  }
  if (isInternal(name) || isTableSegment(name, rowOf(name))) return { kind: 'table' };
  if (name.endsWith(INDEX_SUFFIX)) return { kind: 'index-records' };
  const index = stored.get(name + INDEX_SUFFIX);
  return { kind: 'stream', boundary: boundariesIn(index && new SegmentBytes(files, index.extents)) };
}
