import type { Bus } from '@salvor/bus';
import {
  cutAofTail,
  type HistoryLoad,
  killEngine,
  restartEmpty,
  restartWithData,
  SeededRandom,
  type Stack,
  type StackEngine,
  TestkitError,
  until,
} from '@salvor/testkit';

export const faultKinds = [
  'engine-killed',
  'engine-emptied',
  'engine-tail-lost',
  'engine-paused',
  'pair-killed',
  'engine-and-server-killed',
  'server-killed',
  'server-paused',
  'etcd-restarted',
  'nats-restarted',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** One fault, for the story of a run. Times are `performance.now()` milliseconds. */
export interface FaultRecord {
  readonly kind: FaultKind;
  readonly target: string;
  readonly atMs: number;
  readonly overAtMs: number;
  /** Ticks of the history between which it happened. */
  readonly tick: number;
  readonly overTick: number;
}

/** How often each kind is drawn, compared with the others. */
const WEIGHTS: Readonly<Record<FaultKind, number>> = {
  'engine-killed': 5,
  'engine-emptied': 2,
  'engine-tail-lost': 3,
  'engine-paused': 3,
  'pair-killed': 1,
  'engine-and-server-killed': 3,
  'server-killed': 5,
  'server-paused': 2,
  'etcd-restarted': 2,
  'nats-restarted': 2,
};
const SIDES = ['primary', 'slave'] as const;
/** What an engine may lose of the end of its log. */
const TAIL_MAX_BYTES = 1 << 20;
/** By then its users have found out that an engine lacks something, and etcd says so. */
const NOTICED_AFTER_MS = 30_000;
const READY_TIMEOUT_MS = 60_000;

export interface FaultOptions {
  readonly stack: Stack;
  readonly bus: Bus;
  readonly load: HistoryLoad;
  readonly seed: number;
  readonly everyMs: number;
  /** A server that is paused is away for longer than this. */
  readonly leaseMs: number;
  /** These, in this order, and then no more; default: any, for as long as the run lasts. */
  readonly kinds?: readonly FaultKind[];
  readonly carriedOut?: (fault: FaultRecord) => void;
}

/** Breaks one part of a stack after the other, and brings each back, without waiting for what is repaired. */
export class FaultDriver {
  readonly records: FaultRecord[] = [];
  /** Faults that were due while the pair they were meant for had no second copy to fall back on. */
  passedOver = 0;
  readonly #options: FaultOptions;
  readonly #random: SeededRandom;
  readonly #stopping = new AbortController();
  readonly #due: FaultKind[] | null;
  /** Engines that came back without what they had. */
  readonly #lacking = new Map<string, { partner: string; sinceMs: number }>();

  constructor(options: FaultOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#due = options.kinds === undefined ? null : [...options.kinds];
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** Until {@link stop}, or the last fault; what is broken is brought back first. */
  async run(): Promise<void> {
    const { everyMs } = this.#options;
    let dueAtMs = performance.now() + everyMs;
    while (this.#due?.length !== 0 && (await this.#reached(dueAtMs))) {
      await this.#next();
      dueAtMs = Math.max(dueAtMs + everyMs, performance.now());
    }
  }

  async #next(): Promise<void> {
    const kind = this.#due?.[0] ?? this.#draw();
    const { load, carriedOut } = this.#options;
    const [atMs, tick] = [performance.now(), load.recorder.now];
    const target = await this.#carryOut(kind);
    if (target === null) {
      this.passedOver++;
      return;
    }
    this.#due?.shift();
    const overAtMs = performance.now();
    const record = { kind, target, atMs, overAtMs, tick, overTick: load.recorder.now };
    this.records.push(record);
    carriedOut?.(record);
  }

  #draw(): FaultKind {
    const total = faultKinds.reduce((sum, kind) => sum + WEIGHTS[kind], 0);
    let draw = this.#random.below(total);
    for (const kind of faultKinds) {
      draw -= WEIGHTS[kind];
      if (draw < 0) return kind;
    }
    return 'engine-killed';
  }

  /** What was hit; null when nothing could be, without taking the last copy of something. */
  async #carryOut(kind: FaultKind): Promise<string | null> {
    const { stack } = this.#options;
    switch (kind) {
      case 'engine-killed':
      case 'engine-emptied':
      case 'engine-tail-lost':
      case 'engine-paused':
      case 'pair-killed':
      case 'engine-and-server-killed':
        return this.#breakEngine(kind);
      case 'server-killed':
        return this.#killServer();
      case 'server-paused':
        return this.#pauseServer();
      case 'etcd-restarted':
        await stack.etcd.process.kill();
        await this.#wait(this.#random.below(1_500));
        await stack.etcd.process.start();
        return 'etcd';
      case 'nats-restarted':
        await stack.nats.process.kill();
        await this.#wait(this.#random.below(1_500));
        await stack.nats.process.start();
        return 'nats';
    }
  }

  async #breakEngine(kind: FaultKind): Promise<string | null> {
    const pair = await this.#wholePair();
    if (pair === null) return null;
    const engine = pair[this.#random.below(2)] ?? pair[0];
    const partner = engine === pair[0] ? pair[1] : pair[0];
    switch (kind) {
      case 'engine-emptied': {
        const cluster = await this.#clusterWithSpare(engine);
        if (cluster === null) return null;
        await killEngine(engine);
        await this.#wait(this.#random.below(800));
        await restartEmpty(engine);
        this.#lacking.set(engine.address, { partner: partner.address, sinceMs: performance.now() });
        return engine.address;
      }
      case 'engine-tail-lost':
        await killEngine(engine);
        await this.#wait(this.#random.below(800));
        cutTail(engine, 1 + this.#random.below(TAIL_MAX_BYTES));
        await restartWithData(engine);
        this.#lacking.set(engine.address, { partner: partner.address, sinceMs: performance.now() });
        return engine.address;
      case 'engine-and-server-killed': {
        const [, server] = await Promise.all([killEngine(engine), this.#killServer()]);
        await this.#wait(this.#random.below(2_500));
        await restartWithData(engine);
        return `${engine.address} and ${server}`;
      }
      case 'engine-paused':
        engine.process.pause();
        await this.#wait(200 + this.#random.below(5_000));
        engine.process.resume();
        return engine.address;
      case 'pair-killed':
        await Promise.all(pair.map((one) => killEngine(one)));
        await this.#wait(this.#random.below(800));
        await Promise.all(pair.map((one) => restartWithData(one)));
        return pair.map((one) => one.address).join(' and ');
      default:
        await killEngine(engine);
        await this.#wait(this.#random.below(2_500));
        await restartWithData(engine);
        return engine.address;
    }
  }

  async #killServer(): Promise<string> {
    const { stack, load } = this.#options;
    const server = stack.nbdServers[this.#random.below(stack.nbdServers.length)] ?? stack.nbdServer();
    await until(() => server.identity() !== null, { what: 'the server runs', timeoutMs: READY_TIMEOUT_MS });
    await server.kill('SIGKILL');
    load.serverGone(server.name);
    return server.name;
  }

  async #pauseServer(): Promise<string> {
    const { stack, leaseMs } = this.#options;
    const server = stack.nbdServers[this.#random.below(stack.nbdServers.length)] ?? stack.nbdServer();
    await until(() => server.identity() !== null, { what: 'the server runs', timeoutMs: READY_TIMEOUT_MS });
    server.pause();
    await this.#wait(leaseMs * (1.2 + this.#random.fraction()));
    server.resume();
    return server.name;
  }

  /** The members of a pair of which both are online, drawn at random. */
  async #wholePair(): Promise<[StackEngine, StackEngine] | null> {
    const { stack } = this.#options;
    const shard = this.#random.below(stack.engines.primary.length);
    const members: StackEngine[] = [];
    for (const side of SIDES) {
      const { engines } = await this.#cluster(stack.clusters[side]);
      const entry = engines[shard];
      if (entry?.status !== 'online' || this.#mayLack(entry.address)) return null;
      members.push(stack.engineAt(entry.address));
    }
    const [primary, slave] = members;
    const up = members.every(({ process }) => process.running && !process.paused);
    return primary !== undefined && slave !== undefined && up ? [primary, slave] : null;
  }

  /** Whether the only copy of something may be on this engine, or on its partner, without etcd knowing yet. */
  #mayLack(address: string): boolean {
    for (const [lacking, { partner, sinceMs }] of this.#lacking) {
      if (performance.now() - sinceMs > NOTICED_AFTER_MS) this.#lacking.delete(lacking);
      else if (lacking === address || partner === address) return true;
    }
    return false;
  }

  /** The cluster of the engine, with a spare to lose; engines that were replaced become spares again. */
  async #clusterWithSpare(engine: StackEngine): Promise<string | null> {
    const { stack, bus } = this.#options;
    const clusters = await Promise.all(SIDES.map((side) => this.#cluster(stack.clusters[side])));
    const own = clusters.find(({ engines }) => engines.some(({ address }) => address === engine.address));
    if (own === undefined) return null;
    if (own.spares.length > 0) return own.cluster;
    const used = new Set(
      clusters.flatMap(({ engines, spares }) => [
        ...spares.map(({ address }) => address),
        ...engines.flatMap(({ address, replacement }) => [address, replacement?.address ?? address]),
      ]),
    );
    const all = [...stack.engines.primary, ...stack.engines.slave, ...stack.engines.spares];
    const free = all.find(({ address }) => !used.has(address));
    if (free === undefined) return null;
    await restartEmpty(free);
    await bus.request('cluster.add-spares', {
      cluster: own.cluster,
      spares: [{ address: free.address, db: 0 }],
    });
    return own.cluster;
  }

  async #cluster(cluster: string) {
    return (await this.#options.bus.request('cluster.get', { cluster }, { timeoutMs: 20_000 })).cluster;
  }

  async #wait(ms: number): Promise<void> {
    const endsAt = performance.now() + ms;
    await until(() => performance.now() >= endsAt, {
      what: 'the fault has lasted',
      timeoutMs: ms + 5_000,
      intervalMs: 10,
    });
  }

  /** False when the run is over. */
  async #reached(dueAtMs: number): Promise<boolean> {
    const over = (): boolean => this.#stopping.signal.aborted;
    await until(() => over() || performance.now() >= dueAtMs, {
      what: 'the next fault is due',
      timeoutMs: this.#options.everyMs + 60_000,
    });
    return !over();
  }
}

/** A log that was rewritten a moment ago may be shorter than that: then it loses nothing. */
export function cutTail(engine: StackEngine, bytes: number): void {
  try {
    cutAofTail(engine.dataDir, { bytes });
  } catch (error) {
    if (!(error instanceof TestkitError && error.code === 'aof-too-short')) throw error;
    cutAofTail(engine.dataDir, { bytes: 0 });
  }
}
