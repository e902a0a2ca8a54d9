import { SalvorError } from '@salvor/service-kit';

/** Why an engine cannot serve. Each is told apart because each calls for another verdict. */
export type EngineFault =
  | 'unreachable'
  | 'timeout'
  | 'loading'
  | 'refused-command'
  | 'login-refused'
  | 'identity-lost'
  | 'identity-mismatch'
  | 'epoch-lost'
  | 'tail-lost'
  | 'protocol'
  | 'corrupt';

/** An engine failed: what was expected, what was found. */
export class EngineError extends SalvorError {
  readonly fault: EngineFault;
  constructor(fault: EngineFault, message: string) {
    super(`engine-${fault}`, message);
    this.fault = fault;
  }
}

/**
 * Whether what an engine answered refuses the login: NOAUTH and WRONGPASS, what Redis before 6 says, and NOPERM, which is about the
 * user and not about the engine.
 */
export function refusesLogin(message: string): boolean {
  return /^(NOAUTH|WRONGPASS|NOPERM|ERR invalid password)/.test(message);
}

/** What failed was a link to an engine as etcd recorded it before: it says nothing about the one that is meant now. */
export class OutdatedLinkError extends EngineError {
  constructor(address: string, found: EngineError) {
    super(
      'unreachable',
      `what etcd records changed while engine ${address} was being connected: ${found.message}`,
    );
  }
}

/** Blocks on an engine do not match their checksums. The engine itself works: its other blocks are read from it. */
export class CorruptBlocksError extends EngineError {
  readonly blocks: readonly number[];
  constructor(address: string, blocks: readonly number[]) {
    const named = blocks.slice(0, NAMED_BLOCKS_MAX).join(', ');
    const what =
      blocks.length > NAMED_BLOCKS_MAX ? `${named} and ${blocks.length - NAMED_BLOCKS_MAX} more` : named;
    super('corrupt', `engine ${address}: expected blocks that match their checksums, found others: ${what}`);
    this.blocks = blocks;
  }
}

/** Blocks that a message names. */
const NAMED_BLOCKS_MAX = 8;

/** The engine holds a higher epoch: another process owns the vdisk. No failure of the engine. */
export class FencedError extends SalvorError {
  constructor(message: string) {
    super('fenced', message);
  }
}

/** An I/O error for one request, with the NBD error number it is reported as. */
export class VdiskIoError extends SalvorError {
  readonly nbdErrno: number;
  constructor(code: string, message: string, nbdErrno: number) {
    super(code, message);
    this.nbdErrno = nbdErrno;
  }
}

/** NBD error numbers used by the data plane (NBD protocol, "Error values"). */
export const errno = { io: 5, invalid: 22, noSpace: 28, permission: 1, shutdown: 108 } as const;
