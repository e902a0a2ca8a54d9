import type { Bus } from '@salvor/bus';
import type { ConfigStore } from '@salvor/config-store';
import { until } from '@salvor/testkit';
import {
  engineFault,
  type FaultSurroundings,
  linkFault,
  type ReadyFault,
  serviceFault,
} from './fault-kinds.ts';
import { PairGuards } from './pair-guards.ts';
import { isMirroredEverywhere, readPair } from './pair-state.ts';
import type { ChaosKind, PlannedFault } from './plan.ts';

/** A fault that took place. Times since the start of the run, in milliseconds. */
export interface InjectedChaos {
  readonly kind: ChaosKind;
  readonly target: string;
  readonly atMs: number;
  readonly overAtMs: number;
}

export interface ChaosDriverOptions extends FaultSurroundings {
  /** Straight to NATS and etcd, past every line. */
  readonly bus: Bus;
  readonly store: ConfigStore;
  readonly shards: number;
  readonly injected?: (fault: InjectedChaos) => void;
}

/** The least time after which an engine that may have lost something is whole again. */
const SETTLE_MS = 2_500;
const LOOK_INTERVAL_MS = 200;
/** Faults after which it takes a while until etcd says what befell an engine before. */
const TOLD_LATE = /^(server|etcd)-/;

/** Carries out a plan: every fault at its time, whatever else is broken then, unless it would take the last copy of something. */
export class ChaosDriver {
  readonly injected: InjectedChaos[] = [];
  /** Faults that were due and did not take place: their target was broken already, or the last copy of something. */
  readonly passedOver: Partial<Record<ChaosKind, number>> = {};
  readonly #options: ChaosDriverOptions;
  readonly #guards = new PairGuards();
  readonly #taken = new Set<string>();
  readonly #underWay = new Set<Promise<void>>();
  /** The longest until a pair was whole after one of its engines had lost data, or until the faults ended. */
  longestRebuildMs = 0;
  #startedAtMs = 0;
  /** When the last fault of the plan is due. */
  #lastAtMs = 0;
  #failure: Error | null = null;

  constructor(options: ChaosDriverOptions) {
    this.#options = options;
  }

  /** Resolves when everything that was broken is brought back. Rejects when that fails, or with the reason of `signal`. */
  async run(plan: readonly PlannedFault[], signal: AbortSignal): Promise<void> {
    this.#startedAtMs = performance.now();
    this.#lastAtMs = plan.at(-1)?.atMs ?? 0;
    for (const fault of plan) {
      if (!(await this.#reached(fault.atMs, signal))) break;
      const carriedOut = this.#carryOut(fault, signal)
        .catch((error: unknown) => {
          this.#failure ??= new Error(`${fault.kind}: ${String(error)}`, { cause: error });
        })
        .finally(() => this.#underWay.delete(carriedOut));
      this.#underWay.add(carriedOut);
      if (this.#failure !== null) break;
    }
    await Promise.all(this.#underWay);
    if (this.#failure !== null) throw this.#failure;
  }

  /** Has a process for this piece of work; false when a fault has it. */
  async having(process: string, work: () => Promise<void>): Promise<boolean> {
    if (this.#taken.has(process)) return false;
    this.#taken.add(process);
    try {
      await work();
      return true;
    } finally {
      this.#taken.delete(process);
    }
  }

  async #carryOut(fault: PlannedFault, signal: AbortSignal): Promise<void> {
    const shard = fault.shard % this.#options.shards;
    if (fault.kind.startsWith('engine-') || fault.kind === 'pair-killed')
      return this.#breakEngine(fault, shard, signal);
    if (fault.kind.startsWith('link-')) {
      const { engines } = await readPair(this.#options.store, this.#options.stack, shard).catch(() => nobody);
      const ready = engines === null ? null : linkFault(fault, engines, this.#options);
      return this.#shared(fault, shard, ready, signal);
    }
    const ready = serviceFault(fault, this.#options);
    if (!(await this.#execute(fault, ready, signal))) this.#passOver(fault);
    if (TOLD_LATE.test(fault.kind)) this.#guards.disturbAll(performance.now());
  }

  async #breakEngine(fault: PlannedFault, shard: number, signal: AbortSignal): Promise<void> {
    const { store, stack } = this.#options;
    const { engines } = await readPair(store, stack, shard).catch(() => nobody);
    const ready = engines === null ? null : engineFault(fault, engines, this.#options);
    if (ready?.takesData !== true) return this.#shared(fault, shard, ready, signal);
    const before = performance.now();
    if (!this.#guards.exclude(shard, before)) return this.#passOver(fault);
    let disturbedUntil = Number.NEGATIVE_INFINITY;
    try {
      if (!(await this.#isWhole(shard)) || !(await this.#execute(fault, ready, signal)))
        return this.#passOver(fault);
      disturbedUntil = performance.now();
      await this.#untilWhole(shard, signal);
      disturbedUntil = performance.now();
    } finally {
      this.#guards.readmit(shard, disturbedUntil);
    }
  }

  async #shared(
    fault: PlannedFault,
    shard: number,
    ready: ReadyFault | null,
    signal: AbortSignal,
  ): Promise<void> {
    if (ready === null || !this.#guards.share(shard)) return this.#passOver(fault);
    try {
      if (!(await this.#execute(fault, ready, signal))) this.#passOver(fault);
    } finally {
      this.#guards.unshare(shard, performance.now());
    }
  }

  /** False when another fault has one of the processes. */
  async #execute(fault: PlannedFault, ready: ReadyFault, signal: AbortSignal): Promise<boolean> {
    const { target, processes } = ready;
    if (processes.some((name) => this.#taken.has(name))) return false;
    for (const name of processes) this.#taken.add(name);
    try {
      const atMs = this.#elapsed();
      const repair = await ready.begin();
      await this.#reached(this.#elapsed() + fault.lastsMs, signal);
      await repair();
      const record = { kind: fault.kind, target, atMs, overAtMs: this.#elapsed() };
      this.injected.push(record);
      this.#options.injected?.(record);
      return true;
    } finally {
      for (const name of processes) this.#taken.delete(name);
    }
  }

  async #isWhole(shard: number): Promise<boolean> {
    const { store, stack, bus } = this.#options;
    const { engines, areOnline } = await readPair(store, stack, shard).catch(() => nobody);
    const isUp = engines?.every(({ process }) => process.running && !process.paused) === true;
    return areOnline && isUp && (await isMirroredEverywhere(bus, stack, shard));
  }

  /** Until then its last copy is left alone. A pair that is not healed when the faults are over is told as stuck work. */
  async #untilWhole(shard: number, signal: AbortSignal): Promise<void> {
    const lostAt = performance.now();
    await this.#reached(this.#elapsed() + SETTLE_MS, signal);
    const isNoMore = (): boolean => signal.aborted || this.#elapsed() > this.#lastAtMs;
    await until(async () => isNoMore() || (await this.#isWhole(shard)), {
      what: `pair ${shard} is whole, or the faults are over`,
      timeoutMs: Math.max(0, this.#lastAtMs - this.#elapsed()) + 60_000,
      intervalMs: LOOK_INTERVAL_MS,
    });
    this.longestRebuildMs = Math.max(this.longestRebuildMs, Math.round(performance.now() - lostAt));
  }

  #passOver({ kind }: PlannedFault): void {
    this.passedOver[kind] = (this.passedOver[kind] ?? 0) + 1;
  }

  #elapsed(): number {
    return Math.round(performance.now() - this.#startedAtMs);
  }

  /** False when the run ends before. */
  async #reached(atMs: number, signal: AbortSignal): Promise<boolean> {
    await until(() => signal.aborted || this.#elapsed() >= atMs, {
      what: 'the time of a fault',
      timeoutMs: Math.max(0, atMs - this.#elapsed()) + 60_000,
      intervalMs: 10,
    });
    return !signal.aborted;
  }
}

const nobody = { engines: null, areOnline: false } as const;
