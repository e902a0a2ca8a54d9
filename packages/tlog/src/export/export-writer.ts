import { createHash } from 'node:crypto';
import { avroFileBlock } from '../chunk/avro-file.ts';
import type { BlockContent } from '../replay/restore-target.ts';
import { blockChecksum } from '../segment.ts';
import type { AppendableStore, StoreWriter } from '../store/appendable-store.ts';
import { EXPORT_RECORD, type ExportedVdisk, exportHeader, exportSync } from './export-header.ts';

/** Bytes that are gathered for one write to the store. */
const GATHER_BYTES: number = 1024 * 1024;

export interface ExportCounts {
  readonly blocks: number;
  /** Of the file. */
  readonly bytes: number;
}

/** Writes the file of an exported vdisk; what is zeros is left out. It holds {@link GATHER_BYTES} in memory, and what the store holds. */
export class ExportWriter {
  readonly #writer: StoreWriter;
  readonly #sync: Buffer;
  readonly #zeros: Buffer;
  readonly #hash = createHash('sha256');
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #blocks = 0;
  #bytes = 0;

  private constructor(writer: StoreWriter, exported: ExportedVdisk) {
    this.#writer = writer;
    this.#sync = exportSync(exported);
    this.#zeros = Buffer.alloc(exported.blockSize);
    this.#take([exportHeader(exported)]);
  }

  /** Begins a file; nobody sees it before it is finished. @throws LogError `store` */
  static async begin(store: AppendableStore, path: string, exported: ExportedVdisk): Promise<ExportWriter> {
    return new ExportWriter(await store.create(path), exported);
  }

  /** For {@link AppendableStore.discard}, when this process dies. */
  get id(): string {
    return this.#writer.id;
  }

  get counts(): ExportCounts {
    return { blocks: this.#blocks, bytes: this.#bytes };
  }

  /** Each block is named once in a file. */
  async add(blocks: readonly BlockContent[]): Promise<void> {
    for (const { block, data } of blocks) {
      if (data === null || data.equals(this.#zeros.subarray(0, data.length))) continue;
      const record = { block: { block, checksum: blockChecksum(data), data } };
      this.#take(avroFileBlock(EXPORT_RECORD, record, this.#sync));
      this.#blocks++;
      if (this.#waitingBytes >= GATHER_BYTES) await this.#send();
    }
  }

  /** The file is there, whole and durable, when it resolves. */
  async finish(): Promise<ExportCounts & { readonly sha256: string }> {
    const sha256 = this.#hash.copy().digest('hex');
    const end = { blocks: this.#blocks, bytes: this.#bytes, sha256 };
    this.#take(avroFileBlock(EXPORT_RECORD, { end }, this.#sync));
    await this.#send();
    await this.#writer.finish();
    return { ...this.counts, sha256 };
  }

  abandon(): Promise<void> {
    return this.#writer.abandon();
  }

  #take(parts: readonly Buffer[]): void {
    for (const part of parts) {
      this.#hash.update(part);
      this.#waiting.push(part);
      this.#waitingBytes += part.length;
      this.#bytes += part.length;
    }
  }

  async #send(): Promise<void> {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    await this.#writer.append([bytes]);
  }
}
