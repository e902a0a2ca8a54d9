import { Worker } from 'node:worker_threads';
import { EngineError, FencedError } from '../errors.ts';
import type {
  CopyAnswer,
  CopyHow,
  CopyJobSpec,
  CopyRequest,
  StepFault,
  StepResult,
} from './copy-messages.ts';

/** A step failed; `cause` is an EngineError or FencedError where one side was at fault. */
export class CopyError extends Error {
  readonly side: 'source' | 'target';
  constructor(side: 'source' | 'target', cause: Error) {
    super(cause.message, { cause });
    this.side = side;
  }
}

/** A pair of engines that the worker holds links to. */
export interface CopyJobHandle {
  /** Brings the target's blocks to what the source holds, under the job's guard. Rejects with {@link CopyError}. */
  copy(blocks: readonly number[], how: CopyHow): Promise<StepResult>;
  /** Hashes blocks on both sides. Rejects with {@link CopyError}. */
  compare(blocks: readonly number[]): Promise<StepResult>;
  close(): void;
}

interface Waiting {
  readonly resolve: (result: StepResult) => void;
  readonly reject: (error: CopyError) => void;
}

/**
 * The copy worker of this process: one thread for the repairs and comparisons of all vdisks, started when it is first
 * wanted. When it dies, what it was doing fails, and the next job starts another one.
 */
export class Copier {
  #worker: Worker | null = null;
  readonly #waiting = new Map<number, Waiting>();
  #ids = 0;

  /** Starts the thread, so that the next job need not wait for it. */
  warm(): void {
    this.#running();
  }

  open(spec: CopyJobSpec): CopyJobHandle {
    const worker = this.#running();
    const job = ++this.#ids;
    post(worker, { kind: 'open', job, spec });
    return {
      copy: (blocks, how) => this.#ask(worker, (id) => ({ kind: 'copy', job, id, blocks, how })),
      compare: (blocks) => this.#ask(worker, (id) => ({ kind: 'compare', job, id, blocks })),
      close: () => post(worker, { kind: 'close', job }),
    };
  }

  #ask(worker: Worker, request: (id: number) => CopyRequest): Promise<StepResult> {
    return new Promise((resolve, reject) => {
      if (worker !== this.#worker) return reject(ended('it has ended'));
      const id = ++this.#ids;
      this.#waiting.set(id, { resolve, reject });
      worker.ref();
      post(worker, request(id));
    });
  }

  #running(): Worker {
    if (this.#worker !== null) return this.#worker;
    const worker = startThread();
    this.#worker = worker;
    worker.on('message', (answer: CopyAnswer) => this.#take(worker, answer));
    worker.on('error', (error) => this.#end(worker, String(error)));
    worker.on('exit', (code) => this.#end(worker, `it ended with code ${code}`));
    // An idle worker must not keep the process. Last, for a listener to its messages keeps it again.
    worker.unref();
    return worker;
  }

  #take(worker: Worker, answer: CopyAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) worker.unref();
    if ('fault' in answer) waiting?.reject(toError(answer.fault));
    else waiting?.resolve(answer.result);
  }

  #end(worker: Worker, why: string): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of all) reject(ended(why));
  }
}

/** One for the process: every vdisk shares the thread. */
export const copier = new Copier();

/** For a process that will do repairs: to start the thread costs the event loop most of what a failover may take. */
export function warmCopier(): void {
  copier.warm();
}

/** Compiled, the thread runs its own module. Run from source, as tests do, it needs the loader of its parent first. */
function startThread(): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./copy-worker.js', import.meta.url));
  const begin = `import('tsx/esm/api').then((tsx) => { tsx.register(); return import(require('node:worker_threads').workerData); });`;
  return new Worker(begin, { eval: true, workerData: new URL('./copy-worker.ts', import.meta.url).href });
}

function post(worker: Worker, request: CopyRequest): void {
  worker.postMessage(request);
}

function ended(why: string): CopyError {
  return new CopyError('source', new Error(`the copy worker is gone: ${why}`));
}

function toError({ side, kind, fault, message }: StepFault): CopyError {
  if (kind === 'fenced') return new CopyError(side, new FencedError(message));
  if (kind === 'engine' && fault !== null) return new CopyError(side, new EngineError(fault, message));
  return new CopyError(side, new Error(message));
}
