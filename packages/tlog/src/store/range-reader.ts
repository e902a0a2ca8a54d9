import { Worker } from 'node:worker_threads';
import type { ByteRange, FileRanges, RangeAnswer, RangeFault, RangeRequest } from './range-reading.ts';
import { type ReadMemory, sharedBuffer } from './read-memory.ts';

/** Threads of one reader: so many reads are under way on a disk at once. */
const THREADS = 2;

/** Why ranges could not be read. */
export class RangeFaultError extends Error {
  readonly code: string;
  constructor({ code, message }: RangeFault) {
    super(message);
    this.code = code;
  }
}

interface Asked {
  readonly file: FileRanges;
  readonly lengths: readonly number[];
  readonly resolve: (bytes: Buffer[]) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Reads many small ranges of files in threads of its own, which are started when they are first wanted. What is asked for in
 * one turn of the loop goes as one message.
 */
export class RangeReader {
  readonly #threads: (RangeThread | null)[] = Array.from({ length: THREADS }, () => null);
  #gathered: Asked[] = [];
  #next = 0;
  #isClosed = false;

  /** The bytes of each range, in order, in that memory where one is given. Rejects with an error whose code is that of the system, or `ends`. */
  read(file: string, ranges: readonly ByteRange[], memory?: ReadMemory): Promise<Buffer[]> {
    const lengths = ranges.map(({ length }) => length);
    const places = new Float64Array(2 * ranges.length);
    let bytes = 0;
    for (const [i, { offset, length }] of ranges.entries()) {
      places[2 * i] = offset;
      places[2 * i + 1] = length;
      bytes += length;
    }
    const { buffer, byteOffset } = memory?.take(bytes) ?? sharedBuffer(bytes);
    const asked = { file, ranges: places, into: buffer as unknown as SharedArrayBuffer, at: byteOffset };
    return new Promise((resolve, reject) => {
      if (this.#gathered.push({ file: asked, lengths, resolve, reject }) === 1)
        queueMicrotask(() => setImmediate(() => this.#send()));
    });
  }

  /** Ends the threads, whatever they do; what waits for them fails. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#threads.map((thread) => thread?.end('the store is closed')));
  }

  #send(): void {
    const asked = this.#gathered;
    this.#gathered = [];
    if (this.#isClosed) {
      for (const { reject } of asked) reject(new Error('the store is closed'));
      return;
    }
    const each = Math.ceil(asked.length / THREADS);
    for (let at = 0; at < asked.length; at += each) this.#thread().ask(asked.slice(at, at + each));
  }

  #thread(): RangeThread {
    const place = this.#next++ % THREADS;
    const known = this.#threads[place];
    if (known?.isAlive === true) return known;
    const thread = new RangeThread();
    this.#threads[place] = thread;
    return thread;
  }
}

class RangeThread {
  readonly #worker = startThread();
  readonly #waiting = new Map<number, readonly Asked[]>();
  #ids = 0;
  isAlive = true;

  constructor() {
    this.#worker.on('message', (answer: RangeAnswer) => this.#take(answer));
    this.#worker.on('error', (error) => this.#ended(error));
    this.#worker.on('exit', (code) => this.#ended(new Error(`the reading thread ended with code ${code}`)));
    // An idle thread must not keep the process.
    this.#worker.unref();
  }

  ask(asked: readonly Asked[]): void {
    const id = ++this.#ids;
    this.#waiting.set(id, asked);
    this.#worker.ref();
    const request: RangeRequest = { id, files: asked.map(({ file }) => file) };
    this.#worker.postMessage(request);
  }

  async end(why: string): Promise<void> {
    this.#ended(new Error(why));
    await this.#worker.terminate();
  }

  #take({ id, faults }: RangeAnswer): void {
    const asked = this.#waiting.get(id) ?? [];
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#worker.unref();
    for (const [i, { file, lengths, resolve, reject }] of asked.entries()) {
      const fault = faults[i] ?? null;
      if (fault !== null) {
        reject(new RangeFaultError(fault));
        continue;
      }
      let { at } = file;
      resolve(
        lengths.map((length) => {
          at += length;
          return Buffer.from(file.into, at - length, length);
        }),
      );
    }
  }

  #ended(error: Error): void {
    this.isAlive = false;
    for (const asked of this.#waiting.values()) for (const { reject } of asked) reject(error);
    this.#waiting.clear();
  }
}

/** Compiled, the thread runs its own module. Run from source, as tests do, it needs the loader of its parent first. */
function startThread(): Worker {
  if (!import.meta.url.endsWith('.ts')) {
    // Loaders of the parent, such as one for TypeScript, are not for it.
    return new Worker(new URL('./range-thread.js', import.meta.url), { execArgv: [] });
  }
  const begin = `import('tsx/esm/api').then((tsx) => { tsx.register(); return import(require('node:worker_threads').workerData); });`;
  return new Worker(begin, { eval: true, workerData: new URL('./range-thread.ts', import.meta.url).href });
}
