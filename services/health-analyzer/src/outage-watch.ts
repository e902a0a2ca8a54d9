import {
  type ConfigStore,
  clusterStorageKey,
  INCIDENTS_PREFIX,
  type IncidentRecord,
  incidentSchema,
  parseClusterStorage,
  parseRecord,
  salvorClusterKey,
  salvorClusterSchema,
  type Watch,
  whenAvailable,
} from '@salvor/config-store';
import { type Logger, pause } from '@salvor/service-kit';
import { identityText } from '@salvor/vdisk';
import { type ProbeOptions, type ProbeTarget, probeEngine } from './probe.ts';
import type { EngineRestarts, Outage } from './restart/engine-restarts.ts';
import { decideVerdict, type ProbeFinding, type VerdictEvidence, type VerdictPolicy } from './verdict.ts';

export interface JudgedOutage {
  readonly incident: IncidentRecord;
  readonly verdict: 'temporary' | 'permanent';
  readonly reason: string;
  readonly evidence: readonly VerdictEvidence[];
  /** Counts the times this verdict was given: 1 for the first. */
  readonly given: number;
}

export interface OutageWatchOptions {
  readonly store: ConfigStore;
  readonly policy: VerdictPolicy;
  readonly probe: ProbeOptions;
  /** Pause between two probes of an engine that is down, in milliseconds. */
  readonly probeIntervalMs: number;
  /** A verdict that had no effect is given again after so many milliseconds. */
  readonly repeatAfterMs: number;
  readonly announce: (judged: JudgedOutage) => Promise<void>;
  /** Restarts engines that stay away; null when nobody does. */
  readonly restarts?: EngineRestarts | null;
  readonly log: Logger;
}

/** Findings told as evidence with a verdict: the newest ones. */
const EVIDENCE_MAX = 8;

/**
 * Probes every engine that etcd shows as offline until its outage is judged. What is to be judged comes from etcd alone, so
 * nothing is forgotten when events are lost or this service is restarted.
 */
export class OutageWatch {
  readonly #options: OutageWatchOptions;
  readonly #active = new Map<string, AbortController>();
  #watch: Watch | null = null;

  constructor(options: OutageWatchOptions) {
    this.#options = options;
  }

  /** Waits for etcd as long as that takes. */
  async start(): Promise<void> {
    const { store, log } = this.#options;
    const follow = (): void => this.#follow();
    this.#watch = await whenAvailable(() => store.watch({ prefixes: [INCIDENTS_PREFIX] }, follow), log);
    this.#follow();
  }

  stop(): void {
    this.#watch?.close();
    for (const controller of this.#active.values()) controller.abort();
    this.#active.clear();
  }

  /** Outages being probed now. */
  get activeCount(): number {
    return this.#active.size;
  }

  #follow(): void {
    const open = new Map(this.#offline().map((incident) => [`${incident.id}/${incident.attempt}`, incident]));
    for (const [name, controller] of this.#active) {
      if (open.has(name)) continue;
      controller.abort();
      this.#active.delete(name);
    }
    for (const [name, incident] of open) {
      if (this.#active.has(name)) continue;
      const controller = new AbortController();
      this.#active.set(name, controller);
      void this.#judge(incident, controller.signal);
    }
  }

  #offline(): IncidentRecord[] {
    const entries = [...(this.#watch?.entries() ?? [])];
    const incidents: IncidentRecord[] = [];
    for (const [key, { value }] of entries) {
      try {
        const incident = parseRecord(incidentSchema, key, value);
        if (incident.status === 'offline') incidents.push(incident);
      } catch (error) {
        this.#options.log.error({ key, error: String(error) }, 'ignored a bad incident record');
      }
    }
    return incidents;
  }

  async #judge(incident: IncidentRecord, signal: AbortSignal): Promise<void> {
    const { policy, probe, probeIntervalMs, repeatAfterMs, announce, log } = this.#options;
    const offlineSince = incident.history.findLast(({ to }) => to === 'offline')?.at ?? incident.openedAt;
    const findings: ProbeFinding[] = [];
    const keptMax = Math.max(EVIDENCE_MAX, policy.healthyProbes);
    let given = 0;
    let repeatAt = 0;
    while (!signal.aborted) {
      try {
        const finding = await probeEngine(await this.#target(incident), probe);
        if (signal.aborted) return;
        findings.push(finding);
        if (findings.length > keptMax) findings.shift();
        const restarts = await this.#restarts({ incident, offlineSince, findings });
        const decision = decideVerdict(
          { address: incident.address, offlineSince, rebuildBegun: incident.rebuildBegun, findings },
          policy,
          probe.now(),
        );
        if (decision.kind === 'verdict' && performance.now() >= repeatAt) {
          given++;
          repeatAt = performance.now() + repeatAfterMs;
          const { verdict, reason } = decision;
          log.info({ incident: incident.id, engine: incident.address, verdict, reason, given }, 'verdict');
          await announce({
            incident,
            verdict,
            reason,
            evidence: [...restarts, ...findings.slice(-EVIDENCE_MAX)],
            given,
          });
        }
      } catch (error) {
        log.warn({ incident: incident.id, error: String(error) }, 'could not judge an outage, trying again');
      }
      await pause(probeIntervalMs, signal);
    }
  }

  /** What restarting the engine came to so far. A driver that fails says so there, and does not end the judging. */
  async #restarts(outage: Outage): Promise<VerdictEvidence[]> {
    const attempts = (await this.#options.restarts?.consider(outage)) ?? [];
    return attempts.map(({ number, driver, by, at, endedAt, outcome, detail }) => ({
      kind: outcome === 'done' ? 'restarted' : 'restart-failed',
      detail: `attempt ${number} through ${driver}: ${detail ?? 'begun, and no end is on record'}`,
      at: endedAt ?? at,
      observer: by,
    }));
  }

  /** Who the engine should be, by what etcd says now. */
  async #target({ cluster, shard, address, db }: IncidentRecord): Promise<ProbeTarget> {
    const keys = [clusterStorageKey(cluster), salvorClusterKey(cluster)];
    const { entries } = await this.#options.store.getMany(keys);
    const [storage, record] = keys.map((key) => entries.get(key) ?? null);
    const entry = storage ? parseClusterStorage(storage.value).servers[shard] : undefined;
    const role = record ? parseRecord(salvorClusterSchema, record.key, record.value).role : null;
    if (entry === undefined || role === null || entry.address !== address)
      return { address, db, identity: null };
    return { address, db, identity: identityText({ cluster, role, shard, generation: entry.generation }) };
  }
}
