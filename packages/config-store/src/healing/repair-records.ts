/** The owner of a vdisk says that its blocks are back, for one attempt of one incident. */
import { incidentKey, incidentRepairsPrefix, ownerKey, repairKey, repairsPrefix } from '../keys.ts';
import type { ConfigStore } from '../types.ts';
import { type RetryOptions, untilNoConflict } from './compare-and-set.ts';
import { formatRecord, parseRecord, recordIn } from './record-text.ts';
import { incidentSchema, type RepairRecord, repairSchema } from './records.ts';
import { decideRepairRecord } from './repair-record-decision.ts';

export interface RepairRecordRequest {
  readonly cluster: string;
  readonly shard: number;
  /** `epoch` is the create revision of the owner key under which the blocks were copied. */
  readonly repair: RepairRecord;
}

export interface RepairRecordResult {
  readonly outcome: 'applied' | 'already' | 'refused' | 'conflict';
  readonly code:
    | 'recorded'
    | 'same-state'
    | 'not-owner'
    | 'incident-not-open'
    | 'stale-attempt'
    | 'not-under-repair'
    | 'conflict';
  readonly reason: string;
}

/**
 * Records a repair in the transaction that proves that the writer still owns the vdisk, and that the attempt
 * is still the one under repair: an owner that was fenced, or a repair of an attempt that ended, records nothing.
 *
 * @throws StoreError when etcd does not answer, ConfigValueError when a stored value cannot be used.
 */
export async function putRepairRecord(
  store: ConfigStore,
  { cluster, shard, repair }: RepairRecordRequest,
  options: RetryOptions = {},
): Promise<RepairRecordResult> {
  const keys = {
    owner: ownerKey(repair.vdisk),
    incident: incidentKey(cluster, shard),
    repair: repairKey(repair.incident, repair.attempt, repair.vdisk),
  };
  const result = await untilNoConflict(async (): Promise<RepairRecordResult | 'conflict'> => {
    const { entries } = await store.getMany(Object.values(keys));
    const decision = decideRepairRecord(
      {
        isRecorded: recordIn(entries, keys.repair, repairSchema) !== null,
        epoch: entries.get(keys.owner)?.createRevision ?? null,
        incident: recordIn(entries, keys.incident, incidentSchema),
      },
      repair,
    );
    if (decision.outcome !== 'applied') return decision;
    const stored = await store.transact({
      compare: [
        { key: keys.owner, createRevision: repair.epoch },
        { key: keys.incident, revision: entries.get(keys.incident)?.revision ?? 'absent' },
        { key: keys.repair, revision: 'absent' },
      ],
      puts: [{ key: keys.repair, value: formatRecord(repairSchema, keys.repair, repair) }],
    });
    return stored.ok ? decision : 'conflict';
  }, options);
  if (result !== 'conflict') return result;
  const reason = `the incident ${repair.incident} was changed by others at every attempt; try again`;
  return { outcome: 'conflict', code: 'conflict', reason };
}

/** All repairs recorded for one attempt of an incident, in the order of vdisk ids. Throws as putRepairRecord. */
export async function listRepairRecords(
  store: ConfigStore,
  incident: string,
  attempt: number,
): Promise<RepairRecord[]> {
  const { entries } = await store.list(repairsPrefix(incident, attempt));
  return entries.map(({ key, value }) => parseRecord(repairSchema, key, value));
}

/** The attempts of an incident in which the repair of this vdisk was recorded, in no order. Throws StoreError when etcd does not answer. */
export async function listRepairedAttempts(
  store: ConfigStore,
  incident: string,
  vdisk: string,
): Promise<number[]> {
  const prefix = incidentRepairsPrefix(incident);
  const { entries } = await store.list(prefix);
  return entries
    .map(({ key }) => key.slice(prefix.length).split('/'))
    .filter(([, repaired]) => repaired === vdisk)
    .map(([attempt]) => Number(attempt));
}
