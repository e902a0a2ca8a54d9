import type { Extent } from './block-device.ts';
import { allocationContext, allocationFlag, commandFlag } from './constants.ts';
import type { Request } from './requests.ts';

/** More extents are left to the client's next request: an answer may cover a prefix of what was asked. */
export const maxExtentsPerReply = 1024;

/** No answer is longer; the memory of one is bounded like that of data. */
export const maxStatusBytes = 4 + 8 * maxExtentsPerReply;

/**
 * The payload of a BLOCK_STATUS chunk in the context `base:allocation`: u32 context id, then u32 length and u32 flags of
 * each extent, neighbours of one kind merged. Throws an Error when the device told nothing about the first byte.
 */
export function allocationStatus(extents: readonly Extent[], request: Request): Buffer {
  const mostExtents = (request.flags & commandFlag.requestOne) !== 0 ? 1 : maxExtentsPerReply;
  const merged = merge(extents, request.lengthBytes, mostExtents);
  if (merged.length === 0) throw new Error('the device told nothing about the extents of a range');
  const payload = Buffer.allocUnsafe(4 + 8 * merged.length);
  let at = payload.writeUInt32BE(allocationContext.id, 0);
  for (const { lengthBytes, allocated } of merged) {
    at = payload.writeUInt32BE(lengthBytes, at);
    at = payload.writeUInt32BE(allocated ? 0 : allocationFlag.hole | allocationFlag.zero, at);
  }
  return payload;
}

function merge(extents: readonly Extent[], mostBytes: number, mostExtents: number): Extent[] {
  const merged: { lengthBytes: number; allocated: boolean }[] = [];
  let leftBytes = mostBytes;
  for (const extent of extents) {
    const lengthBytes = Math.min(extent.lengthBytes, leftBytes);
    if (lengthBytes <= 0) continue;
    const last = merged.at(-1);
    if (last?.allocated === extent.allocated) last.lengthBytes += lengthBytes;
    else if (merged.length === mostExtents) break;
    else merged.push({ lengthBytes, allocated: extent.allocated });
    leftBytes -= lengthBytes;
  }
  return merged;
}
