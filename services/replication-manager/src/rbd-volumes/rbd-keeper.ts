/** Keeps one mirrored image: carries out what is ordered, and tells what it sees, as long as this process has the claim. */
import {
  type ConfigStore,
  type RbdDone,
  type RbdOrder,
  type RbdSightRecord,
  type RbdVolumeRecord,
  rbdDoneMax,
  readRbdVolume,
  type StoredRbdVolume,
  type VolumeClaim,
  writeRbdVolume,
} from '@salvor/config-store';
import type { VolumeDescription } from '@salvor/contracts';
import { codeOf, type Logger, messageOf, pause, SalvorError } from '@salvor/service-kit';
import { RbdDriver, type RbdDriverOptions } from '../drivers/rbd/rbd-driver.ts';
import { etcdRbdRecords } from '../drivers/rbd/rbd-records.ts';
import type { RbdPeerRecord } from '../drivers/rbd/rbd-verbs.ts';
import type { DriverOperation, ReplicationMode } from '../drivers/replication-driver.ts';
import { replicationModes } from '../drivers/replication-driver.ts';
import type { PeerZones } from '../peer-zones.ts';
import { adoptedFrom } from './decide-rbd-adoption.ts';
import { decideRbdStanding } from './decide-rbd-standing.ts';
import { noCluster, type RbdClusters, type RbdZoneCluster } from './rbd-clusters.ts';
import { peerRecordOf } from './rbd-description.ts';

/** Tells the world what became of a mirrored image; never fails. */
export type AnnounceRbd = (
  record: RbdVolumeRecord,
  before: RbdSightRecord | null,
  after: RbdSightRecord,
) => void;

export interface RbdKeeperOptions {
  readonly store: ConfigStore;
  readonly zone: string;
  readonly peers: Pick<PeerZones, 'status'>;
  readonly clusters: RbdClusters;
  readonly announce: AnnounceRbd;
  readonly log: Logger;
  readonly claim: VolumeClaim;
  readonly volume: string;
  readonly intervalMs: number;
}

interface Drivers {
  /** What they were made for. */
  readonly made: string;
  readonly acts: RbdDriver;
  readonly looks: RbdDriver;
}

const RETRY_MS = 500;
/** While something is ordered that waits for what happens in the clusters. */
const BUSY_EVERY_MS = 250;
const ATTEMPTS_MAX = 16;

export class RbdKeeper {
  readonly volume: string;
  readonly #options: RbdKeeperOptions;
  readonly #stopping = new AbortController();
  /** Ends the pause behind the turn of orders that is under way. */
  #woken = new AbortController();
  #isOver = false;
  #looking: Promise<unknown> = Promise.resolve();
  #seen: RbdSightRecord | null = null;
  #peerSeenAt: number | null = null;
  #running: Promise<unknown> = Promise.resolve();
  /** One for orders and one for looks, which go on while an order takes minutes. */
  #drivers: Drivers | null = null;

  constructor(options: RbdKeeperOptions) {
    this.#options = options;
    this.volume = options.volume;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  start(): void {
    const { claim, log } = this.#options;
    const gaveUp = (error: unknown): void =>
      log.warn({ volume: this.volume, error: messageOf(error) }, 'the claim of a volume was not given back');
    const { signal } = this.#stopping;
    const turns = [
      this.#loop(
        () => this.#round(),
        () => AbortSignal.any([signal, this.#woken.signal]),
      ),
      this.#loop(
        () => this.#watchOver(),
        () => signal,
      ),
    ];
    this.#running = Promise.all(turns).finally(() => claim.release().catch(gaveUp));
  }

  /** What `rbd` was told goes on by itself, and is found again. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#woken.abort();
    await this.#running;
  }

  /** The record was changed, by whomever. */
  noticed(): void {
    this.#woken.abort();
  }

  async #loop(turn: () => Promise<number>, wake: () => AbortSignal): Promise<void> {
    const { log } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted && !this.#isOver) {
      let waitMs = RETRY_MS;
      try {
        waitMs = await turn();
      } catch (error) {
        if (signal.aborted || this.#isOver) return;
        log.warn(
          { volume: this.volume, code: codeOf(error), error: messageOf(error) },
          'a mirrored volume could not be kept, trying again',
        );
      }
      await pause(waitMs, wake());
    }
  }

  /** Orders, and then whatever is due. @returns how long to wait */
  async #round(): Promise<number> {
    const { intervalMs } = this.#options;
    this.#woken = new AbortController();
    const { record } = await this.#read();
    const { acts } = this.#driversOf(record);
    for (const order of record.orders) {
      await this.#carryOut(acts, order);
      if (this.#isOver || this.#stopping.signal.aborted) return 0;
    }
    const after = (await this.#read()).record;
    // The last point of a detach has the id of the detach, and goes on by itself.
    const whole = record.orders.filter(({ verb }) => verb !== 'detach');
    const given = new Set(whole.map(({ operation }) => operation));
    if (after.mode !== null) await acts.advanceBut(given);
    const isBusy = after.orders.length > 0 || after.points.some(({ complete }) => !complete);
    return isBusy ? Math.min(BUSY_EVERY_MS, intervalMs) : intervalMs;
  }

  async #watchOver(): Promise<number> {
    await this.#look();
    return this.#options.intervalMs;
  }

  async #carryOut(driver: RbdDriver, order: RbdOrder): Promise<void> {
    const end = await this.#given(driver, order);
    if (end.state === 'waiting') {
      if (end.reason === order.reason) return;
      await this.#update(({ orders }) => ({
        orders: orders.map((each) =>
          each.operation === order.operation ? { ...each, reason: end.reason } : each,
        ),
      }));
      return;
    }
    // Whoever waits for the end then reads a status that has it.
    await this.#look();
    if (end.state === 'done' && order.forget) return this.#forget(order, end);
    await this.#update((record) => ended(record, order, end));
    this.#options.log.info(
      {
        volume: this.volume,
        operation: order.operation,
        verb: order.verb,
        end: end.state,
        reason: end.reason,
      },
      'order about a mirrored volume ended',
    );
  }

  async #given(driver: RbdDriver, { operation, verb, order }: RbdOrder): Promise<DriverOperation> {
    switch (verb) {
      case 'enable': {
        const mode = order.mode === '' ? await this.#modeThere() : order.mode;
        const found = replicationModes.find((each): each is ReplicationMode => each === mode);
        return found === undefined
          ? { operation, verb, state: 'waiting', code: '', reason: mode, made: '' }
          : driver.enable(operation, { mode: found });
      }
      case 'detach':
        return driver.detach(operation);
      case 'take-point':
        return driver.takePoint(operation);
      case 'promote':
        return driver.promote(operation, {
          force: order.force,
          ...(order.name === '' ? {} : { point: order.name }),
        });
      case 'demote':
        return driver.demote(operation);
      case 'resync':
        return driver.resync(operation, { discard: order.name });
      case 'test-clone':
        return order.name === '' ? driver.testClone(operation) : driver.testClone(operation, order.name);
      case 'remove-clone':
        return driver.removeClone(operation, order.name);
    }
  }

  /** A mode, or what it waits for, as a sentence. */
  async #modeThere(): Promise<string> {
    const { record } = await this.#read();
    const zone = record.peer ?? '';
    try {
      const there = await this.#options.peers.status(zone, this.volume);
      if (there === null || there.driver !== 'rbd')
        return `zone ${zone} has no image of this name as a volume`;
      return there.mode === 'none' ? `zone ${zone} does not replicate it yet` : there.mode;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** One look after the other; each begins after it was asked for. */
  #look(): Promise<void> {
    const look = this.#looking.then(() => this.#lookNow());
    this.#looking = look.catch(() => undefined);
    return look;
  }

  async #lookNow(): Promise<void> {
    const { claim, announce } = this.#options;
    const { record: known } = await this.#read();
    const { looks } = this.#driversOf(known);
    const { record, peer, sight, state } = await looks.look();
    const standing = decideRbdStanding(
      { record, peer, sight, state, peerSeenAt: this.#peerSeenAt },
      Date.now(),
    );
    const before = this.#seen;
    this.#seen = standing;
    if (!(await claim.tellRbd(standing)) && !(await claim.isHeld())) this.#lost();
    announce(record, before, standing);
  }

  #driversOf({ peer, pool, image, replaces }: RbdVolumeRecord): Drivers {
    const { zone, clusters, store, claim } = this.#options;
    const own = replaces === '' ? image : replaces;
    const made = JSON.stringify([peer, pool, own]);
    if (this.#drivers?.made === made) return this.#drivers;
    const clusterOf = (name: string): Omit<RbdZoneCluster, 'pool'> =>
      clusters(name) ?? noCluster(`zone ${name} has no Ceph cluster here (SALVOR_RBD_CLUSTERS)`);
    const here = clusterOf(zone);
    const there = peer === null ? noCluster('no other zone is named yet') : clusterOf(peer);
    const options: RbdDriverOptions = {
      ...{ volume: this.volume, pool, image: own, zone, peerZone: peer ?? 'nowhere' },
      ...{ exec: here.exec, peerExec: there.exec, looks: [here.looks, there.looks] },
      records: etcdRbdRecords(store, this.volume, [claim.compare]),
      peerRecord: () => this.#askPeer(peer),
      now: Date.now,
    };
    this.#drivers = { made, acts: new RbdDriver(options), looks: new RbdDriver(options) };
    return this.#drivers;
  }

  async #askPeer(zone: string | null): Promise<RbdPeerRecord | null> {
    if (zone === null) return null;
    const there = await this.#options.peers.status(zone, this.volume);
    this.#peerSeenAt = Date.now();
    if (there === null) return null;
    await this.#adopt(there);
    return peerRecordOf(there);
  }

  /** What was ordered where it is primary holds here too, once this is the primary. */
  async #adopt(there: VolumeDescription): Promise<void> {
    await this.#update((record) => adoptedFrom(record, this.#seen, there));
  }

  async #forget(order: RbdOrder, end: DriverOperation): Promise<void> {
    const { store, claim, log } = this.#options;
    const stored = await this.#read();
    const gone = await writeRbdVolume(store, this.volume, null, stored.revision, [claim.compare]);
    if (gone === null) return;
    log.info(
      { volume: this.volume, operation: order.operation, reason: end.reason },
      'a volume is one no more',
    );
    this.#isOver = true;
  }

  async #read(): Promise<StoredRbdVolume> {
    const stored = await readRbdVolume(this.#options.store, this.volume);
    if (stored !== null) return stored;
    this.#isOver = true;
    throw new SalvorError('unknown-volume', `volume ${this.volume} is one no more`);
  }

  /** @param change null: nothing is written. @throws SalvorError `claim-lost`, `conflict` */
  async #update(change: (record: RbdVolumeRecord) => Partial<RbdVolumeRecord> | null): Promise<void> {
    const { store, claim } = this.#options;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const { record, revision } = await this.#read();
      const found = change(record);
      if (found === null) return;
      const next = { ...record, ...found, changedAt: Date.now() };
      if ((await writeRbdVolume(store, this.volume, next, revision, [claim.compare])) !== null) return;
      if (!(await claim.isHeld())) this.#lost();
    }
    throw new SalvorError(
      'conflict',
      `the record of volume ${this.volume} was changed by others at every attempt`,
    );
  }

  #lost(): never {
    this.#isOver = true;
    throw new SalvorError('claim-lost', `volume ${this.volume} is kept by another process now`);
  }
}

/** An order that ended is held no more; how it ended is remembered. What is not known stays open, for an operator. */
function ended(
  { orders, done }: RbdVolumeRecord,
  { operation, verb }: RbdOrder,
  { state, code, reason, made }: DriverOperation,
): Partial<RbdVolumeRecord> {
  const left = orders.filter((each) => each.operation !== operation);
  if (state === 'unknown' || state === 'waiting') return { orders: left };
  const mark: RbdDone = { operation, verb, state, code, reason, made };
  return {
    orders: left,
    done: [...done.filter((each) => each.operation !== operation), mark].slice(-rbdDoneMax),
  };
}
