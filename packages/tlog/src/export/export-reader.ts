import { createHash, type Hash } from 'node:crypto';
import { decodeAs, type VdiskExportEnd, type VdiskExportRecord } from '@salvor/contracts';
import { type AvroFileHeader, MAX_HEADER_BYTES, readBlockHead, SYNC_BYTES } from '../chunk/avro-file.ts';
import { LogError } from '../log-error.ts';
import { blockChecksum } from '../segment.ts';
import type { Tier2Store } from '../store/tier2-store.ts';
import { EXPORT_RECORD, type ExportedVdisk, readExportHeader } from './export-header.ts';

/** Bytes that are read at once. */
const WINDOW_BYTES: number = 4 * 1024 * 1024;
/** What a record has beside the bytes of its block. */
const RECORD_EXTRA_BYTES = 512;
const BLOCK_HEAD_BYTES = 20;

export interface ExportedBlock {
  readonly block: number;
  /** As long as a block, or shorter: zeros follow. */
  readonly data: Buffer;
}

export interface ExportPart {
  readonly blocks: readonly ExportedBlock[];
  /** Where the part behind it begins. */
  readonly next: number;
  /** Of the last part. */
  readonly end: VdiskExportEnd | null;
}

/** Reads the file of an exported vdisk, some MiB at a time. What is damaged is told with its place: LogError `bad-export`. */
export class ExportFile {
  readonly path: string;
  readonly exported: ExportedVdisk;
  readonly sizeBytes: number;
  readonly #store: Pick<Tier2Store, 'read'>;
  readonly #avro: AvroFileHeader;

  private constructor(
    store: Pick<Tier2Store, 'read'>,
    path: string,
    sizeBytes: number,
    header: ReturnType<typeof readExportHeader>,
  ) {
    this.#store = store;
    this.path = path;
    this.sizeBytes = sizeBytes;
    this.exported = header.exported;
    this.#avro = header.avro;
  }

  /** Null: there is no such file. @throws LogError `bad-export`, `store` */
  static async open(store: Pick<Tier2Store, 'read' | 'stat'>, path: string): Promise<ExportFile | null> {
    const found = await store.stat(path);
    if (found === null) return null;
    const { sizeBytes } = found;
    const start = await store.read(path, 0, Math.min(sizeBytes, MAX_HEADER_BYTES));
    return new ExportFile(store, path, sizeBytes, readExportHeader(start, path));
  }

  /** Blocks of the vdisk. */
  get blocks(): number {
    return this.exported.size / this.exported.blockSize;
  }

  /**
   * The blocks in the order of the file, from a place on that an earlier part named. Read from the beginning the file is proven
   * to be whole, and what was written.
   */
  async *read(from?: number): AsyncIterable<ExportPart> {
    const begin = this.#avro.end;
    const hash = from === undefined ? createHash('sha256') : null;
    if (from !== undefined && (from < begin || from > this.sizeBytes))
      throw this.#bad(from, `it has no such place: records begin at ${begin}, it ends at ${this.sizeBytes}`);
    if (hash !== null) hash.update(await this.#bytes(0, begin));
    let count = 0;
    for (let at = from ?? begin; ; ) {
      const bytes = await this.#bytes(at, Math.max(WINDOW_BYTES, 2 * this.#maxRecordBytes));
      const part = this.#parse(bytes, at, hash);
      count += part.blocks.length;
      if (part.end !== null)
        this.#assertEnd(part.end, { count: hash === null ? null : count, ...part, hash });
      yield part;
      if (part.end !== null) return;
      at = part.next;
    }
  }

  get #maxRecordBytes(): number {
    return this.exported.blockSize + RECORD_EXTRA_BYTES;
  }

  #bytes(at: number, length: number): Promise<Buffer> {
    return this.#store.read(this.path, at, Math.min(length, this.sizeBytes - at));
  }

  /** The whole records of a window. */
  #parse(bytes: Buffer, from: number, hash: Hash | null): ExportPart & { readonly endAt: number } {
    const isLast = from + bytes.length >= this.sizeBytes;
    const blocks: ExportedBlock[] = [];
    let at = 0;
    while (isLast || bytes.length - at >= this.#maxRecordBytes + BLOCK_HEAD_BYTES + SYNC_BYTES) {
      const { record, length } = this.#recordAt(bytes.subarray(at), from + at);
      if (record.end !== undefined) {
        hash?.update(bytes.subarray(0, at));
        return { blocks, next: from + at + length, end: record.end, endAt: from + at };
      }
      blocks.push(this.#blockOf(record, from + at));
      at += length;
    }
    hash?.update(bytes.subarray(0, at));
    return { blocks, next: from + at, end: null, endAt: -1 };
  }

  #recordAt(bytes: Buffer, at: number): { record: VdiskExportRecord; length: number } {
    if (bytes.length === 0)
      throw this.#bad(at, 'it ends without the record that counts its blocks: it is cut off');
    const head = readBlockHead(bytes.subarray(0, BLOCK_HEAD_BYTES), this.#maxRecordBytes);
    if (typeof head === 'string') throw this.#bad(at, head);
    const bodyEnd = head.bodyAt + head.length;
    if (bodyEnd + SYNC_BYTES > bytes.length)
      throw this.#bad(at, `it ends within a record of ${head.length} bytes: it is cut off`);
    if (!bytes.subarray(bodyEnd, bodyEnd + SYNC_BYTES).equals(this.#avro.sync))
      throw this.#bad(at, 'no sync marker is behind the record');
    const body = Buffer.concat([this.#avro.objectHead, bytes.subarray(head.bodyAt, bodyEnd)]);
    try {
      return { record: decodeAs(EXPORT_RECORD, body), length: bodyEnd + SYNC_BYTES };
    } catch (error) {
      throw this.#bad(at, error instanceof Error ? error.message : String(error));
    }
  }

  #blockOf({ block: found }: VdiskExportRecord, at: number): ExportedBlock {
    if (found === undefined) throw this.#bad(at, 'a record is neither a block nor the end');
    const { block, data, checksum } = found;
    if (block < 0 || block >= this.blocks)
      throw this.#bad(at, `expected a block from 0 to ${this.blocks - 1}, found ${block}`);
    const { blockSize } = this.exported;
    if (data.length === 0 || data.length > blockSize)
      throw this.#bad(at, `block ${block}: expected 1 to ${blockSize} bytes, found ${data.length}`);
    if (blockChecksum(data) !== checksum) throw this.#bad(at, `block ${block} does not match its checksum`);
    return { block, data };
  }

  #assertEnd(
    { blocks, bytes, sha256 }: VdiskExportEnd,
    { count, next, endAt, hash }: { count: number | null; next: number; endAt: number; hash: Hash | null },
  ): void {
    if (next !== this.sizeBytes)
      throw this.#bad(next, `${this.sizeBytes - next} bytes are behind the record that ends it`);
    if (bytes !== endAt)
      throw this.#bad(endAt, `its end counts ${bytes} bytes in front of it, there are ${endAt}`);
    if (count !== null && blocks !== count)
      throw this.#bad(endAt, `its end counts ${blocks} blocks, there are ${count}`);
    const found = hash?.digest('hex');
    if (found !== undefined && found !== sha256)
      throw this.#bad(endAt, `its bytes have the SHA-256 ${found}, its end names ${sha256}`);
  }

  #bad(at: number, what: string): LogError {
    return new LogError('bad-export', `${this.path}: damaged at byte ${at}: ${what}`);
  }
}
