import { messageOf, pause, SalvorError } from '@salvor/service-kit';
import { ConfigValueError } from '../errors.ts';
import { parseRecord } from '../healing/record-text.ts';
import { type OperationRecord, operationSchema, type WorkRecord } from '../healing/records.ts';
import { OPERATION_WORKERS_PREFIX, OPERATIONS_PREFIX, parseKey } from '../keys.ts';
import type { ChangeBatch, ConfigStore, Lease, StoreLog, Transaction, Watch } from '../types.ts';
import { whenAvailable } from '../when-available.ts';
import { OperationClaim, OperationElsewhereError, OperationLostError } from './operation-claim.ts';
import { isPaused } from './pause-operation.ts';

export interface OperationProgress {
  readonly message?: string;
  readonly done?: number;
  readonly total?: number;
  /** Where another process goes on; kept as it was when absent. */
  readonly checkpoint?: unknown;
}

/** How an operation ends, and what is written in the same transaction. */
export interface OperationEnding {
  readonly status: 'completed' | 'failed' | 'cancelled';
  /** What was done, or why not and what to do, as a sentence. */
  readonly message: string;
  /** Stable word; needed for `failed`. */
  readonly code?: string;
  readonly effects?: Partial<Transaction>;
  /** Gives back what had to be held until the end was stored; also called when it could not be stored. */
  readonly release?: () => Promise<void>;
}

/** One operation as its executor sees it. */
export interface OperationRun {
  readonly record: OperationRecord;
  /** As last stored: what an earlier process left. */
  readonly checkpoint: unknown;
  /** Aborts when the operation is to be cancelled, when this process stops, and when another process has it. */
  readonly signal: AbortSignal;
  /** Whether somebody wants it to end; then the executor ends it as `cancelled`. */
  cancelRequested(): boolean;
  /** Stores progress, at most every {@link REPORT_INTERVAL_MS} unless `now` is set. Throws OperationLostError. */
  report(
    progress: OperationProgress,
    options?: { now?: boolean; effects?: Partial<Transaction> },
  ): Promise<void>;
}

/**
 * Carries out one kind of operation, from its checkpoint. To throw means: not now; the operation says why, and is tried
 * again. What can never work is an ending with status `failed`.
 */
export type Executor = (run: OperationRun) => Promise<OperationEnding>;

export interface OperationWorkersOptions {
  readonly store: ConfigStore;
  /** Names this process, for whoever looks. */
  readonly worker: string;
  /** By kind of operation. */
  readonly executors: Readonly<Record<string, Executor>>;
  readonly log: StoreLog;
  /** Whether this process is one that may carry the operation out now; asked again after a while. Default: it always is. */
  readonly mayTake?: (record: OperationRecord) => Promise<boolean>;
  /** Operations at a time in this process. */
  readonly atOnceMax?: number;
  /** How long after the death of this process another one may take its operations up. */
  readonly leaseTtlSeconds?: number;
  /** Between two tries of an operation that cannot go on now. */
  readonly retryDelayMs?: number;
}

const AT_ONCE_MAX = 2;
const LEASE_TTL_SECONDS = 5;
const RETRY_DELAY_MS = 1_000;
export const REPORT_INTERVAL_MS = 500;
const STOP_TIMEOUT_MS = 3_000;

/**
 * Takes operations of its kinds up and carries them out: those that are new, and those whose process has died. Several
 * processes may run it; the claim in etcd lets one at a time have an operation.
 */
export class OperationWorkers {
  readonly #options: OperationWorkersOptions;
  readonly #due = new Map<string, OperationRecord>();
  readonly #running = new Map<string, Running>();
  #watch: Watch | null = null;
  #lease: Promise<Lease> | null = null;
  #later: NodeJS.Timeout | null = null;
  #stopped = false;
  #looking = false;
  #again = false;

  constructor(options: OperationWorkersOptions) {
    this.#options = options;
  }

  /** Waits for etcd as long as that takes. */
  async start(): Promise<void> {
    const { store, log } = this.#options;
    const prefixes = [OPERATIONS_PREFIX, OPERATION_WORKERS_PREFIX];
    this.#watch = await whenAvailable(() => store.watch({ prefixes }, (batch) => this.#follow(batch)), log);
  }

  /** Stops in good order: what was not ended is free for another process at once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watch?.close();
    if (this.#later !== null) clearTimeout(this.#later);
    for (const { abort } of this.#running.values()) abort.abort(new Error('this process stops'));
    const ended = Promise.all([...this.#running.values()].map((run) => run.ended));
    await Promise.race([ended, pause(STOP_TIMEOUT_MS)]);
    const lease = await this.#lease?.catch(() => null);
    await lease?.revoke().catch(() => lease.release());
  }

  #follow({ changes }: ChangeBatch): void {
    for (const { key, entry } of changes) {
      const about = parseKey(key);
      if (about?.kind !== 'operation') continue;
      const record = entry === null ? null : this.#readable(key, entry.value);
      const work = record?.work;
      if (isPaused(work)) {
        this.#due.delete(about.operation);
        this.#running.get(about.operation)?.pause(work?.pause?.by ?? '');
      } else if (work?.status === 'running' && record !== null && this.#executor(record) !== undefined) {
        this.#due.set(about.operation, record);
        if (work.cancel !== undefined) this.#running.get(about.operation)?.cancel(work.cancel.by);
      } else {
        this.#due.delete(about.operation);
        if (entry === null)
          this.#running.get(about.operation)?.abort.abort(new Error('the operation is gone'));
      }
    }
    this.#wake();
  }

  #readable(key: string, value: string): OperationRecord | null {
    try {
      return parseRecord(operationSchema, key, value);
    } catch (error) {
      if (!(error instanceof ConfigValueError)) throw error;
      this.#options.log.warn({ key, error: error.message }, 'ignored a bad operation record');
      return null;
    }
  }

  #executor({ kind }: OperationRecord): Executor | undefined {
    const { executors } = this.#options;
    return Object.hasOwn(executors, kind) ? executors[kind] : undefined;
  }

  #wake(): void {
    if (this.#stopped) return;
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#looking = true;
    this.#again = false;
    this.#look()
      .catch((error: unknown) => {
        this.#options.log.warn({ error: messageOf(error) }, 'could not take operations up, trying again');
        setTimeout(() => this.#wake(), this.#retryDelayMs).unref();
      })
      .finally(() => {
        this.#looking = false;
        if (this.#again) this.#wake();
      });
  }

  async #look(): Promise<void> {
    const { store, worker, atOnceMax = AT_ONCE_MAX, mayTake } = this.#options;
    for (const [operation, record] of this.#due) {
      if (this.#stopped || this.#running.size >= atOnceMax) return;
      if (this.#running.has(operation)) continue;
      if (mayTake !== undefined && !(await mayTake(record))) {
        this.#lookLater();
        continue;
      }
      const claim = await OperationClaim.take(store, await this.#leased(), operation, worker);
      if (claim === null) continue;
      const running = new Running();
      const { by } = claim.record.work?.cancel ?? {};
      if (by !== undefined) running.cancel(by);
      this.#running.set(operation, running);
      running.ended = this.#run(claim, running).finally(() => {
        this.#running.delete(operation);
        this.#wake();
      });
    }
  }

  /** What may not be taken now may be later, without any change to its record. */
  #lookLater(): void {
    if (this.#later !== null) return;
    this.#later = setTimeout(() => {
      this.#later = null;
      this.#wake();
    }, this.#retryDelayMs);
    this.#later.unref();
  }

  async #run(claim: OperationClaim, running: Running): Promise<void> {
    const { log } = this.#options;
    const { operation } = claim;
    const { kind } = claim.record;
    try {
      while (!this.#stopped) {
        const ending = await this.#attempt(claim, running);
        if (ending !== null) return log.info({ operation, kind, ...said(ending) }, 'operation ended');
        await pause(this.#retryDelayMs, this.#stopped ? running.abort.signal : undefined);
      }
      await claim.release();
    } catch (error) {
      running.abort.abort(error);
      log.warn({ operation, kind, error: messageOf(error) }, 'operation left to another process');
      if (!(error instanceof OperationLostError)) await claim.release().catch(() => this.#stopped);
    }
  }

  /** Null when it has to be tried again. */
  async #attempt(claim: OperationClaim, running: Running): Promise<OperationEnding | null> {
    const { operation } = claim;
    try {
      const executor = this.#executor(claim.record);
      if (executor === undefined) throw new OperationLostError(operation, 'its kind changed');
      const ending = await executor(runOf(claim, running));
      try {
        if (await claim.change((work) => ended(work, ending), ending.effects)) return ending;
      } finally {
        await ending.release?.();
      }
      await waits(claim, new SalvorError('conflict', 'what it is about was changed by others'));
    } catch (error) {
      if (error instanceof OperationLostError || error instanceof OperationElsewhereError) throw error;
      if (this.#stopped || running.paused) throw error;
      await waits(claim, error).catch((unsaid: unknown) => {
        if (unsaid instanceof OperationLostError) throw unsaid;
        this.#options.log.warn(
          { operation, error: messageOf(error) },
          'operation cannot go on, trying again',
        );
      });
    }
    return null;
  }

  #leased(): Promise<Lease> {
    if (this.#lease !== null) return this.#lease;
    const { store, leaseTtlSeconds = LEASE_TTL_SECONDS } = this.#options;
    const granted = store.grantLease(leaseTtlSeconds);
    this.#lease = granted;
    const forget = (): void => {
      if (this.#lease === granted) this.#lease = null;
    };
    granted.then((lease) => {
      lease.onLost(() => {
        forget();
        for (const { abort } of this.#running.values()) abort.abort(new Error('the lease is gone'));
        this.#wake();
      });
    }, forget);
    return granted;
  }

  get #retryDelayMs(): number {
    return this.#options.retryDelayMs ?? RETRY_DELAY_MS;
  }
}

/** What one process knows of an operation while it carries it out. */
class Running {
  readonly abort = new AbortController();
  ended: Promise<void> = Promise.resolve();
  cancelled = false;
  paused = false;

  /** It is let go, and goes on from its checkpoint when it is taken up again. */
  pause(by: string): void {
    this.paused = true;
    this.abort.abort(new SalvorError('paused', `paused by ${by}`));
  }

  cancel(by: string): void {
    this.cancelled = true;
    this.abort.abort(new SalvorError('cancelled', `cancelled by ${by}`));
  }
}

function runOf(claim: OperationClaim, running: Running): OperationRun {
  let reportedAt = Number.NEGATIVE_INFINITY;
  return {
    record: claim.record,
    checkpoint: claim.record.work?.checkpoint,
    signal: running.abort.signal,
    cancelRequested: () => running.cancelled,
    async report({ message, done, total, checkpoint }, { now = false, effects = {} } = {}) {
      if (!now && performance.now() - reportedAt < REPORT_INTERVAL_MS) return;
      reportedAt = performance.now();
      const applied = await claim.change(
        ({ code: _, ...work }) => ({
          ...work,
          ...(message === undefined ? {} : { message }),
          ...(done === undefined ? {} : { done }),
          ...(total === undefined ? {} : { total }),
          ...(checkpoint === undefined ? {} : { checkpoint }),
          updatedAt: Date.now(),
        }),
        effects,
      );
      if (!applied) throw new SalvorError('conflict', 'what the operation is about was changed by others');
    },
  };
}

function ended(work: WorkRecord, { status, message, code }: OperationEnding): WorkRecord {
  const { code: _, ...rest } = work;
  const at = Date.now();
  // Progress is stored now and then: the last of it may not have been.
  const done = status === 'completed' && work.total !== undefined ? { done: work.total } : {};
  return {
    ...rest,
    ...done,
    status,
    message,
    ...(code === undefined ? {} : { code }),
    updatedAt: at,
    endedAt: at,
  };
}

/** Says in the record why the operation does not go on. Written once for each reason, not for each try. */
async function waits(claim: OperationClaim, error: unknown): Promise<void> {
  const message = `waits and tries again: ${messageOf(error)}`;
  const code = error instanceof SalvorError ? error.code : 'failed';
  const { work } = claim.record;
  if (work?.message === message && work.code === code) return;
  await claim.change((before) => ({ ...before, message, code, updatedAt: Date.now() }));
}

function said({ status, message, code }: OperationEnding): Record<string, unknown> {
  return { status, reason: message, ...(code === undefined ? {} : { code }) };
}
