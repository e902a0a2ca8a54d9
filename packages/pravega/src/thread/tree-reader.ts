/** A tree that a thread of its own reads, with a bound on its memory: whoever holds leases stays awake. */
import { Worker } from 'node:worker_threads';
import { codeOf, messageOf, SalvorError } from '@salvor/service-kit';
import type { OpenTreeOptions, SegmentFacts } from '../pravega-tree.ts';
import type { TableContent } from '../table/table-entries.ts';
import type { SegmentAccount, TreeAnswer, TreeMethods, TreeOutline, TreeRequest } from './tree-requests.ts';

/** Heap of the thread, MiB, so that a process that reads a tree stays below 500 MB: 100,000 segments take less. */
const MAX_HEAP_MIB = 320;
/** Of it, for what is new: the default is more than a thread that reads needs. */
const MAX_YOUNG_MIB = 16;

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

export interface TreeReaderOptions extends OpenTreeOptions {
  readonly maxHeapMib?: number;
}

/** Segments are named by their place in the list, 0 to `outline.segments` - 1: by container and name. */
export class TreeReader {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #ids = 0;
  #ended: Error | undefined;
  #outline: TreeOutline | undefined;

  private constructor(maxHeapMib: number) {
    this.#worker = startThread(maxHeapMib);
    this.#worker.on('message', (answer: TreeAnswer) => this.#take(answer));
    this.#worker.on('error', (error) => this.#end(endedBy(error, maxHeapMib)));
    this.#worker.on('exit', () => this.#end(new SalvorError('tree-closed', 'the tree is not read any more')));
  }

  /** Throws as `openTree` does, and `tree-too-large` when its memory does not suffice. */
  static async open(root: string, options: TreeReaderOptions = {}): Promise<TreeReader> {
    const { maxHeapMib = MAX_HEAP_MIB, ...open } = options;
    const reader = new TreeReader(maxHeapMib);
    try {
      reader.#outline = await reader.#ask('open', root, open);
      return reader;
    } catch (error) {
      await reader.close();
      throw error;
    }
  }

  get outline(): TreeOutline {
    if (this.#outline === undefined) throw new SalvorError('no-tree', 'expected an open tree');
    return this.#outline;
  }

  list(from: number, count: number): Promise<TreeMethods['list']['gives']> {
    return this.#ask('list', from, count);
  }

  facts(index: number): Promise<SegmentFacts> {
    return this.#ask('facts', index);
  }

  account(index: number): Promise<SegmentAccount> {
    return this.#ask('account', index);
  }

  /** Fewer bytes than asked for where the segment ends, has a hole, or cannot be read. */
  async read(index: number, offset: number, length: number): Promise<Buffer> {
    const { buffer, byteOffset, byteLength } = await this.#ask('read', index, offset, length);
    return Buffer.from(buffer, byteOffset, byteLength);
  }

  /** What a table holds, in the order in which it was written; nothing for a segment that is no table. */
  async *entries(index: number): AsyncGenerator<TableContent> {
    for (;;) {
      const { entries, done } = await this.#ask('entries', index);
      for (const { key, value, version } of entries)
        yield { key: Buffer.from(key), value: Buffer.from(value), version };
      if (done) return;
    }
  }

  readFiles(count: number): Promise<TreeMethods['readFiles']['gives']> {
    return this.#ask('readFiles', count);
  }

  walk(index: number): Promise<TreeMethods['walk']['gives']> {
    return this.#ask('walk', index);
  }

  findings(): Promise<TreeMethods['findings']['gives']> {
    return this.#ask('findings');
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #ask<M extends keyof TreeMethods>(
    method: M,
    ...takes: TreeMethods[M]['takes']
  ): Promise<TreeMethods[M]['gives']> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const request: TreeRequest = { id: ++this.#ids, method, takes };
    return new Promise((resolve, reject) => {
      this.#waiting.set(request.id, { resolve, reject });
      this.#worker.postMessage(request);
    });
  }

  #take({ id, gives, error }: TreeAnswer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(gives as never);
    else waiting?.reject(new SalvorError(error.code, error.message));
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}

function endedBy(error: Error, maxHeapMib: number): SalvorError {
  if (codeOf(error) === 'ERR_WORKER_OUT_OF_MEMORY')
    return new SalvorError(
      'tree-too-large',
      `expected a tree that can be read in ${maxHeapMib} MiB of memory`,
    );
  return new SalvorError('tree-failed', `the tree cannot be read: ${messageOf(error)}`, [], { cause: error });
}

function startThread(maxHeapMib: number): Worker {
  const options = {
    resourceLimits: { maxOldGenerationSizeMb: maxHeapMib, maxYoungGenerationSizeMb: MAX_YOUNG_MIB },
  };
  if (!import.meta.url.endsWith('.ts')) {
    // Loaders of the parent, such as one for TypeScript, are not for it.
    return new Worker(new URL('./tree-thread.js', import.meta.url), { execArgv: [], ...options });
  }
  const begin = `import('tsx/esm/api').then((tsx) => { tsx.register(); return import(require('node:worker_threads').workerData); });`;
  const workerData = new URL('./tree-thread.ts', import.meta.url).href;
  return new Worker(begin, { eval: true, workerData, ...options });
}
