import type { BlockDevice } from './block-device.ts';
import { command, commandFlag, errno, maxPayloadBytes } from './constants.ts';
import { ProtocolViolation, type Request } from './requests.ts';
import type { Session } from './session.ts';

export type ServedDevice = Pick<BlockDevice, 'sizeBytes' | 'blockSizeBytes' | 'readOnly'>;

/**
 * The error number a request must be refused with, or 0. A refused WRITE still brings its payload.
 * Throws ProtocolViolation for a WRITE that is too long to read past.
 */
export function refusalOf(request: Request, device: ServedDevice, session: Session): number {
  const { type, flags, lengthBytes } = request;
  if (type === command.write && lengthBytes > maxPayloadBytes) {
    throw new ProtocolViolation(`a WRITE of ${lengthBytes} bytes is above the maximum of ${maxPayloadBytes}`);
  }
  if ((flags & ~legalFlags(type, session)) !== 0) return errno.einval;
  switch (type) {
    case command.read:
      if (!isInside(request, device)) return errno.einval;
      return lengthBytes > maxPayloadBytes ? errno.eoverflow : 0;
    case command.write:
      if (device.readOnly) return errno.eperm;
      return isInside(request, device) ? 0 : errno.enospc;
    case command.writeZeroes:
      if (device.readOnly) return errno.eperm;
      if (!isInside(request, device)) return errno.enospc;
      return (flags & commandFlag.fastZero) !== 0 && !isWholeBlocks(request, device) ? errno.enotsup : 0;
    case command.trim:
      if (device.readOnly) return errno.eperm;
      return isInside(request, device) ? 0 : errno.einval;
    case command.flush:
      return request.offsetBytes === 0 && lengthBytes === 0 ? 0 : errno.einval;
    case command.cache:
      return isInside(request, device) ? 0 : errno.einval;
    case command.blockStatus:
      // An answer without a single extent would mean nothing.
      return session.allocation && lengthBytes > 0 && isInside(request, device) ? 0 : errno.einval;
    case command.disconnect:
      return 0;
    default:
      return errno.einval;
  }
}

/** FUA is legal with every command, and means something only for those that change data (proto.md, "Request flags"). */
function legalFlags(type: number, session: Session): number {
  switch (type) {
    case command.read:
      return session.structuredReplies ? commandFlag.fua | commandFlag.dontFragment : commandFlag.fua;
    case command.writeZeroes:
      return commandFlag.fua | commandFlag.noHole | commandFlag.fastZero;
    case command.blockStatus:
      return commandFlag.fua | commandFlag.requestOne;
    default:
      return commandFlag.fua;
  }
}

/** What is told with a refusal where there is room for text. */
export function refusalMessage(errorNumber: number): string {
  switch (errorNumber) {
    case errno.einval:
      return 'expected a command and flags that were agreed on, and a range inside the export';
    case errno.eoverflow:
      return `expected at most ${maxPayloadBytes} bytes`;
    case errno.eshutdown:
      return 'the server is shutting down: connect anew';
    default:
      return 'refused';
  }
}

/** Written so that no sum can pass 2^53: offsets from the wire reach 2^64. */
function isInside({ offsetBytes, lengthBytes }: Request, { sizeBytes }: ServedDevice): boolean {
  return lengthBytes <= sizeBytes && offsetBytes <= sizeBytes - lengthBytes;
}

/** Zeroing whole blocks only frees them; the edge of a block has to be read and written. */
function isWholeBlocks(request: Request, { sizeBytes, blockSizeBytes }: ServedDevice): boolean {
  const end = request.offsetBytes + request.lengthBytes;
  return request.offsetBytes % blockSizeBytes === 0 && (end % blockSizeBytes === 0 || end === sizeBytes);
}
