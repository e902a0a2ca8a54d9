import { isZero } from '../batch.ts';
import { errno, VdiskIoError } from '../errors.ts';
import type { BlockLayout } from '../layout/block-layout.ts';
import { NondedupedLayout } from '../layout/nondeduped.ts';
import type { RespValue } from '../resp.ts';
import { HASH_BYTES } from './content-hash.ts';

/**
 * The sectors of a deduped vdisk's block map (0-Disk's LBA sectors): slot i mod 128 of sector floor(i / 128) is the
 * content hash of block i; 32 zero bytes = the block is zeros. A sector without hashes is stored as nothing.
 */
export const SLOTS_PER_SECTOR = 128;
export const SECTOR_BYTES: number = SLOTS_PER_SECTOR * HASH_BYTES;

/** HASH on the engines, field = decimal sector number, value = the sector. */
export function sectorsKey(vdisk: string): string {
  return `lba:${vdisk}`;
}

/** The block map as blocks of a pair's write history: sector n on the shard of n. */
export function sectorLayout(vdisk: string): BlockLayout {
  return new NondedupedLayout(vdisk, SECTOR_BYTES, sectorsKey(vdisk));
}

export function sectorOf(block: number): number {
  return Math.floor(block / SLOTS_PER_SECTOR);
}

export function sectorsOf(sizeBytes: number, blockSizeBytes: number): number {
  return Math.ceil(Math.floor(sizeBytes / blockSizeBytes) / SLOTS_PER_SECTOR);
}

/** The hash in a slot, null = no block. The bytes are the sector's own. */
export function hashIn(sector: Buffer | null, slot: number): Buffer | null {
  if (sector === null) return null;
  const hash = sector.subarray(slot * HASH_BYTES, (slot + 1) * HASH_BYTES);
  return isZero(hash) ? null : hash;
}

/** Every hash that a sector names. */
export function* hashesIn(sector: Buffer | null): Generator<Buffer> {
  for (let slot = 0; slot < SLOTS_PER_SECTOR; slot++) {
    const hash = hashIn(sector, slot);
    if (hash !== null) yield hash;
  }
}

/**
 * The sector that an engine answered with.
 *
 * @throws VdiskIoError `malformed-sector` when it has not the length of a sector: what it names is not to be guessed
 */
export function parseSector(vdisk: string, sector: number, value: RespValue | undefined): Buffer | null {
  if (value == null) return null;
  if (Buffer.isBuffer(value) && value.length === SECTOR_BYTES) return value;
  const found = Buffer.isBuffer(value) ? `${value.length} bytes` : typeof value;
  throw new VdiskIoError(
    'malformed-sector',
    `vdisk ${vdisk}: field ${sector} of ${sectorsKey(vdisk)} should be ${SECTOR_BYTES} bytes, found ${found}; restore it, or delete the field to give its ${SLOTS_PER_SECTOR} blocks up`,
    errno.io,
  );
}
