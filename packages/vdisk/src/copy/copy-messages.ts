import type { EngineLogin } from '../engine-login.ts';
import type { EngineFault } from '../errors.ts';
import type { LayoutSpec } from '../layout/layout-spec.ts';

/** One engine of a job. */
export interface CopyEnd {
  readonly address: string;
  readonly unixSocket?: string | undefined;
  readonly db: number;
  readonly login?: EngineLogin | undefined;
}

/** A pair of engines between which blocks are copied or compared. */
export interface CopyJobSpec {
  readonly layout: LayoutSpec;
  readonly epoch: string;
  /** The preparation of the target under which blocks may be stored there; compared, not copied, when it is null. */
  readonly guard: string | null;
  readonly source: CopyEnd;
  readonly target: CopyEnd;
  readonly connectTimeoutMs: number;
  readonly commandTimeoutMs: number;
}

/** How the blocks of a step get to the target. */
export type CopyHow =
  /** Everything that the source stores is stored, and what it does not store is removed. */
  | 'all'
  /** Like `all`, where the target holds nothing that would have to be removed. */
  | 'stored'
  /** Both sides are read; only what differs is stored or removed. */
  | 'differing';

export type CopyRequest =
  | { readonly kind: 'open'; readonly job: number; readonly spec: CopyJobSpec }
  | {
      readonly kind: 'copy';
      readonly job: number;
      readonly id: number;
      readonly blocks: readonly number[];
      readonly how: CopyHow;
    }
  | {
      readonly kind: 'compare';
      readonly job: number;
      readonly id: number;
      readonly blocks: readonly number[];
    }
  | { readonly kind: 'close'; readonly job: number };

/** `stored`: blocks with data written to the target. `differing`: blocks whose hashes differ. */
export interface StepResult {
  readonly stored: number;
  readonly differing: readonly number[];
}

/** What went wrong in a step, in a form that can cross between threads. */
export interface StepFault {
  readonly side: 'source' | 'target';
  readonly kind: 'engine' | 'fenced' | 'superseded' | 'other';
  readonly fault: EngineFault | null;
  readonly message: string;
}

export type CopyAnswer =
  | { readonly id: number; readonly result: StepResult }
  | { readonly id: number; readonly fault: StepFault };
