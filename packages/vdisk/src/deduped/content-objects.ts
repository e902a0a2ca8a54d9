import type { StoredObject } from '../batch.ts';
import { writesKey } from '../engine-keys.ts';
import type { EngineSession } from '../engine-session.ts';
import { Frame } from '../resp.ts';
import { HASH_BYTES } from './content-hash.ts';

/** STRING on the engines: the collection of garbage that may remove content there. */
export const collectorKey = 'salvor:collection';

/**
 * SET on the engines, used by the collection of garbage: content that nothing seemed to name when it was last looked at.
 * Whoever stores content takes it off again in the same transaction.
 */
export const garbageKey = 'salvor:garbage';

/** 6 bytes hold a batch number, as in the ring. */
const SEQ_BYTES = 6;
/** Field of the write history: number of the last batch with objects, and their keys. */
const NOTE = 'objects';

/** Adds the commands that store objects; storing one again keeps it from the collection of garbage. */
export function addObjects(frame: Frame, objects: readonly StoredObject[]): void {
  if (objects.length === 0) return;
  frame.begin(1 + 2 * objects.length).arg('MSET');
  for (const { key, value } of objects) frame.arg(key).arg(value);
  frame
    .begin(2 + objects.length)
    .arg('SREM')
    .arg(garbageKey);
  for (const { key } of objects) frame.arg(key);
}

/** The same for a batch meant for both members, noting what a partner that lost just this batch would lack. */
export function addNotedObjects(
  frame: Frame,
  vdisk: string,
  seq: number,
  objects: readonly StoredObject[],
): void {
  const note = Buffer.alloc(SEQ_BYTES);
  note.writeUIntLE(seq, 0, SEQ_BYTES);
  frame.command('HSET', writesKey(vdisk), NOTE, Buffer.concat([note, ...objects.map(({ key }) => key)]));
  addObjects(frame, objects);
}

/** Adds the objects of the last batch that the engine of `from` applied, if it had any. */
export async function addLastObjects(frame: Frame, from: EngineSession, vdisk: string): Promise<void> {
  const [note] = await from.request(new Frame().command('HGET', writesKey(vdisk), NOTE));
  if (!Buffer.isBuffer(note) || note.length < SEQ_BYTES) return;
  if (note.readUIntLE(0, SEQ_BYTES) !== from.head.seq) return;
  const keys: Buffer[] = [];
  for (let at = SEQ_BYTES; at + HASH_BYTES <= note.length; at += HASH_BYTES)
    keys.push(note.subarray(at, at + HASH_BYTES));
  if (keys.length === 0) return;
  const [values] = await from.request(new Frame().command('MGET', ...keys));
  if (!Array.isArray(values)) return;
  const found = keys.flatMap((key, i) => {
    const value = values[i];
    return Buffer.isBuffer(value) ? [{ key, value }] : [];
  });
  if (found.length > 0) addNotedObjects(frame, vdisk, from.head.seq, found);
}
