import { setTimeout as pause } from 'node:timers/promises';
import { type Stack, type StackEngine, until } from '@salvor/local-stack';
import { TestkitError } from '../errors.ts';
import { SeededRandom } from '../seed.ts';
import { killEngine, restartEmpty, restartWithData } from './engine-faults.ts';

type StackBus = Awaited<ReturnType<Stack['connectBus']>>;

/**
 * What befalls an engine: `kill` it and start it again with its data, `pause` it for longer than its users wait,
 * `stutter`: pause it for less than that, `lose` all its data, so that a spare takes its place.
 */
export type EngineFault = 'kill' | 'pause' | 'stutter' | 'lose';

export interface InjectedFault {
  readonly fault: EngineFault;
  readonly address: string;
  /** Since the driver started. */
  readonly atMs: number;
  /** From the fault until every cluster was healthy and no incident open; null while it is not. */
  readonly healedAfterMs: number | null;
}

export interface FaultDriverOptions {
  readonly stack: Stack;
  readonly bus: StackBus;
  readonly seed: number;
  /** Drawn with equal chance; a fault that is listed twice comes twice as often. */
  readonly faults: readonly EngineFault[];
  /** From the begin of one fault to the begin of the next, unless healing takes longer; default 0. */
  readonly everyMs?: number;
  /** Default 60 s; a stack that takes longer ends the driver. */
  readonly healTimeoutMs?: number;
  readonly onFault?: (fault: InjectedFault) => void;
}

/** The longest that a killed engine stays away, and the bounds of its pauses; users wait 1.5 s for an answer. */
const AWAY_MS_MAX = 1_000;
const PAUSE_MS = { least: 1_800, most: 2_500 };
const STUTTER_MS = { least: 100, most: 900 };
/** A fault that nobody noticed by then needed no healing. */
const NOTICE_MS = 500;

/** One fault of an engine after the other, each after the one before has healed: no pair ever loses both members. */
export class EngineFaultDriver {
  readonly #options: FaultDriverOptions;
  readonly #random: SeededRandom;
  readonly #injected: InjectedFault[] = [];
  readonly #stopping = new AbortController();
  #running: Promise<void> | null = null;
  #failure: Error | null = null;

  constructor(options: FaultDriverOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
  }

  get injected(): readonly InjectedFault[] {
    return this.#injected;
  }

  /** Faults that have come and healed. */
  get healed(): number {
    return this.#injected.filter(({ healedAfterMs }) => healedAfterMs !== null).length;
  }

  /** Why it ended by itself. */
  get failure(): Error | null {
    return this.#failure;
  }

  start(): void {
    this.#running = this.#run().catch((error: unknown) => {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    });
  }

  /** Lets the fault under way heal. Error: what ended the driver, such as a stack that did not heal in time. */
  async stop(): Promise<readonly InjectedFault[]> {
    this.#stopping.abort();
    await this.#running;
    if (this.#failure !== null) throw this.#failure;
    return this.#injected;
  }

  async #run(): Promise<void> {
    const startedAt = performance.now();
    const { everyMs = 0, faults, onFault } = this.#options;
    while (!this.#stopping.signal.aborted) {
      const begunAt = performance.now();
      const fault = faults[this.#random.below(faults.length)] ?? 'kill';
      const engine = await this.#pick(fault);
      const entry = { fault, address: engine.address, atMs: Math.round(begunAt - startedAt) };
      const index = this.#injected.push({ ...entry, healedAfterMs: null }) - 1;
      await this.#inject(fault, engine);
      await this.#untilHealed(entry);
      if (fault === 'lose') await this.#makeSpare(engine);
      const healed = { ...entry, healedAfterMs: Math.round(performance.now() - begunAt) };
      this.#injected[index] = healed;
      onFault?.(healed);
      await this.#wait(everyMs - (performance.now() - begunAt));
    }
  }

  /** An engine in use; to be lost only one whose cluster has a spare. */
  async #pick(fault: EngineFault): Promise<StackEngine> {
    const { bus, stack } = this.#options;
    const { engines } = await bus.request('engine.list', {});
    const { clusters } = await bus.request('cluster.list', {});
    const spared = new Set(clusters.filter(({ spares }) => spares > 0).map(({ cluster }) => cluster));
    const fit = engines.filter(({ cluster }) => fault !== 'lose' || spared.has(cluster));
    const picked = fit[this.#random.below(fit.length)];
    if (picked === undefined) throw new TestkitError('no-engine', `no engine can be met by '${fault}'`);
    return stack.engineAt(picked.address);
  }

  async #inject(fault: EngineFault, engine: StackEngine): Promise<void> {
    switch (fault) {
      case 'kill':
        await killEngine(engine);
        await pause(this.#random.below(AWAY_MS_MAX));
        return restartWithData(engine);
      case 'pause':
        return this.#pauseFor(engine, PAUSE_MS);
      case 'stutter':
        return this.#pauseFor(engine, STUTTER_MS);
      case 'lose':
        return restartEmpty(engine);
    }
  }

  async #pauseFor(engine: StackEngine, { least, most }: { least: number; most: number }): Promise<void> {
    engine.process.pause();
    await pause(least + this.#random.below(most - least));
    engine.process.resume();
  }

  async #untilHealed({ fault, address }: { fault: EngineFault; address: string }): Promise<void> {
    const { bus, healTimeoutMs = 60_000 } = this.#options;
    const isHealthy = async (): Promise<boolean> => {
      const { clusters } = await bus.request('cluster.list', {});
      const { incidents } = await bus.request('incident.list', { all: false });
      return incidents.length === 0 && clusters.every(({ status }) => status === 'healthy');
    };
    // What was noticed shows as an incident; a short pause may well go unnoticed.
    const noticeBy = performance.now() + NOTICE_MS;
    while (performance.now() < noticeBy && (await isHealthy())) await pause(50);
    await until(isHealthy, {
      what: `everything is healthy after '${fault}' of ${address}`,
      timeoutMs: healTimeoutMs,
      intervalMs: 100,
    });
  }

  /** The lost engine, empty now, is the next spare of the cluster that lost it. */
  async #makeSpare(engine: StackEngine): Promise<void> {
    const { bus } = this.#options;
    const is = ({ address }: { address: string }): boolean => address === engine.address;
    const { clusters } = await bus.request('cluster.list', {});
    const all = await Promise.all(clusters.map(({ cluster }) => bus.request('cluster.get', { cluster })));
    const loser = all.find(({ cluster }) => cluster.retired.some(is));
    if (loser === undefined || all.some(({ cluster }) => cluster.spares.some(is))) return;
    await restartEmpty(engine);
    await bus.request('cluster.add-spares', {
      cluster: loser.cluster.cluster,
      spares: [{ address: engine.address, db: 0 }],
    });
  }

  async #wait(ms: number): Promise<void> {
    if (ms <= 0) return;
    await pause(ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }
}
