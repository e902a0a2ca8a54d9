/** Whether a finished repair counts. Pure. */
import type { IncidentRecord, RepairRecord } from './records.ts';
import type { RepairRecordResult } from './repair-records.ts';

export interface RepairRecordState {
  /** Whether the repair of this vdisk in this attempt is on record. */
  readonly isRecorded: boolean;
  /** Create revision of the owner key, null while nobody owns the vdisk. */
  readonly epoch: string | null;
  /** The open incident of the shard. */
  readonly incident: IncidentRecord | null;
}

/** It counts for its owner alone, and for the attempt that is still under repair. */
export function decideRepairRecord(
  { isRecorded, epoch, incident }: RepairRecordState,
  repair: RepairRecord,
): RepairRecordResult {
  const about = `repair of ${repair.vdisk} in incident ${repair.incident}, attempt ${repair.attempt}`;
  const refuse = (code: RepairRecordResult['code'], why: string): RepairRecordResult => {
    return { outcome: 'refused', code, reason: `the ${about} is not recorded: ${why}` };
  };
  if (isRecorded)
    return { outcome: 'already', code: 'same-state', reason: `the ${about} is recorded already` };
  if (epoch !== repair.epoch) {
    return refuse(
      'not-owner',
      `${repair.server} owned it in epoch ${repair.epoch}, it is now ${epoch ?? 'free'}`,
    );
  }
  if (incident === null || incident.id !== repair.incident) {
    return refuse('incident-not-open', 'the incident is not open');
  }
  if (incident.attempt !== repair.attempt) {
    return refuse('stale-attempt', `attempt ${incident.attempt} is open`);
  }
  if (incident.status === 'offline') return refuse('not-under-repair', `${incident.address} is offline`);
  return { outcome: 'applied', code: 'recorded', reason: `the ${about} is recorded` };
}
