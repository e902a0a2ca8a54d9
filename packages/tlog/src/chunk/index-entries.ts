/** Entries of an index, with the records in columns. An index tells of every record of a log, and few of them are looked at one by one. */
import { decodeAs, fingerprintOf, type TlogIndexEntry } from '@salvor/contracts';
import { RecordColumns } from '../record-columns.ts';
import { SegmentCursor } from '../segment-cursor.ts';

const columnsByEntry = new WeakMap<TlogIndexEntry, RecordColumns>();

/** The records of an entry in columns. */
export function columnsOf(entry: TlogIndexEntry): RecordColumns {
  const known = columnsByEntry.get(entry);
  if (known !== undefined) return known;
  const columns = RecordColumns.of(entry.records);
  columnsByEntry.set(entry, columns);
  return columns;
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
  const head = cursor.head();
  const covers = cursor.covers();
  const dataAt = cursor.long();
  const columns = cursor.records();
  cursor.end();
  let records: TlogIndexEntry['records'] | null = null;
  const entry: TlogIndexEntry = {
    ...head,
    ...(covers === undefined ? {} : { covers }),
    dataAt,
    get records() {
      records ??= columns.records();
      return records;
    },
  };
  columnsByEntry.set(entry, columns);
  return entry;
}
