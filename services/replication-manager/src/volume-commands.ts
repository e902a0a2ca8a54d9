import { randomUUID } from 'node:crypto';
import type { CommandHandlers, LogStreamPort } from '@salvor/bus';
import {
  applyVolume,
  type ConfigStore,
  decideVolumeDemote,
  decideVolumeDisable,
  decideVolumeEnable,
  decideVolumePeer,
  decideVolumePromote,
  decideVolumeReplicate,
  decideVolumeResync,
  type EnableFacts,
  listVolumes,
  type MissedPolicy,
  missedPolicies,
  type PeerNow,
  rbdVolumeKey,
  readVolume,
  type VolumeChange,
  type VolumeDecision,
  type VolumeFacts,
  type VolumeMode,
  type VolumeResult,
  volumeModes,
} from '@salvor/config-store';
import { isId, type Outcome, type VolumeDescriptionInit } from '@salvor/contracts';
import { type Logger, SalvorError } from '@salvor/service-kit';
import type { ComparedSource } from './compared-source.ts';
import { compressionOf } from './packed-data.ts';
import { toldBy } from './peer-told.ts';
import type { PeerZones } from './peer-zones.ts';
import { servedLog } from './served-log.ts';
import type { Announce } from './volume-announcer.ts';
import { describeVolume } from './volume-description.ts';

export interface VolumeCommandsOptions {
  readonly store: ConfigStore;
  readonly zone: string;
  readonly peers: PeerZones;
  readonly announce: Announce;
  readonly log: Logger;
  readonly compared: ComparedSource;
  readonly streams: Pick<LogStreamPort, 'readWindow'>;
}

interface Changed {
  readonly volume: string;
  readonly operation: string;
  readonly outcome: Outcome;
  readonly reason: string;
}

/** The commands about volumes, as one zone answers them. */
export function volumeCommandHandlers({
  store,
  zone,
  peers,
  announce,
  log,
  compared,
  streams,
}: VolumeCommandsOptions): CommandHandlers {
  const order = async (
    kind: string,
    { operationId: _, ...request }: { readonly volume: string; readonly operationId?: string | undefined },
    operation: string,
    decide: (facts: VolumeFacts, now: number) => VolumeDecision,
    more: Partial<VolumeChange> = {},
  ): Promise<Changed> => {
    if (!isId(request.volume))
      throw new SalvorError(
        'invalid-volume-id',
        `volume: expected 1 to 64 of A-Z a-z 0-9 _ : -, found ${JSON.stringify(request.volume.slice(0, 100))}`,
      );
    const change = { volume: request.volume, order: { operation, kind, request, by: 'command' }, ...more };
    const result = await applyVolume(store, change, decide);
    announce(result);
    return accepted(result);
  };
  const described = async (volume: string): Promise<VolumeDescriptionInit> => {
    const record = volume === '' ? null : await readVolume(store, volume);
    if (record !== null) return describeVolume(store, zone, record);
    throw new SalvorError('unknown-volume', `there is no volume ${volume} in zone ${zone}`);
  };
  return {
    'volume.enable': (request, { operationId }) => {
      const { volume, vdisk, from = null } = request;
      const incarnation = randomUUID().slice(0, 8);
      const decide = (facts: VolumeFacts, now: number): VolumeDecision =>
        decideVolumeEnable(
          facts.record,
          { volume, vdisk, from, incarnation },
          { zone, peers: peers.names, ...around(facts) },
          now,
        );
      // An image may have become the volume meanwhile.
      const compare = volume === '' ? [] : [{ key: rbdVolumeKey(volume), revision: 'absent' as const }];
      return order('volume.enable', request, operationId, decide, { vdisk, compare });
    },
    'volume.disable': (request, { operationId }) =>
      order('volume.disable', request, operationId, ({ record }) => decideVolumeDisable(record, request)),
    'volume.replicate': (request, { operationId }) => {
      const wanted = {
        ...{ volume: request.volume, to: request.to, bandwidthMib: request.bandwidthMib ?? null },
        mode: request.mode === '' ? null : modeOf(request.mode),
        ...{ everyMs: request.everyMs ?? null, startAt: request.startAt ?? null },
        missed: request.missed == null ? null : missedOf(request.missed),
        compression: request.compression == null ? null : compressionOf(request.compression),
      };
      return order('volume.replicate', request, operationId, ({ record }, now) =>
        decideVolumeReplicate(record, wanted, { zone, peers: peers.names }, now),
      );
    },
    'volume.promote': async (request, { operationId }) => {
      const record = request.volume === '' ? null : await readVolume(store, request.volume);
      const peer =
        request.force || record?.peer == null ? null : await askPeer(peers, record.peer, request.volume);
      return order('volume.promote', request, operationId, (facts, now) =>
        decideVolumePromote(facts.record, { ...request, operation: operationId }, peer, now),
      );
    },
    'volume.demote': (request, { operationId }) =>
      order('volume.demote', request, operationId, ({ record, owner }, now) =>
        decideVolumeDemote(record, request, owner, now),
      ),
    'volume.resync': (request, { operationId }) => {
      const { volume, discard = null } = request;
      return order('volume.resync', request, operationId, ({ record }, now) =>
        decideVolumeResync(record, { volume, zone, discard }, now),
      );
    },
    'volume.compare': (request) => compared.answer(request),
    'volume.log': (request) => servedLog({ store, streams, zone }, request),
    'volume.status': async ({ volume }) => ({ volume: await described(volume) }),
    'volume.tell': async ({ told: description }) => {
      const { volume, zone: from } = description;
      if (!peers.names.includes(from))
        throw new SalvorError(
          'unknown-zone',
          `zone ${from} is not configured here (SALVOR_ZONE_PEERS); known are ${peers.names.join(', ') || 'none'}`,
        );
      if (volume !== '' && (await readVolume(store, volume)) !== null) {
        const told = toldBy(from, description);
        const hears = ({ record }: VolumeFacts, now: number): VolumeDecision =>
          decideVolumePeer(record, { volume, zone }, told, now);
        announce(await applyVolume(store, { volume }, hears));
      }
      return { volume: await described(volume) };
    },
    'volume.list': async () => {
      const records = await listVolumes(store, ({ message }) =>
        log.error({ error: message }, 'a volume is not listed: its record is bad'),
      );
      return { volumes: await Promise.all(records.map((record) => describeVolume(store, zone, record))) };
    },
  };
}

function around({
  vdiskExists,
  hasLog,
  volumeOfVdisk,
  owner,
  busy,
}: VolumeFacts): Omit<EnableFacts, 'zone' | 'peers'> {
  return { vdiskExists, hasLog, otherVolume: volumeOfVdisk, owner, busy };
}

async function askPeer(peers: PeerZones, zone: string, volume: string): Promise<PeerNow> {
  try {
    const description = await peers.status(zone, volume);
    return description === null ? null : toldBy(zone, description);
  } catch (error) {
    if (error instanceof SalvorError && error.code === 'peer-unreachable') return null;
    throw error;
  }
}

/** @throws SalvorError `invalid-mode` */
function modeOf(text: string): VolumeMode {
  const mode = volumeModes.find((each) => each === text);
  if (mode === undefined)
    throw new SalvorError('invalid-mode', `expected one of ${volumeModes.join(', ')}, found ${text}`);
  return mode;
}

/** @throws SalvorError `invalid-schedule` */
function missedOf(text: string): MissedPolicy {
  const policy = missedPolicies.find((each) => each === text);
  if (policy === undefined)
    throw new SalvorError('invalid-schedule', `expected one of ${missedPolicies.join(', ')}, found ${text}`);
  return policy;
}

/** @throws SalvorError with the code of what was refused */
function accepted({ outcome, code, reason, volume, operation }: VolumeResult): Changed {
  if (outcome === 'refused' || outcome === 'conflict') throw new SalvorError(code, reason);
  return { volume, operation, outcome, reason };
}
