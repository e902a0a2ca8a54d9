import type { IncidentRecord, SalvorClusterRecord } from '../../packages/config-store/src/healing/records.ts';
import { Ambushes } from './ambushes.ts';
import { recordOf } from './cluster-values.ts';
import { type Cores, productCores } from './cores.ts';
import { Faults } from './faults.ts';
import { start } from './flow.ts';
import { vdisksIn } from './healing.ts';
import { INCIDENTS } from './keys.ts';
import { Operator } from './operator.ts';
import type { Server } from './server.ts';
import { LimitReached, Violation, World } from './world.ts';

const FAULTS_END_MS = 8_000;
/** By then everything has healed. */
const HEALED_BY_MS = 45_000;
const LOOK_MS = 250;
/** Nobody finds anything new for so long: a look at every engine, and what follows it, takes less. */
const QUIET_MS = 3_000;
/** Where nothing moves for so long, nothing will. */
const STUCK_MS = 8_000;
const SPARES_MS = 1_000;
/** How often a vdisk is tried before it counts as unreadable, on each server in turn. */
const READ_TRIES = 10;

export interface RunResult {
  readonly seed: number;
  /** What went wrong; null when every rule held. Rule 0 is an error that nobody meant. */
  readonly violation: { readonly rule: number; readonly what: string } | null;
  /** What was lost unnoticed, where no rule could notice it: the run ended there. Null in nearly all runs. */
  readonly limit: string | null;
  /** The same for every run of the seed. */
  readonly digest: string;
  readonly events: number;
  readonly writes: number;
  readonly reads: number;
  /** When everything had healed, in virtual milliseconds. */
  readonly healedAtMs: number;
  /** Pairs that stay unavailable, and why: both copies of their data were damaged. */
  readonly unavailable: readonly string[];
}

/** Runs one seed: faults, then peace until everything is healed, then every block is read and compared. */
export function simulate(
  seed: number,
  cores: Cores = productCores,
  trace: ((line: string) => void) | null = null,
): RunResult {
  const run = new Run(seed, cores, trace);
  let violation: RunResult['violation'] = null;
  let limit: string | null = null;
  try {
    run.all();
  } catch (error) {
    if (error instanceof LimitReached) {
      limit = error.message;
      run.world.trace?.(`LIMIT: ${limit}`);
    } else {
      violation =
        error instanceof Violation
          ? { rule: error.rule, what: error.message }
          : { rule: 0, what: error instanceof Error ? (error.stack ?? error.message) : String(error) };
      run.world.trace?.(`VIOLATION of rule ${violation.rule}: ${violation.what}`);
    }
  }
  const { checker, digest } = run.world;
  const { acknowledgedWrites: writes, answeredReads: reads } = checker;
  const { events, healedAtMs, unavailable } = run;
  return { seed, violation, limit, digest, events, writes, reads, healedAtMs, unavailable };
}

class Run {
  readonly world: World;
  readonly unavailable: string[] = [];
  events = 0;
  healedAtMs = 0;
  readonly #faults: Faults;
  readonly #operator: Operator;

  constructor(seed: number, cores: Cores, trace: ((line: string) => void) | null) {
    this.world = new World(seed, cores, trace);
    this.#faults = new Faults(this.world);
    this.world.ambushes = new Ambushes(this.world, this.#faults, seed);
    this.#operator = new Operator(this.world, seed);
  }

  all(): void {
    const { world } = this;
    this.#faults.plan(FAULTS_END_MS);
    world.ambushes?.plan(FAULTS_END_MS);
    this.#operator.plan(FAULTS_END_MS);
    this.#until(FAULTS_END_MS);
    world.trace?.('the faults end');
    this.#faults.heal();
    let [revision, movedAt] = [world.etcd.revision, world.scheduler.now];
    for (let spares = 0; world.scheduler.now < HEALED_BY_MS; ) {
      if (world.etcd.revision !== revision) [revision, movedAt] = [world.etcd.revision, world.scheduler.now];
      const quietMs = world.scheduler.now - movedAt;
      if (quietMs >= (this.#isSettled() ? QUIET_MS : STUCK_MS)) break;
      if (world.scheduler.now >= spares) {
        this.#faults.addMissingSpares();
        this.#operator.letGo();
        spares = world.scheduler.now + SPARES_MS;
      }
      this.#until(world.scheduler.now + LOOK_MS);
    }
    this.healedAtMs = world.scheduler.now;
    this.#assertHealed();
    for (const client of world.clients) client.stop();
    this.#until(world.scheduler.now + 1_000);
    this.#readEverything();
    this.#until(world.scheduler.now + 1_000);
    this.#compareCopies();
  }

  #until(endMs: number): void {
    while (this.world.scheduler.step(endMs)) {
      this.events++;
      if (this.world.broken !== null) throw this.world.broken;
    }
    if (this.world.scheduler.now < endMs) this.world.scheduler.now = endMs;
  }

  #isSettled(): boolean {
    const { etcd, clusters } = this.world;
    if (etcd.withPrefix(INCIDENTS).length > 0) return false;
    return clusters.every((cluster) => this.#recordOf(cluster).status === 'healthy');
  }

  #recordOf(cluster: string): SalvorClusterRecord {
    return recordOf(this.world.etcd, cluster);
  }

  /** Rule 7: what is not healed by now waits for something that it names. */
  #assertHealed(): void {
    if (this.#isSettled()) return;
    const { world } = this;
    for (const cluster of world.clusters) {
      const { status, reason } = this.#recordOf(cluster);
      world.trace?.(`${cluster} is ${status}: ${reason}`);
    }
    for (const { value } of world.etcd.withPrefix(INCIDENTS)) world.trace?.(JSON.stringify(value));
    const open = world.etcd.withPrefix(INCIDENTS).map(({ value }) => value as IncidentRecord);
    for (const incident of open) {
      const why = this.#whyUnavailable(incident, open);
      if (why === null)
        world.violated(
          7,
          `${incident.address} is still ${incident.status} ${Math.round(world.scheduler.now - FAULTS_END_MS)} ms after the last fault`,
        );
      else this.unavailable.push(why);
    }
    if (open.length === 0) world.violated(7, 'a cluster is not healthy, and no incident is open');
  }

  /**
   * Both copies of a pair are out, and no record proves which of them is whole: an operator has to decide, and the cluster
   * says so. Null where it is not so.
   */
  #whyUnavailable(
    { shard, cluster, address }: IncidentRecord,
    open: readonly IncidentRecord[],
  ): string | null {
    const { checker } = this.world;
    const members = checker.membersOf(shard);
    if (members.some(({ status }) => status === 'online')) return null;
    const of = open.filter((incident) => incident.shard === shard);
    const isUnclear =
      of.some(({ attempt, rebuildBegun }) => attempt > 1 || rebuildBegun) ||
      // Given up by an operator, who alone can take that back.
      of.some(({ verdict, waitsFor }) => verdict?.operator === true && waitsFor !== undefined) ||
      members.some(({ engine }) => engine.isDamaged || this.#faults.gone.has(engine));
    const { status, reason = '' } = this.#recordOf(cluster);
    return isUnclear && status === 'unhealthy' && reason !== '' ? `${address}: ${reason}` : null;
  }

  #readEverything(): void {
    const { world } = this;
    const shards = Array.from({ length: world.shards }, (_, shard) => shard).filter((s) => this.#isUsable(s));
    for (const [vdisk, client] of world.clients.entries()) {
      let isRead = false;
      for (let tries = 0; tries < READ_TRIES && !isRead; tries++) {
        // One of them may hold it for a repair that waits for an operator: the others refuse it then.
        const server = world.servers[tries % world.servers.length] as Server;
        start(client.readAll(server, shards), (error, value) => {
          if (error !== null) throw error;
          isRead = value === true;
        });
        this.#until(world.scheduler.now + 700);
      }
      if (!isRead) world.violated(7, `v${vdisk} cannot be read although everything is healed`);
    }
  }

  #isUsable(shard: number): boolean {
    return this.world.checker.membersOf(shard).some(({ status }) => status === 'online');
  }

  #compareCopies(): void {
    const { world } = this;
    for (let shard = 0; shard < world.shards; shard++) {
      if (!this.#isUsable(shard)) continue;
      const [one, other] = world.checker.membersOf(shard);
      if (one === undefined || other === undefined) continue;
      for (const vdisk of vdisksIn(world)) {
        const [a, b] = [one.engine.shard(vdisk), other.engine.shard(vdisk)];
        const differing = a.blocks.findIndex((value, block) => value !== b.blocks[block]);
        if (differing >= 0)
          world.violated(
            1,
            `v${vdisk} shard ${shard} block ${differing} is ${a.blocks[differing]} on ${one.address}, ${b.blocks[differing]} on ${other.address}`,
          );
        if (a.dirty !== 0 || b.dirty !== 0) world.violated(4, `v${vdisk} shard ${shard} has marks left`);
      }
    }
  }
}
