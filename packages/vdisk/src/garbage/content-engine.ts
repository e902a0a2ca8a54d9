import { contentHash, HASH_BYTES } from '../deduped/content-hash.ts';
import { collectorKey, garbageKey } from '../deduped/content-objects.ts';
import { hashesIn, SECTOR_BYTES } from '../deduped/sector.ts';
import { type EngineIdentity, identityKey, identityText } from '../engine-keys.ts';
import { EngineError } from '../errors.ts';
import type { PairSettings } from '../pair-context.ts';
import { Frame, type RespValue } from '../resp.ts';
import { RespLink, throwIfError } from '../resp-link.ts';

const SECTORS_PREFIX = 'lba:';
/** Keys or fields asked for in one step: the engine serves others in between. */
const SCAN_KEYS = 1000;
const SCAN_SECTORS = 64;
const GET_RUN = 64;
const SWEEP_RUN = 128;

/** Only while the collection is the one that was begun here last, and only what nobody has stored since it was found. */
const SWEEP = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2] then return -1 end
local freed = 0
for i = 4, #KEYS do
  if redis.call('SREM', KEYS[3], KEYS[i]) == 1 then freed = freed + redis.call('UNLINK', KEYS[i]) end
end
return freed`;

export interface ContentEngineOptions {
  readonly identity: EngineIdentity;
  readonly address: string;
  readonly db: number;
  readonly settings: Pick<PairSettings, 'connectTimeoutMs' | 'commandTimeoutMs' | 'login'>;
}

/** One engine of a cluster, as the collection of garbage uses it. Every call rejects with EngineError. */
export class ContentEngine {
  readonly address: string;
  readonly #link: RespLink;
  readonly #identity: string;

  private constructor(link: RespLink, identity: string) {
    this.#link = link;
    this.address = link.address;
    this.#identity = identity;
  }

  static async open({ identity, address, db, settings }: ContentEngineOptions): Promise<ContentEngine> {
    const { connectTimeoutMs, commandTimeoutMs, login } = settings;
    const options = { address, db, login, connectTimeoutMs, commandTimeoutMs };
    const link = await RespLink.connect({ ...options, clientName: 'salvor:garbage-collector' });
    return new ContentEngine(link, identityText(identity));
  }

  close(): void {
    this.#link.close();
  }

  /** Ends what an earlier collection left here, and lets this one remove content. */
  async begin(collection: string): Promise<void> {
    await this.#ask((frame) => frame.command('DEL', garbageKey).command('SET', collectorKey, collection));
  }

  async end(): Promise<void> {
    await this.#ask((frame) => frame.command('DEL', garbageKey, collectorKey));
  }

  async keyCount(): Promise<number> {
    const [count] = await this.#ask((frame) => frame.command('DBSIZE'));
    return typeof count === 'number' ? count : 0;
  }

  /** Vdisks that have a block map here. */
  async mappedVdisks(): Promise<string[]> {
    const vdisks: string[] = [];
    const scan = (cursor: string): Frame =>
      new Frame().command('SCAN', cursor, 'MATCH', `${SECTORS_PREFIX}*`, 'COUNT', SCAN_KEYS, 'TYPE', 'hash');
    for await (const keys of this.#scan(scan))
      for (const key of keys) vdisks.push(key.toString('utf8').slice(SECTORS_PREFIX.length));
    return vdisks;
  }

  async sectorCount(vdisk: string): Promise<number> {
    const [count] = await this.#ask((frame) => frame.command('HLEN', `${SECTORS_PREFIX}${vdisk}`));
    return typeof count === 'number' ? count : 0;
  }

  /** Every hash that the block map of a vdisk names here, step by step. */
  async *namedBy(vdisk: string): AsyncGenerator<Buffer[]> {
    const key = `${SECTORS_PREFIX}${vdisk}`;
    const scan = (cursor: string): Frame => new Frame().command('HSCAN', key, cursor, 'COUNT', SCAN_SECTORS);
    for await (const pairs of this.#scan(scan)) {
      const hashes: Buffer[] = [];
      for (let i = 1; i < pairs.length; i += 2) {
        const sector = pairs[i];
        // What is not a sector might still mean something to whoever wrote it.
        if (sector?.length !== SECTOR_BYTES) throw malformed(this.address, vdisk, pairs[i - 1]);
        hashes.push(...hashesIn(sector));
      }
      yield hashes;
    }
  }

  /** Names of what may be content, step by step: what is content, its name is the hash of. */
  async *contentNames(): AsyncGenerator<Buffer[]> {
    const scan = (cursor: string): Frame =>
      new Frame().command('SCAN', cursor, 'COUNT', SCAN_KEYS, 'TYPE', 'string');
    for await (const keys of this.#scan(scan)) yield keys.filter(({ length }) => length === HASH_BYTES);
  }

  /** Notes those of `names` that are content as what nothing names. Resolves with how many are. */
  async note(names: readonly Buffer[]): Promise<number> {
    let noted = 0;
    for (let from = 0; from < names.length; from += GET_RUN) {
      const run = names.slice(from, from + GET_RUN);
      const [values] = await this.#ask((frame) => frame.command('MGET', ...run));
      const contents = run.filter((name, i) => {
        const value = Array.isArray(values) ? values[i] : null;
        return Buffer.isBuffer(value) && contentHash(value).equals(name);
      });
      if (contents.length === 0) continue;
      await this.#ask((frame) => frame.command('SADD', garbageKey, ...contents));
      noted += contents.length;
    }
    return noted;
  }

  /** What is noted, step by step; what was stored again since is not among it. */
  async *noted(): AsyncGenerator<Buffer[]> {
    const scan = (cursor: string): Frame =>
      new Frame().command('SSCAN', garbageKey, cursor, 'COUNT', SCAN_KEYS);
    yield* this.#scan(scan);
  }

  /** Removes those of `names` that are still noted. Resolves with how many. */
  async sweep(collection: string, names: readonly Buffer[]): Promise<number> {
    let freed = 0;
    for (let from = 0; from < names.length; from += SWEEP_RUN) {
      const run = names.slice(from, from + SWEEP_RUN);
      const keys = [identityKey, collectorKey, garbageKey, ...run];
      const args = [this.#identity, collection];
      const [count] = await this.#ask((frame) => frame.command('EVAL', SWEEP, keys.length, ...keys, ...args));
      if (typeof count !== 'number' || count < 0) {
        throw new EngineError(
          'identity-mismatch',
          `engine ${this.address}: another collection of garbage runs there, or it is not the engine that it was`,
        );
      }
      freed += count;
    }
    return freed;
  }

  /** Pages of a SCAN, HSCAN or SSCAN. */
  async *#scan(command: (cursor: string) => Frame): AsyncGenerator<Buffer[]> {
    let cursor = '0';
    do {
      const [page] = await this.#ask((frame) => frame.append(command(cursor)));
      const [next, items] = Array.isArray(page) ? page : [];
      cursor = Buffer.isBuffer(next) ? next.toString('latin1') : '0';
      yield (Array.isArray(items) ? items : []).filter((item) => Buffer.isBuffer(item));
    } while (cursor !== '0');
  }

  /** The engine must be who it should be, at that very moment. */
  async #ask(fill: (frame: Frame) => void): Promise<RespValue[]> {
    const frame = new Frame();
    fill(frame);
    const replies = await this.#link.request(frame.command('GET', identityKey));
    const found = replies.pop() ?? null;
    for (const reply of replies) throwIfError(this.address, reply);
    const text = Buffer.isBuffer(found) ? found.toString('utf8') : null;
    if (text === this.#identity) return replies;
    throw new EngineError(
      text === null ? 'identity-lost' : 'identity-mismatch',
      `engine ${this.address}: expected identity ${this.#identity}, found ${text ?? 'none'}`,
    );
  }
}

function malformed(address: string, vdisk: string, field: Buffer | undefined): EngineError {
  return new EngineError(
    'protocol',
    `engine ${address}: field ${field?.toString('latin1') ?? '?'} of ${SECTORS_PREFIX}${vdisk} is not a sector of ${SECTOR_BYTES} bytes; repair or delete it first`,
  );
}
