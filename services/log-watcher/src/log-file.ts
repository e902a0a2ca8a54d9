import { randomBytes } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { LineSplitter } from './line-splitter.ts';
import type { Position } from './position-file.ts';

const HEAD_BYTES = 256;

/** One file under a path: stays the same file when it is renamed, and knows when its content began anew. */
export class LogFile {
  readonly path: string;
  readonly inode: string;
  readonly #handle: FileHandle;
  #generation: string = newGeneration();
  #head: Buffer = Buffer.alloc(0);
  #splitter: LineSplitter = new LineSplitter(0);

  private constructor(path: string, handle: FileHandle, inode: string) {
    this.path = path;
    this.#handle = handle;
    this.inode = inode;
  }

  /** Null when there is no such file. */
  static async open(path: string): Promise<LogFile | null> {
    try {
      const handle = await open(path, 'r');
      const { ino } = await handle.stat({ bigint: true });
      return new LogFile(path, handle, String(ino));
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
      throw error;
    }
  }

  get fd(): number {
    return this.#handle.fd;
  }

  get splitter(): LineSplitter {
    return this.#splitter;
  }

  get generation(): string {
    return this.#generation;
  }

  position(offset: number): Position {
    const { inode } = this;
    return { inode, generation: this.#generation, offset, head: this.#head.toString('base64') };
  }

  /** Goes on where a position says. False when the content is not what was read then. */
  async resume({ inode, generation, offset, head }: Position): Promise<boolean> {
    const expected = Buffer.from(head, 'base64');
    const { size } = await this.#handle.stat();
    if (inode !== this.inode || size < offset || !(await this.#beginsWith(expected))) return false;
    this.#generation = generation;
    this.#head = expected;
    this.#splitter = new LineSplitter(offset);
    return true;
  }

  /** Reads the content from its beginning, as another one. */
  beginAnew(): void {
    this.#generation = newGeneration();
    this.#head = Buffer.alloc(0);
    this.#splitter = new LineSplitter(0);
  }

  async skipToEnd(): Promise<void> {
    const { size } = await this.#handle.stat();
    this.#splitter = new LineSplitter(size);
    await this.#noteHead(size);
  }

  /** The bytes after those in the splitter, at most the buffer's; none at the end of the file. */
  async read(buffer: Buffer): Promise<Buffer | 'truncated'> {
    const offset = this.#splitter.readTo;
    const { size } = await this.#handle.stat();
    if (size < offset) return 'truncated';
    if (size === offset) return buffer.subarray(0, 0);
    if (!(await this.#beginsWith(this.#head))) return 'truncated';
    const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, offset);
    await this.#noteHead(size);
    return buffer.subarray(0, bytesRead);
  }

  async modifiedAtNs(): Promise<bigint> {
    return (await this.#handle.stat({ bigint: true })).mtimeNs;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  async #beginsWith(expected: Buffer): Promise<boolean> {
    return expected.length === 0 || (await this.#readHead(expected.length)).equals(expected);
  }

  async #noteHead(size: number): Promise<void> {
    const wanted = Math.min(size, HEAD_BYTES);
    if (this.#head.length < wanted) this.#head = await this.#readHead(wanted);
  }

  async #readHead(bytes: number): Promise<Buffer> {
    const head = Buffer.alloc(bytes);
    const { bytesRead } = await this.#handle.read(head, 0, bytes, 0);
    return head.subarray(0, bytesRead);
  }
}

function newGeneration(): string {
  return randomBytes(4).toString('hex');
}
