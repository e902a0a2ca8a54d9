/** 0-Disk's placement, from its description and independent of the one that is tested. */
export function place(index: number, servers: number, rip: ReadonlySet<number>): number {
  const first = index % servers;
  if (!rip.has(first)) return first;
  for (let key = BigInt(index); ; key += 1n) {
    const shard = jump(key, servers);
    if (!rip.has(shard)) return shard;
  }
}

/** Jump consistent hash (Lamping, Veach: "A Fast, Minimal Memory, Consistent Hash Algorithm"). */
function jump(from: bigint, buckets: number): number {
  let key = from;
  let bucket = 0;
  let next = 0;
  while (next < buckets) {
    bucket = next;
    key = BigInt.asUintN(64, key * 2862933555777941757n + 1n);
    next = Math.trunc((bucket + 1) * (2 ** 31 / Number((key >> 33n) + 1n)));
  }
  return bucket;
}

/** The blocks of a device that are stored, by shard and index: a block of zeros is not. */
export function stockBlocks(
  device: ReadonlyMap<number, Buffer>,
  servers: number,
  rip: ReadonlySet<number>,
): Map<number, Buffer>[] {
  const shards = Array.from({ length: servers }, () => new Map<number, Buffer>());
  for (const [index, content] of device) {
    if (content.some((byte) => byte !== 0)) shards[place(index, servers, rip)]?.set(index, content);
  }
  return shards;
}
