/** A mirrored image as a volume, from what is on record of it and what its keeper saw last. */
import {
  type ConfigStore,
  type RbdSightRecord,
  type RbdVolumeRecord,
  readRbdSight,
} from '@salvor/config-store';
import type { VolumeDescription, VolumeDescriptionInit } from '@salvor/contracts';
import { numberOfPoint } from '../drivers/rbd/decide-rbd-promote.ts';
import type { RbdPeerRecord } from '../drivers/rbd/rbd-verbs.ts';

/** A cluster that is away keeps each look waiting. */
const SIGHT_MAX_AGE_MS = 60_000;
/** More are not told. */
const POINTS_TOLD = 16;

/** Throws StoreError, ConfigValueError. */
export async function describeRbdVolume(
  store: ConfigStore,
  zone: string,
  record: RbdVolumeRecord,
): Promise<VolumeDescriptionInit> {
  const seen = await readRbdSight(store, record.volume);
  const isFresh = seen !== null && Date.now() - seen.at < SIGHT_MAX_AGE_MS;
  return rbdDescription(zone, record, isFresh ? seen : null);
}

/** @param seen null: nobody keeps it now */
export function rbdDescription(
  zone: string,
  record: RbdVolumeRecord,
  seen: RbdSightRecord | null,
): VolumeDescriptionInit {
  const { volume, pool, image, mode, peer, schedule, promotion, open } = record;
  const reason = seen?.reason ?? 'no replication-manager keeps it now';
  const role = seen?.role ?? 'unknown';
  const own = role === 'primary' || seen?.phase === 'waiting' || peer === null;
  const promoting = [...(open === null ? [] : [open]), ...record.orders].find(
    ({ verb }) => verb === 'promote',
  );
  return {
    ...{ zone, volume, vdisk: `${pool}/${image}`, role, driver: 'rbd', mode: mode ?? 'none', reason },
    status: seen === null || seen.status === '' ? 'inactive' : seen.status,
    phase: seen?.phase ?? 'waiting',
    conditions: seen?.conditions.map((each) => ({ ...each })) ?? [{ condition: 'unknown', reason }],
    generation: own ? record.generation : (seen?.peerGeneration ?? record.generation),
    generationZone: own ? zone : peer,
    ...{ lineage: [], begins: 0, container: 0, logBegins: 0, sizeBytes: seen?.sizeBytes ?? 0, blockSize: 0 },
    ...(seen?.sequence == null ? {} : { sequence: seen.sequence }),
    ...(peer === null ? {} : { peer }),
    ...(seen?.peerSeenAt == null ? {} : { peerSeenAt: seen.peerSeenAt }),
    ...(promoting === undefined ? {} : { promotion: promoting.operation, promotionAt: promoting.at }),
    ...(role !== 'secondary' || seen === null
      ? {}
      : { lag: { level: seen.level, bytes: 0, ms: seen.rpoMs ?? 0, observedAt: seen.at } }),
    ...(schedule === null
      ? {}
      : {
          schedule: { everyMs: schedule.everyMs, startAt: schedule.startAt, missed: schedule.missed },
          sync: syncOf(record),
        }),
    ...pointOf(record, seen, zone),
    rbd: {
      ...{ pool, image, replaces: record.replaces, kept: [...record.kept] },
      clones: record.clones.map(({ name }) => name),
      points: record.points.slice(-POINTS_TOLD).map(({ name, snapId, at, complete }) => ({
        ...{ name, at, complete },
        ...(snapId === null ? {} : { snapshot: snapId }),
      })),
      ...orderOf(record),
      ...(promotion === null
        ? {}
        : {
            promotion: {
              ...{ zone: promotion.zone, at: promotion.at, force: promotion.force },
              ...(promotion.snapId === null ? {} : { snapshot: promotion.snapId }),
              generation: promotion.generation,
            },
          }),
      ...(seen?.backlog == null ? {} : { backlog: seen.backlog }),
      ...(seen?.reportedAt == null ? {} : { reportedAt: seen.reportedAt }),
    },
    changedAt: record.changedAt,
  };
}

/** What the other zone told of its record, as this one asks for it. */
export function peerRecordOf({ generation, rbd, zone }: VolumeDescription): RbdPeerRecord | null {
  if (rbd == null) return null;
  const { order, promotion } = rbd;
  return {
    ...{ generation, replaces: rbd.replaces },
    open:
      order === undefined || order.step === ''
        ? null
        : {
            ...{ operation: order.operation, verb: verbOf(order.verb), step: order.step, at: order.at },
            ...{ order: { mode: '', force: false, name: '' }, reason: order.reason, imageId: '' },
          },
    promotion:
      promotion === undefined
        ? null
        : {
            ...{ zone: promotion.zone || zone, at: promotion.at, force: promotion.force },
            ...{ snapId: promotion.snapshot ?? null, generation: promotion.generation },
          },
    points: rbd.points.map(({ name, snapshot, at, complete }) => ({
      ...{ number: numberOfPoint(name) ?? 1, name, snapId: snapshot ?? null, at, operation: '', complete },
    })),
  };
}

type Verb = NonNullable<RbdPeerRecord['open']>['verb'];

/** What a newer version calls something else is nothing that this one waits for. */
function verbOf(text: string): Verb {
  return text === 'promote' || text === 'resync' || text === 'demote' || text === 'detach' ? text : 'enable';
}

function orderOf({
  open,
  orders,
}: RbdVolumeRecord): Pick<NonNullable<VolumeDescriptionInit['rbd']>, 'order'> {
  if (open !== null) {
    const { operation, verb, step, reason, at } = open;
    return { order: { operation, verb, step, reason, at } };
  }
  const [first] = orders;
  if (first === undefined) return {};
  const { operation, verb, reason, at } = first;
  return { order: { operation, verb, step: '', reason, at } };
}

function syncOf({ slots, schedule, points }: RbdVolumeRecord): NonNullable<VolumeDescriptionInit['sync']> {
  const last = points.findLast(({ complete }) => complete);
  const running = points.find(({ complete }) => !complete);
  const next =
    schedule === null || slots.last === null ? null : schedule.startAt + (slots.last + 1) * schedule.everyMs;
  return {
    ...{ runs: slots.runs, missed: slots.missed, overlaps: slots.coalesced },
    ...(slots.last === null || schedule === null
      ? {}
      : { slotAt: schedule.startAt + slots.last * schedule.everyMs }),
    ...(next === null ? {} : { nextAt: next }),
    ...(running === undefined ? {} : { runningSince: running.at }),
    ...(last === undefined ? {} : { lastBeganAt: last.at }),
  };
}

/** The newest point that is whole in this zone. */
function pointOf(
  { generation }: RbdVolumeRecord,
  seen: RbdSightRecord | null,
  zone: string,
): Pick<VolumeDescriptionInit, 'point'> {
  const newest = seen?.points.findLast(({ complete }) => complete);
  if (seen == null || newest === undefined) return {};
  const number = numberOfPoint(newest.name) ?? 0;
  const at = newest.at ?? 0;
  return {
    point: {
      ...{ generation: seen.peerGeneration ?? generation, zone, number, sequence: seen.sequence ?? 0 },
      ...{ ownSequence: number, writtenAt: at, at },
    },
  };
}
