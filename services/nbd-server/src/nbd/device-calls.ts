import type { BlockDevice } from './block-device.ts';
import { allocationStatus } from './block-status.ts';
import { command, commandFlag } from './constants.ts';
import type { Request } from './requests.ts';
import type { NbdTraffic, TimedRequest } from './traffic.ts';

/** The data of a READ, null for one of which nothing is stored; the payload of a BLOCK_STATUS; nothing for the others. */
export type DeviceAnswer = Buffer | null | undefined;

/** Never throws: a device that does rejects. Reads and plain writes, nearly all requests, cost no promise beside the device's own. */
export function runOnDevice(
  device: BlockDevice,
  request: Request,
  payload: Buffer | undefined,
): Promise<DeviceAnswer> {
  try {
    const { type, flags, offsetBytes, lengthBytes } = request;
    if (type === command.read) return device.read(offsetBytes, lengthBytes);
    if (type === command.write && payload !== undefined && (flags & commandFlag.fua) === 0)
      return device.write(offsetBytes, payload) as Promise<undefined>;
    return runOther(device, request, payload);
  } catch (error) {
    return Promise.reject(error);
  }
}

async function runOther(
  device: BlockDevice,
  request: Request,
  payload: Buffer | undefined,
): Promise<DeviceAnswer> {
  const { type, offsetBytes, lengthBytes } = request;
  switch (type) {
    case command.flush:
      await device.flush();
      return undefined;
    case command.blockStatus:
      return allocationStatus(await device.extents(offsetBytes, lengthBytes), request);
    case command.write:
      if (payload === undefined) throw new Error('a WRITE without payload');
      await device.write(offsetBytes, payload);
      break;
    case command.trim:
      await device.trim(offsetBytes, lengthBytes);
      break;
    case command.writeZeroes:
      await device.zero(offsetBytes, lengthBytes);
      break;
    default:
      throw new Error(`no device call for request type ${type}`);
  }
  // This write counts as answered from here on, so a flush covers it (proto.md, NBD_CMD_FLAG_FUA).
  if ((request.flags & commandFlag.fua) !== 0) await device.flush();
  return undefined;
}

/** A device that answers a READ with another number of bytes would put the client out of step. */
export function wrongLength({ type, lengthBytes }: Request, data: DeviceAnswer): Error | undefined {
  if (type !== command.read || data === null || data?.length === lengthBytes) return undefined;
  return new Error(`the device read ${data?.length} bytes, expected ${lengthBytes}`);
}

export function timedAs({ type, flags }: Request): TimedRequest {
  // A write with FUA waits for what a flush waits for.
  if (type === command.flush || (flags & commandFlag.fua) !== 0) return 'flush';
  return type === command.read ? 'read' : type === command.write ? 'write' : 'other';
}

export function countRequest(traffic: NbdTraffic, { type, lengthBytes }: Request): void {
  switch (type) {
    case command.read:
      traffic.reads += 1;
      traffic.readBytes += lengthBytes;
      break;
    case command.write:
      traffic.writes += 1;
      traffic.writtenBytes += lengthBytes;
      break;
    case command.flush:
      traffic.flushes += 1;
      break;
    case command.trim:
      traffic.trims += 1;
      break;
    case command.writeZeroes:
      traffic.zeroes += 1;
      break;
    case command.cache:
      traffic.caches += 1;
      break;
    case command.blockStatus:
      traffic.blockStatuses += 1;
      break;
  }
}
