/** Entries of an index, with the records in columns. An index tells of every record of a log, and few of them are looked at one by one. */
import {
  decodeAs,
  fingerprintOf,
  type TlogCover,
  type TlogIndexEntry,
  type TlogPosition,
  type TlogRecord,
  type TlogSegmentKind,
} from '@salvor/contracts';
import { RecordColumns } from '../record-columns.ts';
import { SegmentCursor } from '../segment-cursor.ts';

/** An entry whose records become objects when they are asked for. */
export class IndexEntry implements TlogIndexEntry {
  readonly number: number;
  readonly epoch: number;
  readonly generation: number;
  readonly kind: TlogSegmentKind;
  readonly name: string;
  readonly first: number;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly base: number;
  readonly blockSize: number;
  readonly positions: TlogPosition[];
  readonly covers: TlogCover | undefined;
  readonly dataAt: number;
  readonly #columns: RecordColumns;
  #records: TlogRecord[] | null = null;

  constructor(of: Omit<TlogIndexEntry, 'records'> & { readonly columns: RecordColumns }) {
    this.number = of.number;
    this.epoch = of.epoch;
    this.generation = of.generation;
    this.kind = of.kind;
    this.name = of.name;
    this.first = of.first;
    this.firstAt = of.firstAt;
    this.lastAt = of.lastAt;
    this.base = of.base;
    this.blockSize = of.blockSize;
    this.positions = of.positions;
    this.covers = of.covers;
    this.dataAt = of.dataAt;
    this.#columns = of.columns;
  }

  get columns(): RecordColumns {
    return this.#columns;
  }

  get records(): TlogRecord[] {
    this.#records ??= this.#columns.records();
    return this.#records;
  }
}

/** The records of an entry in columns. */
export function columnsOf(entry: TlogIndexEntry): RecordColumns {
  return entry instanceof IndexEntry ? entry.columns : RecordColumns.of(entry.records);
}

/** An entry as a value of its schema, for comparisons. */
export function plainEntry(entry: TlogIndexEntry): TlogIndexEntry {
  const { covers, ...rest } = entry;
  return { ...rest, ...(covers === undefined ? {} : { covers }), records: entry.records };
}

/** Reads entries that were written with one schema. */
export class EntryReader {
  readonly #objectHead: Buffer;
  readonly #isPresent: boolean;

  /** @param objectHead first bytes of a single-object encoding of the writer's schema */
  constructor(objectHead: Buffer) {
    this.#objectHead = objectHead;
    const fingerprint = objectHead.subarray(objectHead.length - FINGERPRINT_BYTES).toString('hex');
    this.#isPresent = fingerprint === fingerprintOf('TlogIndexEntry');
  }

  /** Throws when the body is no entry. */
  read(body: Buffer): TlogIndexEntry {
    if (!this.#isPresent) return decodeAs('TlogIndexEntry', Buffer.concat([this.#objectHead, body]));
    return entryOf(new SegmentCursor(body));
  }
}

const FINGERPRINT_BYTES = 8;

/** The fields in the order of the schema. */
function entryOf(cursor: SegmentCursor): TlogIndexEntry {
  const entry = new IndexEntry({
    ...cursor.head(),
    covers: cursor.covers(),
    dataAt: cursor.long(),
    columns: cursor.records(),
  });
  cursor.end();
  return entry;
}
