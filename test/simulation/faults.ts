import { recordOf, storageOf } from './cluster-values.ts';
import type { Engine } from './engine.ts';
import { StoreAway } from './etcd.ts';
import { start } from './flow.ts';
import { addSpare, applyEngineStatus, changeVdisk, vdisksIn } from './healing.ts';
import type { Process } from './scheduler.ts';
import type { World } from './world.ts';

/** Something that runs as a process and can be started again. */
interface Runnable {
  readonly process: Process;
  boot(): void;
}

/** What breaks, when: chosen by the seed, dense, and never both copies of the same data. */
export class Faults {
  readonly #world: World;
  #operations = 0;
  /** Processes that are to be started again. */
  readonly #down = new Set<Runnable>();
  /** Engines that will not come back. */
  readonly gone = new Set<Engine>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Spreads so many faults over the time until `endMs`. */
  plan(endMs: number): void {
    const { random, scheduler } = this.#world;
    const count = random.whole(4, 16);
    for (let i = 0; i < count; i++) scheduler.at(random.between(150, endMs), null, () => this.#one(endMs));
  }

  /** Everything that can be whole is whole from now on. */
  heal(): void {
    const { net, bus, engines, scheduler } = this.#world;
    net.heal();
    net.etcdDownUntil = Math.min(net.etcdDownUntil, scheduler.now);
    bus.loss = 0;
    bus.duplication = 0;
    bus.delay = 0;
    for (const runnable of [...this.#down]) this.#restart(runnable);
    for (const engine of engines.values()) if (!engine.process.up && !this.gone.has(engine)) engine.start();
  }

  /** An operator gives a spare to each cluster that waits for one. */
  addMissingSpares(): void {
    const { etcd, clusters } = this.#world;
    for (const cluster of clusters) {
      const { spares } = recordOf(etcd, cluster);
      const { servers } = storageOf(etcd, cluster);
      if (spares.length === 0 && servers.some(({ status }) => status === 'offline')) this.#addSpare(cluster);
    }
  }

  #one(endMs: number): void {
    const { random } = this.#world;
    const fault = random.pick(this.#kinds());
    fault(endMs);
  }

  #kinds(): ((endMs: number) => void)[] {
    return [
      () => this.#crashEngine(),
      () => this.#crashEngine(),
      () => this.#crashEngine(),
      () => this.#loseEngine(),
      () => this.#pauseEngine(),
      () => this.#restartEngineWithLoss(),
      () => this.#restartEngineWithLoss(),
      () => this.#crashOneOf(this.#world.servers),
      () => this.#rebootHost(),
      () => this.#rival(),
      () => this.#pause(this.#world.servers),
      () => this.#cutLink(),
      () => this.#cutLink(),
      () => this.#cutEtcd(),
      () => this.#cutEtcd(),
      () => this.#etcdAway(),
      () => this.#isolateOwner(),
      () => this.#crashOneOf(this.#world.coordinators),
      () => this.#pause(this.#world.coordinators),
      () => this.#crashOneOf(this.#world.analyzers),
      () => this.#troubleBus(),
      () => this.#troubleBus(),
      () => this.#troubleNet(),
      () => this.#operatorReports(),
      () => this.#operatorJudges(),
      () => this.#operatorJudges(),
      () => this.#changeVdisks(),
      () => this.#addSpare(this.#world.random.pick(this.#world.clusters)),
    ];
  }

  // Engines.

  /** Whether all that this engine holds is certainly on its partner too. */
  #mayLose(engine: Engine): boolean {
    const { checker, shards } = this.#world;
    for (let shard = 0; shard < shards; shard++) {
      const members = checker.membersOf(shard);
      if (!members.some((member) => member.engine === engine)) continue;
      const partner = members.find((member) => member.engine !== engine);
      return partner !== undefined && partner.status === 'online' && !partner.engine.isDamaged;
    }
    return false;
  }

  /** An engine that may fail. */
  #usedEngine(): Engine {
    const { random, checker, shards } = this.#world;
    return random.pick(checker.membersOf(random.whole(0, shards - 1))).engine;
  }

  #crashEngine(): void {
    const { random, scheduler } = this.#world;
    const engine = random.chance(0.85) ? this.#usedEngine() : random.pick([...this.#world.engines.values()]);
    if (!engine.process.up) return;
    this.#fell(engine);
    for (const client of this.#world.clients) client.hurry();
    const awayMs = this.#world.clusters.length === 1 ? random.between(5, 900) : random.between(5, 2_600);
    scheduler.after(awayMs, null, () => this.#startEngine(engine));
  }

  #fell(engine: Engine): void {
    this.#note(`${engine.address} crashes`);
    engine.crash();
  }

  /** An engine crashes, if it is up, and comes back with what it had. */
  crash(engine: Engine, awayMs: number): void {
    if (!engine.process.up) return;
    this.#fell(engine);
    this.#world.scheduler.after(awayMs, null, () => this.#startEngine(engine));
  }

  /** An engine crashes and comes back without its last writes, at most so many, if its partner has them all. */
  loseTail(engine: Engine, most: number, awayMs: number): void {
    if (!engine.process.up || !engine.isLazy || !this.#mayLose(engine)) return;
    engine.crash();
    this.#note(`${engine.address} crashes and loses its last ${engine.loseTail(most)} writes`);
    if (awayMs === 0) return this.#startEngine(engine);
    this.#world.scheduler.after(awayMs, null, () => this.#startEngine(engine));
  }

  /** It comes back at once, without its last writes or without anything. */
  #restartEngineWithLoss(): void {
    const { random, scheduler } = this.#world;
    const engine = this.#usedEngine();
    if (!engine.process.up || !this.#mayLose(engine)) return;
    engine.crash();
    if (engine.isLazy && random.chance(0.75)) {
      const lost = engine.loseTail(random.whole(1, random.pick([3, 20, 64])));
      this.#note(`${engine.address} crashes and loses its last ${lost} writes`);
    } else {
      engine.wipe();
      this.#note(`${engine.address} crashes and loses everything`);
    }
    // So fast, often, that a link that is opened again at once finds it up.
    if (random.chance(0.5)) return this.#startEngine(engine);
    scheduler.after(random.between(1, random.chance(0.6) ? 40 : 1_500), null, () =>
      this.#startEngine(engine),
    );
  }

  #loseEngine(): void {
    const engine = this.#usedEngine();
    if (!engine.process.up || !this.#mayLose(engine)) return;
    this.#note(`${engine.address} is gone for good`);
    engine.crash();
    engine.wipe();
    this.gone.add(engine);
  }

  #startEngine(engine: Engine): void {
    if (engine.process.up || this.gone.has(engine)) return;
    const { random, scheduler } = this.#world;
    engine.start();
    if (random.chance(0.2)) engine.loadingUntil = scheduler.now + random.between(10, 500);
    this.#note(`${engine.address} is started`);
  }

  #pauseEngine(): void {
    const { random, scheduler } = this.#world;
    const engine = this.#usedEngine();
    if (!engine.process.up) return;
    const ms = random.between(30, random.chance(0.5) ? 400 : 1_800);
    this.#note(`${engine.address} hangs for ${Math.round(ms)} ms`);
    engine.process.pausedUntil = Math.max(engine.process.pausedUntil, scheduler.now + ms);
    for (const call of engine.calls) call.expire();
  }

  // Processes.

  #runnables(): Runnable[] {
    const { servers, coordinators, analyzers } = this.#world;
    return [...servers, ...coordinators, ...analyzers];
  }

  #crashOneOf(among: readonly Runnable[]): void {
    const { random } = this.#world;
    const runnable = random.pick(among);
    if (runnable.process.up) this.crashProcess(runnable, random.between(30, 2_500));
  }

  crashProcess(runnable: Runnable, awayMs: number): void {
    const { process } = runnable;
    if (!process.up) return;
    this.#note(`${process.name} crashes`);
    process.up = false;
    process.life++;
    process.pausedUntil = 0;
    this.#down.add(runnable);
    this.#world.scheduler.after(awayMs, null, () => this.#restart(runnable));
  }

  /** A server and an engine go down together: nobody is there who knows what the engine had. */
  #rebootHost(): void {
    this.#crashOneOf(this.#world.servers);
    this.#restartEngineWithLoss();
  }

  /** A server is cut off from etcd for longer than its lease; meanwhile other hosts use its vdisks elsewhere. */
  #rival(): void {
    const { random, scheduler, net, servers, clients } = this.#world;
    const alone = random.pick(servers);
    const ms = random.between(3_000, 6_000);
    this.#note(`${alone.process.name} is cut off from etcd for ${Math.round(ms)} ms, others come`);
    net.cutEtcd(alone.process, true);
    scheduler.after(ms, null, () => net.cutEtcd(alone.process, false));
    const others = servers.filter((server) => server !== alone);
    for (const client of clients)
      for (const afterMs of [2_100, 2_500, 3_000])
        scheduler.after(afterMs, null, () => start(client.visit(random.pick(others), random.whole(2, 6))));
  }

  #restart(runnable: Runnable): void {
    if (!this.#down.delete(runnable)) return;
    this.#note(`${runnable.process.name} is started`);
    runnable.process.up = true;
    runnable.boot();
  }

  #pause(among: readonly Runnable[]): void {
    const { random } = this.#world;
    const { process } = random.pick(among);
    if (!process.up) return;
    this.stop(process, random.between(100, random.chance(0.5) ? 600 : 4_500));
  }

  stop(process: Process, ms: number): void {
    if (!process.up) return;
    this.#note(`${process.name} is stopped for ${Math.round(ms)} ms`);
    process.pausedUntil = Math.max(process.pausedUntil, this.#world.scheduler.now + ms);
  }

  // Links.

  #cutLink(): void {
    const { random } = this.#world;
    const { process } = random.pick([
      ...this.#world.servers,
      ...this.#world.servers,
      ...this.#world.analyzers,
    ]);
    const engine = this.#usedEngine();
    const state = random.chance(0.7) ? 'cut' : 'deaf';
    this.cut(process, engine, state, random.between(50, 2_500));
  }

  cut(process: Process, engine: Engine, state: 'cut' | 'deaf', ms: number): void {
    const { scheduler, net } = this.#world;
    this.#note(`the link from ${process.name} to ${engine.address} is ${state} for ${Math.round(ms)} ms`);
    net.set(process, engine, state);
    for (const call of engine.calls) call.expire();
    scheduler.after(ms, null, () => net.set(process, engine, 'ok'));
  }

  #cutEtcd(): void {
    const { random } = this.#world;
    const { process } = random.pick(this.#runnables());
    this.cutEtcd(process, random.between(100, 5_000));
  }

  cutEtcd(process: Process, ms: number): void {
    const { scheduler, net } = this.#world;
    this.#note(`${process.name} is cut off from etcd for ${Math.round(ms)} ms`);
    net.cutEtcd(process, true);
    scheduler.after(ms, null, () => net.cutEtcd(process, false));
  }

  #etcdAway(): void {
    const { random, scheduler, net } = this.#world;
    const ms = random.between(100, 3_500);
    this.#note(`etcd is away for ${Math.round(ms)} ms`);
    net.etcdDownUntil = Math.max(net.etcdDownUntil, scheduler.now + ms);
  }

  /** A server loses etcd and one of the engines of a shard, the other servers lose the other engine of it. */
  #isolateOwner(): void {
    const { random, scheduler, net, checker, servers, shards } = this.#world;
    const [one, other] = checker.membersOf(random.whole(0, shards - 1));
    if (one === undefined || other === undefined) return;
    const alone = random.pick(servers);
    const [kept, lost] = random.chance(0.5) ? [one.engine, other.engine] : [other.engine, one.engine];
    const ms = random.between(2_000, 6_000);
    const leadMs = random.between(0, 900);
    this.#note(`${alone.process.name} loses ${lost.address}, then etcd; the others lose ${kept.address}`);
    net.set(alone.process, lost, 'cut');
    for (const call of lost.calls) call.expire();
    scheduler.after(leadMs, null, () => {
      net.cutEtcd(alone.process, true);
      for (const server of servers) if (server !== alone) net.set(server.process, kept, 'cut');
      for (const call of kept.calls) call.expire();
    });
    scheduler.after(ms, null, () => {
      net.cutEtcd(alone.process, false);
      net.set(alone.process, lost, 'ok');
      for (const server of servers) net.set(server.process, kept, 'ok');
    });
  }

  #troubleBus(): void {
    const { random, scheduler, bus } = this.#world;
    this.#note('messages are lost, repeated and late');
    bus.loss = random.between(0, 0.6);
    bus.duplication = random.between(0.2, 0.9);
    bus.delay = random.between(0.1, 0.7);
    scheduler.after(random.between(500, 5_000), null, () => {
      bus.loss = 0;
      bus.duplication = 0.1;
      bus.delay = 0.05;
    });
  }

  /** Most answers of etcd are lost for a while; what was asked for may have happened. */
  losesAnswers(ms: number): void {
    const { scheduler, net } = this.#world;
    this.#note('answers of etcd are lost');
    net.etcdLoss = 0.9;
    scheduler.after(ms, null, () => {
      net.etcdLoss = 0;
    });
  }

  #troubleNet(): void {
    const { random, scheduler, net } = this.#world;
    this.#note('links are slow, watches break, answers of etcd are lost');
    net.jitterMs = random.between(5, 60);
    net.watchGaps = random.between(0, 0.5);
    net.etcdLoss = random.between(0, 0.2);
    scheduler.after(random.between(500, 4_000), null, () => {
      net.jitterMs = 0;
      net.watchGaps = 0;
      net.etcdLoss = 0;
    });
  }

  // Operators.

  #operatorReports(): void {
    const { scheduler, bus, coordinators, clusters, random } = this.#world;
    const address = this.#anyAddress();
    const detectedAt = this.#world.wall();
    const operation = this.#operation('report');
    const input = {
      ...{ kind: 'failure-reported' as const, address, reporter: 'operator', reason: 'asked for' },
      ...{ operation, detectedAt, seenAt: scheduler.now },
    };
    const { process } = random.pick(coordinators);
    this.#note(`an operator reports ${address}`);
    for (const cluster of clusters) if (this.#isOf(cluster, address)) bus.publish({ cluster, input });
    if (!process.up) return;
  }

  #operatorJudges(): void {
    const { random, coordinators, clusters } = this.#world;
    const address = this.#anyAddress();
    const verdict = random.pick([
      'temporary',
      'temporary',
      'permanent',
      'false_alarm',
      'false_alarm',
    ] as const);
    // An engine without a partner that is given up takes the only copy with it: nobody does that.
    if (verdict === 'permanent' && clusters.length === 1) return;
    const operation = this.#operation('verdict');
    this.#note(`an operator judges ${address} ${verdict}`);
    for (const cluster of clusters) {
      if (!this.#isOf(cluster, address)) continue;
      for (let i = 0; i < random.whole(1, 2); i++) {
        const { process } = random.pick(coordinators);
        this.#does(process, (_, run) =>
          applyEngineStatus(this.#world, run, cluster, {
            ...{ kind: 'verdict', operator: true, address, verdict, reason: 'known', evidence: [] },
            ...{ by: 'operator', operation },
          }),
        );
      }
    }
  }

  #changeVdisks(): void {
    const { random, coordinators, vdisks } = this.#world;
    const extra = vdisksIn(this.#world).filter((vdisk) => vdisk >= vdisks);
    const isCreate = extra.length === 0 || random.chance(0.5);
    const vdisk = isCreate ? this.#world.nextVdisk() : random.pick(extra);
    const operation = this.#operation('vdisk');
    this.#note(`an operator ${isCreate ? 'creates' : 'deletes'} v${vdisk}`);
    // Asked for twice, as one who got no answer does.
    for (let i = 0; i < random.whole(1, 3); i++) {
      const { process } = random.pick(coordinators);
      this.#world.scheduler.after(random.between(0, 300), null, () =>
        this.#does(process, (world, run) =>
          changeVdisk(world, run, isCreate ? 'create' : 'delete', vdisk, operation),
        ),
      );
    }
  }

  #addSpare(cluster: string): void {
    const { coordinators, random } = this.#world;
    const engine = this.#world.newEngine();
    const operation = this.#operation('spare');
    this.#note(`an operator gives ${engine.address} to ${cluster} as a spare`);
    const { process } = random.pick(coordinators);
    this.#does(process, (world, run) => addSpare(world, run, cluster, engine.address, operation));
  }

  #does(process: Process, flow: (world: World, process: Process) => Generator): void {
    if (!process.up) return;
    this.#world.scheduler.after(1, process, () =>
      start(flow(this.#world, process) as Parameters<typeof start>[0], (error) => {
        if (error !== null && !(error instanceof StoreAway)) throw error;
      }),
    );
  }

  #anyAddress(): string {
    const { random, engines } = this.#world;
    if (random.chance(0.85)) return this.#usedEngine().address;
    return random.pick([...engines.values()]).address;
  }

  #isOf(cluster: string, address: string): boolean {
    const { etcd } = this.#world;
    const { servers } = storageOf(etcd, cluster);
    return servers.some((entry) => entry.address === address || entry.replacement?.address === address);
  }

  #operation(kind: string): string {
    return `operator-${kind}-${this.#operations++}`;
  }

  #note(what: string): void {
    this.#world.trace?.(`FAULT ${what}`);
    this.#world.fold(what.length);
  }
}
