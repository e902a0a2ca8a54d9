/** Ceph RBD mirroring, through the `rbd` command of both clusters. */
import {
  newRbdVolume,
  type RbdDone,
  type RbdOpen,
  type RbdPoint,
  type RbdVolumeRecord,
  rbdDoneMax,
  rbdPointsMax,
  type StoredRbdVolume,
} from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';
import type {
  DriverCapabilities,
  DriverOperation,
  DriverPoint,
  DriverStatus,
  DriverVerb,
  ReplicationDriver,
  ReplicationMode,
} from '../replication-driver.ts';
import { decideRbdPoint, type PointFacts } from './decide-rbd-point.ts';
import { pointsAmong } from './decide-rbd-promote.ts';
import {
  decideRbdStatus,
  type RbdRecords,
  type RbdSide,
  type RbdSight,
  type RbdState,
  roleOf,
} from './decide-rbd-status.ts';
import { rbdChain } from './rbd-chain.ts';
import { oneAtATime, type RbdExec } from './rbd-command.ts';
import { RbdImage } from './rbd-image.ts';
import { BACKLOG_MAX, continuePoint, newestPoint, nextNumber, spentPoints } from './rbd-points.ts';
import {
  demote,
  detach,
  enable,
  ensureClone,
  promote,
  type RbdPeerRecord,
  refused,
  resync,
  type VerbEnd,
  type VerbScene,
} from './rbd-verbs.ts';

/** Where the record of a volume is kept; each write is compared. */
export interface RbdRecordStore {
  read(): Promise<StoredRbdVolume | null>;
  /** @returns null: others were faster */
  write(record: RbdVolumeRecord, revision: string): Promise<string | null>;
}

export interface RbdDriverOptions {
  readonly volume: string;
  readonly pool: string;
  readonly image: string;
  readonly zone: string;
  readonly peerZone: string;
  /** Calls of `rbd` for the cluster of this zone, and of the other one. */
  readonly exec: RbdExec;
  readonly peerExec: RbdExec;
  /** The same, of this zone and of the other one, for looks that no order waits for. */
  readonly looks?: readonly [RbdExec, RbdExec];
  readonly records: RbdRecordStore;
  /** What the other zone has on record; rejects when it does not answer. */
  readonly peerRecord: () => Promise<RbdPeerRecord | null>;
  readonly now: () => number;
}

export interface RbdLook {
  readonly record: RbdVolumeRecord;
  /** Null: nothing, or the other zone did not answer. */
  readonly peer: RbdPeerRecord | null;
  readonly sight: RbdSight;
  readonly state: RbdState;
}

const CAPABILITIES: DriverCapabilities = {
  name: 'rbd',
  modes: ['instant', 'one-time', 'periodic'],
  ...{ deltaResync: false, groups: false, ackPolicies: ['async'], promoteMidSync: 'clone-only' },
  ...{ points: true, testClones: true, schedules: true },
};
const ATTEMPTS_MAX = 16;
/** So long it is taken for granted by which name a cluster goes: that changes only when an operator pairs it anew. */
const UUID_MAX_AGE_MS = 60_000;
/** Of a primary that lacks nothing: what it does not do now, it has no reason to do. */
const AT_BEST: PointFacts = { isPrimary: true, lastIsComplete: true, backlog: 0 };
type Order = Partial<RbdOpen['order']>;

const VERBS: Partial<Record<DriverVerb, (scene: VerbScene) => Promise<VerbEnd>>> = {
  ...{ enable, detach, promote, demote, resync },
};

/** The record was changed by another process between two steps: whatever it was, this one is not to go on. */
class RbdRecordChangedError extends SalvorError {
  constructor(volume: string) {
    super('conflict', `the record of volume ${volume} was changed by another process`);
  }
}

export class RbdDriver implements ReplicationDriver {
  readonly capabilities: DriverCapabilities = CAPABILITIES;
  readonly #options: RbdDriverOptions & Required<Pick<RbdDriverOptions, 'looks'>>;
  /** Of the other side of each zone, as the cluster of that zone tells. */
  readonly #mirrorUuids = new Map<string, { readonly uuid: string; readonly at: number }>();
  /** The record after the last look for points that nobody needs, when there were none. */
  #tidyAt = '';

  constructor(options: RbdDriverOptions) {
    const { exec, peerExec, looks } = options;
    const acts = [oneAtATime(exec), oneAtATime(peerExec)] as const;
    this.#options = {
      ...options,
      ...{ exec: acts[0], peerExec: acts[1] },
      looks: looks === undefined ? acts : [oneAtATime(looks[0]), oneAtATime(looks[1])],
    };
  }

  enable(operation: string, { mode }: { readonly mode: ReplicationMode }): Promise<DriverOperation> {
    return this.#order('enable', operation, { mode });
  }

  async detach(operation: string): Promise<DriverOperation> {
    const before = await this.#record();
    const known = this.#known(before, operation);
    if (known !== null) return known;
    if (
      before.mode !== null &&
      before.mode !== 'instant' &&
      before.points.every((each) => each.operation !== operation)
    ) {
      const point = await this.takePoint(operation);
      if (point.state === 'refused') return { ...point, verb: 'detach' };
    }
    return this.#order('detach', operation, {});
  }

  promote(
    operation: string,
    { force, point = '' }: { readonly force: boolean; readonly point?: string },
  ): Promise<DriverOperation> {
    return this.#order('promote', operation, { force, name: point });
  }

  demote(operation: string): Promise<DriverOperation> {
    return this.#order('demote', operation, {});
  }

  resync(operation: string, { discard }: { readonly discard: string }): Promise<DriverOperation> {
    return this.#order('resync', operation, { name: discard });
  }

  /** Begins a point; it is whole when {@link listPoints} says so, and the same operation again says so too. */
  async takePoint(operation: string): Promise<DriverOperation> {
    const record = await this.#record();
    const known = this.#known(record, operation);
    if (known !== null && known.verb === 'take-point') return known;
    const begun = record.points.find((each) => each.operation === operation);
    if (begun !== undefined) return this.#goOnWithPoint(begun);
    const sight = await this.#sight(record, true);
    const hindrance = this.#pointHindrance(record, sight);
    if (hindrance !== null) return answer(operation, 'take-point', hindrance);
    const number = nextNumber(record, sight);
    const point: RbdPoint = {
      ...{ number, name: `dr-${number}`, snapId: null, at: this.#options.now(), operation, complete: false },
    };
    await this.#update(({ points, nextPoint }) => {
      if (points.some((each) => each.operation === operation)) return null;
      // Its number may be that of another one.
      if (nextPoint !== record.nextPoint) throw new RbdRecordChangedError(record.volume);
      return { points: [...points, point].slice(-rbdPointsMax), nextPoint: number + 1 };
    });
    const stored = (await this.#record()).points.find((each) => each.operation === operation);
    return this.#goOnWithPoint(stored ?? point);
  }

  async listPoints(): Promise<readonly DriverPoint[]> {
    const record = await this.#record();
    const local = await this.#image(record).side();
    if (local.snapshots.kind === 'silent')
      throw new SalvorError('unreachable', `zone ${local.zone} cannot be asked: ${local.snapshots.reason}`);
    const { value } = local.snapshots;
    const whole = new Set(rbdChain(value).validUserSnapshots);
    return pointsAmong(value.filter(({ kind }) => kind.type === 'user').map(({ name }) => name)).map(
      (name) => ({
        name,
        at:
          record.points.find((point) => point.name === name)?.at ??
          value.find((each) => each.name === name)?.at ??
          null,
        complete: whole.has(name),
      }),
    );
  }

  async status(): Promise<DriverStatus & Pick<RbdState, 'state' | 'reason'>> {
    return (await this.look()).state;
  }

  /** What the status is decided from, and what it is. */
  async look(): Promise<RbdLook> {
    const record = await this.#record();
    const peer = await this.#options.peerRecord().catch(() => null);
    const sight = await this.#sight(record);
    const records: RbdRecords = { local: record, peer };
    return { record, peer, sight, state: decideRbdStatus(sight, records, this.#options.now()) };
  }

  async testClone(operation: string, point?: string): Promise<DriverOperation> {
    const record = await this.#record();
    const known = this.#known(record, operation);
    if (known !== null) return known;
    const begun = record.clones.find((each) => each.operation === operation);
    const local = await this.#image(record).side();
    if (local.snapshots.kind === 'silent')
      return answer(operation, 'test-clone', refused('unreachable', `zone ${local.zone} cannot be asked`));
    const whole = pointsAmong(rbdChain(local.snapshots.value).validUserSnapshots);
    const from = begun?.point ?? point ?? whole.at(-1);
    if (from === undefined || !whole.includes(from))
      return answer(
        operation,
        'test-clone',
        refused(
          'no-point',
          `no point${point === undefined ? '' : ` ${point}`} is whole in zone ${local.zone}`,
        ),
      );
    const image = this.#image(record);
    const name = begun?.name ?? `${image.image}-test-${operation.replace(/[^A-Za-z0-9]/g, '-')}`;
    if (begun === undefined)
      await this.#update(({ clones }) => ({
        clones: [...clones, { name, point: from, at: this.#options.now(), operation }],
      }));
    const missing = await ensureClone(image, from, name);
    if (missing === null)
      return this.#ended(operation, 'test-clone', {
        ...{ state: 'done', code: '', reason: `${name} is a writable clone of point ${from}`, made: name },
      });
    if (missing.state === 'refused')
      await this.#update(({ clones }) => ({ clones: clones.filter((each) => each.operation !== operation) }));
    return answer(operation, 'test-clone', missing);
  }

  async removeClone(operation: string, clone: string): Promise<DriverOperation> {
    const record = await this.#record();
    const known = this.#known(record, operation);
    if (known !== null) return known;
    // Whatever this driver did not make as a test is not its to remove.
    if (!record.clones.some(({ name }) => name === clone))
      return answer(operation, 'remove-clone', refused('unknown-clone', `${clone} is no clone of a test`));
    const { outcome, message } = await this.#image(record).removeImage(clone);
    if (outcome !== 'done' && outcome !== 'not-found')
      return answer(operation, 'remove-clone', {
        ...{ state: 'waiting', code: '', reason: `${clone} is still there: ${message}`, made: '' },
      });
    await this.#update(({ clones }) => ({ clones: clones.filter(({ name }) => name !== clone) }));
    return this.#ended(operation, 'remove-clone', {
      ...{ state: 'done', code: '', reason: `${clone} is removed`, made: '' },
    });
  }

  /** Goes on with what is open, takes a point when one is due, and lets go of points that nobody needs. */
  async advance(): Promise<void> {
    await this.advanceBut(new Set());
  }

  /** @param given operations that were gone on with a moment ago */
  async advanceBut(given: ReadonlySet<string>): Promise<void> {
    const { open, points } = await this.#record();
    for (const point of points)
      if (!point.complete && !given.has(point.operation)) await this.#goOnWithPoint(point);
    if (open !== null && !given.has(open.operation)) await this.#order(open.verb, open.operation, open.order);
    await this.#keepSchedule();
    await this.#letGoOfPoints();
  }

  async #keepSchedule(): Promise<void> {
    const record = await this.#record();
    const { schedule, open, slots } = record;
    if (schedule === null || record.mode !== 'periodic' || open !== null) return;
    const atBest = decideRbdPoint(schedule, slots, AT_BEST, this.#options.now());
    if (atBest.action === 'none' && JSON.stringify(atBest.slots) === JSON.stringify(slots)) return;
    const sight = await this.#sight(record);
    const facts = {
      isPrimary: roleOf(sight.local) === 'primary' && roleOf(sight.peer) !== 'primary',
      lastIsComplete: newestPoint(record)?.complete ?? true,
      backlog: this.#backlog(sight),
    };
    const decided = decideRbdPoint(schedule, slots, facts, this.#options.now());
    if (JSON.stringify(decided.slots) !== JSON.stringify(slots))
      await this.#update(() => ({ slots: decided.slots }));
    if (decided.action !== 'take') return;
    const taken = await this.takePoint(`slot-${decided.slots.last}-${decided.slots.missed}`);
    // What was refused after all is still owed.
    await this.#update(({ slots: now }) => ({
      slots: taken.state === 'refused' ? { ...now, owed: true } : { ...now, runs: now.runs + 1 },
    }));
  }

  /** Only where something was put on record since there were none: each look is a row of calls. */
  async #letGoOfPoints(): Promise<void> {
    const stored = await this.#options.records.read();
    if (stored === null || stored.revision === this.#tidyAt) return;
    const { record, revision } = stored;
    if (record.open !== null || record.mode === null) return;
    const sight = await this.#sight(record);
    const spent = spentPoints(record, sight);
    const image = this.#image(record);
    for (const name of spent) await image.removeSnapshot(name);
    const isSeen = [sight.local, sight.peer].every(({ snapshots }) => snapshots.kind === 'answered');
    if (isSeen && spent.length === 0) this.#tidyAt = revision;
  }

  #pointHindrance(record: RbdVolumeRecord, sight: RbdSight): VerbEnd | null {
    const info = sight.local.info.kind === 'answered' ? sight.local.info.value : null;
    if (roleOf(sight.local) === 'unknown')
      return refused('unreachable', `zone ${sight.local.zone} cannot be asked`);
    if (roleOf(sight.local) !== 'primary')
      return refused('wrong-role', 'points are taken where the volume is primary');
    if (roleOf(sight.peer) === 'primary')
      return refused('dual-primary', 'both zones are primary: no point of either is one of the volume');
    if (info?.mirroring?.mode !== 'snapshot')
      return refused('no-points', 'journal mode ships each write: it has no points');
    const last = newestPoint(record);
    if (last !== undefined && !last.complete)
      return refused('point-under-way', `point ${last.name} has not arrived whole in the other zone`);
    const backlog = this.#backlog(sight);
    const most = record.schedule?.backlogMax ?? BACKLOG_MAX;
    if (backlog === null || backlog >= most)
      return refused(
        'backlog',
        `the other zone lacks ${backlog ?? 'nobody knows how many'} points, and ${most} is the most`,
      );
    return null;
  }

  #backlog({ local }: RbdSight): number | null {
    if (local.snapshots.kind === 'silent') return null;
    return Math.max(0, rbdChain(local.snapshots.value).withPeer.length - 1);
  }

  async #goOnWithPoint(point: RbdPoint): Promise<DriverOperation> {
    const record = await this.#record();
    const turn = await continuePoint(point, this.#image(record), await this.#sight(record));
    const isNews = JSON.stringify(turn.point) !== JSON.stringify(point);
    if (turn.isLost || isNews)
      await this.#update(({ points }) => ({
        points: turn.isLost
          ? points.filter(({ number }) => number !== point.number)
          : points.map((each) => (each.number === point.number ? turn.point : each)),
      }));
    const made = point.name;
    if (turn.isLost) return answer(point.operation, 'take-point', refused('wrong-role', turn.reason));
    const reason = turn.point.complete ? `point ${made} is whole in both zones` : turn.reason;
    const state = turn.point.complete ? ('done' as const) : ('waiting' as const);
    return answer(point.operation, 'take-point', { state, code: '', reason, made });
  }

  async #order(verb: DriverVerb, operation: string, asked: Order): Promise<DriverOperation> {
    const act = VERBS[verb];
    if (act === undefined) throw new SalvorError('bad-request', `${verb} is no long verb`);
    const record = await this.#record();
    const known = this.#known(record, operation);
    if (known !== null && known.verb === verb) return known;
    const order = { mode: '', force: false, name: '', ...asked };
    const before = record.open;
    if (before !== null && before.operation !== operation) {
      // The way out of a promote whose end is not known: a human names a point.
      const isWayOut = verb === 'promote' && order.name !== '' && before.verb === 'promote';
      if (!isWayOut)
        return answer(
          operation,
          verb,
          refused('busy', `operation ${before.operation} (${before.verb}) is open: ${before.reason}`),
        );
    }
    if (before === null || before.operation !== operation) {
      const open: RbdOpen = {
        ...{ operation, verb, step: 'begun', order, at: this.#options.now(), reason: '', imageId: '' },
      };
      await this.#update((now) => {
        if (now.open?.operation !== before?.operation) throw new RbdRecordChangedError(record.volume);
        return { open };
      });
    }
    const end = await act(await this.#scene(operation));
    if (end.state === 'waiting' || end.state === 'unknown') {
      await this.#update(({ open }) =>
        open === null || open.operation !== operation || open.reason === end.reason
          ? null
          : { open: { ...open, reason: end.reason } },
      );
      return answer(operation, verb, end);
    }
    return this.#ended(operation, verb, end);
  }

  async #scene(operation: string): Promise<VerbScene> {
    const record = await this.#record();
    const { open } = record;
    if (open === null || open.operation !== operation) throw new RbdRecordChangedError(record.volume);
    const { zone, now, peerRecord } = this.#options;
    return {
      ...{ zone, now, peerRecord, open, record, local: this.#image(record), peer: this.#peerImage(record) },
      sight: () => this.#sight(record, true),
      note: async (step, change) => {
        await this.#update((latest) => {
          const was = latest.open;
          if (was === null || was.operation !== operation) throw new RbdRecordChangedError(record.volume);
          const more = change?.(latest) ?? {};
          return { ...more, open: { ...was, ...(more.open ?? {}), step } };
        });
        return this.#scene(operation);
      },
    };
  }

  async #ended(operation: string, verb: DriverVerb, end: VerbEnd): Promise<DriverOperation> {
    const { state, code, reason, made } = end;
    if (state === 'done' || state === 'refused') {
      const mark: RbdDone = { operation, verb, state, code, reason, made };
      await this.#update(({ open, done }) => ({
        done: [...done.filter((each) => each.operation !== operation), mark].slice(-rbdDoneMax),
        open: open?.operation === operation ? null : open,
      }));
    }
    return answer(operation, verb, end);
  }

  /** What was refused had no effect: the same order may be given again. */
  #known({ done }: RbdVolumeRecord, operation: string): DriverOperation | null {
    const mark = done.find((each) => each.operation === operation && each.state !== 'refused');
    return mark === undefined ? null : answer(operation, mark.verb, mark);
  }

  async #record(): Promise<RbdVolumeRecord> {
    return (await this.#options.records.read())?.record ?? this.#fresh();
  }

  #fresh(): RbdVolumeRecord {
    const { volume, pool, image } = this.#options;
    return newRbdVolume({ volume, pool, image });
  }

  /** @param change null: nothing is written. @throws RbdRecordChangedError after too many attempts */
  async #update(change: (record: RbdVolumeRecord) => Partial<RbdVolumeRecord> | null): Promise<void> {
    const { records, volume } = this.#options;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const stored = await records.read();
      const record = stored?.record ?? this.#fresh();
      const found = change(record);
      if (found === null) return;
      const written = await records.write({ ...record, ...found }, stored?.revision ?? 'absent');
      if (written !== null) return;
    }
    throw new RbdRecordChangedError(volume);
  }

  #image({ image, pool }: RbdVolumeRecord, exec = this.#options.exec): RbdImage {
    return new RbdImage({ zone: this.#options.zone, pool, image, exec });
  }

  /** The other side of the pair: a clone that took the place of the image here has none. */
  #peerImage({ image, replaces, pool }: RbdVolumeRecord, exec = this.#options.peerExec): RbdImage {
    const zone = this.#options.peerZone;
    return new RbdImage({ zone, pool, image: replaces === '' ? image : replaces, exec });
  }

  /** @param isOrdered somebody's order waits for it */
  async #sight(record: RbdVolumeRecord, isOrdered = false): Promise<RbdSight> {
    const { exec, peerExec, looks } = this.#options;
    const [here, there] = isOrdered ? [exec, peerExec] : looks;
    const sides = [this.#image(record, here), this.#peerImage(record, there)] as const;
    const [[local, ofPeer], [peer, ofLocal]] = await Promise.all([
      this.#lookedAt(sides[0]),
      this.#lookedAt(sides[1]),
    ]);
    return { local: { ...local, mirrorUuid: ofLocal }, peer: { ...peer, mirrorUuid: ofPeer } };
  }

  /** A side, and the mirror uuid of its other one. A cluster that does not answer is not asked twice: each time takes long. */
  async #lookedAt(image: RbdImage): Promise<[RbdSide, string | null]> {
    const side = await image.side();
    if (side.info.kind === 'silent') return [side, null];
    const now = this.#options.now();
    const known = this.#mirrorUuids.get(image.zone);
    if (known !== undefined && Math.abs(now - known.at) < UUID_MAX_AGE_MS) return [side, known.uuid];
    const uuid = await image.mirrorUuidOfPeer();
    if (uuid === null) this.#mirrorUuids.delete(image.zone);
    else this.#mirrorUuids.set(image.zone, { uuid, at: now });
    return [side, uuid];
  }
}

function answer(
  operation: string,
  verb: DriverVerb,
  { state, code, reason, made }: Pick<DriverOperation, 'state' | 'code' | 'reason' | 'made'>,
): DriverOperation {
  return { operation, verb, state, code, reason, made };
}
