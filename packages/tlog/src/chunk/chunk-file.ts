import { createHash } from 'node:crypto';
import type { TlogIndexEntry, TlogSegment } from '@salvor/contracts';
import { LogError } from '../log-error.ts';
import { lastSequence } from '../segment.ts';
import {
  avroBodyBlock,
  avroFileBlock,
  avroFileHeader,
  isWrittenAs,
  readAvroHeader,
  readBlockHead,
  SYNC_BYTES,
  syncMarker,
} from './avro-file.ts';
import { type ChunkName, chunkFile, indexFile } from './chunk-name.ts';
import { columnsOf, EntryReader } from './index-entries.ts';

/** An index is read as a whole; a chunk of {@link MAX_CHUNK_RECORDS} has one of 16 MiB. */
export const MAX_INDEX_BYTES: number = 64 * 1024 * 1024;
/** A chunk ends here even if it has few bytes: deleted blocks have none. */
export const MAX_CHUNK_RECORDS = 262_144;

/** The two files of a chunk, ready to be stored. */
export interface ChunkFiles {
  readonly name: ChunkName;
  readonly chunk: readonly Buffer[];
  readonly chunkBytes: number;
  /** SHA-256 of the chunk file, 64 hex digits. */
  readonly sha256: string;
  readonly index: readonly Buffer[];
}

export interface ChunkIndex {
  readonly chunkBytes: number;
  readonly sha256: string;
  readonly entries: readonly TlogIndexEntry[];
}

/** Gathers the segments of one chunk. The same segments give the same bytes. */
export class ChunkBuilder {
  readonly #vdisk: string;
  readonly #range: { from: number; to: number; pass: number; epoch: number };
  readonly #sync: Buffer;
  readonly #parts: Buffer[] = [];
  readonly #hash = createHash('sha256');
  readonly #entries: TlogIndexEntry[] = [];
  #first = 0;
  #last = 0;
  #bytes = 0;
  #records = 0;

  /** `from` is the number of the first segment that the chunk covers. */
  constructor(
    vdisk: string,
    from: number,
    { pass = 0, epoch = 0 }: Partial<Pick<ChunkName, 'pass' | 'epoch'>> = {},
  ) {
    this.#vdisk = vdisk;
    this.#range = { from, to: from - 1, pass, epoch };
    this.#sync = syncMarker(`${vdisk} ${from} ${pass}`);
    this.#push([avroFileHeader('TlogSegment', { 'salvor.vdisk': vdisk }, this.#sync)]);
  }

  get bytes(): number {
    return this.#bytes;
  }
  get segments(): number {
    return this.#entries.length;
  }
  /** Number of the last segment it covers, `from` - 1 while there is none. */
  get to(): number {
    return this.#range.to;
  }
  get isFull(): boolean {
    return this.#records >= MAX_CHUNK_RECORDS;
  }

  /** @param message what the segment was read from; its bytes are kept until the chunk is written */
  add(segment: TlogSegment, message?: Buffer): void {
    const block =
      message !== undefined && isWrittenAs('TlogSegment', message)
        ? avroBodyBlock(message, this.#sync)
        : avroFileBlock('TlogSegment', segment, this.#sync);
    this.#push(block);
    // The bytes of the blocks are the last field.
    this.#entries.push(entryOf(segment, this.#bytes - SYNC_BYTES - segment.data.length));
    this.#records += segment.records.length;
    if (this.#first === 0) this.#first = segment.first;
    this.#last = lastSequence(segment);
    this.#range.to = Math.max(this.#range.to, segment.number);
  }

  /** What compaction left out is covered as well: numbers up to `to`, sequences from `first` to `last`. */
  finish(covered: { to?: number; first?: number; last?: number } = {}): ChunkFiles {
    const { from, to, pass, epoch } = this.#range;
    const name: ChunkName = {
      first: covered.first ?? this.#first,
      last: covered.last ?? this.#last,
      from,
      to: covered.to ?? to,
      ...{ pass, epoch },
    };
    const sha256 = this.#hash.copy().digest('hex');
    const index = indexParts(name, this.#vdisk, this.#entries, this.#bytes, sha256);
    return { name, chunk: this.#parts, chunkBytes: this.#bytes, sha256, index };
  }

  /** Summed up as it grows: all at once would hold up the process for as long as the chunk is large. */
  #push(parts: readonly Buffer[]): void {
    for (const part of parts) {
      this.#parts.push(part);
      this.#hash.update(part);
      this.#bytes += part.length;
    }
  }
}

export function entryOf(segment: TlogSegment, dataAt: number): TlogIndexEntry {
  const { vdisk: _, data: __, ...rest } = segment;
  return { ...rest, dataAt };
}

/** The index file of a chunk: what is needed to find records, and checksums of the chunk and of itself. */
export function indexParts(
  name: ChunkName,
  vdisk: string,
  entries: readonly TlogIndexEntry[],
  chunkBytes: number,
  sha256: string,
): Buffer[] {
  const sync = syncMarker(`index ${vdisk} ${name.from} ${name.pass}`);
  const blocks = entries.flatMap((entry) => avroFileBlock('TlogIndexEntry', entry, sync));
  const hash = createHash('sha256');
  for (const block of blocks) hash.update(block);
  const header = avroFileHeader(
    'TlogIndexEntry',
    {
      'salvor.vdisk': vdisk,
      'salvor.chunk': chunkFile(name),
      'salvor.chunk.bytes': String(chunkBytes),
      'salvor.chunk.sha256': sha256,
      'salvor.entries.sha256': hash.digest('hex'),
    },
    sync,
  );
  return [header, ...blocks];
}

/** Reads an index file, and proves that it is whole and of this chunk. @throws LogError `bad-chunk` */
export function readIndex(bytes: Buffer, name: ChunkName, chunkBytes: number): ChunkIndex {
  const file = indexFile(name);
  const { metadata, sync, objectHead, end } = readAvroHeader(bytes, 'TlogIndexEntry', file);
  const bad = (what: string): LogError => new LogError('bad-chunk', `${file}: ${what}`);
  if (metadata.get('salvor.chunk') !== chunkFile(name))
    throw bad(`expected the index of ${chunkFile(name)}, found that of ${metadata.get('salvor.chunk')}`);
  const told = metadata.get('salvor.chunk.bytes');
  if (told !== String(chunkBytes))
    throw bad(`it describes a chunk of ${told} bytes, which has ${chunkBytes}`);
  const sha256 = createHash('sha256').update(bytes.subarray(end)).digest('hex');
  if (metadata.get('salvor.entries.sha256') !== sha256) throw bad('its entries do not match their checksum');
  const entries: TlogIndexEntry[] = [];
  const reader = new EntryReader(objectHead);
  for (let at = end; at < bytes.length; ) {
    const head = readBlockHead(bytes.subarray(at, at + 20), bytes.length - at);
    if (typeof head === 'string') throw bad(`at ${at}: ${head}`);
    const bodyAt = at + head.bodyAt;
    const bodyEnd = bodyAt + head.length;
    if (!bytes.subarray(bodyEnd, bodyEnd + SYNC_BYTES).equals(sync))
      throw bad(`at ${bodyEnd}: no sync marker`);
    entries.push(entryFrom(reader, bytes.subarray(bodyAt, bodyEnd), chunkBytes, bad));
    at = bodyEnd + SYNC_BYTES;
  }
  return { chunkBytes, sha256: metadata.get('salvor.chunk.sha256') ?? '', entries };
}

function entryFrom(
  reader: EntryReader,
  body: Buffer,
  chunkBytes: number,
  bad: (what: string) => LogError,
): TlogIndexEntry {
  let entry: TlogIndexEntry;
  try {
    entry = reader.read(body);
  } catch (error) {
    throw bad(error instanceof Error ? error.message : String(error));
  }
  const columns = columnsOf(entry);
  let dataEnd = entry.dataAt;
  let isBad = entry.dataAt < 0;
  for (let i = 0; i < columns.count; i++) {
    const length = columns.length(i);
    dataEnd += length;
    if (length < 0) isBad = true;
  }
  if (isBad || dataEnd > chunkBytes) throw bad(`segment ${entry.number}: its bytes lie outside of the chunk`);
  return entry;
}
