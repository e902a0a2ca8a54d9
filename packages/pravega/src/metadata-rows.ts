/** Rows of the tables in which a container keeps what it knows of segments. */
import { FormatError } from './format/format-error.ts';
import { ATTRIBUTE_SUFFIX } from './naming/segment-name.ts';
import type { StoredSegment } from './stored-segment.ts';
import type { TableEntry } from './table/entry-scan.ts';
import { liveValue, readHashTable } from './table/hash-table.ts';
import { SegmentBytes } from './tree/segment-bytes.ts';
import type { TreeFiles } from './tree/tree-files.ts';

export interface MetadataRows<Row> {
  readonly rows: ReadonlyMap<string, Row>;
  readonly removed: ReadonlySet<string>;
  /** Rows that were put again behind their removal. */
  readonly recreated: ReadonlySet<string>;
  /** False where rows may be missing or damaged: then a row that is not there says nothing. */
  readonly isWhole: boolean;
}

export interface MetadataTable<Row> {
  readonly container: number;
  /** As the layout found it. */
  readonly segments: ReadonlyMap<string, StoredSegment>;
  readonly name: string;
  /** Throws FormatError. Null: the row says that there is nothing any more. */
  readonly decode: (key: string, value: Buffer) => Row | null;
  /** A container has a row of its own metadata at least: a table without any has lost them. */
  readonly isNeverEmpty?: boolean;
  readonly ignores?: (entry: TableEntry) => boolean;
}

/** Reads a whole table of a container. A row that is damaged is reported and left out; a table that is missing, too. */
export async function readMetadataRows<Row>(
  files: TreeFiles,
  table: MetadataTable<Row>,
): Promise<MetadataRows<Row>> {
  const { container, segments, name, decode } = table;
  const { findings } = files;
  const stored = segments.get(name);
  if (stored === undefined) {
    findings.damage('metadata-missing', `${name} is not there`, { container, segment: name });
    return { rows: new Map(), removed: new Set(), recreated: new Set(), isWhole: false };
  }
  const bytes = new SegmentBytes(files, stored.extents);
  const index = segments.get(name + ATTRIBUTE_SUFFIX);
  const reading = await readHashTable(bytes, {
    segment: name,
    findings,
    index: index && new SegmentBytes(files, index.extents),
    startOffset: stored.startOffset,
    ...(table.ignores === undefined ? {} : { ignores: table.ignores }),
  });
  const isEmptied = table.isNeverEmpty === true && reading.live.size === 0 && reading.removed.size === 0;
  if (isEmptied)
    findings.damage('metadata-missing', `${name} has no rows, not even its own`, {
      container,
      segment: name,
    });
  const isWithoutHead = (stored.startOffset > 0 || bytes.start > 0) && !reading.hasIndex;
  if (isWithoutHead)
    findings.damage(
      'metadata-missing',
      `${name} does not begin at 0, and has no index that tells whether rows are missing`,
      {
        container,
        segment: name,
      },
    );
  const isCut = isWithoutHead || stored.mayBeGone || stored.doubts.length !== undefined;
  let isWhole = reading.isWhole && stored.missing.length === 0 && !isEmptied && !isCut;
  const rows = new Map<string, Row>();
  const removed = new Set([...reading.removed].flatMap((key) => nameOf(key) ?? []));
  const inOrder = [...reading.live].sort(([, a], [, b]) => a.offset - b.offset);
  for (const [key, live] of inOrder) {
    const rowName = nameOf(key);
    try {
      const value = await liveValue(bytes, live);
      if (rowName === undefined || value === undefined) throw new FormatError('expected a row under a name');
      const row = decode(rowName, value);
      if (row === null) removed.add(rowName);
      else rows.set(rowName, row);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      isWhole = false;
      const message = `the row of ${rowName ?? JSON.stringify(key)} is damaged: ${error.message}`;
      findings.damage('bad-row', message, {
        container,
        segment: rowName ?? name,
        path: name,
        from: live.offset,
      });
    }
  }
  const recreated = new Set([...reading.recreated].flatMap((key) => nameOf(key) ?? []));
  return { rows, removed, recreated, isWhole };
}

/** Keys are names in UTF-8. Names are ASCII; others are read as their bytes are. */
function nameOf(key: string): string | undefined {
  const bytes = Buffer.from(key, 'latin1');
  const text = bytes.toString('utf8');
  if (Buffer.from(text, 'utf8').equals(bytes)) return text;
  return undefined;
}
