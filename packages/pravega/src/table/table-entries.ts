/** What a table segment holds: key by key, for whoever brings it back. */
import { readAttributeTree } from '../attributes/attribute-tree.ts';
import type { Findings } from '../tree/finding.ts';
import type { SegmentBytes } from '../tree/segment-bytes.ts';
import { entryAt } from './entry-scan.ts';
import { readHashTable } from './hash-table.ts';

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
  /** Length of every key; 0 for a hash table. */
  readonly keyLength: number;
  readonly findings: Findings;
}

/** Entries that are alive, in the order in which they were written. */
export async function* readTableEntries(table: TableToRead): AsyncGenerator<TableContent> {
  const { bytes, keyLength } = table;
  const offsets = keyLength > 0 ? await indexedOffsets(table) : await liveOffsets(table);
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
async function indexedOffsets({ name, index, keyLength, findings }: TableToRead): Promise<LiveOffset[]> {
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
  return offsets.sort((a, b) => a.offset - b.offset);
}

function reportUnreadable({ name, findings }: TableToRead, offset: number): void {
  findings.damage('bad-entry', 'an entry that is alive cannot be read', { segment: name, from: offset });
}
