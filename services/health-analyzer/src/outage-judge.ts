import type { ConfigStore, IncidentRecord } from '@salvor/config-store';
import { type Logger, messageOf, pause } from '@salvor/service-kit';
import {
  type EngineProbes,
  PROBE_LINK_AGE_MAX_MS,
  type ProbeFinding,
  type ProbeOptions,
  type ProbeTarget,
} from '@salvor/vdisk';
import { type JudgingStart, ROUND_MS } from './judging-start.ts';
import { engineOf, isSpareNeeded } from './kept-spare.ts';
import { KNOWN_AGE_MAX_MS, type KnownEngines } from './known-engines.ts';
import { decideMissedWrites } from './missed-writes.ts';
import { type Observation, Panel, type Word } from './observation.ts';
import { ownedVdisks } from './owned-vdisks.ts';
import type { EngineRestarts, Outage } from './restart/engine-restarts.ts';
import { decideVerdict, type VerdictDecision, type VerdictEvidence, type VerdictPolicy } from './verdict.ts';

export interface JudgedOutage {
  readonly incident: IncidentRecord;
  readonly verdict: 'temporary' | 'permanent' | 'false_alarm';
  readonly reason: string;
  readonly evidence: readonly VerdictEvidence[];
  /** Of a false alarm: whether a write was taken without the engine; null when that is not known. */
  readonly missedWrites: boolean | null;
  /** Of a false alarm: who alone found the engine failing. */
  readonly oddReporter: string | null;
  /** Counts the times this verdict was given: 1 for the first. */
  readonly given: number;
}

export interface OutageJudgeOptions {
  readonly store: ConfigStore;
  readonly policy: VerdictPolicy;
  readonly probe: ProbeOptions;
  /** Pause between two probes of an engine that is down, in milliseconds. */
  readonly probeIntervalMs: number;
  /** A verdict that had no effect is given again after so many milliseconds. */
  readonly repeatAfterMs: number;
  readonly announce: (judged: JudgedOutage) => Promise<void>;
  /** Asks everybody else how they see the engine; absent when there is nobody else. */
  readonly askOthers?: (target: ProbeTarget, told: (seen: Word) => void) => Promise<void>;
  /** Restarts engines that stay away; null when nobody does. */
  readonly restarts?: EngineRestarts | null;
  readonly log: Logger;
}

/** Own findings told as evidence with a verdict: the newest ones. */
const FINDINGS_TOLD_MAX = 8;
/** Observers told as evidence with a verdict. */
const OBSERVERS_TOLD_MAX = 12;
/** How long a verdict waits for the first word of others: one that finds the engine hung takes its time to say so. */
const OTHERS_WAIT_MS = 2_500;
/** What others said counts for so long. */
const OBSERVATION_MAX_AGE_MS = 5_000;
/** An engine that looks well and is not judged is told of again after so long. */
const TELL_WAIT_MS = 30_000;

/** What all judges of an analyzer share. */
export interface JudgeTools {
  readonly probes: EngineProbes;
  readonly engines: KnownEngines;
}

/** Probes one engine that is down, and gives verdicts until the outage has moved on. */
export class OutageJudge {
  readonly #options: OutageJudgeOptions;
  readonly #tools: JudgeTools;
  readonly #incident: () => IncidentRecord;
  readonly #signal: AbortSignal;
  readonly #offlineSince: number;
  readonly #findings: ProbeFinding[] = [];
  readonly #panel = new Panel();
  #begunAt = performance.now();
  #wasUnwell = false;
  /** What the others said is of before the engine was well again: they are asked anew at once. */
  #hurry: AbortController = new AbortController();
  #given = 0;
  #repeatAt = 0;
  #tellWaitAt = 0;

  /** `incident` gives the record as it is now: reporters are added to it while it is judged. */
  constructor(
    options: OutageJudgeOptions,
    tools: JudgeTools,
    incident: () => IncidentRecord,
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#tools = tools;
    this.#incident = incident;
    this.#signal = signal;
    const { history, openedAt } = incident();
    this.#offlineSince = history.findLast(({ to }) => to === 'offline')?.at ?? openedAt;
  }

  /** Resolves when the signal aborts. */
  async run({ lookAfterMs, askAfterMs }: JudgingStart): Promise<void> {
    this.#begunAt = performance.now() + askAfterMs;
    await Promise.all([this.#judge(lookAfterMs), this.#listen(askAfterMs)]);
  }

  async #judge(afterMs: number): Promise<void> {
    const { probeIntervalMs, log } = this.#options;
    if (afterMs > 0) await pause(afterMs, this.#signal);
    while (!this.#signal.aborted) {
      try {
        await this.#look();
      } catch (error) {
        const incident = this.#incident().id;
        log.warn({ incident, error: messageOf(error) }, 'could not judge an outage, trying again');
      }
      await pause(probeIntervalMs, this.#signal);
    }
  }

  /** Asks the others, again and again: an outage may last, and what they see changes. */
  async #listen(afterMs: number): Promise<void> {
    const { askOthers, log } = this.#options;
    if (askOthers === undefined) return this.#panel.allHeard();
    if (afterMs > 0) await pause(afterMs, this.#signal);
    while (!this.#signal.aborted) {
      this.#hurry = new AbortController();
      const hurried = AbortSignal.any([this.#signal, this.#hurry.signal]);
      try {
        await askOthers(await this.#target(), (seen) => this.#panel.hear(seen));
        this.#panel.allHeard();
      } catch (error) {
        const incident = this.#incident().id;
        log.warn({ incident, error: messageOf(error) }, 'others could not be asked, trying again');
      }
      await pause(ROUND_MS, hurried);
    }
  }

  async #look(): Promise<void> {
    const { policy, probe, restarts } = this.#options;
    // It was found failing: the first look begins with the connection, as those of its users do.
    const linkAgeMaxMs = this.#findings.length === 0 ? 0 : PROBE_LINK_AGE_MAX_MS;
    const finding = await this.#tools.probes.probe(await this.#target(), linkAgeMaxMs);
    if (this.#signal.aborted) return;
    const before = this.#findings.at(-1);
    if (finding.kind === 'healthy' && before !== undefined && before.kind !== 'healthy') this.#hurry.abort();
    this.#wasUnwell ||= finding.kind !== 'healthy';
    this.#findings.push(finding);
    if (this.#findings.length > Math.max(FINDINGS_TOLD_MAX, policy.healthyProbes)) this.#findings.shift();
    const incident = this.#incident();
    const outage = { incident, offlineSince: this.#offlineSince, findings: this.#findings };
    const tried = restarts == null ? [] : await restartEvidence(restarts, outage);
    const others = this.#panel.recent(probe.now(), OBSERVATION_MAX_AGE_MS);
    const decision = decideVerdict(
      {
        address: engineOf(incident).address,
        offlineSince: this.#offlineSince,
        rebuildBegun: incident.rebuildBegun,
        ...(incident.replacement === undefined
          ? {}
          : { keptSpare: { isNeeded: await isSpareNeeded(this.#options.store, incident) } }),
        findings: this.#findings,
        wasUnwell: this.#wasUnwell,
        reporters: reportersNow(incident, this.#offlineSince),
        others,
        areOthersHeard: this.#panel.isHeard || performance.now() - this.#begunAt >= OTHERS_WAIT_MS,
      },
      policy,
      probe.now(),
    );
    if (decision.kind === 'verdict') await this.#give(decision, others, tried);
    else if (finding.kind === 'healthy') this.#tellWait(decision.reason);
  }

  async #give(
    decision: Extract<VerdictDecision, { kind: 'verdict' }>,
    others: readonly Observation[],
    tried: readonly VerdictEvidence[],
  ): Promise<void> {
    if (performance.now() < this.#repeatAt) return;
    const { repeatAfterMs, announce, log } = this.#options;
    const incident = this.#incident();
    const { verdict, reason } = decision;
    const oddReporter = decision.verdict === 'false_alarm' ? decision.oddReporter : null;
    const missedWrites = oddReporter === null ? null : await this.#missedWrites(incident, others);
    const given = ++this.#given;
    this.#repeatAt = performance.now() + repeatAfterMs;
    log.info(
      { incident: incident.id, engine: engineOf(incident).address, verdict, reason, given },
      'verdict',
    );
    const seen = others
      .slice(0, OBSERVERS_TOLD_MAX)
      .map(({ kind, detail, at, observer }) => ({ kind, detail, at, observer }));
    const own = this.#findings.slice(-FINDINGS_TOLD_MAX);
    const evidence = [...tried, ...seen, ...own];
    await announce({ incident, verdict, reason, evidence, missedWrites, oddReporter, given });
  }

  async #missedWrites({ cluster }: IncidentRecord, others: readonly Observation[]): Promise<boolean | null> {
    const owned = await ownedVdisks(this.#options.store, cluster);
    return owned === null ? null : decideMissedWrites(owned, others);
  }

  #tellWait(reason: string): void {
    if (!this.#panel.isHeard || performance.now() < this.#tellWaitAt) return;
    this.#tellWaitAt = performance.now() + TELL_WAIT_MS;
    const { id } = this.#incident();
    const { address } = engineOf(this.#incident());
    this.#options.log.warn(
      { incident: id, engine: address, reason },
      'an engine that looks well is not judged yet',
    );
  }

  /** Who the engine should be, by what etcd says now. */
  async #target(): Promise<ProbeTarget> {
    const incident = this.#incident();
    const { cluster, shard } = incident;
    const { address, db } = engineOf(incident);
    const place = { cluster, shard, address };
    const identity = await this.#tools.engines.identityOf(place, KNOWN_AGE_MAX_MS);
    return { address, db, identity };
  }
}

/** Who found the engine failing this time: an incident remembers each reporter once, over all its attempts. */
function reportersNow({ reporters, history, attempt }: IncidentRecord, offlineSince: number): string[] {
  const mover = history.findLast(({ to }) => to === 'offline')?.by;
  const heard = reporters.filter(({ at }) => attempt === 1 || at >= offlineSince);
  return [...(mover === undefined ? [] : [mover]), ...heard.map(({ reporter }) => reporter)];
}

/** What restarting the engine came to so far. A driver that fails says so there, and does not end the judging. */
async function restartEvidence(restarts: EngineRestarts, outage: Outage): Promise<VerdictEvidence[]> {
  const attempts = await restarts.consider(outage);
  return attempts.map(({ number, driver, by, at, endedAt, outcome, detail }) => ({
    kind: outcome === 'done' ? 'restarted' : 'restart-failed',
    detail: `attempt ${number} through ${driver}: ${detail ?? 'begun, and no end is on record'}`,
    at: endedAt ?? at,
    observer: by,
  }));
}
