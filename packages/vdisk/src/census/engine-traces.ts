import { copyGuardKey, dirtyKey, epochKey, identityKey } from '../engine-keys.ts';
import { EngineError } from '../errors.ts';
import type { FoundHistory } from '../member-history.ts';
import { Frame } from '../resp.ts';
import { addReadHead, parseHead } from '../write-history.ts';
import { takeCensus } from './engine-census.ts';
import type { EngineReader } from './engine-reader.ts';

/** What an engine remembers of who wrote to it: for whoever has lost the rest. */
export interface EngineTraces {
  /** As it is stored; null: it has none. */
  readonly identity: string | null;
  /** By vdisk that it holds anything of: the highest epoch that may have written, null where none is stored. */
  readonly epochs: ReadonlyMap<string, bigint | null>;
  /** By vdisk: its place in the write history; only of what was ever written by Salvor, or is marked as missing on its partner. */
  readonly histories: ReadonlyMap<string, FoundHistory>;
  /** False: it has more keys than were looked at, so there may be more vdisks. */
  readonly isComplete: boolean;
  /** Vdisks of which an owner has a link to it now. */
  readonly owners: readonly string[];
}

const KEYS_A_CALL = 256;
/** As owners name their links; ids may hold colons. */
const OWNER_LINK = / name=salvor:owner:(\S+):\d+ /g;

/** Looks at the keys of an engine, `keysMax` of them, and asks for the epochs of what is `known` in any case. Rejects with EngineError. */
export async function engineTraces(
  reader: EngineReader,
  known: readonly string[],
  keysMax: number,
): Promise<EngineTraces> {
  const census = await takeCensus(reader, { keysMax });
  const [identity] = await reader.ask(new Frame().command('GET', identityKey));
  const epochs = new Map<string, bigint | null>();
  const vdisks = [...new Set([...known, ...census.vdisks.keys()])];
  for (let at = 0; at < vdisks.length; at += KEYS_A_CALL) {
    const part = vdisks.slice(at, at + KEYS_A_CALL);
    const [found] = await reader.ask(new Frame().command('MGET', ...part.map(epochKey)));
    if (!Array.isArray(found) || found.length !== part.length)
      throw new EngineError('protocol', `engine ${reader.address}: MGET was answered with something else`);
    part.forEach((vdisk, i) => {
      const epoch = found[i];
      const value =
        Buffer.isBuffer(epoch) && /^\d{1,19}$/.test(epoch.toString()) ? BigInt(epoch.toString()) : null;
      if (value !== null || census.vdisks.has(vdisk)) epochs.set(vdisk, value);
    });
  }
  return {
    identity: Buffer.isBuffer(identity) ? identity.toString('utf8') : null,
    epochs,
    histories: await memberHistories(reader, vdisks),
    isComplete: census.complete,
    owners: await linkedOwners(reader),
  };
}

/** Vdisks of which an owner has a link to the engine. Rejects with EngineError. */
export async function linkedOwners(reader: EngineReader): Promise<readonly string[]> {
  const [list] = await reader.ask(new Frame().command('CLIENT', 'LIST'));
  const names = Buffer.isBuffer(list) ? list.toString('utf8').matchAll(OWNER_LINK) : [];
  return [...new Set([...names].map(([, vdisk]) => vdisk ?? ''))];
}

/** Where an engine is in the write history of each of `vdisks`. Rejects with EngineError. */
export async function memberHistories(
  reader: EngineReader,
  vdisks: readonly string[],
): Promise<ReadonlyMap<string, FoundHistory>> {
  const found = new Map<string, FoundHistory>();
  for (let at = 0; at < vdisks.length; at += KEYS_A_CALL) {
    const part = vdisks.slice(at, at + KEYS_A_CALL);
    const asked = part.reduce(
      (frame, vdisk) =>
        addReadHead(frame, vdisk).command('BITCOUNT', dirtyKey(vdisk)).command('EXISTS', copyGuardKey(vdisk)),
      new Frame(),
    );
    const replies = await reader.ask(asked);
    part.forEach((vdisk, i) => {
      const [reply, marked, guarded] = replies.slice(i * 3, i * 3 + 3);
      const head = parseHead(reply);
      const isMarked = typeof marked === 'number' && marked > 0;
      if (head.blank !== true || isMarked) found.set(vdisk, { head, isMarked, isUnderCopy: guarded === 1 });
    });
  }
  return found;
}
