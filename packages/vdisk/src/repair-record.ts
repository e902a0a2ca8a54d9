import { type ConfigStore, putRepairRecord, repairsPrefix } from '@salvor/config-store';
import { type Logger, pause } from '@salvor/service-kit';
import type { RepairDue, RepairOutcome } from './pair-context.ts';
import { decideRecordingStep } from './recording-step.ts';

/** How long a write of a repair record may fail before it is tried again. */
const RECORD_RETRY_MS = 500;

export interface RepairRecording {
  readonly store: ConfigStore;
  readonly log: Logger;
  readonly server: string;
  readonly outcome: RepairOutcome;
  /** The epoch that proves the ownership now; null once the ownership ended. */
  readonly epoch: () => string | null;
}

/** Whether the repair of any vdisk onto this spare is on record. Throws StoreError when etcd does not answer. */
export async function isSpareInUse(
  store: ConfigStore,
  { incident, attempt, spareSince = attempt }: RepairDue,
): Promise<boolean> {
  for (let at = spareSince; at <= attempt; at++)
    if ((await store.list(repairsPrefix(incident, at))).entries.length > 0) return true;
  return false;
}

/**
 * Puts a finished repair on record, tried until it is written, no longer wanted, or the ownership has ended.
 *
 * @returns whether it is on record
 */
export async function recordRepair({
  store,
  log,
  server,
  outcome,
  epoch,
}: RepairRecording): Promise<boolean> {
  const { vdisk, cluster, shard, incident, attempt, dirtyBlocks, copiedBlocks, storedBlocks } = outcome;
  const counts = { dirtyBlocks, copiedBlocks, storedBlocks, repairMs: Math.round(outcome.repairMs) };
  const at = Date.now();
  for (;;) {
    const proof = epoch();
    if (proof === null) return false;
    try {
      const repair = { vdisk, incident, attempt, server, epoch: proof, ...counts, at };
      const result = await putRepairRecord(store, { cluster, shard, repair });
      const step = decideRecordingStep(result);
      if (step === 'recorded') return true;
      const about = { vdisk, incident, attempt, reason: result.reason };
      if (step === 'unwanted') {
        log.warn(about, 'a finished repair is no longer wanted');
        return false;
      }
      log.info(about, 'a finished repair is not on record yet, trying again');
    } catch (error) {
      log.warn({ vdisk, incident, error: String(error) }, 'could not record a finished repair, trying again');
    }
    await pause(RECORD_RETRY_MS);
  }
}
