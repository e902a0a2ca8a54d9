import type { ConfigStore } from '@salvor/config-store';
import { type Logger, messageOf } from '@salvor/service-kit';
import { EngineProbes, type ProbeOptions, type ProbeTarget } from '@salvor/vdisk';
import { type KnownEngine, KnownEngines } from './known-engines.ts';
import type { Word } from './observation.ts';
import { decideSweep, type SweptEngine } from './sweep-decision.ts';

export interface SweepReport {
  readonly cluster: string;
  readonly address: string;
  readonly reason: string;
  readonly detectedAt: number;
}

export interface EngineSweepOptions {
  readonly store: ConfigStore;
  readonly probe: ProbeOptions;
  readonly intervalMs: number;
  /** Bad findings in a row before an engine is reported. */
  readonly findingsNeeded: number;
  /** Asks others how they see an engine that is not well here; absent when there is nobody else. */
  readonly askOthers?: (target: ProbeTarget, told: (seen: Word) => void) => Promise<void>;
  readonly report: (failure: SweepReport) => Promise<void>;
  readonly log: Logger;
}

/** Whether engines take new connections too is seen this often. */
const LINK_AGE_MAX_MS = 60_000;
/**
 * From the end of a link to the look that it leads to: where a rack goes down one look for all of its engines, and behind the
 * reports of those who use them, which are what clients wait for.
 */
const LOST_LINK_LOOK_MS = 500;

/**
 * Probes every engine that etcd shows as online or under repair: an engine that nobody uses at the moment must not die
 * unnoticed, nor a repair wait for one that is gone.
 */
export class EngineSweep {
  readonly #options: EngineSweepOptions;
  readonly #engines: KnownEngines;
  readonly #probes: EngineProbes;
  #bad: ReadonlyMap<string, number> = new Map();
  #timer: NodeJS.Timeout | null = null;
  #lost: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;

  constructor(options: EngineSweepOptions) {
    this.#options = options;
    this.#engines = new KnownEngines(options.store, options.log);
    this.#probes = new EngineProbes(options.probe);
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), this.#options.intervalMs);
    this.#probes.onLost = () => {
      this.#lost ??= setTimeout(() => {
        this.#lost = null;
        this.#look();
      }, LOST_LINK_LOOK_MS);
    };
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#probes.onLost = () => {};
    if (this.#lost !== null) clearTimeout(this.#lost);
    await this.#running;
    this.#probes.close();
  }

  #look(): void {
    this.#running ??= this.sweep()
      .catch((error: unknown) =>
        this.#options.log.warn({ error: messageOf(error) }, 'engines not swept, trying again'),
      )
      .finally(() => {
        this.#running = null;
      });
  }

  /** Looks at every engine once. */
  async sweep(): Promise<void> {
    const { findingsNeeded, report, log } = this.#options;
    const used = (await this.#engines.all(0)).filter(({ isInUse }) => isInUse);
    const swept = await Promise.all(
      used.map(async (engine) => ({
        ...engine,
        name: nameOf(engine),
        finding: await this.#probes.probe(engine, LINK_AGE_MAX_MS),
      })),
    );
    const decision = decideSweep(this.#bad, swept, findingsNeeded);
    this.#bad = decision.bad;
    if (decision.doubt !== null) log.error({ reason: decision.doubt }, 'engines do not answer here');
    const due = new Set(decision.report.map(({ name }: SweptEngine) => name));
    for (const engine of swept) {
      const { name, cluster, address, finding } = engine;
      if (!due.has(name)) continue;
      const well = await this.#findsWell(engine);
      if (well !== null) {
        const fields = { cluster, engine: address, by: well, error: finding.detail };
        log.warn(fields, 'an engine cannot be used from here, and a server finds it well: not reported');
        continue;
      }
      const reason = `${finding.detail} (${findingsNeeded} probes in a row)`;
      await report({ cluster, address, reason, detectedAt: finding.at });
    }
  }

  /** A server that finds the engine well; null when there is none. Whoever uses an engine reports what it sees there. */
  async #findsWell(engine: KnownEngine): Promise<string | null> {
    const { askOthers, log } = this.#options;
    const words: Word[] = [];
    await askOthers?.(engine, (seen) => words.push(seen)).catch((error: unknown) =>
      log.warn({ engine: engine.address, error: messageOf(error) }, 'others could not be asked'),
    );
    return words.find(({ role, kind }) => role === 'server' && kind === 'healthy')?.observer ?? null;
  }
}

function nameOf({ cluster, address, db }: KnownEngine): string {
  return `${cluster}/${address}/${db}`;
}
