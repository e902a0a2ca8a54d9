import {
  type ChangeBatch,
  type ConfigStore,
  ConfigValueError,
  HOOK_LANES_PREFIX,
  HOOKS_DUE_PREFIX,
  type HookAttempt,
  type HookDue,
  HookLane,
  HookLaneLostError,
  type HookRunRecord,
  hookDueSchema,
  hookLaneKey,
  type Lease,
  parseKey,
  parseRecord,
  type StoreEntry,
  type Watch,
  whenAvailable,
} from '@salvor/config-store';
import { type CounterMetric, type Logger, messageOf, pause } from '@salvor/service-kit';
import { type AttemptResult, runExec } from './exec-hook.ts';
import type { HookBook } from './hook-book.ts';
import type { Hook } from './hook-file.ts';
import { decideHookStep } from './hook-step.ts';
import { postWebhook } from './web-hook.ts';

export interface HookRunnerOptions {
  readonly store: ConfigStore;
  readonly book: HookBook;
  readonly log: Logger;
  /** Names this coordinator in the audit trail. */
  readonly by: string;
  readonly ended?: CounterMetric;
  /** How long after the death of this process another one goes on with its hooks. */
  readonly leaseTtlSeconds?: number;
}

/** Lanes at a time in one process. */
const AT_ONCE_MAX = 8;
const LEASE_TTL_SECONDS = 5;
/** Everything is looked at again after so long, whatever was or was not heard. */
const SAFETY_INTERVAL_MS = 2_000;
const STOP_TIMEOUT_MS = 4_000;

/**
 * Runs what is due. Runs of one lane (a hook and what its events are about) are carried out one after the other, by the
 * one coordinator that has the lane under its lease; so a hook that hangs keeps back its own lane and nothing else.
 */
export class HookRunner {
  readonly #options: HookRunnerOptions;
  /** By lane: its runs, and the hook of each. */
  readonly #due = new Map<string, Map<string, string>>();
  readonly #running = new Map<string, { readonly abort: AbortController; readonly ended: Promise<void> }>();
  #watch: Watch | null = null;
  #lease: Promise<Lease> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;
  #looking = false;
  #again = false;

  constructor(options: HookRunnerOptions) {
    this.#options = options;
  }

  /** Waits for etcd as long as that takes. */
  async start(): Promise<void> {
    const { store, log } = this.#options;
    const prefixes = [HOOKS_DUE_PREFIX, HOOK_LANES_PREFIX];
    this.#watch = await whenAvailable(() => store.watch({ prefixes }, (batch) => this.#follow(batch)), log);
    this.#timer = setInterval(() => this.#wake(), SAFETY_INTERVAL_MS);
  }

  /** Ends what runs; another coordinator goes on with it at once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watch?.close();
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const { abort } of this.#running.values()) abort.abort();
    const ended = Promise.all([...this.#running.values()].map((lane) => lane.ended));
    await Promise.race([ended, pause(STOP_TIMEOUT_MS)]);
    const lease = await this.#lease?.catch(() => null);
    await lease?.revoke().catch(() => lease.release());
  }

  /** Runs that have not ended, of all coordinators. */
  pending(): number {
    return [...this.#due.values()].reduce((sum, runs) => sum + runs.size, 0);
  }

  pendingOf(hook: string): number {
    const hooks = [...this.#due.values()].flatMap((runs) => [...runs.values()]);
    return hooks.filter((name) => name === hook).length;
  }

  #follow({ changes }: ChangeBatch): void {
    for (const { key, entry, previous } of changes) {
      const about = parseKey(key);
      if (about?.kind !== 'hook-due') continue;
      const due = this.#dueIn(entry ?? previous);
      if (due === null) continue;
      const { lane, hook } = due;
      const runs = this.#due.get(lane) ?? new Map<string, string>();
      if (entry === null) runs.delete(about.run);
      else runs.set(about.run, hook);
      if (runs.size === 0) this.#due.delete(lane);
      else this.#due.set(lane, runs);
    }
    this.#wake();
  }

  #dueIn(entry: StoreEntry | null): HookDue | null {
    if (entry === null) return null;
    try {
      return parseRecord(hookDueSchema, entry.key, entry.value);
    } catch (error) {
      if (!(error instanceof ConfigValueError)) throw error;
      this.#options.log.error(
        { key: entry.key, error: error.message },
        'a hook is not run: its record is bad',
      );
      return null;
    }
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
      .catch((error: unknown) =>
        this.#options.log.warn({ error: messageOf(error) }, 'could not look for hooks to run, trying again'),
      )
      .finally(() => {
        this.#looking = false;
        if (this.#again) this.#wake();
      });
  }

  async #look(): Promise<void> {
    const { store, by } = this.#options;
    for (const name of this.#due.keys()) {
      if (this.#stopped || this.#running.size >= AT_ONCE_MAX) return;
      if (this.#running.has(name) || this.#watch?.entries().has(hookLaneKey(name)) === true) continue;
      const lane = await HookLane.take(store, await this.#leased(), name, by);
      if (lane === null) continue;
      const abort = new AbortController();
      const ended = this.#runLane(lane, abort.signal).finally(() => {
        this.#running.delete(name);
        this.#wake();
      });
      this.#running.set(name, { abort, ended });
    }
  }

  async #runLane(lane: HookLane, signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    try {
      while (!signal.aborted) {
        const [next] = [...(this.#due.get(lane.lane)?.keys() ?? [])].sort();
        if (next === undefined) break;
        await this.#run(lane, next, signal);
      }
    } catch (error) {
      log.warn({ lane: lane.lane, error: messageOf(error) }, 'hooks left to another coordinator');
      if (error instanceof HookLaneLostError) return;
    }
    // Not under a lease that lives on and keeps everybody out.
    await whenAvailable(() => lane.release(), log).catch((error: unknown) =>
      log.error({ lane: lane.lane, error: messageOf(error) }, 'a hook lane is not given back'),
    );
  }

  async #run(lane: HookLane, run: string, signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    let ended: HookRunRecord | null = null;
    try {
      ended = await this.#carryOut(lane, run, signal);
    } catch (error) {
      if (!(error instanceof ConfigValueError)) throw error;
      log.error({ run, error: error.message }, 'a hook is not run: its record is bad');
      await whenAvailable(() => lane.drop(run), log);
    }
    if (ended !== null) this.#tell(ended);
    if (ended !== null || !signal.aborted) this.#forget(lane.lane, run);
  }

  /** From where an earlier process left it to its end. Null when it is over already, or has to be left. */
  async #carryOut(lane: HookLane, run: string, signal: AbortSignal): Promise<HookRunRecord | null> {
    const { book, by, log } = this.#options;
    const found = await whenAvailable(() => lane.read(run), log);
    if (found === null || found.record.status !== 'pending') {
      await whenAvailable(() => lane.drop(run), log);
      return null;
    }
    let record = interrupted(found.record);
    let entry = found.entry;
    const store = async (next: HookRunRecord): Promise<void> => {
      const before = entry;
      const stored = await whenAvailable(() => lane.write(next, before), log);
      if (stored === null) throw new HookLaneLostError(lane.lane);
      record = next;
      entry = stored;
    };
    while (!signal.aborted) {
      const hook = book.hook(record.hook);
      const step = decideHookStep(record, hook, Date.now());
      if (step.kind === 'end') {
        await store({ ...record, status: step.status, reason: step.reason, endedAt: Date.now() });
        return record;
      }
      if (step.kind === 'wait') {
        await pause(Math.max(1, step.untilMs - Date.now()), signal);
        continue;
      }
      if (hook === null) throw new Error(`hook ${record.hook} is to be attempted and is not configured`);
      const startedAt = Date.now();
      const attempt: HookAttempt = { attempt: step.attempt, by, startedAt, outcome: 'running' };
      const earlier = record.attempts;
      // Before it runs: whoever finds this and no end knows that it may have run.
      await store({ ...record, reason: `attempt ${step.attempt} runs`, attempts: [...earlier, attempt] });
      const began = performance.now();
      const result = await execute(hook, record, step.attempt, signal);
      const durationMs = Math.round(performance.now() - began);
      const reason = `attempt ${step.attempt} of ${hook.attempts}: ${result.outcome}`;
      await store({ ...record, reason, attempts: [...earlier, { ...attempt, durationMs, ...result }] });
    }
    return null;
  }

  /** The watch tells that it is over a moment after it was stored. */
  #forget(lane: string, run: string): void {
    const runs = this.#due.get(lane);
    runs?.delete(run);
    if (runs?.size === 0) this.#due.delete(lane);
  }

  #tell({ run, hook, point, status, reason, incident, event }: HookRunRecord): void {
    const { log, ended } = this.#options;
    const fields = {
      run,
      hook,
      point,
      event: event.id,
      reason,
      ...(incident === undefined ? {} : { incident }),
    };
    if (status === 'succeeded') log.info(fields, 'hook run');
    else log.error(fields, 'hook failed');
    ended?.add({ hook, outcome: status });
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
        for (const { abort } of this.#running.values()) abort.abort();
        this.#wake();
      });
    }, forget);
    return granted;
  }
}

/** What an earlier process had begun and not ended: nobody knows how far it came. */
function interrupted(record: HookRunRecord): HookRunRecord {
  const attempts = record.attempts.map((attempt) =>
    attempt.outcome === 'running' ? { ...attempt, outcome: 'interrupted' as const } : attempt,
  );
  return { ...record, attempts };
}

function execute(
  hook: Hook,
  run: HookRunRecord,
  attempt: number,
  signal: AbortSignal,
): Promise<AttemptResult> {
  return hook.kind === 'exec' ? runExec(hook, run, attempt, signal) : postWebhook(hook, run, attempt, signal);
}
