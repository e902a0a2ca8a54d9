/** Names of what Salvor keeps on a storage engine, beside 0-Disk's own keys. */

/** HASH, field = decimal block index, value = raw block; an all-zero block is an absent field (0-Disk's nondeduped layout). */
export function blocksKey(vdisk: string): string {
  return `nondedup:${vdisk}`;
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

/** Every key of one vdisk on an engine, for deletion. */
export function vdiskKeys(vdisk: string): string[] {
  return [blocksKey(vdisk), epochKey(vdisk), writesKey(vdisk), dirtyKey(vdisk)];
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
