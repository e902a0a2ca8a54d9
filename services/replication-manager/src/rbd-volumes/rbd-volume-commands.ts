/** The commands about volumes where a volume is a mirrored image; all others go to the native ones. */
import type { CommandHandlers } from '@salvor/bus';
import {
  type ConfigStore,
  listRbdVolumes,
  type RbdVolumeRecord,
  readRbdSight,
  readRbdVolume,
  readVolume,
  volumeKey,
  writeRbdVolume,
} from '@salvor/config-store';
import type { Outcome, VolumeDescriptionInit } from '@salvor/contracts';
import { type Logger, pause, SalvorError } from '@salvor/service-kit';
import { RbdImage } from '../drivers/rbd/rbd-image.ts';
import {
  decideRbdEnable,
  decideRbdOrder,
  decideRbdReplicate,
  type RbdDecision,
  type RbdOrderRequest,
  type RbdZoneFacts,
} from './decide-rbd-order.ts';
import type { RbdClusters } from './rbd-clusters.ts';
import { describeRbdVolume } from './rbd-description.ts';

export interface RbdVolumeCommandsOptions {
  readonly store: ConfigStore;
  readonly zone: string;
  readonly peers: readonly string[];
  readonly clusters: RbdClusters;
  readonly log: Logger;
  /** The handlers of volumes that are vdisks. */
  readonly native: CommandHandlers;
}

/** So long an order waits for its end before it is answered with how far it is. */
const ANSWER_MS = 3_000;
const LOOK_EVERY_MS = 50;
const ATTEMPTS_MAX = 16;

interface Changed {
  readonly volume: string;
  readonly operation: string;
  readonly outcome: Outcome;
  readonly reason: string;
  /** Of a clone: its image; empty: none, or none yet. */
  readonly made: string;
}

export function rbdVolumeHandlers(options: RbdVolumeCommandsOptions): CommandHandlers {
  const { store, zone, native, log } = options;
  const found = async (volume: string): Promise<RbdVolumeRecord | null> =>
    volume === '' ? null : ((await readRbdVolume(store, volume))?.record ?? null);
  const order = (volume: string, request: RbdOrderRequest): Promise<Changed> =>
    ordered(options, volume, request.operation, (record, now) =>
      record === null ? unknownVolume(volume) : decideRbdOrder(record, request, now),
    );
  return {
    ...native,
    'volume.enable': async (request, context) => {
      const { volume, vdisk: image, driver, from = null } = request;
      if (driver !== '' && driver !== 'native' && driver !== 'rbd')
        throw new SalvorError('invalid-driver', `expected native or rbd, found ${driver}`);
      const record = await found(volume);
      if (driver !== 'rbd') {
        if (record !== null)
          throw new SalvorError(
            'volume-exists',
            `volume ${volume} is image ${record.pool}/${record.image} in this zone; disable it first`,
          );
        return answeredBy(native, 'volume.enable')(request, context);
      }
      const operation = context.operationId;
      if (volume !== '' && (await readVolume(store, volume)) !== null)
        throw new SalvorError('volume-exists', `volume ${volume} is a vdisk in this zone; disable it first`);
      if (record === null && from === null) await assertImage(options, image);
      return ordered(options, volume, operation, (known, now) =>
        decideRbdEnable(known, { volume, image, from, operation }, factsOf(options), now),
      );
    },
    'volume.disable': async (request, context) => {
      const { volume, force } = request;
      const record = await found(volume);
      if (record === null) return answeredBy(native, 'volume.disable')(request, context);
      const operation = context.operationId;
      const role = (await readRbdSight(store, volume))?.role ?? null;
      return ordered(options, volume, operation, (known, now) => {
        if (known === null)
          return { outcome: 'already', reason: `there is no volume ${volume} in this zone` };
        const isForgotten = force || known.mode === null || role === 'none';
        if (isForgotten && known.orders.every(({ operation: other }) => other !== operation))
          return {
            ...{ outcome: 'applied', next: null, waitsFor: null },
            reason: `image ${known.pool}/${known.image} is a volume no more, and stays as it is${known.mode === null ? '' : ', with its mirroring'}`,
          };
        return decideRbdOrder(known, { operation, verb: 'detach', forget: true }, now);
      });
    },
    'volume.replicate': async (request, context) => {
      const { volume, to, everyMs, startAt, missed, bandwidthMib, compression } = request;
      if ((await found(volume)) === null) return answeredBy(native, 'volume.replicate')(request, context);
      if (bandwidthMib != null || compression != null)
        throw new SalvorError(
          'invalid-link',
          'the mirror daemons of Ceph bring it over: a volume has no bandwidth or compression of its own',
        );
      const seen = await readRbdSight(store, volume);
      const wanted = {
        ...{ volume, to, operation: context.operationId, mode: modeOf(request.mode) },
        ...{ everyMs: everyMs ?? null, startAt: startAt ?? null, missed: missedOf(missed ?? null) },
      };
      return ordered(options, volume, context.operationId, (record, now) =>
        record === null
          ? unknownVolume(volume)
          : decideRbdReplicate(record, wanted, factsOf(options), seen?.role ?? null, now),
      );
    },
    'volume.promote': async (request, context) => {
      const { volume, force, point } = request;
      if ((await found(volume)) === null) return answeredBy(native, 'volume.promote')(request, context);
      return order(volume, {
        operation: context.operationId,
        verb: 'promote',
        order: { force, name: point },
      });
    },
    'volume.demote': async (request, context) => {
      const { volume } = request;
      if ((await found(volume)) === null) return answeredBy(native, 'volume.demote')(request, context);
      return order(volume, { operation: context.operationId, verb: 'demote' });
    },
    'volume.resync': async (request, context) => {
      const { volume, discard = null } = request;
      if ((await found(volume)) === null) return answeredBy(native, 'volume.resync')(request, context);
      return order(volume, {
        operation: context.operationId,
        verb: 'resync',
        order: { name: discard ?? '' },
      });
    },
    'volume.clone': async (request, context) => {
      const { volume, point } = request;
      if ((await found(volume)) === null) throw await noImage(options, volume, 'salvor vdisk clone');
      const { made, ...changed } = await order(volume, {
        operation: context.operationId,
        verb: 'test-clone',
        order: { name: point },
      });
      return { ...changed, clone: made };
    },
    'volume.remove-clone': async (request, context) => {
      const { volume, clone } = request;
      if ((await found(volume)) === null) throw await noImage(options, volume, 'salvor vdisk delete');
      return order(volume, { operation: context.operationId, verb: 'remove-clone', order: { name: clone } });
    },
    'volume.compare': async (request, context) => {
      if ((await found(request.volume)) !== null) throw noLog(request.volume);
      return answeredBy(native, 'volume.compare')(request, context);
    },
    'volume.log': async (request, context) => {
      if ((await found(request.volume)) !== null) throw noLog(request.volume);
      return answeredBy(native, 'volume.log')(request, context);
    },
    'volume.status': async (request, context) => {
      const record = await found(request.volume);
      return record === null
        ? answeredBy(native, 'volume.status')(request, context)
        : { volume: await describeRbdVolume(store, zone, record) };
    },
    'volume.tell': async (request, context) => {
      const record = await found(request.told.volume);
      return record === null
        ? answeredBy(native, 'volume.tell')(request, context)
        : { volume: await describeRbdVolume(store, zone, record) };
    },
    'volume.list': async (request, context) => {
      const { volumes } = await answeredBy(native, 'volume.list')(request, context);
      const records = await listRbdVolumes(store, ({ message }) =>
        log.error({ error: message }, 'a volume is not listed: its record is bad'),
      );
      const images: VolumeDescriptionInit[] = await Promise.all(
        records.map((record) => describeRbdVolume(store, zone, record)),
      );
      const all = [...volumes, ...images];
      return { volumes: all.sort((a, b) => (a.volume < b.volume ? -1 : 1)) };
    },
  };
}

/** Decides, stores what came of it, and waits a moment for the end of what was ordered. */
async function ordered(
  { store }: RbdVolumeCommandsOptions,
  volume: string,
  operation: string,
  decide: (record: RbdVolumeRecord | null, now: number) => RbdDecision,
): Promise<Changed> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const stored = volume === '' ? null : await readRbdVolume(store, volume);
    const untold = stored?.record.done.find(
      (each) => each.operation === operation && each.state === 'refused',
    );
    if (stored !== null && untold !== undefined) {
      // It is told once, as whoever gave the order may not have waited; then the same order may be given again.
      const done = stored.record.done.filter((each) => each !== untold);
      await writeRbdVolume(store, volume, { ...stored.record, done }, stored.revision);
      throw new SalvorError(untold.code || 'refused', untold.reason);
    }
    const decision = decide(stored?.record ?? null, Date.now());
    if (decision.outcome === 'refused') throw new SalvorError(decision.code, decision.reason);
    const same = { volume, operation };
    if (decision.outcome === 'already') {
      const made = stored?.record.done.find((each) => each.operation === operation)?.made ?? '';
      return { ...same, outcome: 'already', reason: decision.reason, made };
    }
    const { next, reason, waitsFor } = decision;
    if (next !== (stored?.record ?? null)) {
      // A vdisk may have become the volume meanwhile.
      const compare = stored === null ? [{ key: volumeKey(volume), revision: 'absent' as const }] : [];
      const written = await writeRbdVolume(store, volume, next, stored?.revision ?? 'absent', compare);
      if (written === null) continue;
    }
    const end = waitsFor === null ? null : await endOf(store, volume, waitsFor);
    return { ...same, outcome: 'applied', reason: end?.reason ?? reason, made: end?.made ?? '' };
  }
  throw new SalvorError('conflict', `volume ${volume} was changed by others at every attempt; try again`);
}

/**
 * Null: it has not ended, and says nothing yet.
 *
 * @throws SalvorError with the code of what was refused, `unknown-outcome`: it is not known how it ended
 */
async function endOf(
  store: ConfigStore,
  volume: string,
  operation: string,
): Promise<Pick<Changed, 'reason' | 'made'> | null> {
  const until = performance.now() + ANSWER_MS;
  for (;;) {
    const record = (await readRbdVolume(store, volume))?.record;
    if (record === undefined) return { reason: `volume ${volume} is one no more in this zone`, made: '' };
    const waiting = record.orders.find((each) => each.operation === operation);
    if (waiting === undefined) {
      const mark = record.done.find((each) => each.operation === operation);
      if (mark?.state === 'done') return mark;
      if (mark !== undefined) throw new SalvorError(mark.code || 'refused', mark.reason);
      if (record.open?.operation === operation) throw new SalvorError('unknown-outcome', record.open.reason);
      return null;
    }
    if (performance.now() >= until)
      return waiting.reason === '' ? null : { reason: waiting.reason, made: '' };
    await pause(LOOK_EVERY_MS);
  }
}

/** @throws SalvorError `unknown-image`, `unreachable`, `no-cluster` */
async function assertImage({ zone, clusters }: RbdVolumeCommandsOptions, image: string): Promise<void> {
  const cluster = clusters(zone);
  if (cluster === null || !/^[^/@\s]{1,128}$/.test(image)) return;
  const info = await new RbdImage({ zone, ...cluster, image }).info();
  if (info.kind === 'silent')
    throw new SalvorError('unreachable', `the cluster of zone ${zone} cannot be asked: ${info.reason}`);
  if (info.value === null)
    throw new SalvorError('unknown-image', `zone ${zone} has no image ${cluster.pool}/${image}`);
}

function factsOf({ zone, peers, clusters }: RbdVolumeCommandsOptions): RbdZoneFacts {
  return { zone, peers, poolOf: (other) => clusters(other)?.pool ?? null };
}

function unknownVolume(volume: string): RbdDecision {
  return {
    ...{ outcome: 'refused', code: 'unknown-volume' },
    reason: `there is no volume ${volume} in this zone`,
  };
}

/** Of what only an image can do. */
async function noImage(
  { store, zone }: RbdVolumeCommandsOptions,
  volume: string,
  instead: string,
): Promise<SalvorError> {
  const isVdisk = volume !== '' && (await readVolume(store, volume)) !== null;
  return isVdisk
    ? new SalvorError('wrong-driver', `volume ${volume} is a vdisk: use '${instead}'`)
    : new SalvorError('unknown-volume', `there is no volume ${volume} in zone ${zone}`);
}

function noLog(volume: string): SalvorError {
  return new SalvorError('no-log', `volume ${volume} is an image of Ceph: it has no transaction log`);
}

function answeredBy<C extends keyof CommandHandlers>(
  native: CommandHandlers,
  command: C,
): NonNullable<CommandHandlers[C]> {
  const handler = native[command];
  if (handler === undefined) throw new SalvorError('internal', `nobody answers ${command}`);
  return handler;
}

const MODES = ['none', 'instant', 'one-time', 'periodic'] as const;

/** @throws SalvorError `invalid-mode` */
function modeOf(text: string): (typeof MODES)[number] | null {
  if (text === '') return null;
  const mode = MODES.find((each) => each === text);
  if (mode === undefined)
    throw new SalvorError('invalid-mode', `expected one of ${MODES.join(', ')}, found ${text}`);
  return mode;
}

/** @throws SalvorError `invalid-schedule` */
function missedOf(text: string | null): 'skip' | 'run-once' | null {
  if (text === null || text === 'skip' || text === 'run-once') return text;
  throw new SalvorError('invalid-schedule', `expected one of skip, run-once, found ${text}`);
}
