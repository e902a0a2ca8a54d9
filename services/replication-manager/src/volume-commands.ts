import type { CommandHandlers } from '@salvor/bus';
import {
  applyVolume,
  type ConfigStore,
  decideVolumeDemote,
  decideVolumeDisable,
  decideVolumeEnable,
  decideVolumePromote,
  decideVolumeReplicate,
  decideVolumeResync,
  type EnableFacts,
  listVolumes,
  type PeerNow,
  readVolume,
  type VolumeChange,
  type VolumeDecision,
  type VolumeFacts,
  type VolumeMode,
  type VolumeResult,
  volumeModes,
} from '@salvor/config-store';
import type { Outcome } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import { toldBy } from './peer-told.ts';
import type { PeerZones } from './peer-zones.ts';
import type { Announce } from './volume-announcer.ts';
import { describeVolume } from './volume-description.ts';

export interface VolumeCommandsOptions {
  readonly store: ConfigStore;
  readonly zone: string;
  readonly peers: PeerZones;
  readonly announce: Announce;
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
}: VolumeCommandsOptions): CommandHandlers {
  const order = async (
    kind: string,
    { operationId: _, ...request }: { readonly volume: string; readonly operationId?: string | undefined },
    operation: string,
    decide: (facts: VolumeFacts, now: number) => VolumeDecision,
    more: Partial<VolumeChange> = {},
  ): Promise<Changed> => {
    if (request.volume === '') throw new SalvorError('invalid-volume-id', 'volume ids must not be empty');
    const change = { volume: request.volume, order: { operation, kind, request, by: 'command' }, ...more };
    const result = await applyVolume(store, change, decide);
    announce(result);
    return accepted(result);
  };
  return {
    'volume.enable': (request, { operationId }) => {
      const { volume, vdisk, from = null } = request;
      const decide = (facts: VolumeFacts, now: number): VolumeDecision =>
        decideVolumeEnable(
          facts.record,
          { volume, vdisk, from },
          { zone, peers: peers.names, ...around(facts) },
          now,
        );
      return order('volume.enable', request, operationId, decide, { vdisk });
    },
    'volume.disable': (request, { operationId }) =>
      order('volume.disable', request, operationId, ({ record }) => decideVolumeDisable(record, request)),
    'volume.replicate': (request, { operationId }) => {
      const wanted = { ...request, mode: modeOf(request.mode) };
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
    'volume.status': async ({ volume }) => {
      const record = volume === '' ? null : await readVolume(store, volume);
      if (record === null)
        throw new SalvorError('unknown-volume', `there is no volume ${volume} in zone ${zone}`);
      return { volume: await describeVolume(store, zone, record) };
    },
    'volume.list': async () => {
      const records = await listVolumes(store);
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

/** @throws SalvorError with the code of what was refused */
function accepted({ outcome, code, reason, volume, operation }: VolumeResult): Changed {
  if (outcome === 'refused' || outcome === 'conflict') throw new SalvorError(code, reason);
  return { volume, operation, outcome, reason };
}
