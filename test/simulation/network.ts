import type { Engine } from './engine.ts';
import type { Random } from './random.ts';
import type { Process, Scheduler } from './scheduler.ts';

/** How messages between two ends fare: `deaf` they arrive, but no answer does. */
export type LinkState = 'ok' | 'cut' | 'deaf';

/** How long a message waits at most in the sending host after its link is whole again. */
const ORPHAN_MS_MAX = 2_500;

/** The links of the run. */
export class Network {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #states = new Map<string, LinkState>();
  /** What closed sockets still try to deliver, by link. */
  readonly #orphans = new Map<string, { engine: Engine; life: number; run: () => void }[]>();
  readonly #cutOffEtcd = new Set<Process>();
  etcdDownUntil = 0;
  /** Probability that the answer of etcd is lost, and that a watch breaks at a change. */
  etcdLoss = 0;
  watchGaps = 0;
  /** Messages take up to so many milliseconds more, now and then. */
  jitterMs = 0;

  constructor(scheduler: Scheduler, random: Random) {
    this.#scheduler = scheduler;
    this.#random = random;
  }

  latency(): number {
    const base = 0.2 + this.#random.next() * 2;
    return this.jitterMs > 0 && this.#random.chance(0.05) ? base + this.#random.next() * this.jitterMs : base;
  }

  watchLatency(): number {
    return this.#random.chance(0.1) ? this.#random.between(1, 120) : this.latency();
  }

  reachesEtcd(process: Process): boolean {
    return this.etcdDownUntil <= this.#scheduler.now && !this.#cutOffEtcd.has(process);
  }

  cutEtcd(process: Process, isCut: boolean): void {
    if (isCut) this.#cutOffEtcd.add(process);
    else this.#cutOffEtcd.delete(process);
  }

  state(from: Process, to: Engine): LinkState {
    return this.#states.size === 0 ? 'ok' : (this.#states.get(nameOf(from, to)) ?? 'ok');
  }

  set(from: Process, to: Engine, state: LinkState): void {
    const name = nameOf(from, to);
    if (state === 'ok') this.#states.delete(name);
    else this.#states.set(name, state);
    if (state !== 'cut') this.#release(name);
  }

  #release(name: string): void {
    const waiting = this.#orphans.get(name) ?? [];
    this.#orphans.delete(name);
    for (const { engine, life, run } of waiting) {
      if (engine.process.life !== life) continue;
      this.#scheduler.after(this.#random.between(0, ORPHAN_MS_MAX), engine.process, run);
    }
  }

  /** A message that cannot be delivered now may be, when the link is whole again, whoever has given it up by then. */
  orphan(from: Process, engine: Engine, run: () => void): void {
    if (!this.#random.chance(0.5)) return;
    const name = nameOf(from, engine);
    const waiting = this.#orphans.get(name) ?? [];
    waiting.push({ engine, life: engine.process.life, run });
    this.#orphans.set(name, waiting);
  }

  heal(): void {
    this.#states.clear();
    for (const name of [...this.#orphans.keys()]) this.#release(name);
    this.#cutOffEtcd.clear();
    this.etcdLoss = 0;
    this.watchGaps = 0;
    this.jitterMs = 0;
  }
}

function nameOf(from: Process, to: Engine): string {
  return `${from.name}>${to.address}`;
}
