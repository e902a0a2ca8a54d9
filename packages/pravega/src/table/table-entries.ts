/** What a table segment holds: key by key, for whoever brings it back. */
import { readAttributeTree } from '../attributes/attribute-tree.ts';
import type { Findings } from '../tree/finding.ts';
import type { SegmentBytes } from '../tree/segment-bytes.ts';
import { entryAt, scanEntries } from './entry-scan.ts';
import { readHashTable } from './hash-table.ts';
import { deduceKeyLength } from './table-keys.ts';

export interface TableContent {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly version: number;
}

export interface TableToRead {
  readonly name: string;
  readonly bytes: SegmentBytes;
  readonly index: SegmentBytes | undefined;
  readonly startOffset: number;
  /** Length of every key; 0 for a hash table; undefined where no row tells. */
  readonly keyLength: number | undefined;
  readonly findings: Findings;
}

/** Entries that are alive, in the order in which they were written. */
export async function* readTableEntries(table: TableToRead): AsyncGenerator<TableContent> {
  const { bytes } = table;
  const keyLength = table.keyLength ?? (await deduceKeyLength(table));
  const offsets = keyLength > 0 ? await indexedOffsets(table, keyLength) : await liveOffsets(table);
  for (const { offset, key } of offsets) {
    const entry = await entryAt(bytes, offset, bytes.end);
    const isEntry = entry?.value != null && entry.key.toString('latin1') === key;
    if (entry?.value != null && isEntry)
      yield { key: entry.key, value: entry.value, version: entry.header.version };
    else reportUnreadable(table, offset);
  }
}

interface LiveOffset {
  readonly offset: number;
  /** As latin1 text. */
  readonly key: string;
}

async function liveOffsets({
  name,
  bytes,
  index,
  startOffset,
  findings,
}: TableToRead): Promise<LiveOffset[]> {
  const { live } = await readHashTable(bytes, { segment: name, findings, index, startOffset });
  return [...live].map(([key, { offset }]) => ({ key, offset })).sort((a, b) => a.offset - b.offset);
}

/** In a table with keys of one length nothing in the data tells of removals: the index decides alone. */
async function indexedOffsets(table: TableToRead, keyLength: number): Promise<LiveOffset[]> {
  const { name, index, findings } = table;
  const offsets: LiveOffset[] = [];
  const tree =
    index &&
    (await readAttributeTree(index, keyLength, ({ key, value }) => {
      if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) return;
      offsets.push({ key: key.toString('latin1'), offset: Number(value) });
    }));
  if (tree === undefined) {
    const message = 'the index of the table has no valid tree, and alone tells which entries were removed';
    findings.damage('bad-index', message, { segment: name });
  }
  offsets.sort((a, b) => a.offset - b.offset);
  if (tree !== undefined) await reportBeyond(table, offsets.at(-1)?.offset);
  return offsets;
}

/** Entries behind all that the index leads to were written after it, or were removed since: nothing tells which. */
async function reportBeyond(
  { name, bytes, startOffset, findings }: TableToRead,
  newest: number | undefined,
): Promise<void> {
  const from = newest ?? Math.max(startOffset, bytes.start);
  let beyond = 0;
  const endsAt = await scanEntries(bytes, from, bytes.end, ({ offset }) => {
    if (offset !== newest) beyond += 1;
  });
  if (beyond === 0) return;
  const message = `${beyond} entries are newer than the index of the table, or were removed: they are left out`;
  findings.note('uncertain-fact', message, { segment: name, from, to: endsAt });
}

function reportUnreadable({ name, findings }: TableToRead, offset: number): void {
  findings.damage('bad-entry', 'an entry that is alive cannot be read', { segment: name, from: offset });
}
