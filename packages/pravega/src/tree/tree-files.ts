/** The bytes of a tree's files: read-only, bounded, never through links. */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, SalvorError } from '@salvor/service-kit';
import { Findings } from './finding.ts';
import { type TreeFile, walkTree } from './tree-walk.ts';

const BLOCK_BYTES = 64 * 1024;
/** 16 MiB of blocks are kept. */
const MAX_BLOCKS = 256;
const MAX_OPEN_FILES = 16;

export class TreeFiles {
  readonly root: string;
  readonly findings: Findings;
  readonly #files: ReadonlyMap<string, TreeFile>;
  readonly #descriptors = new Map<string, number>();
  /** In order of their last use. */
  readonly #blocks = new Map<string, Buffer>();
  readonly #reported = new Set<string>();

  private constructor(root: string, files: ReadonlyMap<string, TreeFile>, findings: Findings) {
    this.root = root;
    this.#files = files;
    this.findings = findings;
  }

  /** Throws `no-tree` for what is no readable directory. */
  static async open(root: string): Promise<TreeFiles> {
    const findings = new Findings();
    try {
      const real = await realpath(root);
      return new TreeFiles(real, walkTree(real, findings), findings);
    } catch (error) {
      throw new SalvorError(
        'no-tree',
        `expected ${root} to be a readable directory of Pravega's Tier-2, found ${codeOf(error)}`,
        [],
        { cause: error },
      );
    }
  }

  paths(): IterableIterator<string> {
    return this.#files.keys();
  }

  get count(): number {
    return this.#files.size;
  }

  file(path: string): TreeFile | undefined {
    return this.#files.get(path);
  }

  /**
   * The bytes of a file from an offset on. Fewer than asked for where the file ends or cannot be read; the latter is
   * reported once a file.
   */
  async read(path: string, offset: number, length: number): Promise<Buffer> {
    const sizeBytes = this.#files.get(path)?.sizeBytes ?? 0;
    const end = Math.min(offset + length, sizeBytes);
    const parts: Buffer[] = [];
    for (let at = offset; at < end; ) {
      const start = at - (at % BLOCK_BYTES);
      const block = this.#block(path, start, Math.min(BLOCK_BYTES, sizeBytes - start));
      const part = block.subarray(at - start, end - start);
      if (part.length === 0) break;
      parts.push(part);
      at += part.length;
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  }

  /** Reads a file from its first to its last byte; what cannot be read is reported. @returns bytes that were read */
  async readThrough(path: string): Promise<number> {
    const sizeBytes = this.#files.get(path)?.sizeBytes ?? 0;
    let at = 0;
    while (at < sizeBytes) {
      const { length } = await this.read(path, at, BLOCK_BYTES);
      if (length === 0) break;
      at += length;
    }
    return at;
  }

  close(): void {
    for (const descriptor of this.#descriptors.values()) closeSync(descriptor);
    this.#descriptors.clear();
    this.#blocks.clear();
  }

  #block(path: string, start: number, length: number): Buffer {
    const key = `${start} ${path}`;
    const known = this.#blocks.get(key);
    if (known !== undefined) {
      this.#blocks.delete(key);
      this.#blocks.set(key, known);
      return known;
    }
    const block = this.#load(path, start, length);
    this.#blocks.set(key, block);
    for (const oldest of this.#blocks.keys()) {
      if (this.#blocks.size <= MAX_BLOCKS) break;
      this.#blocks.delete(oldest);
    }
    return block;
  }

  /**
   * Without waiting: trees have very many small files, and to have another thread open, read and close each of them takes
   * longer than to do it.
   */
  #load(path: string, start: number, length: number): Buffer {
    const block = Buffer.allocUnsafe(length);
    let filled = 0;
    try {
      const descriptor = this.#open(path);
      while (filled < length) {
        const bytesRead = readSync(descriptor, block, filled, length - filled, start + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      if (filled < length) this.#report(path, `the file became shorter while it was read`);
    } catch (error) {
      this.#report(path, `the file cannot be read (${codeOf(error)})`);
    }
    return block.subarray(0, filled);
  }

  #open(path: string): number {
    const known = this.#descriptors.get(path);
    if (known !== undefined) return known;
    // The file may have been replaced since the walk: no link is followed, and no pipe is waited for.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const descriptor = openSync(join(this.root, path), flags);
    this.#descriptors.set(path, descriptor);
    for (const [oldest, old] of this.#descriptors) {
      if (this.#descriptors.size <= MAX_OPEN_FILES) break;
      this.#descriptors.delete(oldest);
      closeSync(old);
    }
    return descriptor;
  }

  #report(path: string, message: string): void {
    if (this.#reported.has(path)) return;
    this.#reported.add(path);
    this.findings.damage('unreadable', message, { path });
  }
}
