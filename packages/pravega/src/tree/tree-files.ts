/** The bytes of a tree's files: read-only, bounded, never through links. */
import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
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
  readonly #handles = new Map<string, FileHandle>();
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
      return new TreeFiles(real, await walkTree(real, findings), findings);
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
      const block = await this.#block(path, start, Math.min(BLOCK_BYTES, sizeBytes - start));
      const part = block.subarray(at - start, end - start);
      if (part.length === 0) break;
      parts.push(part);
      at += part.length;
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  }

  async close(): Promise<void> {
    const handles = [...this.#handles.values()];
    this.#handles.clear();
    this.#blocks.clear();
    await Promise.all(handles.map((handle) => handle.close()));
  }

  async #block(path: string, start: number, length: number): Promise<Buffer> {
    const key = `${start} ${path}`;
    const known = this.#blocks.get(key);
    if (known !== undefined) {
      this.#blocks.delete(key);
      this.#blocks.set(key, known);
      return known;
    }
    const block = await this.#load(path, start, length);
    this.#blocks.set(key, block);
    for (const oldest of this.#blocks.keys()) {
      if (this.#blocks.size <= MAX_BLOCKS) break;
      this.#blocks.delete(oldest);
    }
    return block;
  }

  async #load(path: string, start: number, length: number): Promise<Buffer> {
    const block = Buffer.allocUnsafe(length);
    let filled = 0;
    try {
      const handle = await this.#handle(path);
      while (filled < length) {
        const { bytesRead } = await handle.read(block, filled, length - filled, start + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      if (filled < length) this.#report(path, `the file became shorter while it was read`);
    } catch (error) {
      this.#report(path, `the file cannot be read (${codeOf(error)})`);
    }
    return block.subarray(0, filled);
  }

  async #handle(path: string): Promise<FileHandle> {
    const known = this.#handles.get(path);
    if (known !== undefined) return known;
    // The file may have been replaced since the walk: no link is followed, and no pipe is waited for.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const handle = await open(join(this.root, path), flags);
    this.#handles.set(path, handle);
    for (const [oldest, old] of this.#handles) {
      if (this.#handles.size <= MAX_OPEN_FILES) break;
      this.#handles.delete(oldest);
      await old.close();
    }
    return handle;
  }

  #report(path: string, message: string): void {
    if (this.#reported.has(path)) return;
    this.#reported.add(path);
    this.findings.damage('unreadable', message, { path });
  }
}
