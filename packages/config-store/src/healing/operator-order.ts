/** What an operator orders about an engine, an incident or a repair. Each says who, and why: both are kept in the incident. */
import type { DataLoss, EngineRef } from './records.ts';

interface Order {
  readonly by: string;
  readonly reason: string;
  readonly operation: string;
}

/** The vdisks with blocks on a cluster. A vdisk whose configuration cannot be read counts as one with a single copy. */
export interface VdisksAt {
  /** Their blocks are on this cluster only. */
  readonly single: readonly string[];
  /** Their blocks are on the partner too. */
  readonly mirrored: readonly string[];
}

/** A planned outage: the partner serves until `bring-online`. */
export interface TakeOffline extends Order {
  readonly kind: 'take-offline';
  readonly address: string;
  readonly vdisks: VdisksAt;
  /** Although data becomes unavailable. */
  readonly force: boolean;
}

/** An engine that is held, or judged by nobody, is to serve again. */
export interface BringOnline extends Order {
  readonly kind: 'bring-online';
  readonly address: string;
  /** Whether a write was acknowledged that the engine does not have. Only a known `false` lets it back without a repair. */
  readonly missedWrites?: boolean;
  /** What the operator gives up, as far as it is known; without it, nothing may be lost. */
  readonly accepts?: Pick<DataLoss, 'vdisks'>;
}

/** A planned removal: a spare is filled from the partner and takes the place. */
export interface RetireEngine extends Order {
  readonly kind: 'retire';
  readonly address: string;
  readonly vdisks: VdisksAt;
  /** This spare, and no other. */
  readonly onto?: EngineRef;
}

/** Somebody has seen the incident; an engine that flaps is judged again. */
export interface AcknowledgeIncident extends Order {
  readonly kind: 'acknowledge';
  readonly incident: string;
}

export interface CancelRepair extends Order {
  readonly kind: 'cancel-repair';
  readonly incident: string;
}

/** Goes on with a cancelled repair, or begins one that is under way anew. */
export interface RetryRepair extends Order {
  readonly kind: 'retry-repair';
  readonly incident: string;
  /** Only of this vdisk, whose owner is to try again at once. */
  readonly vdisk?: string;
  /** Only of a repair that was cancelled. */
  readonly resumes?: boolean;
  /** Vdisks with a repair on record in the attempt that is open. */
  readonly repaired: ReadonlySet<string>;
}

export type OperatorOrder =
  | TakeOffline
  | BringOnline
  | RetireEngine
  | AcknowledgeIncident
  | CancelRepair
  | RetryRepair;
