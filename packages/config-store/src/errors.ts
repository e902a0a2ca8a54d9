import { SalvorError } from '@salvor/service-kit';

/** One wrong place in a stored value: where it is, what is there, and what would be accepted. */
export interface ConfigProblem {
  /** Path inside the value, such as `servers[2].state`; empty for the value as a whole. */
  readonly path: string;
  /** What was found, shortened for display. */
  readonly found: string;
  readonly expected: string;
}

/** A value that the 0-Disk readers, or Salvor, would refuse. `problems` names every wrong place found. */
export class ConfigValueError extends SalvorError {
  declare readonly details: readonly ConfigProblem[];

  constructor(what: string, problems: readonly ConfigProblem[]) {
    super('invalid-config', `${what} is not valid: ${problems.map(describeProblem).join('; ')}`, problems);
  }
}

function describeProblem({ path, found, expected }: ConfigProblem): string {
  return `${path === '' ? 'the value' : path} is ${found}, expected ${expected}`;
}

/**
 * - `store-unavailable`: no answer from etcd within the deadline; a transaction may still have been applied
 * - `store-closed`: the store was closed by its owner
 * - `store-refused`: etcd answered with an error that a retry cannot cure
 * - `invalid-transaction`: too many operations, or a key written twice
 * - `invalid-key`: an id that cannot be part of a key
 * - `compacted`: etcd does not hold that revision any more
 * - `future-revision`: etcd has not reached that revision
 * - `lease-lost`: the lease named in a put no longer exists
 */
export type StoreErrorCode =
  | 'store-unavailable'
  | 'store-closed'
  | 'store-refused'
  | 'invalid-transaction'
  | 'invalid-key'
  | 'compacted'
  | 'future-revision'
  | 'lease-lost';

export class StoreError extends SalvorError {
  declare readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, [], options);
  }
}
