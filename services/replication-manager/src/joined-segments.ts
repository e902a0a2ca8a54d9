import { encodeSegment, SEGMENT_MAX_BYTES, SEGMENT_MAX_RECORDS } from '@salvor/tlog';
import type { SourceSegment } from './source-log.ts';

/** Beside the data of a segment: its head, and for each record less than this. */
const HEAD_BYTES = 4_096;
const RECORD_BYTES = 40;

/**
 * The same records in fewer segments: each is stored by a message of its own, which waits for the one before. A joined one has
 * the number of its last, and covers the others. Only what one owner wrote behind one base is joined.
 */
export function joined(segments: readonly SourceSegment[]): SourceSegment[] {
  const groups: SourceSegment[][] = [];
  let bytes = 0;
  let records = 0;
  for (const each of segments) {
    const { segment } = each;
    const own = segment.data.length + RECORD_BYTES * segment.records.length;
    const group = groups.at(-1);
    const before = group?.at(-1)?.segment;
    const fits =
      bytes + own + HEAD_BYTES <= SEGMENT_MAX_BYTES &&
      records + segment.records.length <= SEGMENT_MAX_RECORDS;
    if (group !== undefined && before !== undefined && fits && isSameRun(before, segment)) group.push(each);
    else {
      groups.push([each]);
      bytes = 0;
      records = 0;
    }
    bytes += own;
    records += segment.records.length;
  }
  return groups.map(joinedGroup);
}

function isSameRun(a: SourceSegment['segment'], b: SourceSegment['segment']): boolean {
  return (
    a.kind === 'writes' &&
    b.kind === 'writes' &&
    a.epoch === b.epoch &&
    a.base === b.base &&
    a.blockSize === b.blockSize &&
    a.vdisk === b.vdisk
  );
}

function joinedGroup(group: readonly SourceSegment[]): SourceSegment {
  const [first, last] = [group[0], group.at(-1)];
  if (first === undefined || last === undefined) throw new Error('expected a segment');
  if (group.length === 1) return first;
  const { covers, number, first: begins, firstAt } = first.segment;
  const exactFrom = Math.max(begins - 1, ...group.map((each) => each.segment.covers?.exactFrom ?? 0));
  const segment = {
    ...last.segment,
    ...{ first: begins, firstAt },
    records: group.flatMap((each) => each.segment.records),
    covers: { number: covers?.number ?? number, first: covers?.first ?? begins, exactFrom },
    data: Buffer.concat(group.map((each) => each.segment.data)),
  };
  return { bytes: encodeSegment(segment), segment };
}
