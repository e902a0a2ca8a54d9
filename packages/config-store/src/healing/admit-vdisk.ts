import { operationKey } from '../keys.ts';
import { runningWork } from '../operations/running-work.ts';
import type { ConfigStore, Put, StoreEntry } from '../types.ts';
import { type RetryOptions, untilNoConflict } from './compare-and-set.ts';
import { markOf } from './operation-mark.ts';
import { recordIn } from './record-text.ts';
import { operationSchema } from './records.ts';
import type { VdiskAdmission, VdiskAdmissionCode } from './vdisk-admission.ts';

export interface AdmissionOptions extends RetryOptions {
  readonly operation: string;
  /** Who asks, for the audit trail. */
  readonly by: string;
  /** Unix milliseconds; default the clock of this process. */
  readonly now?: () => number;
}

export interface VdiskAdmissionResult {
  readonly outcome: 'applied' | 'already' | 'refused' | 'conflict';
  readonly code: VdiskAdmissionCode | 'conflict';
  readonly reason: string;
  readonly vdisk: string;
  readonly operation: string;
  /** When it was done, Unix milliseconds; also for a repeat. */
  readonly at?: number;
  /** Store revision at which it was applied: owners from before have a lower epoch, owners from after a higher one. */
  readonly revision?: string;
}

export type Entries = ReadonlyMap<string, StoreEntry | null>;

/** What was read, decided, and would be written. */
export interface Attempt {
  readonly canonical: string;
  readonly admission: VdiskAdmission;
  readonly entries: Entries;
  readonly puts: readonly Put[];
  readonly deletes: readonly string[];
  /** What goes on after the command was answered. */
  readonly work?: { readonly message: string; readonly total?: number; readonly checkpoint?: unknown };
}

/** Reads, decides and writes in one compared transaction, with the mark of the operation; again when others were faster. */
export async function admit(
  store: ConfigStore,
  vdisk: string,
  kind: string,
  { operation, by, now = Date.now, ...retry }: AdmissionOptions,
  read: () => Promise<Attempt | 'conflict'>,
): Promise<VdiskAdmissionResult> {
  const result = await untilNoConflict(async (): Promise<VdiskAdmissionResult | 'conflict'> => {
    const attempt = await read();
    if (attempt === 'conflict') return 'conflict';
    const { admission, entries, puts, deletes, work } = attempt;
    const { outcome, code, reason } = admission;
    const mark = recordIn(entries, operationKey(operation), operationSchema);
    const doneAt = outcome === 'already' && mark !== null ? { at: mark.at } : {};
    if (outcome !== 'applied') return { outcome, code, reason, vdisk, operation, ...doneAt };
    const at = now();
    const done = markOf({
      operation,
      kind,
      request: attempt.canonical,
      outcome,
      reason,
      answer: { vdisk, by },
      at,
      subject: vdisk,
      ...(work === undefined ? {} : { work: runningWork(work.message, at, work) }),
    });
    const stored = await store.transact({
      compare: [...entries].map(([key, entry]) => ({ key, revision: entry?.revision ?? 'absent' })),
      puts: [done, ...puts],
      deletes,
    });
    return stored.ok
      ? { outcome, code, reason, vdisk, operation, at, revision: stored.revision }
      : 'conflict';
  }, retry);
  if (result !== 'conflict') return result;
  const reason = `the configuration of vdisk ${vdisk} was changed by others at every attempt; try again`;
  return { outcome: 'conflict', code: 'conflict', reason, vdisk, operation };
}
