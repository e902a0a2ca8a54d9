import { type BeyondEnd, type ConfigStore, type VdiskShape, vdiskSizeBytes } from '@salvor/config-store';
import { DeadlineError, SalvorError } from '@salvor/service-kit';
import { layoutOf, SCAN_START } from '@salvor/vdisk';
import type { EngineAccess } from './vdisk-blocks.ts';
import { clustersIn, placesOf, readerOf } from './vdisk-places.ts';

/** Names of blocks per step: an engine is busy with one for about a millisecond. */
const SCAN_BLOCKS = 2_048;
/** Who has that many blocks in the way need not know how many exactly. */
const COUNTED_MAX = 1_000_000;
/** Well within the time that a caller waits for the answer. */
const LOOK_TIMEOUT_MS = 30_000;

/**
 * Looks on every copy for blocks beyond the new end of a vdisk; null when there is none. Rejects when a copy cannot be
 * looked at: what is not seen may be there.
 */
export async function lookBeyond(
  store: ConfigStore,
  access: EngineAccess,
  vdisk: string,
  shape: VdiskShape,
  sizeGiB: number,
): Promise<BeyondEnd | null> {
  const { blockSize, type } = shape.static;
  if (type === 'boot')
    throw new SalvorError('unsupported-type', `vdisk ${vdisk} is of type boot, which cannot shrink`);
  const end = Math.floor(vdiskSizeBytes({ size: sizeGiB }) / blockSize);
  const blocks = Math.floor(vdiskSizeBytes(shape.static) / blockSize);
  const beyond = new Set<number>();
  const until = performance.now() + LOOK_TIMEOUT_MS;
  let last = -1;
  const places = await placesOf(store, clustersIn(shape.nbd));
  const shards = places.filter(({ role }) => role === 'primary').length;
  const layout = layoutOf(vdisk, shape.static, shards);
  const bits = layout.bitCount(blocks, shards);
  for (const place of places) {
    if (place.status === 'rip') continue;
    using reader = await readerOf(place, access);
    let cursor = SCAN_START;
    do {
      if (performance.now() > until)
        throw new DeadlineError(
          `the look at what vdisk ${vdisk} stores on ${place.address}`,
          LOOK_TIMEOUT_MS,
        );
      const page = await layout.scanStored(reader.ask, cursor, SCAN_BLOCKS, bits);
      for (const block of page.blocks) {
        if (block < end) continue;
        beyond.add(block);
        last = Math.max(last, block);
      }
      cursor = page.cursor;
    } while (cursor !== SCAN_START && beyond.size < COUNTED_MAX);
  }
  return beyond.size === 0 ? null : { blocks: beyond.size, last, atLeast: beyond.size >= COUNTED_MAX };
}
