import type { RecordIndex } from '../log-source.ts';

/** Of what is read, so much at most may be bytes that nobody asked for, between records that are read at once. */
const SURPLUS_SHARE = 0.08;

/** Bytes `from` to before `to` of the data of a segment. */
export interface RecordRange {
  readonly from: number;
  to: number;
  /** Places of its records in the list that was given. */
  readonly places: number[];
}

/** What to read for some records of a segment: neighbours together, and those with the smallest gaps between them. */
export function rangesOf(records: readonly RecordIndex[]): RecordRange[] {
  const places: number[] = [];
  let bytes = 0;
  let isSorted = true;
  let end = 0;
  for (let place = 0; place < records.length; place++) {
    const { at, length } = recordAt(records, place);
    if (length === 0) continue;
    places.push(place);
    bytes += length;
    if (at < end) isSorted = false;
    end = at + length;
  }
  if (!isSorted) places.sort((a, b) => recordAt(records, a).at - recordAt(records, b).at);
  const gaps = new Float64Array(Math.max(0, places.length - 1));
  for (let i = 0; i < gaps.length; i++) gaps[i] = gapBehind(records, places, i);
  const bridges = bridgedGaps(gaps, bytes * SURPLUS_SHARE);
  const ranges: RecordRange[] = [];
  for (const [i, place] of places.entries()) {
    const { at, length } = recordAt(records, place);
    const last = ranges.at(-1);
    if (last !== undefined && i > 0 && bridges(gaps[i - 1] ?? 0)) {
      last.to = Math.max(last.to, at + length);
      last.places.push(place);
    } else ranges.push({ from: at, to: at + length, places: [place] });
  }
  return ranges;
}

/** Tells of each gap in turn whether it is read over: of the smallest ones as many as `surplus` bytes allow. */
function bridgedGaps(gaps: Float64Array, surplus: number): (gap: number) => boolean {
  const rising = gaps.slice().sort();
  let left = surplus;
  let count = 0;
  for (const gap of rising) {
    if (gap > left) break;
    left -= Math.max(0, gap);
    count++;
  }
  const largest = rising[count - 1] ?? Number.NEGATIVE_INFINITY;
  let ofLargest = count - rising.indexOf(largest);
  return (gap) => gap < largest || (gap === largest && ofLargest-- > 0);
}

function gapBehind(records: readonly RecordIndex[], places: readonly number[], i: number): number {
  const { at, length } = recordAt(records, places[i] ?? 0);
  return recordAt(records, places[i + 1] ?? 0).at - at - length;
}

function recordAt(records: readonly RecordIndex[], place: number): RecordIndex {
  const record = records[place];
  if (record === undefined) throw new RangeError(`record ${place} of ${records.length}`);
  return record;
}
