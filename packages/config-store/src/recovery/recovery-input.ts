/** What may happen to a recovery, and the answer to it. */
import type { ClusterState } from '../healing/cluster-state.ts';
import type { ClosedIncident } from '../healing/records.ts';
import type { RecoveryRecord, RecoveryVdisk } from './recovery-record.ts';
import type { PairedClusters } from './surviving-configuration.ts';

export interface RecoveryOrder {
  readonly by: string;
  readonly operation: string;
}

/** Both members of pairs are gone: what would be done about it is written down. Changes nothing else. */
export interface PrepareRecovery extends RecoveryOrder {
  readonly kind: 'prepare';
  /** What the vdisks of the cluster have lost on the pairs that are down. */
  readonly vdisks: readonly RecoveryVdisk[];
  /** The configurations as they are stored, and the revision of etcd that they were read at. */
  readonly read: RecoveryRecord['before'];
  /** An operator says that the engines will not come back, whatever was judged. */
  readonly ordered: boolean;
}

/** Somebody has walked through the logs. */
export interface RecoveryMeasured extends RecoveryOrder {
  readonly kind: 'measured';
  readonly recovery: string;
  readonly attempt: number;
  readonly vdisks: readonly Pick<RecoveryVdisk, 'vdisk' | 'recoverable' | 'unproven' | 'why' | 'log'>[];
  readonly rate?: RecoveryRecord['rate'];
}

/** The surviving configuration is put in force, or a replay that was given up is begun again. */
export interface BeginRecovery extends RecoveryOrder {
  readonly kind: 'begin';
}

/** Every block was written; what was written is read once more. */
export interface RecoveryWritten extends RecoveryOrder {
  readonly kind: 'written';
  readonly recovery: string;
  readonly attempt: number;
}

export interface RecoveryFinished extends RecoveryOrder {
  readonly kind: 'finished';
  readonly recovery: string;
  readonly attempt: number;
  /** Vdisks that have everything back that their logs hold, in this attempt. */
  readonly restored: ReadonlySet<string>;
}

export interface CancelRecovery extends RecoveryOrder {
  readonly kind: 'cancel';
  readonly recovery?: string;
}

export interface RecoveryFailed extends RecoveryOrder {
  readonly kind: 'fail';
  readonly recovery: string;
  readonly attempt: number;
  readonly reason: string;
}

export type RecoveryInput =
  | PrepareRecovery
  | RecoveryMeasured
  | BeginRecovery
  | RecoveryWritten
  | RecoveryFinished
  | CancelRecovery
  | RecoveryFailed;

export type RecoveryCode =
  | 'prepared'
  | 'measured'
  | 'begun'
  | 'begun-again'
  | 'written'
  | 'done'
  | 'cancelled'
  | 'failed'
  | 'same-state'
  | 'nothing-lost'
  | 'not-permanent'
  | 'was-cancelled'
  | 'no-recovery'
  | 'stale-attempt'
  | 'under-way'
  | 'over'
  | 'engines-needed'
  | 'vdisks-missing'
  | 'wrong-role';

export interface RecoveryDecision {
  readonly outcome: 'applied' | 'already' | 'refused';
  readonly code: RecoveryCode;
  /** A sentence for the log and the operator. */
  readonly reason: string;
  /** What is to be stored; `after` of a recovery that begins is the revision that stores it. */
  readonly recovery?: RecoveryRecord;
  readonly clusters?: PairedClusters;
  readonly closed?: readonly ClosedIncident[];
}

export interface RecoveryState {
  /** The primary cluster, with its partner. */
  readonly cluster: ClusterState;
  readonly recovery: RecoveryRecord | null;
}
