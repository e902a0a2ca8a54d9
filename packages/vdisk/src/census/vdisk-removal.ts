import { type EngineIdentity, epochKey, identityKey, identityText, vdiskKeys } from '../engine-keys.ts';
import { EngineError } from '../errors.ts';
import { Frame } from '../resp.ts';
import { keysOfVdisk } from './engine-census.ts';
import { type EnginePlaceOptions, EngineReader, infoField } from './engine-reader.ts';
import { memoryLike } from './vdisk-usage.ts';

export interface RemovalOptions extends EnginePlaceOptions {
  readonly vdisk: string;
  /** Decimal revision of etcd: keys that a later owner has used belong to a vdisk that was created since. */
  readonly untilEpoch: string;
  /** Who the engine must be; one that has no identity at all is empty, or new, and is cleaned as well. */
  readonly identity: EngineIdentity;
  /** Whether to look for every key of the vdisk: where its layout spreads it over many, and where nobody knows its layout. */
  readonly search: boolean;
}

export interface Removal {
  /** `newer`: the keys belong to a vdisk that was created later under the same id, and were left alone. */
  readonly outcome: 'removed' | 'newer';
  readonly keys: number;
  /** Memory of the keys before, as the engine estimates it. */
  readonly bytes: number;
}

/**
 * Checks and removes in one step, so that a call that comes late finds the epoch of whoever came in between. The engine only
 * unlinks here: it gives the memory back in the background, and other clients do not wait for that.
 */
const REMOVE = `
local identity = redis.call('GET', KEYS[1])
if identity and identity ~= ARGV[1] then return {'identity', identity} end
local epoch = redis.call('GET', KEYS[2])
if epoch and tonumber(epoch) > tonumber(ARGV[2]) then return {'newer', epoch} end
return {'removed', tostring(redis.call('UNLINK', unpack(KEYS, 3)))}`;

/** Keys per call of the script. */
const REMOVE_KEYS_MAX = 256;
/** Keys whose memory is asked for; it stands for that of the others. */
const KEYS_WEIGHED_MAX = 128;

/** Keys of a vdisk looked for in one round. */
const FOUND_KEYS_MAX = 10_000;

/** Removes the keys of one vdisk from one engine. Rejects with EngineError. */
export async function removeVdisk(options: RemovalOptions): Promise<Removal> {
  const { vdisk, search } = options;
  using reader = await EngineReader.open(options, null);
  if (!search) return await removeKeys(reader, options, vdiskKeys(vdisk));
  let sum: Removal = { outcome: 'removed', keys: 0, bytes: 0 };
  for (;;) {
    const keys = await keysOfVdisk(reader, vdisk, FOUND_KEYS_MAX);
    if (keys.length === 0) return sum;
    const { outcome, ...removed } = await removeKeys(reader, options, keys);
    sum = { outcome, keys: sum.keys + removed.keys, bytes: sum.bytes + removed.bytes };
    if (outcome === 'newer') return sum;
  }
}

async function removeKeys(
  reader: EngineReader,
  { vdisk, untilEpoch, identity }: RemovalOptions,
  keys: readonly string[],
): Promise<Removal> {
  const bytes = await memoryLike(reader, keys.slice(0, KEYS_WEIGHED_MAX), keys.length);
  const wanted = identityText(identity);
  // The epoch guards the others, so it goes last.
  const ordered = [...keys.filter((key) => key !== epochKey(vdisk)), epochKey(vdisk)];
  let removed = 0;
  for (let from = 0; from < ordered.length; from += REMOVE_KEYS_MAX) {
    const all = [identityKey, epochKey(vdisk), ...ordered.slice(from, from + REMOVE_KEYS_MAX)];
    const [reply] = await reader.ask(
      new Frame().command('EVAL', REMOVE, all.length, ...all, wanted, untilEpoch),
    );
    const [outcome, detail] = (Array.isArray(reply) ? reply : []).map(String);
    if (outcome === 'newer') return { outcome, keys: removed, bytes: 0 };
    if (outcome !== 'removed') {
      throw new EngineError(
        'identity-mismatch',
        `engine ${reader.address}: expected identity ${wanted}, found ${detail ?? 'none'}; nothing is removed there`,
      );
    }
    removed += Number(detail);
  }
  return { outcome: 'removed', keys: removed, bytes };
}

export interface EngineMemory {
  readonly usedBytes: number;
  /** Objects that are unlinked and whose memory is not given back yet. */
  readonly pendingObjects: number;
}

export async function engineMemory(reader: EngineReader): Promise<EngineMemory> {
  const [info] = await reader.ask(new Frame().command('INFO', 'memory'));
  return {
    usedBytes: Number(infoField(info, 'used_memory') ?? 0),
    pendingObjects: Number(infoField(info, 'lazyfree_pending_objects') ?? 0),
  };
}
