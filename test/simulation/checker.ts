import {
  type ClusterStorage,
  type EngineStatus,
  engineInPlace,
} from '../../packages/config-store/src/cluster-storage.ts';
import type { EngineStatusDecision } from '../../packages/config-store/src/healing/engine-status-decision.ts';
import type {
  IncidentRecord,
  RepairRecord,
  SalvorClusterRecord,
} from '../../packages/config-store/src/healing/records.ts';
import type { PairMode } from '../../packages/vdisk/src/pair-mode.ts';
import { servesWithoutLease } from '../../packages/vdisk/src/serving.ts';
import { recordOf, storageOf } from './cluster-values.ts';
import type { Engine } from './engine.ts';
import type { Put } from './etcd.ts';
import { type TrackedInput, vdisksIn } from './healing.ts';
import { pauseOf } from './healing-control.ts';
import { incidentKey, ownerKey, recordKey, repairKey, storageKey } from './keys.ts';
import type { Member } from './member.ts';
import { Overwrites } from './overwrites.ts';
import type { Pair } from './pair.ts';
import { Register } from './register.ts';
import type { Session } from './session.ts';
import { ShortHistories } from './short-histories.ts';
import type { World } from './world.ts';

/** The moves of an engine's status (docs/architecture.md, Status), written down once more: not those of the product. */
const MOVES: Readonly<Record<EngineStatus, readonly EngineStatus[]>> = {
  online: ['offline'],
  offline: ['repair-tmp-outage', 'repair-final-outage', 'online'],
  'repair-tmp-outage': ['online', 'offline'],
  'repair-final-outage': ['online', 'rip', 'offline'],
  rip: [],
};

const SHARDS_MAX = 8;

/** Watches everything that happens, with the eyes of one who sees all machines at once, and names the rule that is broken. */
export class Checker {
  readonly #world: World;
  readonly #registers = new Map<number, Register>();
  readonly #incidents = new Set<string>();
  readonly #histories = new ShortHistories();
  /** Pairs that began with a history that lacks acknowledged batches, and whether they could have known. */
  readonly #short = new Map<Pair, { readonly what: string; readonly couldKnow: boolean }>();
  readonly overwrites = new Overwrites();
  #place = 0;
  /** When the status of the shard last changed, by the records, before the transaction that was applied last. */
  #sinceBefore: number | undefined;
  acknowledgedWrites = 0;
  answeredReads = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** A place in the order of all that clients see. */
  place(): number {
    return ++this.#place;
  }

  // Clients: rules 1 and 2.

  writeBegan(vdisk: number, shard: number, block: number, value: number): void {
    this.#register(vdisk, shard, block).began(value, this.place());
  }

  /** A block had a value before anybody wrote it through Salvor. */
  imported(vdisk: number, shard: number, block: number, value: number): void {
    const register = this.#register(vdisk, shard, block);
    register.began(value, this.place());
    register.wrote(value, this.place());
    this.#histories.imported(vdisk, shard, block, value);
    for (const { engine } of this.membersOf(shard)) engine.seen.add(value);
  }

  writeEnded(vdisk: number, shard: number, block: number, value: number): void {
    this.acknowledgedWrites++;
    this.#world.fold(value);
    this.#explain(this.#register(vdisk, shard, block).wrote(value, this.place()), vdisk, shard, block);
  }

  readEnded(vdisk: number, shard: number, block: number, value: number, beganAt: number): void {
    this.answeredReads++;
    this.#world.fold(-value);
    this.#world.trace?.(`v${vdisk} shard ${shard} block ${block} was read as ${value}`);
    this.#histories.read(vdisk, shard, value);
    const register = this.#register(vdisk, shard, block);
    this.#explain(register.read(value, beganAt, this.place()), vdisk, shard, block);
  }

  /** An owner is about to send blocks under the number of a batch. */
  sends(values: Iterable<number>, seq: number): void {
    for (const value of values) this.#histories.sent(value, seq);
  }

  /** The owner acknowledges a write: every member that etcd records as current has it, and the owner may. */
  acknowledged(pair: Pair, block: number, value: number, mode: PairMode['kind']): void {
    const { shard, owner } = pair;
    const at = `v${owner.vdisk} shard ${shard} block ${block}`;
    this.#world.trace?.(`${owner.process.name} acknowledges ${value} on ${at}, ${mode}`);
    for (const { address, engine, status } of this.membersOf(shard)) {
      if (status !== 'online' || engine.isDamaged || this.overwrites.isOn(engine.seen, value)) continue;
      this.#world.violated(
        1,
        `${value} on ${at} is acknowledged, and ${address}, which etcd calls current, has not got it`,
      );
    }
    this.answered(pair, 'write', mode);
    this.#histories.acknowledge(owner.vdisk, shard, pair.seq);
  }

  /** A new owner took over the write history of what it found. */
  tookUp(pair: Pair, found: readonly Member[], stalePartner: number | null): void {
    if (!pair.knowsHistory) return;
    const { shard, seq, owner } = pair;
    const engines = found.map(({ engine }) => engine);
    const short = this.#histories.tookUp({ vdisk: owner.vdisk, shard, seq, found: engines, stalePartner });
    if (short === null) return;
    const { missing, couldKnow } = short;
    const what = `${owner.process.name} serves v${owner.vdisk} shard ${shard} without the last ${missing} batches that clients know of`;
    this.#short.set(pair, { what, couldKnow });
  }

  /**
   * An owner answers: by its lease, which must hold, or because the engines confirm it. A write was confirmed by those that
   * it went to, however the pair would serve the next one.
   */
  answered(pair: Pair, what: 'read' | 'write', mode = pair.mode.kind): void {
    const { owner } = pair;
    this.#judgeShort(pair);
    if (!owner.isOwner() && servesWithoutLease(mode)) return;
    const held = this.#world.etcd.get(ownerKey(owner.vdisk));
    if (held !== null && String(held.createRevision) === owner.revision) return;
    this.#world.violated(
      5,
      `${owner.process.name} answers a ${what} of v${owner.vdisk}, ${mode}, when its ownership ${owner.revision} is over`,
    );
  }

  /** An owner completes a repair: what its partner gets from now on is what this history holds. */
  repaired(pair: Pair): void {
    this.#judgeShort(pair);
  }

  /** The member that served last goes on: whole, as far as its number tells, when the engine told that number. */
  vouched(pair: Pair, { engine, head, lookedAt }: Session): void {
    const { shard, owner } = pair;
    if (engine.missingUnnoticed.has(owner.vdisk)) return;
    if (head.seq >= this.#histories.acknowledged(owner.vdisk, shard)) engine.isWhole(owner.vdisk, lookedAt);
  }

  #judgeShort(pair: Pair): void {
    const short = this.#short.get(pair);
    if (short === undefined) return;
    if (short.couldKnow) this.#world.violated(1, short.what);
    this.#world.limited(short.what);
  }

  // etcd: rules 3, 4, 6, 8 and 9.

  /** Looks at a transaction that is about to be applied. */
  commit(puts: readonly Put[], deletes: readonly string[]): void {
    const { etcd } = this.#world;
    for (const { key, value } of puts) {
      this.#world.fold(etcd.revision);
      if (key.startsWith('S/')) this.#storageChanges(key.slice(2), value as ClusterStorage, puts);
      if (key.startsWith('I/')) this.#incidentChanges(key, value as IncidentRecord, puts);
      if (key.startsWith('C/')) this.#recordChanges(key, value as SalvorClusterRecord, puts);
      if (key.startsWith('V/')) this.#vdiskChanges(key);
      if (key.startsWith('O/') && etcd.get(key) !== null)
        this.#world.violated(8, `operation ${key.slice(2)} was carried out twice`);
    }
    for (const key of deletes) if (key.startsWith('V/') && etcd.get(key) !== null) this.#vdiskChanges(key);
  }

  /** What an input did; with clocks that agree, an old report does nothing. */
  applied(cluster: string, input: TrackedInput, { code, shard, reason }: EngineStatusDecision): void {
    this.#world.trace?.(`stored in ${cluster}: ${code}: ${reason}`);
    if (input.kind !== 'failure-reported' || code !== 'moved' || this.#world.isSkewed) return;
    if (this.#sinceBefore === undefined || input.detectedAt >= this.#sinceBefore) return;
    this.#world.violated(
      3,
      `a report of ${input.detectedAt} took ${input.address} (shard ${shard}) offline, which had moved at ${this.#sinceBefore} since`,
    );
  }

  /** The two members of a pair, by what etcd holds now: of a rebuild, the spare. */
  membersOf(shard: number): { cluster: string; address: string; engine: Engine; status: EngineStatus }[] {
    const { etcd, clusters } = this.#world;
    return clusters.map((cluster) => {
      const storage = storageOf(etcd, cluster);
      const entry = storage.servers[shard];
      if (entry === undefined) throw new Error(`${cluster} has no shard ${shard}`);
      const { address } = engineInPlace(entry);
      return { cluster, address, engine: this.#world.engineAt(address), status: entry.status };
    });
  }

  #storageChanges(cluster: string, next: ClusterStorage, puts: readonly Put[]): void {
    const { etcd } = this.#world;
    const record = (puts.find(({ key }) => key === recordKey(cluster))?.value ??
      etcd.get(recordKey(cluster))?.value) as SalvorClusterRecord | undefined;
    const places = [
      ...next.servers.flatMap(({ address, replacement, status }) => {
        const own = status === 'rip' ? [] : [address];
        return replacement === undefined || replacement.address === address
          ? own
          : [...own, replacement.address];
      }),
      ...(record?.spares ?? []).map(({ address }) => address),
    ];
    const twice = places.find((address, i) => places.indexOf(address) !== i);
    // The engine of a shard may be given as a spare once more, to be rebuilt in its own place.
    if (twice !== undefined && next.servers.filter((s) => s.replacement?.address === twice).length > 1)
      this.#world.violated(3, `${twice} has two places in ${cluster}`);
    const before = etcd.get(storageKey(cluster))?.value as ClusterStorage | undefined;
    if (before === undefined) return;
    for (const [shard, entry] of next.servers.entries()) {
      const old = before.servers[shard];
      if (old === undefined || old.status === entry.status) continue;
      this.#world.trace?.(`${cluster} shard ${shard} ${old.address}: ${old.status} -> ${entry.status}`);
      const incident = etcd.get(incidentKey(cluster, shard))?.value as IncidentRecord | undefined;
      const oldRecord = etcd.get(recordKey(cluster))?.value as SalvorClusterRecord | undefined;
      this.#sinceBefore = incident?.history.at(-1)?.at ?? oldRecord?.lastOnlineAt[shard];
      // An operator who judges a repair anew ends it and begins the next attempt in one transaction.
      const next = puts.find(({ key }) => key === incidentKey(cluster, shard))?.value as
        | IncidentRecord
        | undefined;
      const isAnew = next !== undefined && next.attempt === (incident?.attempt ?? 0) + 1;
      const from = isAnew && MOVES[old.status].includes('offline') ? 'offline' : old.status;
      if (entry.status !== from && !MOVES[from].includes(entry.status))
        this.#world.violated(3, `${old.address} went from ${old.status} to ${entry.status}`);
      if (entry.status === 'online') this.#comesOnline(cluster, shard, entry.address, incident);
    }
  }

  /** Who leaves a pair that nobody judged lost, and whose writes nobody gave up, leaves them to its partner. */
  #recordChanges(key: string, { retired }: SalvorClusterRecord, puts: readonly Put[]): void {
    const before = this.#world.etcd.get(key)?.value as SalvorClusterRecord | undefined;
    if (before === undefined || before.retired === retired) return;
    const left = retired.filter((one) => !before.retired.includes(one));
    for (const { address, incident: id } of left) {
      const incident = puts
        .filter((put) => put.key.startsWith('I/'))
        .map(({ value }) => value as IncidentRecord)
        .find((put) => put.id === id);
      if (incident === undefined || incident.verdict?.verdict === 'permanent') continue;
      const { cluster, shard } = incident;
      const partner = this.membersOf(shard).find((member) => member.cluster !== cluster);
      const engine = this.#world.engineAt(address);
      for (const vdisk of partner === undefined ? [] : vdisksIn(this.#world)) {
        const acknowledged = this.#histories.acknowledged(vdisk, shard);
        if (engine.shard(vdisk).seq < acknowledged || (partner?.engine.shard(vdisk).seq ?? 0) >= acknowledged)
          continue;
        this.#world.violated(
          9,
          `${address} is let go, and it alone has batch ${acknowledged} of v${vdisk} shard ${shard}, which is acknowledged`,
        );
      }
    }
  }

  #comesOnline(cluster: string, shard: number, address: string, incident: IncidentRecord | undefined): void {
    const { etcd } = this.#world;
    if (incident === undefined) return this.#world.violated(3, `${address} came online without an incident`);
    const { id, attempt, status } = incident;
    const engine = this.#world.engineAt(address);
    const partner = this.membersOf(shard).find((member) => member.cluster !== cluster);
    let since = Number.POSITIVE_INFINITY;
    for (const vdisk of vdisksIn(this.#world)) {
      const record = etcd.get(repairKey(id, attempt, vdisk))?.value as RepairRecord | undefined;
      if (record === undefined && status !== 'offline')
        this.#world.violated(4, `${address} came online in ${id}/${attempt}, and v${vdisk} is not repaired`);
      since = Math.min(since, record === undefined ? 0 : (engine.wholeAt[vdisk] ?? 0));
      if (partner === undefined || partner.engine.isDamaged) continue;
      const { dirty, fork } = partner.engine.shard(vdisk);
      if (dirty !== 0 || fork !== null)
        this.#world.violated(
          4,
          `${address} came online although ${partner.address} has writes of v${vdisk} that it misses`,
        );
    }
    // What was lost before its repair is back.
    if (engine.damagedAt < since) engine.isRepaired();
  }

  #incidentChanges(key: string, incident: IncidentRecord, puts: readonly Put[]): void {
    const { etcd } = this.#world;
    const open = etcd.get(key)?.value as IncidentRecord | undefined;
    if (open?.id !== incident.id) {
      if (open !== undefined) this.#world.violated(3, `incident ${incident.id} was opened over ${open.id}`);
      if (this.#incidents.has(incident.id))
        this.#world.violated(3, `incident ${incident.id} was opened twice`);
      this.#incidents.add(incident.id);
    } else if (incident.attempt < open.attempt || incident.attempt > open.attempt + 1)
      this.#world.violated(3, `attempt ${incident.attempt} follows ${open.attempt} in ${incident.id}`);
    if (open?.id === incident.id) this.#heldBack(open, incident);
    const { cluster, shard, status } = incident;
    const storage = (puts.find((put) => put.key === storageKey(cluster))?.value ??
      etcd.get(storageKey(cluster))?.value) as ClusterStorage;
    if (storage.servers[shard]?.status !== status)
      this.#world.violated(3, `${incident.id} says ${status}, the cluster ${storage.servers[shard]?.status}`);
  }

  /** What operators hold back moves by their own word only. */
  #heldBack(open: IncidentRecord, incident: IncidentRecord): void {
    const { cluster, address, hold } = open;
    if (open.status !== 'offline' || incident.status === 'offline' || incident.verdict?.operator === true)
      return;
    if (incident.actions?.length !== open.actions?.length) return;
    const isPaused = pauseOf(cluster, this.#world.etcd.entries) !== undefined;
    if (!isPaused && (hold === undefined || hold.kind === 'flapping')) return;
    const why = isPaused ? 'the healing of its cluster is paused' : `it is held (${hold?.kind})`;
    this.#world.violated(3, `${address} became ${incident.status} although ${why}`);
  }

  #vdiskChanges(key: string): void {
    const { etcd, clusters, scheduler } = this.#world;
    if (scheduler.now === 0) return;
    for (const cluster of clusters) {
      const { servers } = storageOf(etcd, cluster);
      const record = recordOf(etcd, cluster);
      const sick = servers.find(({ status }) => status !== 'online' && status !== 'rip');
      if (sick === undefined && record.status === 'healthy') continue;
      const why = sick === undefined ? `${cluster} is ${record.status}` : `${sick.address} is ${sick.status}`;
      this.#world.violated(6, `vdisk ${key.slice(2)} was created or deleted while ${why}`);
    }
  }

  #register(vdisk: number, shard: number, block: number): Register {
    const place = (vdisk * SHARDS_MAX + shard) * 32 + block;
    let register = this.#registers.get(place);
    if (register === undefined) {
      register = new Register();
      this.#registers.set(place, register);
    }
    return register;
  }

  #explain(wrong: string | null, vdisk: number, shard: number, block: number): void {
    if (wrong !== null) this.#world.violated(2, `v${vdisk} shard ${shard} block ${block}: ${wrong}`);
  }
}
