/** Which vdisks are volumes, and where their copies are. Pure. */
import { changed, refuseVolume, unchanged, unknownVolume, type VolumeDecision } from './volume-outcome.ts';
import {
  bandwidthMibMax,
  everyMsMax,
  everyMsMin,
  type LinkCompression,
  type MissedPolicy,
  unlimitedLink,
  type VolumeLink,
  type VolumeMode,
  type VolumeRecord,
  type VolumeSchedule,
  volumeScheduleSchema,
  volumeSchema,
} from './volume-records.ts';
import { sameSchedule } from './volume-schedule.ts';

export interface EnableRequest {
  readonly volume: string;
  readonly vdisk: string;
  /** Zone whose copy it is to be; null: it is the primary. */
  readonly from: string | null;
  /** Of the volume; a new one each time. */
  readonly incarnation: string;
}

export interface EnableFacts {
  /** This zone. */
  readonly zone: string;
  /** Zones that this one is configured to reach. */
  readonly peers: readonly string[];
  readonly vdiskExists: boolean;
  readonly hasLog: boolean;
  /** Another volume that the vdisk is already. */
  readonly otherVolume: string | null;
  /** Who uses it, and what is being done to it; null: nobody, nothing. */
  readonly owner: string | null;
  readonly busy: string | null;
}

export function decideVolumeEnable(
  record: VolumeRecord | null,
  { volume, vdisk, from, incarnation }: EnableRequest,
  facts: EnableFacts,
  now: number,
): VolumeDecision {
  if (!volumeSchema.shape.volume.safeParse(volume).success)
    return refuseVolume(
      'invalid-volume-id',
      `a volume id is 1 to 64 of A-Z a-z 0-9 _ : -, found ${JSON.stringify(volume)}`,
    );
  if (record !== null) {
    const isSame =
      record.vdisk === vdisk && (record.role === 'primary' ? from === null : from === record.peer);
    const found = `volume ${volume} is vdisk ${record.vdisk} in this zone, ${record.role}`;
    return isSame ? unchanged(found) : refuseVolume('volume-exists', `${found}; disable it first`);
  }
  if (!facts.vdiskExists) return refuseVolume('unknown-vdisk', `there is no vdisk ${vdisk} in this zone`);
  if (facts.otherVolume !== null)
    return refuseVolume('vdisk-taken', `vdisk ${vdisk} is volume ${facts.otherVolume} already`);
  if (!facts.hasLog)
    return refuseVolume(
      'no-log',
      `vdisk ${vdisk} has no transaction log, which replication needs; 'salvor tlog enable ${vdisk}' gives it one`,
    );
  if (facts.busy !== null) return refuseVolume('vdisk-busy', facts.busy);
  if (from !== null) {
    const refusal = peerFault(from, facts);
    if (refusal !== null) return refusal;
    if (facts.owner !== null)
      return refuseVolume(
        'vdisk-owned',
        `vdisk ${vdisk} is in use by ${facts.owner}; its content is going to be replaced: disconnect its clients first`,
      );
  }
  const reason =
    from === null
      ? `volume ${volume} is primary in zone ${facts.zone}`
      : `volume ${volume} becomes a copy of that of zone ${from}`;
  const isPrimary = from === null;
  return {
    outcome: 'applied',
    code: 'decided',
    reason,
    next: {
      ...{ volume, vdisk, reason, changedAt: now, lineage: [], begins: 0, sequence: null },
      ...{ begun: null, segment: null, kept: null, copy: null },
      ...{ promotion: null, promotionHeardAt: 0, divergence: null, rival: null, trouble: null, point: null },
      ...{ role: isPrimary ? 'primary' : 'secondary', phase: isPrimary ? 'serving' : 'copying' },
      generation: isPrimary
        ? { number: 1, zone: facts.zone, incarnation }
        : { number: 0, zone: from, incarnation: '' },
      ...{ known: isPrimary ? 1 : 0, peer: from, mode: isPrimary ? 'none' : 'instant' },
      ...{ link: unlimitedLink, schedule: null, sync: null, group: null },
    },
  };
}

/** @param force gives up a copy that is not complete, or writes that no other zone has */
export function decideVolumeDisable(
  record: VolumeRecord | null,
  { volume, force }: { readonly volume: string; readonly force: boolean },
): VolumeDecision {
  if (record === null) return unchanged(`there is no volume ${volume} in this zone`);
  if (record.role === 'secondary' && !force) {
    if (record.divergence !== null)
      return refuseVolume(
        'split-brain',
        `volume ${volume} has writes that zone ${record.divergence.other.zone} lacks; 'salvor volume disable --force' makes its vdisk ${record.vdisk} an ordinary one with them`,
      );
    if (record.sequence === null)
      return refuseVolume(
        'not-complete',
        `volume ${volume} is not complete (${record.phase}); 'salvor volume disable --force' makes its vdisk ${record.vdisk} an ordinary one as it is`,
      );
  }
  return {
    outcome: 'applied',
    code: 'decided',
    next: null,
    reason: `vdisk ${record.vdisk} is a volume no more, and stays as it is`,
  };
}

export interface ReplicateRequest {
  readonly volume: string;
  readonly to: string;
  /** Null, here and below: as it is. */
  readonly mode: VolumeMode | null;
  readonly bandwidthMib: number | null;
  readonly compression: LinkCompression | null;
  /** Of mode periodic. */
  readonly everyMs: number | null;
  /** Unix milliseconds; null: as it is, else from now on. */
  readonly startAt: number | null;
  readonly missed: MissedPolicy | null;
}

export function decideVolumeReplicate(
  record: VolumeRecord | null,
  request: ReplicateRequest,
  facts: Pick<EnableFacts, 'zone' | 'peers'>,
  now: number,
): VolumeDecision {
  if (record === null) return unknownVolume(request.volume);
  if (record.role !== 'primary')
    return refuseVolume(
      'wrong-role',
      `volume ${request.volume} is secondary in this zone: order it in zone ${record.peer}`,
    );
  const { volume, to, bandwidthMib } = request;
  const refusal = peerFault(to, facts);
  if (refusal !== null) return refusal;
  if (bandwidthMib !== null && !(bandwidthMib >= 0 && bandwidthMib <= bandwidthMibMax))
    return refuseVolume(
      'invalid-link',
      `expected a bandwidth of 0 (no limit) to ${bandwidthMibMax} MiB a second, found ${bandwidthMib}`,
    );
  const mode = request.mode ?? (record.mode === 'none' || record.peer !== to ? 'instant' : record.mode);
  const link: VolumeLink = {
    bandwidthMib: bandwidthMib ?? record.link.bandwidthMib,
    compression: request.compression ?? record.link.compression,
  };
  const schedule = scheduleOf(record, request, mode, now);
  if (typeof schedule === 'string') return refuseVolume('invalid-schedule', schedule);
  const reason =
    mode === 'none'
      ? `volume ${volume} is not replicated any more`
      : `volume ${volume} is replicated to zone ${to}, ${mode}${scheduleText(schedule)}${linkText(link)}`;
  const isSame = sameLink(record.link, link) && sameSchedule(record.schedule, schedule);
  if (record.peer === to && record.mode === mode && isSame) return unchanged(reason);
  if (record.peer !== null && record.peer !== to && record.mode !== 'none')
    return refuseVolume(
      'volume-exists',
      `volume ${volume} is replicated to zone ${record.peer}; end that first with mode none`,
    );
  return changed(record, { peer: to, mode, link, schedule }, reason, now);
}

/** A sentence when there is none that makes sense. */
function scheduleOf(
  { mode: before, schedule: known }: VolumeRecord,
  { mode: asked, everyMs, startAt, missed }: ReplicateRequest,
  mode: VolumeMode,
  now: number,
): VolumeSchedule | null | string {
  if (mode !== 'periodic' && (everyMs !== null || startAt !== null || missed !== null))
    return `an interval, a start and what becomes of missed slots belong to mode periodic, and the mode is ${mode}`;
  if (mode === 'one-time') {
    // Each order is a run of its own; one that is about something else is not.
    return asked === null && before === mode ? known : { everyMs: 0, startAt: now, missed: 'run-once' };
  }
  if (mode !== 'periodic') return null;
  const same = before === mode ? known : null;
  const wanted = {
    everyMs: everyMs ?? same?.everyMs,
    startAt: startAt ?? same?.startAt ?? now,
    missed: missed ?? same?.missed ?? 'run-once',
  };
  const parsed = volumeScheduleSchema.safeParse(wanted);
  if (parsed.success && parsed.data.everyMs > 0) return parsed.data;
  return `mode periodic needs an interval from ${everyMsMin} to ${everyMsMax} ms, and a start in Unix milliseconds; found ${wanted.everyMs ?? 'none'} and ${wanted.startAt}`;
}

function scheduleText(schedule: VolumeSchedule | null): string {
  if (schedule === null || schedule.everyMs === 0) return '';
  return `, every ${schedule.everyMs / 1_000} s from ${new Date(schedule.startAt).toISOString()} on`;
}

export function sameLink(a: VolumeLink, b: VolumeLink): boolean {
  return a.bandwidthMib === b.bandwidthMib && a.compression === b.compression;
}

function linkText({ bandwidthMib, compression }: VolumeLink): string {
  const limit = bandwidthMib === 0 ? '' : `, ${bandwidthMib} MiB a second at most`;
  return limit + (compression === 'none' ? '' : `, compressed (${compression})`);
}

function peerFault(
  zone: string,
  { zone: own, peers }: Pick<EnableFacts, 'zone' | 'peers'>,
): VolumeDecision | null {
  if (zone === own) return refuseVolume('unknown-zone', `zone ${zone} is this zone; name another one`);
  if (!peers.includes(zone))
    return refuseVolume(
      'unknown-zone',
      `zone ${zone} is not configured here; known are ${peers.join(', ') || 'none'}`,
    );
  return null;
}
