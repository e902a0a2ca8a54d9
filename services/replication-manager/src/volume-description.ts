import {
  type ConfigStore,
  decideSchedule,
  noSync,
  parseTlogConfig,
  parseVdiskStatic,
  readVolumeView,
  tlogConfigKey,
  type VolumeCut,
  type VolumeGroup,
  type VolumeRecord,
  vdiskSizeBytes,
  vdiskStaticKey,
  volumeView,
} from '@salvor/config-store';
import type { VolumeCutInit, VolumeDescriptionInit, VolumeGroupInit } from '@salvor/contracts';

/** After this long without a word from whoever keeps a volume, what it saw last says nothing any more. */
const VIEW_MAX_AGE_MS = 10_000;

/** A volume as this zone sees it. Throws StoreError, ConfigValueError. */
export async function describeVolume(
  store: ConfigStore,
  zone: string,
  record: VolumeRecord,
): Promise<VolumeDescriptionInit> {
  const { volume, vdisk, generation, lineage, divergence, point, promotion, copy } = record;
  const [{ entries }, seen] = await Promise.all([
    store.getMany([vdiskStaticKey(vdisk), tlogConfigKey(vdisk)]),
    readVolumeView(store, volume),
  ]);
  const fixed = entries.get(vdiskStaticKey(vdisk)) ?? null;
  const config = entries.get(tlogConfigKey(vdisk)) ?? null;
  const log = config === null ? null : parseTlogConfig(vdisk, config.value);
  const shape = fixed === null ? null : parseVdiskStatic(fixed.value);
  const isFresh = seen !== null && Date.now() - seen.at < VIEW_MAX_AGE_MS;
  const { status, conditions } = volumeView(record, {
    reachable: isFresh && seen.reachable,
    behind: isFresh && seen.level ? 0 : null,
    reason: seen === null || !isFresh ? 'no replication-manager keeps it in step now' : seen.reason,
  });
  const isSecondary = record.role === 'secondary';
  return {
    ...{ zone, volume, vdisk, role: record.role, status, phase: record.phase, reason: record.reason },
    conditions: conditions.map((each) => ({ ...each })),
    ...{
      ...{ generation: generation.number, generationZone: generation.zone },
      ...{ incarnation: generation.incarnation, begins: record.begins },
      mode: record.mode,
      ...{ bandwidthMib: record.link.bandwidthMib, compression: record.link.compression },
    },
    lineage: lineage.map(({ generation: { number, zone: held, incarnation }, ends, segment }) => ({
      ...{ number, zone: held, incarnation, ends },
      ...(segment === null ? {} : { segment }),
    })),
    ...(record.begun === null ? {} : { begun: record.begun }),
    ...(record.sequence === null ? {} : { sequence: record.sequence }),
    ...{ container: log?.container ?? 0, logBegins: log?.begins.number ?? 0 },
    ...{ sizeBytes: shape === null ? 0 : vdiskSizeBytes(shape), blockSize: shape?.blockSize ?? 0 },
    ...(record.peer === null ? {} : { peer: record.peer }),
    ...(seen?.peerSeenAt == null ? {} : { peerSeenAt: seen.peerSeenAt }),
    ...(isSecondary && seen !== null && record.sequence !== null
      ? { lag: { level: seen.level, bytes: seen.bytes, ms: lagOf(record, seen), observedAt: seen.at } }
      : {}),
    ...(promotion === null ? {} : { promotion: promotion.operation, promotionAt: promotion.at }),
    ...(divergence === null
      ? {}
      : {
          divergence: {
            ...{ zone: divergence.other.zone, generation: divergence.other.number, at: divergence.at },
            ...(divergence.fork === null
              ? {}
              : {
                  forkGeneration: divergence.fork.generation.number,
                  forkSequence: divergence.fork.sequence,
                }),
            ...(divergence.records === null ? {} : { records: divergence.records }),
          },
        }),
    ...(point === null
      ? {}
      : {
          point: {
            ...{ generation: point.generation.number, zone: point.generation.zone, number: point.number },
            ...{
              sequence: point.sequence,
              ownSequence: point.ownSequence,
              writtenAt: point.writtenAt,
              at: point.at,
              bytes: point.bytes,
              ...(point.beganAt === null ? {} : { beganAt: point.beganAt }),
            },
          },
        }),
    ...(copy === null
      ? {}
      : {
          copy: {
            ...{ way: copy.way, reason: copy.reason, next: copy.next, blocks: copy.blocks },
            ...{ sentBlocks: copy.sentBlocks, sentBytes: copy.sentBytes, hashBytes: copy.hashBytes },
            ...{ beganAt: copy.beganAt, ...(copy.endedAt === null ? {} : { endedAt: copy.endedAt }) },
          },
        }),
    ...(record.schedule === null ? {} : { schedule: { ...record.schedule } }),
    ...(isSecondary ? syncOf(record) : {}),
    ...(record.group === null ? {} : { group: groupOf(record.group) }),
    changedAt: record.changedAt,
  };
}

function groupOf({
  name,
  members,
  made,
  released,
  reached,
  reason,
  hinderedAt,
}: VolumeGroup): VolumeGroupInit {
  return {
    ...{ group: name, members: [...members], reason },
    made: made.map(cutOf),
    ...(released === null ? {} : { released: cutOf(released) }),
    reached: reached.map(({ id, number, at, ownSequence }) => ({ id, number, at, ownSequence })),
    ...(hinderedAt === null ? {} : { hinderedAt }),
  };
}

function cutOf({ id, number, at, generation, segment }: VolumeCut): VolumeCutInit {
  const { number: held, zone, incarnation } = generation;
  return { id, number, at, generation: held, generationZone: zone, incarnation, segment };
}

function syncOf({ schedule, sync }: VolumeRecord): Pick<VolumeDescriptionInit, 'sync'> {
  if (schedule === null) return {};
  const { slotAt, run, runs, missed, overlaps, last } = sync ?? noSync;
  const next = decideSchedule(schedule, { slotAt, run }, Date.now());
  return {
    sync: {
      ...{ runs, missed, overlaps },
      ...(slotAt === null ? {} : { slotAt }),
      ...(next.kind === 'wait' && next.until !== null ? { nextAt: next.until } : {}),
      ...(run === null ? {} : { runningSince: run.beganAt }),
      ...(last === null
        ? {}
        : { lastBeganAt: last.beganAt, lastEndedAt: last.endedAt, lastSequence: last.sequence }),
    },
  };
}

function lagOf(
  { schedule, sync }: VolumeRecord,
  { level, writtenAt }: { readonly level: boolean; readonly writtenAt: number },
): number {
  if (schedule !== null && sync?.last != null) return Math.max(0, Date.now() - sync.last.beganAt);
  return level || writtenAt === 0 ? 0 : Math.max(0, Date.now() - writtenAt);
}
