import { errno, maxPayloadBytes } from './constants.ts';

/**
 * What an NBD export serves. Offsets and lengths are in bytes, inside the device, of any alignment, and any of these
 * calls may be in flight together. A rejection may carry `nbdErrno`; without one the client sees EIO.
 *
 * All connections of an export must see one device: a write that was answered on one of them is seen by reads and
 * covered by `flush` on all of them, because every export is advertised with CAN_MULTI_CONN.
 */
export interface BlockDevice {
  readonly sizeBytes: number;
  /** Advertised as the preferred block size: a power of two. */
  readonly blockSizeBytes: number;
  readonly readOnly: boolean;
  /**
   * Resolves with exactly `lengthBytes` bytes, at most 32 MiB, which stay unchanged until `recycle`; or with null when
   * nothing of the range is stored, so that all of it reads as zeroes.
   */
  read(offsetBytes: number, lengthBytes: number): Promise<Buffer | null>;
  /** `data`, at most 32 MiB, is stable until the promise settles; the device must not look at it afterwards. */
  write(offsetBytes: number, data: Buffer): Promise<void>;
  /** `lengthBytes` may reach 4 GiB - 1: the device splits the work and yields between the parts. */
  zero(offsetBytes: number, lengthBytes: number): Promise<void>;
  trim(offsetBytes: number, lengthBytes: number): Promise<void>;
  /** Resolves when every write that had been answered when it was called is durable. */
  flush(): Promise<void>;
  /**
   * Which parts of the range are stored, in order and without gaps, from its first byte on. May cover only a prefix of
   * the range, never nothing; `lengthBytes` may reach 4 GiB - 1. What is not allocated reads as zeroes.
   */
  extents(offsetBytes: number, lengthBytes: number): Promise<readonly Extent[]>;
  /** Gets each buffer of `read` back once its bytes are with the kernel, so that a device can pool them. */
  recycle?(data: Buffer): void;
}

export interface Extent {
  readonly lengthBytes: number;
  readonly allocated: boolean;
}

export interface ExportDescription {
  sizeBytes: number;
  blockSizeBytes: number;
  readOnly: boolean;
  description?: string;
}

export interface OpenExport {
  device: BlockDevice;
  description?: string;
  /** Called once per successful open, after the last request of that connection settled. */
  close(): Promise<void>;
}

/** The exports of a server. The empty name means the default export. Rejections are `ExportError`s. */
export interface Exports {
  list(): Promise<string[]>;
  /** Answers NBD_OPT_INFO; must not start the device when it can be avoided. */
  describe(name: string): Promise<ExportDescription>;
  open(name: string): Promise<OpenExport>;
}

export type ExportErrorCode = 'unknown' | 'policy' | 'shutdown';

/** Why an export cannot be described or opened; the message is sent to the client. */
export class ExportError extends Error {
  readonly code: ExportErrorCode;
  constructor(code: ExportErrorCode, message: string) {
    super(message);
    this.name = 'ExportError';
    this.code = code;
  }
}

/** What clients are told about an opened export. */
export function describeOpen({ device, description }: OpenExport): ExportDescription {
  const { sizeBytes, blockSizeBytes, readOnly } = device;
  return checkedDescription({ sizeBytes, blockSizeBytes, readOnly, ...(description && { description }) });
}

/** Throws a RangeError when the protocol has no way to express these sizes. */
export function checkedDescription(about: ExportDescription): ExportDescription {
  const { sizeBytes, blockSizeBytes } = about;
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
    throw new RangeError(`device size must be an integer of bytes below 2^53, found ${sizeBytes}`);
  }
  if (!Number.isInteger(Math.log2(blockSizeBytes)) || blockSizeBytes > maxPayloadBytes) {
    throw new RangeError(`block size must be a power of two of at most 32 MiB, found ${blockSizeBytes}`);
  }
  return about;
}

const wireErrnos: ReadonlySet<number> = new Set(Object.values(errno));

/**
 * What a client is told of a failed device call. An error that carries an `nbdErrno` is meant for clients, message and
 * all; of any other they learn that it is an EIO.
 */
export function wireFailure(error: unknown): { errorNumber: number; message: string } {
  if (error instanceof Error && 'nbdErrno' in error) {
    const { nbdErrno, message } = error;
    if (typeof nbdErrno === 'number' && wireErrnos.has(nbdErrno)) return { errorNumber: nbdErrno, message };
  }
  return { errorNumber: errno.eio, message: 'the device failed; see the log of the server' };
}
