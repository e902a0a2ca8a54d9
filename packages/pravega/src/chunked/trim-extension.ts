/** Bytes that no metadata knows of are taken only as far as they are whole. */
import { isTableSegment } from '../attributes/segment-attributes.ts';
import { ATTRIBUTE_SUFFIX, isAttributeIndex, isInternal } from '../naming/segment-name.ts';
import { coreAttribute } from '../records/core-attributes.ts';
import type { SegmentInfo } from '../records/segment-info.ts';
import { dataEnd, type StoredSegment } from '../stored-segment.ts';
import { SegmentBytes } from '../tree/segment-bytes.ts';
import type { TreeFiles } from '../tree/tree-files.ts';
import { type ContentKind, wholeEnd } from './whole-end.ts';

/** Behind half an event or entry nothing could be appended: what ends with one ends before it. */
export async function trimExtension(
  files: TreeFiles,
  stored: StoredSegment,
  knownEnd: number,
  rowOf: (name: string) => SegmentInfo | undefined,
): Promise<StoredSegment> {
  const { name, startOffset, extents } = stored;
  const to = dataEnd(stored);
  const bytes = new SegmentBytes(files, extents);
  const end = await wholeEnd(bytes, Math.max(startOffset, bytes.start), knownEnd, contentOf(name, rowOf));
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

function contentOf(name: string, rowOf: (name: string) => SegmentInfo | undefined): ContentKind {
  if (isAttributeIndex(name)) {
    const row = rowOf(name.slice(0, -ATTRIBUTE_SUFFIX.length));
    return { kind: 'attribute-index', keyLength: Number(row?.attributes.get(coreAttribute.idLength) ?? 0n) };
  }
  return { kind: isInternal(name) || isTableSegment(name, rowOf(name)) ? 'table' : 'stream' };
}
