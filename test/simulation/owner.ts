import type { ClusterStorage } from '../../packages/config-store/src/cluster-storage.ts';
import type { IncidentRecord } from '../../packages/config-store/src/healing/records.ts';
import { type EngineError, errno, type FencedError, VdiskIoError } from '../../packages/vdisk/src/errors.ts';
import type { OpenIncident } from '../../packages/vdisk/src/member-records.ts';
import type { MemberRecord, RepairDue } from '../../packages/vdisk/src/pair-context.ts';
import type { Serving } from '../../packages/vdisk/src/serving.ts';
import { type Entry, type Lease, StoreAway, type Watch } from './etcd.ts';
import { type Flow, settled, start, wait } from './flow.ts';
import { putRepairRecord } from './healing.ts';
import { pauseOf } from './healing-control.ts';
import { CONTROLS, incidentsPrefix, ownerKey, repairKey, storageKey, vdiskKey } from './keys.ts';
import { Pair } from './pair.ts';
import { mountPair } from './pair-mount.ts';
import type { Process } from './scheduler.ts';
import type { Server } from './server.ts';
import type { World } from './world.ts';

export const LEASE_TTL_MS = 2_000;
const WAIT_MAX_MS = 3_000;
const LOOK_AGAIN_MS = 100;
const RECORD_RETRY_MS = 500;
const KEEP_ALIVES_PER_TTL = 3;
const RETRY_DELAY_MS = 200;
const TAKE_ROUNDS_MAX = 8;

/** Another server owns the vdisk, or it cannot be mounted here now. */
export class Refused extends Error {}

interface OwnerValue {
  readonly server: string;
}

/** A vdisk that a server owns: what `MountedVdisk`, `HeldOwnership` and `LeaseGuard` are, around the same decisions. */
export class Owner {
  readonly world: World;
  readonly server: Server;
  readonly process: Process;
  readonly vdisk: number;
  readonly epoch: string;
  readonly #life: number;
  pairs: Pair[] = [];
  ended: string | null = null;
  isReady = false;
  #watch: Watch | null = null;
  #lease: Lease;
  #validUntil: number;
  #revision: string;
  #isRetaking = false;
  #isOwnKeySeen = true;
  #isOver = false;
  #waiting = new Set<() => void>();
  readonly #completed = new Set<string>();
  /** By cluster: the records that are in force. */
  readonly #inForce = new Map<string, readonly MemberRecord[]>();

  constructor(server: Server, vdisk: number, taken: { lease: Lease; sentAt: number; epoch: string }) {
    this.world = server.world;
    this.server = server;
    this.process = server.process;
    this.#life = server.process.life;
    this.vdisk = vdisk;
    this.epoch = taken.epoch;
    this.#revision = taken.epoch;
    this.#lease = taken.lease;
    this.#validUntil = taken.sentAt + LEASE_TTL_MS;
    this.#keepAlive(taken.lease);
  }

  /** Create revision of the owner key that proves the ownership. */
  get revision(): string {
    return this.#revision;
  }

  /** Takes the vdisk and makes it servable. Throws Refused, FencedError and others: then it is given back. */
  static *mount(server: Server, vdisk: number): Flow<Owner> {
    const { etcd, scheduler } = server.world;
    const sentAt = scheduler.now;
    const lease = yield* wait(etcd.call(server.process, () => etcd.grant(LEASE_TTL_MS)));
    let owner: Owner | null = null;
    try {
      const epoch = yield* takeOwnership(server, lease, vdisk, false);
      owner = new Owner(server, vdisk, { lease, sentAt, epoch });
      yield* owner.#start();
      return owner;
    } catch (error) {
      if (owner === null) yield* revoke(server, lease);
      else yield* owner.unmount();
      throw error;
    }
  }

  *#start(): Flow<void> {
    const { etcd, clusters } = this.world;
    const prefixes = [
      ownerKey(this.vdisk),
      CONTROLS,
      ...clusters.flatMap((c) => [storageKey(c), incidentsPrefix(c)]),
    ];
    const exists = yield* wait(
      etcd.call(this.process, () => {
        this.#watch = etcd.watch(this.process, prefixes, () => this.#follow());
        this.#records();
        return etcd.get(vdiskKey(this.vdisk)) !== null;
      }),
    );
    if (!exists) throw new Refused(`there is no vdisk ${this.vdisk}`);
    const open = [...(this.#watch?.cache.values() ?? [])].filter(({ key }) => key.startsWith('I/'));
    for (const entry of open) {
      const { id, attempt: last } = entry.value as IncidentRecord;
      for (let attempt = 1; attempt <= last; attempt++) {
        const key = repairKey(id, attempt, this.vdisk);
        const recorded = yield* wait(etcd.call(this.process, () => etcd.get(key)));
        if (recorded !== null) this.#completed.add(`${id}/${attempt}`);
      }
    }
    this.#assertNotEnded();
    const { primary, slave } = this.#records();
    this.pairs = primary.map((record, shard) => new Pair(this, shard, record, slave?.[shard] ?? null));
    this.#follow();
    const mounted = yield* wait(settled(this.pairs.map((pair) => mountPair(pair))));
    for (const { error } of mounted) if (error !== null) throw error;
    this.#assertNotEnded();
    this.isReady = true;
  }

  /** Stops serving and gives the ownership back. */
  *unmount(): Flow<void> {
    this.#end('it was unmounted');
    this.#isOver = true;
    yield* revoke(this.server, this.#lease);
  }

  isOwner(): boolean {
    const { cores, scheduler } = this.world;
    return this.ended === null && cores.leaseCounts(scheduler.now, this.#validUntil);
  }

  *leaseHeld(): Flow<void> {
    yield* this.#await(
      // biome-ignore lint/correctness/useYield: nothing has to be asked
      function* () {
        return 'the ownership is not confirmed by etcd';
      },
    );
  }

  /** Ends when a request to this shard may be answered; throws VdiskIoError when it may not within a bound. */
  *assertOwner(pairs: readonly Pair[]): Flow<void> {
    yield* this.#await(function* () {
      const answers = yield* wait(settled(pairs.map((pair) => pair.confirm())));
      return whyNot(answers.map(({ value }) => value));
    });
  }

  *#await(hindrance: () => Flow<string | null>): Flow<void> {
    const { scheduler } = this.world;
    const giveUpAt = scheduler.now + WAIT_MAX_MS;
    for (;;) {
      this.#assertNotEnded();
      if (this.isOwner()) return;
      const reason = yield* hindrance();
      this.#assertNotEnded();
      if (reason === null || this.isOwner()) return;
      const leftMs = giveUpAt - scheduler.now;
      if (leftMs <= 0) throw new VdiskIoError('ownership-in-doubt', reason, errno.io);
      yield* wait<void>((resume) => {
        let isDone = false;
        const wake = (): void => {
          if (isDone) return;
          isDone = true;
          this.#waiting.delete(wake);
          resume(null, undefined);
        };
        this.#waiting.add(wake);
        scheduler.after(Math.min(leftMs, LOOK_AGAIN_MS), this.process, wake);
      });
    }
  }

  /** One shard read or written by a client; the answer is given in the event that this returns in. */
  *read(shard: number, block: number): Flow<number> {
    this.#assertNotEnded();
    const pair = this.pairs[shard] as Pair;
    const value = yield* pair.read(block);
    if (!this.isOwner()) yield* this.assertOwner([pair]);
    this.world.checker.answered(pair, 'read');
    return value;
  }

  *write(shard: number, block: number, value: number): Flow<void> {
    this.#assertNotEnded();
    const pair = this.pairs[shard] as Pair;
    yield* wait<void>((resume) => pair.write(block, value, (error) => resume(error, undefined)));
  }

  engineFailed({ identity, address }: MemberRecord, error: EngineError): void {
    this.world.trace?.(
      `${this.process.name} finds ${address} failed for v${this.vdisk}: ${error.code} ${error.message}`,
    );
    this.server.reportFailure(identity.cluster, address, error.code);
  }

  *proposeOffline({ identity, address }: MemberRecord, error: EngineError): Flow<void> {
    const { cluster } = identity;
    const seenRevision = String(this.#watch?.cache.get(storageKey(cluster))?.revision ?? 0);
    yield* this.server.proposeOffline(cluster, address, error.code, seenRevision);
  }

  *writesLost({ identity, address, repair }: MemberRecord, error: EngineError): Flow<void> {
    if (repair === null) return;
    this.world.trace?.(`${this.process.name} holds ${address} for v${this.vdisk}: ${error.message}`);
    yield* this.server.holdWithoutWrites(identity.cluster, repair, error.code);
  }

  fenced(error: FencedError): void {
    this.lose(error.message);
  }

  repairCompleted(pair: Pair, record: MemberRecord, due: RepairDue): void {
    this.world.trace?.(
      `${this.process.name} repaired ${record.address} for v${this.vdisk}, ${due.incident}/${due.attempt}`,
    );
    this.world.checker.repaired(pair);
    if (due.kind === 'repair-final-outage')
      pair.ambush('spare-filled', record.identity.role === 'primary' ? 'slave' : 'primary');
    start(this.#recordRepair(record, pair, due));
  }

  *#recordRepair({ identity }: MemberRecord, pair: Pair, { incident, attempt }: RepairDue): Flow<void> {
    const { world, process, vdisk } = this;
    const { cluster, shard } = identity;
    const counts = { dirtyBlocks: 0, copiedBlocks: 0, repairMs: 0 };
    const at = world.scheduler.now;
    for (;;) {
      if (this.ended !== null) return;
      const { server, epoch } = { server: process.name, epoch: this.#revision };
      try {
        const repair = { vdisk: `v${vdisk}`, incident, attempt, server, epoch, ...counts, at };
        const result = yield* putRepairRecord(world, process, { cluster, shard, vdisk }, repair);
        const step = world.cores.decideRecordingStep(result);
        if (step === 'unwanted') return;
        if (step === 'recorded') break;
      } catch (error) {
        if (!(error instanceof StoreAway)) throw error;
      }
      yield* wait<void>((resume) =>
        world.scheduler.after(RECORD_RETRY_MS, process, () => resume(null, undefined)),
      );
    }
    if (this.world.clusters.length > 1)
      pair.ambush('repair-recorded', identity.role === 'primary' ? 'slave' : 'primary');
    this.#completed.add(`${incident}/${attempt}`);
    this.#follow();
  }

  /** The ownership ended; the server forgets the vdisk. */
  lose(reason: string): void {
    if (this.ended !== null) return;
    this.world.trace?.(`${this.process.name} loses v${this.vdisk} (epoch ${this.epoch}): ${reason}`);
    this.#end(reason);
    this.#isOver = true;
    this.server.forget(this);
  }

  #end(reason: string): void {
    if (this.ended !== null) return;
    this.ended = reason;
    this.#wake();
    this.#watch?.close();
    const error = new VdiskIoError('ownership-lost', reason, errno.shutdown);
    for (const pair of this.pairs) pair.close(error);
  }

  #assertNotEnded(): void {
    // A connection to a process that died is reset.
    if (this.process.life !== this.#life) throw new VdiskIoError('ownership-lost', 'reset', errno.shutdown);
    if (this.ended !== null) throw new VdiskIoError('ownership-lost', this.ended, errno.shutdown);
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Takes over what etcd says now. */
  #follow(): void {
    if (this.#watch === null || this.ended !== null) return;
    if (this.pairs.length === 0) return void this.#records();
    const seen = this.#watch.cache.get(ownerKey(this.vdisk))?.createRevision;
    const own = this.#revision;
    const isInDoubt = this.world.scheduler.now >= this.#validUntil;
    const ended = this.world.cores.decideOwnershipEnd({
      seen: seen === undefined ? null : String(seen),
      own,
      isInDoubt,
      isRetaking: this.#isRetaking,
      isOwnKeySeen: this.#isOwnKeySeen,
    });
    if (seen !== undefined && String(seen) === own && !this.#isRetaking) this.#isOwnKeySeen = true;
    if (ended !== null) return this.lose(ended);
    const { primary, slave } = this.#records();
    for (const [shard, pair] of this.pairs.entries()) {
      const record = primary[shard];
      if (record !== undefined) pair.applyRecords(record, slave?.[shard] ?? null);
    }
  }

  #records(): { primary: readonly MemberRecord[]; slave: readonly MemberRecord[] | null } {
    const [primary = '', slave = null] = this.world.clusters;
    return {
      primary: this.#recordsOf(primary, 'primary'),
      slave: slave === null ? null : this.#recordsOf(slave, 'slave'),
    };
  }

  #recordsOf(cluster: string, role: 'primary' | 'slave'): readonly MemberRecord[] {
    const cache = this.#watch?.cache ?? new Map<string, Entry>();
    const storage = cache.get(storageKey(cluster))?.value as ClusterStorage;
    const incidents = new Map<number, OpenIncident>();
    for (const shard of storage.servers.keys()) {
      const entry = cache.get(`${incidentsPrefix(cluster)}${shard}`);
      if (entry === undefined) continue;
      const record = entry.value as IncidentRecord;
      incidents.set(shard, { record, openedIn: entry.createRevision, changedIn: entry.revision });
    }
    const { cores } = this.world;
    const paused = pauseOf(cluster, cache);
    const held = paused === undefined ? {} : { paused };
    const view = { cluster, role, storage, incidents, completed: this.#completed, ...held };
    const told = cores.memberRecords(view);
    const before = this.#inForce.get(cluster) ?? null;
    const records = cores.decideWholeRecords(before, told, this.#completed);
    this.#inForce.set(cluster, records);
    return records;
  }

  #keepAlive(lease: Lease): void {
    const { scheduler, etcd } = this.world;
    const again = (delayMs: number): void => scheduler.after(delayMs, this.process, () => start(renew()));
    const renew = function* (this: Owner): Flow<void> {
      if (this.#isOver || this.#lease !== lease) return;
      const sentAt = scheduler.now;
      let isAlive: boolean;
      try {
        isAlive = yield* wait(etcd.call(this.process, () => etcd.keepAlive(lease)));
      } catch {
        return again(RETRY_DELAY_MS);
      }
      if (this.#isOver || this.#lease !== lease) return;
      if (!isAlive) return this.#leaseLost();
      const wasInDoubt = scheduler.now >= this.#validUntil;
      this.#validUntil = Math.max(this.#validUntil, sentAt + LEASE_TTL_MS);
      if (wasInDoubt) {
        this.#wake();
        this.#follow();
      }
      again(Math.max(0, sentAt + LEASE_TTL_MS / KEEP_ALIVES_PER_TTL - scheduler.now));
    }.bind(this);
    again(LEASE_TTL_MS / KEEP_ALIVES_PER_TTL);
  }

  #leaseLost(): void {
    const isInDoubt = this.world.scheduler.now >= this.#validUntil;
    if (!isInDoubt) return this.lose('the lease is gone');
    if (this.#isRetaking) return;
    this.#isRetaking = true;
    start(this.#retake());
  }

  /** Takes the vdisk again whose lease ran out, when nobody had it in between. */
  *#retake(): Flow<void> {
    while (!this.#isOver) {
      try {
        yield* this.#takeOnce();
        break;
      } catch (error) {
        if (!(error instanceof StoreAway)) {
          this.lose(`the lease is gone, and it was not taken again: ${String(error)}`);
          break;
        }
        yield* wait<void>((resume) =>
          this.world.scheduler.after(RECORD_RETRY_MS, this.process, () => resume(null, undefined)),
        );
      }
    }
    this.#isRetaking = false;
    this.#follow();
  }

  *#takeOnce(): Flow<void> {
    const { etcd, scheduler } = this.world;
    const sentAt = scheduler.now;
    const lease = yield* wait(etcd.call(this.process, () => etcd.grant(LEASE_TTL_MS)));
    try {
      const revision = yield* takeOwnership(this.server, lease, this.vdisk, true);
      if (!this.isReady) throw new Refused('it is not mounted yet');
      const answers = yield* wait(settled(this.pairs.map((pair) => pair.confirm())));
      const reason = whyNot(answers.map(({ value }) => value));
      if (reason !== null) throw new Refused(reason);
      if (this.#isOver) throw new Refused('it was unmounted');
      this.world.trace?.(`${this.process.name} took v${this.vdisk} again: ${revision}`);
      this.#revision = revision;
      this.#isOwnKeySeen = false;
      this.#lease = lease;
      this.#validUntil = sentAt + LEASE_TTL_MS;
      this.#keepAlive(lease);
      this.#wake();
    } catch (error) {
      yield* revoke(this.server, lease);
      throw error;
    }
  }
}

function whyNot(answers: readonly (Serving | undefined)[]): string | null {
  const stop = answers.find((answer) => answer?.kind !== 'serve');
  return answers.some((answer) => answer?.kind !== 'serve') ? (stop?.reason ?? 'no answer') : null;
}

/** Takes the owner key under a lease; its create revision is the epoch. */
function* takeOwnership(server: Server, lease: Lease, vdisk: number, mustBeFree: boolean): Flow<string> {
  const { etcd, cores } = server.world;
  const key = ownerKey(vdisk);
  for (let round = 0; round < TAKE_ROUNDS_MAX; round++) {
    const held = yield* wait(etcd.call(server.process, () => etcd.get(key)));
    const owner = held === null ? null : (held.value as OwnerValue).server;
    const step = cores.decideOwnerStep({ taking: null, owner, mustBeFree }, server.process.name);
    if (step === 'owned-elsewhere' || step === 'taken-over-elsewhere')
      throw new Refused(`v${vdisk}: ${step}`);
    if (held !== null) {
      const compare = [{ key, revision: held.revision }];
      const { ok } = yield* wait(etcd.call(server.process, () => etcd.commit(compare, [], [key])));
      if (!ok) continue;
    }
    const value: OwnerValue = { server: server.process.name };
    const taken = yield* wait(
      etcd.call(server.process, () => etcd.commit([{ key, revision: 0 }], [{ key, value, lease }])),
    );
    if (taken.ok) return String(taken.revision);
    if (!lease.alive) throw new Refused('the lease ran out');
  }
  throw new Refused(`v${vdisk} is contended`);
}

function* revoke(server: Server, lease: Lease): Flow<void> {
  const { etcd } = server.world;
  try {
    yield* wait(etcd.call(server.process, () => etcd.revoke(lease)));
  } catch {
    // It is left to expire.
  }
}
