import type { ClusterStorage } from '../../packages/config-store/src/cluster-storage.ts';
import type { HealingPolicy } from '../../packages/config-store/src/healing/engine-status.ts';
import type { SalvorClusterRecord } from '../../packages/config-store/src/healing/records.ts';
import { identityText } from '../../packages/vdisk/src/engine-keys.ts';
import type { VerdictPolicy } from '../../services/health-analyzer/src/verdict.ts';
import type { Ambushes } from './ambushes.ts';
import { Analyzer } from './analyzer.ts';
import { Bus } from './bus.ts';
import { Checker } from './checker.ts';
import { Client } from './client.ts';
import { Coordinator } from './coordinator.ts';
import type { Cores } from './cores.ts';
import { Engine, emptyShard, type ShardData } from './engine.ts';
import { Etcd, type Put } from './etcd.ts';
import type { VdiskConfig } from './healing.ts';
import { recordKey, storageKey, vdiskKey } from './keys.ts';
import { Network } from './network.ts';
import { Random } from './random.ts';
import { type Process, Scheduler } from './scheduler.ts';
import { Server } from './server.ts';

/** A rule of DESIGN.md section 10 is broken. */
export class Violation extends Error {
  readonly rule: number;
  constructor(rule: number, what: string) {
    super(what);
    this.rule = rule;
  }
}

/** A loss that no rule of the product can notice (docs/failures.md, Without its last writes): what follows is not judged. */
export class LimitReached extends Error {}

/** Wall clocks start here; virtual time starts at 0. */
const EPOCH_MS = 1_000_000;

/** Keeps what was imported apart from all else that a seed draws. */
const IMPORT_SALT = 0x5bd1e995;

/** All the machines of one run. */
export class World {
  readonly random: Random;
  readonly cores: Cores;
  readonly trace: ((line: string) => void) | null;
  readonly scheduler = new Scheduler();
  readonly net: Network;
  readonly etcd: Etcd;
  readonly bus: Bus;
  readonly checker: Checker;
  readonly shards: number;
  readonly blocksPerShard: number;
  /** Vdisks with clients; more may be created. */
  readonly vdisks: number;
  readonly thinkMs: number;
  /** The primary cluster, and the slave if there is one. */
  readonly clusters: readonly string[];
  readonly engines = new Map<string, Engine>();
  readonly servers: readonly Server[];
  readonly coordinators: readonly Coordinator[];
  readonly analyzers: readonly Analyzer[];
  readonly clients: readonly Client[];
  readonly policy: VerdictPolicy = { healthyProbes: 2, permanentAfterMs: 3_000 };
  readonly emptyShard: ShardData;
  /** Whether the clocks of processes differ. */
  readonly isSkewed: boolean;
  readonly #skews = new Map<Process, number>();
  /** Faults that wait for a moment; none before the run begins. */
  ambushes: Ambushes | null = null;
  /** Rules beyond those that always hold: whether an engine that fails again and again is held. */
  policies: HealingPolicy = {};
  /** The first rule that was broken, or the limit that was reached: the run is over. */
  broken: Violation | LimitReached | null = null;
  #values = 0;
  #reports = 0;
  #nextVdisk: number;
  readonly #seed: number;
  #digest = 0x811c9dc5;

  constructor(seed: number, cores: Cores, trace: ((line: string) => void) | null) {
    const random = new Random(seed);
    this.#seed = seed;
    this.random = random;
    this.cores = cores;
    this.trace =
      trace === null ? null : (line) => trace(`${this.scheduler.now.toFixed(1).padStart(9)}  ${line}`);
    this.net = new Network(this.scheduler, random);
    this.etcd = new Etcd(this);
    this.bus = new Bus(this);
    this.checker = new Checker(this);
    this.shards = random.whole(1, 3);
    this.blocksPerShard = random.whole(2, 5);
    this.vdisks = random.whole(1, random.chance(0.3) ? 3 : 2);
    this.thinkMs = random.between(40, 180);
    this.clusters = random.chance(0.9) ? ['p1', 's1'] : ['p1'];
    this.isSkewed = random.chance(0.4);
    this.emptyShard = emptyShard(this.blocksPerShard);
    this.#nextVdisk = this.vdisks;
    this.#setUp();
    this.servers = [1, 2].map((n) => new Server(this, `nbd-${n}`));
    this.coordinators = range(random.whole(1, 2)).map((n) => new Coordinator(this, `coordinator-${n}`));
    this.analyzers = range(random.whole(1, 2)).map((n) => new Analyzer(this, `analyzer-${n}`));
    const machines = [...this.servers, ...this.coordinators, ...this.analyzers];
    for (const { process } of machines)
      this.#skews.set(process, this.isSkewed ? random.whole(-2_000, 2_000) : 0);
    for (const machine of machines) machine.boot();
    this.clients = range(this.vdisks).map((vdisk) => new Client(this, vdisk));
    for (const client of this.clients) client.start();
  }

  /** What the clock of a process shows, in Unix milliseconds. */
  wallOf(process: Process): number {
    return this.wall() + (this.#skews.get(process) ?? 0);
  }

  wall(): number {
    return EPOCH_MS + Math.floor(this.scheduler.now);
  }

  engineAt(address: string): Engine {
    const engine = this.engines.get(address);
    if (engine === undefined) throw new Error(`there is no engine at ${address}`);
    return engine;
  }

  newEngine(): Engine {
    const engine = new Engine(this, `10.0.0.${this.engines.size + 1}:6379`);
    engine.isLazy = this.random.chance(0.6);
    this.engines.set(engine.address, engine);
    return engine;
  }

  nextValue(): number {
    return ++this.#values;
  }

  nextVdisk(): number {
    return this.#nextVdisk++;
  }

  /** A process saw an engine fail, and says so on the bus. */
  report(process: Process, cluster: string, address: string, reason: string): void {
    const detectedAt = this.wallOf(process);
    const operation = `report-${process.name}-${this.#reports++}`;
    this.bus.publish({
      cluster,
      input: {
        ...{ kind: 'failure-reported', address, reporter: process.name, reason, operation, detectedAt },
        seenAt: this.scheduler.now,
      },
    });
  }

  /** Ends the run, also where the flow that did it catches what it throws. */
  violated(rule: number, what: string): void {
    this.broken ??= new Violation(rule, what);
    throw this.broken;
  }

  /** Ends the run without a verdict. */
  limited(what: string): void {
    this.broken ??= new LimitReached(what);
    throw this.broken;
  }

  /** Takes a fact into the digest of the run. */
  fold(fact: number): void {
    this.#digest = Math.imul(this.#digest ^ fact, 0x01000193);
    this.#digest = Math.imul(this.#digest ^ Math.round(this.scheduler.now * 1_000), 0x01000193);
  }

  /** Two runs with the same digest went the same way. */
  get digest(): string {
    return (this.#digest >>> 0).toString(16).padStart(8, '0');
  }

  #setUp(): void {
    const puts: Put[] = [];
    for (const cluster of this.clusters) {
      const role = cluster === 'p1' ? 'primary' : 'slave';
      const partner = this.clusters.find((name) => name !== cluster);
      const servers = range(this.shards).map((shard) => {
        const engine = this.newEngine();
        engine.identity = identityText({ cluster, role, shard, generation: 1 });
        const { address } = engine;
        return { address, db: 0, state: 'online', status: 'online', generation: 1 } as const;
      });
      const spares = range(this.random.whole(0, 2)).map(() => ({ address: this.newEngine().address, db: 0 }));
      const storage: ClusterStorage = { servers };
      const record: SalvorClusterRecord = {
        ...{ status: 'healthy', role, spares, retired: [], lastOnlineAt: {} },
        ...(partner === undefined ? {} : { partner }),
        ...{ updatedAt: 0, operation: 'none' },
      };
      puts.push({ key: storageKey(cluster), value: storage }, { key: recordKey(cluster), value: record });
    }
    for (const vdisk of range(this.vdisks)) {
      const config: VdiskConfig = { vdisk };
      puts.push({ key: vdiskKey(vdisk), value: config });
    }
    this.etcd.commit([], puts);
    const imported = new Random(this.#seed ^ IMPORT_SALT);
    if (imported.chance(0.3)) this.#import(imported);
  }

  /** Blocks that were there before Salvor: on both engines of each pair, under no epoch, and in no batch. */
  #import(random: Random): void {
    for (const vdisk of range(this.vdisks))
      for (const shard of range(this.shards)) {
        const blocks = range(this.blocksPerShard).map(() => (random.chance(0.5) ? this.nextValue() : 0));
        for (const { engine } of this.checker.membersOf(shard))
          engine.shards[vdisk] = { ...this.emptyShard, blocks };
        for (const [block, value] of blocks.entries())
          if (value > 0) this.checker.imported(vdisk, shard, block, value);
      }
  }
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
