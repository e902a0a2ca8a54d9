/** Names of what Salvor keeps on a storage engine, beside 0-Disk's own keys. */

/** HASH, field = decimal block index, value = raw block; an all-zero block is an absent field (0-Disk's nondeduped layout). */
export function blocksKey(vdisk: string): string {
  return `nondedup:${vdisk}`;
}

/** STRING, the blocks of one chunk, each with its checksum (native layout). */
export function chunkKey(vdisk: string, chunk: number): string {
  return `salvor:chunk:${vdisk}:${chunk}`;
}

/** STRING, a page of the packed checksums of the blocks whose home is shard `home` (native layout). */
export function sumsKey(vdisk: string, home: number, page: number): string {
  return `salvor:sums:${vdisk}:${home}:${page}`;
}

/** STRING, canonical JSON of {@link EngineIdentity}: who this engine is. */
export const identityKey = 'salvor:identity';

/** STRING, decimal owner epoch: the fencing token of the vdisk on this engine. */
export function epochKey(vdisk: string): string {
  return `salvor:epoch:${vdisk}`;
}

/** HASH, the engine's place in the vdisk's write history: see `write-history.ts`. */
export function writesKey(vdisk: string): string {
  return `salvor:writes:${vdisk}`;
}

/** STRING used as a bitmap: the blocks that the partner of this engine lacks. Which bit is which block's, the layout says. */
export function dirtyKey(vdisk: string): string {
  return `salvor:dirty:${vdisk}`;
}

/**
 * STRING on an engine under repair: the preparation of it to which copies that may land belong. Set when the engine is
 * prepared, removed when its repair is done. Every copy watches it, so that the engine itself refuses a copy that was
 * still on its way when its attempt ended and the next one began.
 */
export function copyGuardKey(vdisk: string): string {
  return `salvor:copies:${vdisk}`;
}

/** Prefixes of the keys of the native layout, of which a vdisk has many. */
export function nativePrefixes(vdisk: string): { readonly chunks: string; readonly sums: string } {
  return { chunks: `salvor:chunk:${vdisk}:`, sums: `salvor:sums:${vdisk}:` };
}

/** Whether a key with one of the vdisk's prefixes is its own: the id of another vdisk may begin with `<vdisk>:`. */
export function isNativeKey(vdisk: string, key: string): boolean {
  const { chunks, sums } = nativePrefixes(vdisk);
  if (key.startsWith(chunks)) return /^\d+$/.test(key.slice(chunks.length));
  return key.startsWith(sums) && /^\d+:\d+$/.test(key.slice(sums.length));
}

/** Every key of one vdisk on an engine for deletion, but for those of {@link nativePrefixes}. */
export function vdiskKeys(vdisk: string): string[] {
  return [blocksKey(vdisk), epochKey(vdisk), writesKey(vdisk), dirtyKey(vdisk), copyGuardKey(vdisk)];
}

/** What an engine claims to be. `generation` rises each time another engine takes over the shard. */
export interface EngineIdentity {
  readonly cluster: string;
  readonly role: 'primary' | 'slave';
  readonly shard: number;
  readonly generation: number;
}

/** The exact bytes stored under {@link identityKey}; equality of identities is equality of these. */
export function identityText(identity: EngineIdentity): string {
  const { cluster, role, shard, generation } = identity;
  return JSON.stringify({ cluster, role, shard, generation });
}
