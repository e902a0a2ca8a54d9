import {
  type ConfigStore,
  formatRecord,
  type IncidentRecord,
  parseRecord,
  type RestartAttempt,
  type RestartsRecord,
  restartsKey,
  restartsSchema,
} from '@salvor/config-store';
import { type Logger, messageOf } from '@salvor/service-kit';
import type { ProbeFinding } from '@salvor/vdisk';
import { decideRestart, type RestartPolicy } from './restart-decision.ts';
import { type RestartDriver, restartTarget } from './restart-driver.ts';

export interface EngineRestartsOptions {
  readonly store: ConfigStore;
  readonly driver: RestartDriver;
  readonly policy: RestartPolicy;
  /** An attempt that takes longer is given up. */
  readonly timeoutMs: number;
  /** Who makes the attempt, for the record. */
  readonly by: string;
  readonly now: () => number;
  /** Why nothing is to be done about an engine now, null when nothing is in the way. */
  readonly withheld: (incident: IncidentRecord) => Promise<string | null>;
  /** Called with `done` or `failed` after each attempt. */
  readonly attempted: (outcome: 'done' | 'failed') => void;
  readonly log: Logger;
}

export interface Outage {
  readonly incident: IncidentRecord;
  readonly offlineSince: number;
  readonly findings: readonly ProbeFinding[];
}

/**
 * Restarts engines that stay away. An attempt is written to etcd before it is made, in a transaction that only one analyzer
 * wins: several of them never restart an engine twice at once, and one that dies in the middle has used its attempt up.
 */
export class EngineRestarts {
  readonly #options: EngineRestartsOptions;
  readonly #stopping = new AbortController();
  readonly #running = new Map<string, Promise<void>>();

  constructor(options: EngineRestartsOptions) {
    this.#options = options;
  }

  /** Restarts the engine if that is due, in the background. Resolves with the attempts of this incident so far. */
  async consider(outage: Outage): Promise<readonly RestartAttempt[]> {
    const { incident, offlineSince, findings } = outage;
    const { store, policy, withheld, now } = this.#options;
    const { address, cluster, shard } = incident;
    const key = restartsKey(cluster, shard);
    const entry = await store.get(key);
    const attempts =
      entry === null ? [] : attemptsIn(parseRecord(restartsSchema, key, entry.value), incident);
    if (this.#running.has(key)) return attempts;
    const view = { address, offlineSince, findings, attempts, withheld: null };
    // Asked only where it matters.
    const isDue = decideRestart(view, policy, now()).kind === 'restart';
    const reasonNot = isDue ? await withheld(incident) : null;
    const decision = decideRestart({ ...view, withheld: reasonNot }, policy, now());
    if (decision.kind === 'wait') return attempts;
    const attempt: RestartAttempt = {
      number: decision.number,
      driver: this.#options.driver.name,
      by: this.#options.by,
      at: now(),
      reason: decision.reason,
    };
    const revision = entry?.revision ?? 'absent';
    if (!(await this.#store(incident, [...attempts, attempt], revision))) return attempts;
    const work = this.#attempt(incident, attempt).finally(() => this.#running.delete(key));
    this.#running.set(key, work);
    return [...attempts, attempt];
  }

  /** Gives up what is under way: what was restarted halfway is found out by the next probe. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running.values());
  }

  async #attempt(incident: IncidentRecord, attempt: RestartAttempt): Promise<void> {
    const { driver, timeoutMs, now, attempted, log } = this.#options;
    const { id, address } = incident;
    const fields = { incident: id, engine: address, driver: driver.name, attempt: attempt.number };
    log.warn({ ...fields, reason: attempt.reason }, 'restarting an engine');
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(timeoutMs)]);
    let outcome: 'done' | 'failed' = 'done';
    let detail: string;
    try {
      detail = await driver.restart(restartTarget(address), signal);
      log.info({ ...fields, detail }, 'engine restarted');
    } catch (error) {
      outcome = 'failed';
      detail = messageOf(error);
      log.error({ ...fields, error: detail }, 'engine not restarted');
    }
    attempted(outcome);
    await this.#end(incident, { ...attempt, endedAt: now(), outcome, detail }).catch((error: unknown) =>
      log.warn({ ...fields, error: messageOf(error) }, 'the end of an attempt is not on record'),
    );
  }

  async #end(incident: IncidentRecord, ended: RestartAttempt): Promise<void> {
    const key = restartsKey(incident.cluster, incident.shard);
    const entry = await this.#options.store.get(key);
    if (entry === null) return;
    const attempts = attemptsIn(parseRecord(restartsSchema, key, entry.value), incident);
    const others = attempts.filter(({ number }) => number !== ended.number);
    if (others.length === attempts.length) return; // the incident is over, and another one began
    await this.#store(
      incident,
      [...others, ended].sort((a, b) => a.number - b.number),
      entry.revision,
    );
  }

  async #store(
    { id, cluster, shard, address }: IncidentRecord,
    attempts: readonly RestartAttempt[],
    revision: string,
  ): Promise<boolean> {
    const key = restartsKey(cluster, shard);
    const record: RestartsRecord = { incident: id, address, attempts: [...attempts] };
    const { ok } = await this.#options.store.transact({
      compare: [{ key, revision }],
      puts: [{ key, value: formatRecord(restartsSchema, key, record) }],
    });
    return ok;
  }
}

function attemptsIn({ incident, attempts }: RestartsRecord, { id }: IncidentRecord): RestartAttempt[] {
  return incident === id ? attempts : [];
}
