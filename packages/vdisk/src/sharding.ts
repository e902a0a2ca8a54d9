/**
 * Which shard holds a block: 0-Disk's placement, so that its servers find the same blocks.
 * Source: 0-Disk's storage cluster walk with the jump consistent hash of Lamping and Veach (2014).
 */

/** Tells whether a shard takes part in placement; only `rip` shards do not. */
export type UsableShard = (shard: number) => boolean;

/**
 * The shard (0-based position in the cluster's server list) of object `index`.
 *
 * @param index block index, a safe integer >= 0
 * @param shards length of the full server list, `rip` entries included
 * @throws RangeError when no shard is usable
 */
export function placeBlock(index: number, shards: number, usable: UsableShard): number {
  const home = index % shards;
  if (usable(home)) return home;
  assertAnyUsable(shards, usable);
  for (let walked = index; ; walked++) {
    const shard = jumpHash(walked, shards);
    if (usable(shard)) return shard;
  }
}

function assertAnyUsable(shards: number, usable: UsableShard): void {
  for (let shard = 0; shard < shards; shard++) if (usable(shard)) return;
  throw new RangeError(`no usable shard among ${shards}: every server of the cluster is rip`);
}

function jumpHash(index: number, buckets: number): number {
  let key = BigInt(index);
  let bucket = 0;
  let next = 0;
  while (next < buckets) {
    bucket = next;
    key = BigInt.asUintN(64, key * 2862933555777941757n + 1n);
    next = Math.trunc((bucket + 1) * (2 ** 31 / Number((key >> 33n) + 1n)));
  }
  return bucket;
}
