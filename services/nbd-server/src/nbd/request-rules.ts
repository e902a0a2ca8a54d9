import type { BlockDevice } from './block-device.ts';
import { command, commandFlag, errno, maxPayloadBytes } from './constants.ts';
import { ProtocolViolation, type Request } from './requests.ts';

/** The features of a session that change which requests are legal; structured replies and contexts will add here. */
export type ServedDevice = Pick<BlockDevice, 'sizeBytes' | 'readOnly'>;

/** FUA is legal with every command, and means something only for those that change data (proto.md, "Request flags"). */
const legalFlags: ReadonlyMap<number, number> = new Map([
  [command.read, commandFlag.fua],
  [command.write, commandFlag.fua],
  [command.disconnect, commandFlag.fua],
  [command.flush, commandFlag.fua],
  [command.trim, commandFlag.fua],
  [command.writeZeroes, commandFlag.fua | commandFlag.noHole],
]);

/**
 * The error number a request must be refused with, or 0. A refused WRITE still brings its payload.
 * Throws ProtocolViolation for a WRITE that is too long to read past.
 */
export function refusalOf(request: Request, device: ServedDevice): number {
  const { type, flags, lengthBytes } = request;
  if (type === command.write && lengthBytes > maxPayloadBytes) {
    throw new ProtocolViolation(`a WRITE of ${lengthBytes} bytes is above the maximum of ${maxPayloadBytes}`);
  }
  const legal = legalFlags.get(type);
  if (legal === undefined || (flags & ~legal) !== 0) return errno.einval;
  switch (type) {
    case command.read:
      if (!isInside(request, device)) return errno.einval;
      return lengthBytes > maxPayloadBytes ? errno.eoverflow : 0;
    case command.write:
    case command.writeZeroes:
      if (device.readOnly) return errno.eperm;
      return isInside(request, device) ? 0 : errno.enospc;
    case command.trim:
      if (device.readOnly) return errno.eperm;
      return isInside(request, device) ? 0 : errno.einval;
    case command.flush:
      return request.offsetBytes === 0 && lengthBytes === 0 ? 0 : errno.einval;
    default:
      return 0;
  }
}

/** Written so that no sum can pass 2^53: offsets from the wire reach 2^64. */
function isInside({ offsetBytes, lengthBytes }: Request, { sizeBytes }: ServedDevice): boolean {
  return lengthBytes <= sizeBytes && offsetBytes <= sizeBytes - lengthBytes;
}
