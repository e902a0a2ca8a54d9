import { bucketOf } from '../attributes/attribute-key.ts';
import type { Findings } from '../tree/finding.ts';
import type { SegmentBytes } from '../tree/segment-bytes.ts';
import { scanEntries } from './entry-scan.ts';
import { readHashTable } from './hash-table.ts';

export interface TableCounts {
  readonly totalEntries: number;
  readonly liveKeys: number;
  /** Different hashes of live keys. */
  readonly buckets: number;
  readonly isWhole: boolean;
}

export interface TableToCount {
  readonly name: string;
  readonly bytes: SegmentBytes;
  readonly index: SegmentBytes | undefined;
  readonly startOffset: number;
  readonly findings: Findings;
}

/** Of a table with keys of one length only the entries are counted: what is alive is in its index alone. */
export async function countTable(
  table: TableToCount,
  countFrom: number,
  isFixed: boolean,
): Promise<TableCounts> {
  const { name, bytes, index, startOffset, findings } = table;
  if (isFixed) {
    let totalEntries = 0;
    const from = Math.max(countFrom, bytes.start);
    const endsAt = await scanEntries(bytes, from, bytes.end, () => {
      totalEntries += 1;
    });
    return { totalEntries, liveKeys: 0, buckets: 0, isWhole: endsAt >= bytes.end };
  }
  const reading = await readHashTable(bytes, { segment: name, findings, index, startOffset, countFrom });
  const buckets = new Set([...reading.live.keys()].map((key) => bucketOf(Buffer.from(key, 'latin1'))));
  return {
    totalEntries: reading.totalEntries,
    liveKeys: reading.live.size,
    buckets: buckets.size,
    isWhole: reading.isWhole,
  };
}
