import {
  INCIDENTS_PREFIX,
  type IncidentRecord,
  incidentSchema,
  parseRecord,
  type Watch,
  whenAvailable,
} from '@salvor/config-store';
import { EngineProbes } from '@salvor/vdisk';
import { judgingStart } from './judging-start.ts';
import { KnownEngines } from './known-engines.ts';
import { type JudgeTools, OutageJudge, type OutageJudgeOptions } from './outage-judge.ts';

interface Judging {
  /** The record as it is now. */
  incident: IncidentRecord;
  readonly ended: AbortController;
}

/**
 * Has every engine that etcd shows as offline judged. What is to be judged comes from etcd alone, so nothing is forgotten
 * when events are lost or this service is restarted.
 */
export class OutageWatch {
  readonly #options: OutageJudgeOptions;
  readonly #tools: JudgeTools;
  /** By incident and attempt. */
  readonly #active = new Map<string, Judging>();
  #watch: Watch | null = null;

  constructor(options: OutageJudgeOptions) {
    this.#options = options;
    const { store, log, probe } = options;
    this.#tools = { probes: new EngineProbes(probe), engines: new KnownEngines(store, log) };
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
    for (const { ended } of this.#active.values()) ended.abort();
    this.#active.clear();
    this.#tools.probes.close();
  }

  /** Outages being probed now. */
  get activeCount(): number {
    return this.#active.size;
  }

  #follow(): void {
    const open = new Map(this.#offline().map((incident) => [`${incident.id}/${incident.attempt}`, incident]));
    for (const [name, { ended }] of this.#active) {
      if (open.has(name)) continue;
      ended.abort();
      this.#active.delete(name);
    }
    const begun: OutageJudge[] = [];
    for (const [name, incident] of open) {
      const known = this.#active.get(name);
      if (known !== undefined) {
        known.incident = incident;
        continue;
      }
      const judging: Judging = { incident, ended: new AbortController() };
      this.#active.set(name, judging);
      const { signal } = judging.ended;
      begun.push(new OutageJudge(this.#options, this.#tools, () => judging.incident, signal));
    }
    const { probeIntervalMs } = this.#options;
    for (const [i, judge] of begun.entries()) void judge.run(judgingStart(i, begun.length, probeIntervalMs));
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
}
