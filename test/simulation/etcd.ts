import type { Process } from './scheduler.ts';
import type { World } from './world.ts';

export interface Entry {
  readonly key: string;
  readonly value: unknown;
  readonly createRevision: number;
  readonly revision: number;
  readonly lease: Lease | null;
}

/** A condition of a transaction: that the key is absent, at a revision, or was created at one. */
export interface Compare {
  readonly key: string;
  readonly revision?: number;
  readonly createRevision?: number;
}

export interface Put {
  readonly key: string;
  readonly value: unknown;
  readonly lease?: Lease;
}

export interface Outcome {
  readonly ok: boolean;
  readonly revision: number;
}

export interface Lease {
  readonly ttlMs: number;
  expiresAt: number;
  alive: boolean;
  readonly keys: Set<string>;
}

/** etcd does not answer a process: what was asked for may have happened. */
export class StoreAway extends Error {}

const CALL_TIMEOUT_MS = 400;
const RELIST_MS = 250;

/** One linearizable store, as seen over links that may be cut, with watches that may break. Values are shared and never changed. */
export class Etcd {
  readonly #world: World;
  readonly entries = new Map<string, Entry>();
  revision = 100;
  readonly #watches = new Set<Watch>();

  constructor(world: World) {
    this.#world = world;
  }

  get(key: string): Entry | null {
    return this.entries.get(key) ?? null;
  }

  withPrefix(prefix: string): Entry[] {
    return [...this.entries.values()].filter(({ key }) => key.startsWith(prefix));
  }

  /** Carries out a transaction at once: for the set-up, and at the end of a call. */
  commit(compare: readonly Compare[], puts: readonly Put[], deletes: readonly string[] = []): Outcome {
    for (const { key, revision, createRevision } of compare) {
      const entry = this.entries.get(key);
      const isSame =
        createRevision !== undefined
          ? entry?.createRevision === createRevision
          : (entry?.revision ?? 0) === revision;
      if (!isSame) return { ok: false, revision: this.revision };
    }
    for (const { lease } of puts) if (lease?.alive === false) return { ok: false, revision: this.revision };
    const changed = new Set<string>();
    const revision = this.revision + 1;
    this.#world.checker.commit(puts, deletes);
    for (const key of deletes) {
      const old = this.entries.get(key);
      if (old === undefined) continue;
      old.lease?.keys.delete(key);
      this.entries.delete(key);
      changed.add(key);
    }
    for (const { key, value, lease = null } of puts) {
      const old = this.entries.get(key);
      old?.lease?.keys.delete(key);
      lease?.keys.add(key);
      const createRevision = old?.createRevision ?? revision;
      this.entries.set(key, { key, value, createRevision, revision, lease });
      changed.add(key);
    }
    if (changed.size === 0) return { ok: true, revision: this.revision };
    this.revision = revision;
    for (const watch of this.#watches) watch.hear(changed);
    return { ok: true, revision };
  }

  grant(ttlMs: number): Lease {
    const { scheduler } = this.#world;
    const lease: Lease = { ttlMs, expiresAt: scheduler.now + ttlMs, alive: true, keys: new Set() };
    const look = (): void => {
      if (!lease.alive) return;
      // While etcd is away no lease ends; it gives each its whole time again when it is back.
      if (this.#world.net.etcdDownUntil > scheduler.now)
        lease.expiresAt = this.#world.net.etcdDownUntil + ttlMs;
      if (scheduler.now >= lease.expiresAt) return this.revoke(lease);
      scheduler.at(lease.expiresAt, null, look);
    };
    scheduler.at(lease.expiresAt, null, look);
    return lease;
  }

  keepAlive(lease: Lease): boolean {
    if (lease.alive) lease.expiresAt = this.#world.scheduler.now + lease.ttlMs;
    return lease.alive;
  }

  revoke(lease: Lease): void {
    if (!lease.alive) return;
    lease.alive = false;
    this.commit([], [], [...lease.keys]);
  }

  /** Asks etcd from a process: `run` happens there, in one step. */
  call<T>(process: Process, run: () => T): (resume: (error: unknown, value: T) => void) => void {
    return (resume) => {
      const { scheduler, net, random } = this.#world;
      const { life } = process;
      const fail = (): void =>
        scheduler.after(CALL_TIMEOUT_MS, process, () => resume(new StoreAway('etcd'), undefined as T));
      if (!net.reachesEtcd(process)) return fail();
      scheduler.after(net.latency(), null, () => {
        const value = run();
        if (process.life !== life) return;
        // The answer is lost although what was asked for has happened.
        if (!net.reachesEtcd(process) || random.chance(net.etcdLoss)) return fail();
        scheduler.after(net.latency(), process, () => resume(null, value));
      });
    };
  }

  watch(process: Process, prefixes: readonly string[], onChange: (key: string | null) => void): Watch {
    const watch = new Watch(this.#world, process, prefixes, onChange, () => this.#watches.delete(watch));
    this.#watches.add(watch);
    return watch;
  }
}

/** What one process has heard of some keys. A change of several keys is heard one key after the other. */
export class Watch {
  readonly cache = new Map<string, Entry>();
  readonly #world: World;
  readonly #process: Process;
  readonly #life: number;
  readonly #prefixes: readonly string[];
  readonly #onChange: (key: string | null) => void;
  readonly #forget: () => void;
  /** Rises when it is listed anew: what was on its way then is older. */
  #round = 0;
  #isBroken = false;
  #lastAt = 0;

  constructor(
    world: World,
    process: Process,
    prefixes: readonly string[],
    onChange: (key: string | null) => void,
    forget: () => void,
  ) {
    this.#world = world;
    this.#process = process;
    this.#life = process.life;
    this.#prefixes = prefixes;
    this.#onChange = onChange;
    this.#forget = forget;
    this.#list();
  }

  close(): void {
    this.#round++;
    this.#isBroken = true;
    this.#forget();
  }

  hear(changed: ReadonlySet<string>): void {
    if (this.#process.life !== this.#life) return this.#forget();
    if (this.#isBroken) return;
    const { net, scheduler, random, etcd } = this.#world;
    for (const key of changed) {
      if (!this.#prefixes.some((prefix) => key.startsWith(prefix))) continue;
      if (!net.reachesEtcd(this.#process) || random.chance(net.watchGaps)) return this.#break();
      const entry = etcd.get(key);
      const round = this.#round;
      this.#lastAt = Math.max(this.#lastAt, scheduler.now + net.watchLatency());
      scheduler.at(this.#lastAt, this.#process, () => {
        if (round !== this.#round) return;
        if (entry === null) this.cache.delete(key);
        else this.cache.set(key, entry);
        this.#onChange(key);
      });
    }
  }

  /** A break, or a history that etcd has compacted: everything is listed, and watched from there on. */
  #break(): void {
    this.#isBroken = true;
    const round = ++this.#round;
    const { scheduler, net, random } = this.#world;
    const again = (): void => {
      if (round !== this.#round) return;
      if (!net.reachesEtcd(this.#process)) return scheduler.after(RELIST_MS, this.#process, again);
      this.#isBroken = false;
      this.#list();
      this.#onChange(null);
    };
    scheduler.after(random.between(10, RELIST_MS), this.#process, again);
  }

  #list(): void {
    this.cache.clear();
    for (const entry of this.#world.etcd.entries.values())
      if (this.#prefixes.some((prefix) => entry.key.startsWith(prefix))) this.cache.set(entry.key, entry);
  }
}
