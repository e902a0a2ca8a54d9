/** Whether an order about a mirrored image may be given. Pure: the manager that keeps the volume carries it out. */
import {
  newRbdVolume,
  type PointSchedule,
  type RbdOrder,
  type RbdVolumeRecord,
  rbdOrdersMax,
} from '@salvor/config-store';
import { BACKLOG_MAX } from '../drivers/rbd/rbd-points.ts';

export type RbdDecision =
  | { readonly outcome: 'refused'; readonly code: string; readonly reason: string }
  /** Nothing is to be done. */
  | { readonly outcome: 'already'; readonly reason: string }
  /** `next`: as it is from now on, null: it is a volume no more. `waitsFor`: the order whose end is the answer; null: none. */
  | {
      readonly outcome: 'applied';
      readonly reason: string;
      readonly next: RbdVolumeRecord | null;
      readonly waitsFor: string | null;
    };

export interface RbdEnableRequest {
  readonly volume: string;
  readonly image: string;
  readonly from: string | null;
  readonly operation: string;
}

export interface RbdZoneFacts {
  readonly zone: string;
  /** Zones that this one is configured to reach. */
  readonly peers: readonly string[];
  /** Pool of the cluster of a zone; null: none is configured. */
  readonly poolOf: (zone: string) => string | null;
}

export function decideRbdEnable(
  record: RbdVolumeRecord | null,
  { volume, image, from, operation }: RbdEnableRequest,
  facts: RbdZoneFacts,
  now: number,
): RbdDecision {
  if (!/^[A-Za-z0-9_:-]{1,64}$/.test(volume))
    return refuse(
      'invalid-volume-id',
      `a volume id is 1 to 64 of A-Z a-z 0-9 _ : -, found ${JSON.stringify(volume)}`,
    );
  if (!/^[^/@\s]{1,128}$/.test(image))
    return refuse('invalid-image', `expected the name of an image, found ${JSON.stringify(image)}`);
  const pool = facts.poolOf(facts.zone);
  if (pool === null)
    return refuse('no-cluster', `zone ${facts.zone} has no Ceph cluster here (SALVOR_RBD_CLUSTERS)`);
  if (record !== null) {
    const found = `volume ${volume} is image ${record.pool}/${record.image} in this zone`;
    const isSame =
      (record.image === image || record.replaces === image) && (from === null || record.peer === from);
    if (!isSame) return refuse('volume-exists', `${found}; disable it first`);
    return record.orders.some((order) => order.operation === operation)
      ? { outcome: 'applied', reason: found, next: record, waitsFor: operation }
      : { outcome: 'already', reason: found };
  }
  if (from !== null) {
    const fault = zoneFault(from, facts);
    if (fault !== null) return fault;
  }
  const fresh = newRbdVolume({ volume, pool, image, changedAt: now });
  if (from === null)
    return {
      outcome: 'applied',
      reason: `volume ${volume} is image ${pool}/${image} in zone ${facts.zone}, and not replicated yet`,
      next: { ...fresh, generation: 1 },
      waitsFor: null,
    };
  const order = orderOf({ operation, verb: 'enable' }, now);
  return {
    outcome: 'applied',
    reason: `volume ${volume} becomes a copy of that of zone ${from}`,
    next: { ...fresh, peer: from, follows: true, orders: [order] },
    waitsFor: operation,
  };
}

export interface RbdReplicateRequest {
  readonly volume: string;
  readonly to: string;
  /** Null, here and below: as it is. */
  readonly mode: 'none' | 'instant' | 'one-time' | 'periodic' | null;
  readonly everyMs: number | null;
  readonly startAt: number | null;
  readonly missed: 'skip' | 'run-once' | null;
  readonly operation: string;
}

/** @param role as it was seen last; null: it was not */
export function decideRbdReplicate(
  record: RbdVolumeRecord,
  request: RbdReplicateRequest,
  facts: RbdZoneFacts,
  role: string | null,
  now: number,
): RbdDecision {
  const { volume, to, operation } = request;
  const known = knownEnd(record, operation);
  if (known !== null) return known;
  const held = record.orders.find((each) => each.operation === operation);
  if (held !== undefined)
    return { outcome: 'applied', reason: held.reason, next: record, waitsFor: operation };
  if (role === 'secondary')
    return refuse(
      'wrong-role',
      `volume ${volume} is secondary in this zone: order it in zone ${record.peer}`,
    );
  const fault = zoneFault(to, facts);
  if (fault !== null) return fault;
  if (record.mode !== null && record.peer !== to)
    return refuse(
      'volume-exists',
      `volume ${volume} is replicated to zone ${record.peer}; end that first with mode none`,
    );
  const mode = request.mode ?? record.mode ?? 'instant';
  if (mode === 'none') {
    if (record.mode === null)
      return { outcome: 'already', reason: `volume ${volume} is not replicated any more` };
    return decideRbdOrder(record, { operation, verb: 'detach' }, now);
  }
  const isJournal = mode === 'instant';
  if (record.mode !== null && (record.mode === 'instant') !== isJournal)
    return refuse(
      'mode-conflict',
      `volume ${volume} is mirrored by ${record.mode === 'instant' ? 'journal' : 'snapshot'}: end that first with mode none`,
    );
  const schedule = scheduleOf(record, request, mode, now);
  if (typeof schedule === 'string') return refuse('invalid-schedule', schedule);
  const isNew = JSON.stringify(schedule) !== JSON.stringify(record.schedule);
  const settled: RbdVolumeRecord = {
    ...record,
    ...{ peer: to, schedule, changedAt: now },
    slots: isNew ? { ...record.slots, last: null, owed: false } : record.slots,
  };
  const every = schedule === null ? '' : `, every ${schedule.everyMs / 1_000} s`;
  const reason = `volume ${volume} is replicated to zone ${to}, ${mode}${every}`;
  const enables = orderOf({ operation, verb: 'enable', order: { mode } }, now);
  if (record.mode === null) {
    const busy = busyWith(record);
    if (busy !== null) return refuse('busy', busy);
    // The first point is a run of its own.
    const run = orderOf({ operation: `${operation}:run`, verb: 'take-point' }, now);
    const orders = mode === 'one-time' ? [enables, run] : [enables];
    return { outcome: 'applied', reason, next: { ...settled, orders }, waitsFor: operation };
  }
  if (mode === 'one-time' && request.mode !== null) {
    const given = decideRbdOrder(settled, { operation, verb: 'take-point' }, now);
    if (given.outcome !== 'applied' || given.next === null) return given;
    return { ...given, next: { ...given.next, mode } };
  }
  if (record.mode === mode && !isNew && record.peer === to) return { outcome: 'already', reason };
  return { outcome: 'applied', reason, next: { ...settled, mode }, waitsFor: null };
}

export type RbdOrderRequest = Pick<RbdOrder, 'operation' | 'verb'> & {
  readonly order?: Partial<RbdOrder['order']>;
  readonly forget?: boolean;
};

/** An order that may have to wait for what happens elsewhere. */
export function decideRbdOrder(record: RbdVolumeRecord, request: RbdOrderRequest, now: number): RbdDecision {
  const { operation, verb } = request;
  const known = knownEnd(record, operation);
  if (known !== null) return known;
  const used = [...record.orders, ...(record.open === null ? [] : [record.open]), ...record.done].find(
    (each) => each.operation === operation && each.verb !== verb,
  );
  if (used !== undefined)
    return refuse('operation-reused', `operation ${operation} was the order '${used.verb}' already`);
  const given = record.orders.find((each) => each.operation === operation);
  if (given !== undefined || record.open?.operation === operation)
    return {
      outcome: 'applied',
      reason: given?.reason ?? record.open?.reason ?? '',
      next: record,
      waitsFor: operation,
    };
  const order = orderOf(request, now);
  const freed = isPoint(verb) ? record : withoutGivenUp(record, order);
  const busy = isPoint(verb) ? pointUnderWay(record) : busyWith(freed, order);
  if (busy !== null) return refuse('busy', busy);
  if (freed.orders.length >= rbdOrdersMax) return refuse('busy', `${rbdOrdersMax} orders are under way`);
  return {
    outcome: 'applied',
    reason: `it was ordered (${verb}); 'salvor volume status ${record.volume}' says how far it is`,
    next: { ...freed, orders: [...freed.orders, order], changedAt: now },
    waitsFor: operation,
  };
}

/** A planned promote that was not called yet gives way to a demote, and to one by force. */
function withoutGivenUp(record: RbdVolumeRecord, order: RbdOrder): RbdVolumeRecord {
  const { open, orders } = record;
  const waiting = orders.find(({ verb }) => verb === 'promote');
  const isForced = order.verb === 'promote' && order.order.force;
  const wasBegun = open?.operation === waiting?.operation && open !== null && open.step !== 'begun';
  const isDone = record.done.some((each) => each.operation === waiting?.operation);
  if (waiting === undefined || waiting.order.force || wasBegun || isDone) return record;
  if (order.verb !== 'demote' && !isForced) return record;
  return {
    ...record,
    orders: orders.filter((each) => each !== waiting),
    open: open?.operation === waiting.operation ? null : open,
    done: [
      ...record.done.slice(1 - DONE_KEPT),
      {
        ...{ operation: waiting.operation, verb: 'promote', state: 'refused', code: 'given-up', made: '' },
        reason: `the promote was given up for operation ${order.operation}`,
      },
    ],
  };
}

const DONE_KEPT = 64;

/**
 * What was done once is not done again; what was refused had no effect, and is tried again. What is still held is done, but the
 * status does not say so yet.
 */
function knownEnd({ done, orders }: RbdVolumeRecord, operation: string): RbdDecision | null {
  if (orders.some((each) => each.operation === operation)) return null;
  const mark = done.find((each) => each.operation === operation && each.state === 'done');
  return mark === undefined ? null : { outcome: 'already', reason: mark.reason };
}

/** Null: nothing that has to end first. Points that are on their way keep nobody. */
function busyWith({ open, orders }: RbdVolumeRecord, order?: RbdOrder): string | null {
  const isWayOut = order?.verb === 'promote' && order.order.name !== '';
  if (open !== null && !(isWayOut && open.verb === 'promote'))
    return `operation ${open.operation} (${open.verb}) is under way: ${open.reason || open.step}`;
  const other = orders.find(({ verb }) => !isPoint(verb));
  return other === undefined
    ? null
    : `operation ${other.operation} (${other.verb}) is under way: ${other.reason || 'it was not begun yet'}`;
}

function pointUnderWay({ orders }: RbdVolumeRecord): string | null {
  const other = orders.find(({ verb }) => isPoint(verb));
  return other === undefined ? null : `operation ${other.operation} takes a point: ${other.reason}`;
}

function isPoint(verb: RbdOrder['verb']): boolean {
  return verb === 'take-point';
}

/** A sentence when there is none that makes sense. */
function scheduleOf(
  { mode: before, schedule: known }: RbdVolumeRecord,
  { everyMs, startAt, missed }: RbdReplicateRequest,
  mode: NonNullable<RbdVolumeRecord['mode']>,
  now: number,
): PointSchedule | null | string {
  if (mode !== 'periodic')
    return everyMs === null && startAt === null && missed === null
      ? null
      : `an interval, a start and what becomes of missed slots belong to mode periodic, and the mode is ${mode}`;
  const same = before === mode ? known : null;
  const every = everyMs ?? same?.everyMs;
  const start = startAt ?? same?.startAt ?? now;
  if (every === undefined || every < 1_000 || start < 0)
    return `mode periodic needs an interval of 1000 ms or more, and a start in Unix milliseconds; found ${every ?? 'none'} and ${start}`;
  return {
    ...{ everyMs: every, startAt: start, missed: missed ?? same?.missed ?? 'run-once' },
    backlogMax: same?.backlogMax ?? BACKLOG_MAX,
  };
}

function zoneFault(zone: string, { zone: own, peers, poolOf }: RbdZoneFacts): RbdDecision | null {
  if (zone === own) return refuse('unknown-zone', `zone ${zone} is this zone; name another one`);
  if (!peers.includes(zone))
    return refuse(
      'unknown-zone',
      `zone ${zone} is not configured here; known are ${peers.join(', ') || 'none'}`,
    );
  const [here, there] = [poolOf(own), poolOf(zone)];
  if (there === null)
    return refuse('no-cluster', `zone ${zone} has no Ceph cluster here (SALVOR_RBD_CLUSTERS)`);
  return here === there
    ? null
    : refuse('no-cluster', `a pool is mirrored to the one of its name: here it is ${here}, there ${there}`);
}

function orderOf({ operation, verb, order, forget = false }: RbdOrderRequest, now: number): RbdOrder {
  return {
    ...{ operation, verb, at: now, reason: '', forget },
    order: { mode: '', force: false, name: '', ...order },
  };
}

function refuse(code: string, reason: string): RbdDecision {
  return { outcome: 'refused', code, reason };
}
