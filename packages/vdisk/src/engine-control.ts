import { clientTls } from '@salvor/service-kit';
import { Redis, type RedisOptions } from 'ioredis';
import { sectorsKey } from './deduped/sector.ts';
import {
  blocksKey,
  dirtyKey,
  type EngineIdentity,
  epochKey,
  identityKey,
  identityText,
  isNativeKey,
  nativePrefixes,
  writesKey,
} from './engine-keys.ts';
import type { EngineLogin } from './engine-login.ts';
import { cutBehindHandshake, parseAddress, unreachable } from './engine-socket.ts';
import { EngineError, FencedError, refusesLogin } from './errors.ts';

/** Raises the epoch, only upwards and only on the engine that is who it should be. Never sets an equal value: that would abort running transactions. */
const RAISE_EPOCH = `
local identity = redis.call('GET', KEYS[1])
if identity ~= ARGV[1] then return {'identity', identity or ''} end
local current = redis.call('GET', KEYS[2])
if current and tonumber(current) > tonumber(ARGV[2]) then return {'higher', current} end
if current == ARGV[2] then return {'equal', current} end
redis.call('SET', KEYS[2], ARGV[2])
return {'raised', current or ''}`;

/** Claims an engine that has no identity yet; the same identity again is no change. */
const CLAIM_IDENTITY = `
local identity = redis.call('GET', KEYS[1])
if identity == ARGV[1] then return {'already', identity} end
if identity then return {'taken', identity} end
if ARGV[2] == 'empty' and redis.call('DBSIZE') > 0 then return {'not-empty', ''} end
redis.call('SET', KEYS[1], ARGV[1])
return {'claimed', ARGV[1]}`;

/** Takes an identity away from the engine that has it. */
const DISOWN = `
local identity = redis.call('GET', KEYS[1])
if identity ~= ARGV[1] then return {'other', identity or ''} end
redis.call('DEL', KEYS[1])
return {'disowned', ''}`;

/** Keys that an engine looks at in one go. */
const SCAN_KEYS = 1000;

/** How long an engine may take to close its side: one that hangs never does, and nobody waits for it. */
const DISCONNECT_TIMEOUT_MS = 50;

export interface ControlOptions {
  readonly address: string;
  readonly db: number;
  readonly login?: EngineLogin | undefined;
  readonly timeoutMs: number;
  /** Path of the unix socket on which the same engine listens, when it runs on this host. */
  readonly unixSocket?: string | undefined;
}

/**
 * A short-lived connection for what is not block I/O: identity, epochs, probes, deletion.
 * Every call rejects with {@link EngineError} (or {@link FencedError}) and never waits longer than its timeout.
 */
export class EngineControl {
  readonly address: string;
  readonly #redis: Redis;

  private constructor(redis: Redis, address: string) {
    this.#redis = redis;
    this.address = address;
  }

  /** Goes the way that links go: through the unix socket where there is one that answers, else through TCP. */
  static async connect(options: ControlOptions): Promise<EngineControl> {
    const { unixSocket } = options;
    if (unixSocket === undefined) return EngineControl.#open(options, parseAddress(options.address));
    try {
      return await EngineControl.#open(options, { path: unixSocket });
    } catch (error) {
      if (!(error instanceof EngineError) || error.fault !== 'unreachable') throw error;
      return EngineControl.#open(options, parseAddress(options.address));
    }
  }

  static async #open(
    options: ControlOptions,
    place: { host: string; port: number } | { path: string },
  ): Promise<EngineControl> {
    const redis = new Redis({
      ...place,
      db: options.db,
      ...loginOf(options.login, 'path' in place),
      lazyConnect: true,
      enableOfflineQueue: false,
      enableReadyCheck: false,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
      connectTimeout: options.timeoutMs,
      commandTimeout: options.timeoutMs,
      disconnectTimeout: DISCONNECT_TIMEOUT_MS,
      connectionName: 'salvor:control',
      disableClientInfo: true,
    });
    let last: Error | null = null;
    let isSecure = false;
    redis.on('connect', () => {
      isSecure = redis.options.tls !== undefined;
    });
    redis.on('error', (error: Error) => {
      last = error;
    });
    try {
      await redis.connect();
      if (isSecure) await redis.ping();
    } catch (error) {
      redis.disconnect();
      const fault = faultOf(options.address, last ?? error);
      throw isSecure ? cutBehindHandshake(options.address, fault) : fault;
    }
    return new EngineControl(redis, options.address);
  }

  /** Opens, runs `work`, closes. */
  static async with<T>(options: ControlOptions, work: (control: EngineControl) => Promise<T>): Promise<T> {
    const control = await EngineControl.connect(options);
    try {
      return await work(control);
    } finally {
      control.close();
    }
  }

  /** The identity stored on the engine, null when there is none. */
  async identity(): Promise<string | null> {
    return this.#call(() => this.#redis.get(identityKey));
  }

  /** @throws EngineError `identity-lost` or `identity-mismatch` when it is not `identity` */
  async assertIdentity(identity: EngineIdentity): Promise<void> {
    const [wanted, found] = [identityText(identity), await this.identity()];
    if (found !== wanted) throw identityFault(this.address, wanted, found);
  }

  /** Makes the engine `identity`. With `mustBeEmpty` an unclaimed engine that holds data is refused. */
  async claim(
    identity: EngineIdentity,
    { mustBeEmpty }: { mustBeEmpty: boolean },
  ): Promise<'claimed' | 'already'> {
    const wanted = identityText(identity);
    const [outcome, found] = await this.#script(
      CLAIM_IDENTITY,
      [identityKey],
      [wanted, mustBeEmpty ? 'empty' : 'any'],
    );
    if (outcome === 'claimed' || outcome === 'already') return outcome;
    throw new EngineError(
      'identity-mismatch',
      outcome === 'taken'
        ? `engine ${this.address}: expected it to be unclaimed or ${wanted}, found ${found}`
        : `engine ${this.address}: expected an empty engine for ${wanted}, found one that holds keys`,
    );
  }

  /** Makes the engine, if it is `identity`, nobody: from then on no owner of a vdisk uses it. False when it is not. */
  async disown(identity: EngineIdentity): Promise<boolean> {
    const [outcome] = await this.#script(DISOWN, [identityKey], [identityText(identity)]);
    return outcome === 'disowned';
  }

  /**
   * Raises the epoch of a vdisk on the engine that is `identity`.
   *
   * @throws FencedError when the engine has a higher epoch
   * @throws EngineError `identity-lost` or `identity-mismatch` when it is not who it should be
   */
  async raiseEpoch(identity: EngineIdentity, vdisk: string, epoch: string): Promise<void> {
    const wanted = identityText(identity);
    const [outcome, found] = await this.#script(RAISE_EPOCH, [identityKey, epochKey(vdisk)], [wanted, epoch]);
    if (outcome === 'identity')
      throw identityFault(this.address, wanted, found === '' ? null : (found ?? null));
    if (outcome === 'higher') {
      throw new FencedError(
        `vdisk ${vdisk}: engine ${this.address} has epoch ${found}, ours is ${epoch}: another owner took over`,
      );
    }
  }

  /** Ends connections that older owners of the vdisk still hold. An extra: the fence itself is the epoch. */
  async endOlderOwners(vdisk: string, epoch: string): Promise<number> {
    const list = String(await this.#call(() => this.#redis.client('LIST')));
    let ended = 0;
    for (const line of list.split('\n')) {
      const owner = /(?:^| )id=(\d+) .*\bname=salvor:owner:([^ ]+):(\d+)(?: |$)/.exec(line);
      if (owner?.[1] === undefined || owner[2] !== vdisk || BigInt(owner[3] ?? '0') >= BigInt(epoch))
        continue;
      await this.#call(() => this.#redis.client('KILL', 'ID', owner[1] ?? ''));
      ended++;
    }
    return ended;
  }

  /** Round trip of a PING, and what the engine says about persistence, role and the age of its process. */
  async probe(): Promise<{
    pingMs: number;
    role: string;
    loading: boolean;
    lastWriteOk: boolean;
    uptimeSeconds: number;
  }> {
    const started = performance.now();
    const pong = await this.#call(() => this.#redis.ping());
    const pingMs = performance.now() - started;
    if (pong !== 'PONG')
      throw new EngineError('protocol', `engine ${this.address}: expected PONG, found ${pong}`);
    const info = await this.#call(() => this.#redis.info());
    const field = (name: string): string => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1] ?? '';
    return {
      pingMs,
      role: field('role'),
      loading: field('loading') === '1',
      lastWriteOk: field('aof_last_write_status') !== 'err',
      uptimeSeconds: Number(field('uptime_in_seconds')),
    };
  }

  /** Rejects unless the engine answers and holds no key at all: what a spare must be. */
  async assertEmpty(): Promise<void> {
    const keys = await this.#call(() => this.#redis.dbsize());
    if (keys === 0) return;
    throw new EngineError(
      'identity-mismatch',
      `engine ${this.address}: expected an empty engine, found one that holds ${keys} keys`,
    );
  }

  /** Where a vdisk's write history stands here, and how many blocks this engine took alone: what its partner misses. */
  async writesAlone(vdisk: string): Promise<{ batch: number; isForked: boolean; dirtyBlocks: number }> {
    const [batch, fork] = await this.#call(() => this.#redis.hmget(writesKey(vdisk), 'seq', 'fork'));
    const dirtyBlocks = await this.#call(() => this.#redis.bitcount(dirtyKey(vdisk)));
    return { batch: Number(batch ?? 0), isForked: (fork ?? '') !== '', dirtyBlocks };
  }

  /** Number of blocks, or of chunks of blocks, of a vdisk that this engine stores. */
  async blockCount(vdisk: string): Promise<number> {
    const loose = await this.#call(() => this.#redis.hlen(blocksKey(vdisk)));
    // Of a deduped vdisk, the sectors of its block map.
    const blocks = loose + (await this.#call(() => this.#redis.hlen(sectorsKey(vdisk))));
    // Chunks have to be searched for; they are written along with a place in the write history, and go before it.
    const written = blocks > 0 ? 0 : await this.#call(() => this.#redis.exists(writesKey(vdisk)));
    if (written === 0) return blocks;
    let chunks = 0;
    for await (const keys of this.#scan(vdisk, nativePrefixes(vdisk).chunks)) chunks += keys.length;
    return chunks;
  }

  /** The keys of the native layout of a vdisk, some at a time, so that nobody has to wait for the engine. */
  async *#scan(vdisk: string, prefix: string): AsyncGenerator<string[]> {
    const pattern = `${prefix.replace(/[*?[\]\\]/g, '\\$&')}*`;
    let cursor = '0';
    do {
      const [next, keys] = await this.#call(() =>
        this.#redis.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_KEYS),
      );
      yield keys.filter((key) => isNativeKey(vdisk, key));
      cursor = next;
    } while (cursor !== '0');
  }

  close(): void {
    this.#redis.disconnect();
  }

  async #script(source: string, keys: string[], args: string[]): Promise<string[]> {
    const reply: unknown = await this.#call(() => this.#redis.eval(source, keys.length, ...keys, ...args));
    if (!Array.isArray(reply))
      throw new EngineError('protocol', `engine ${this.address}: a script answered ${String(reply)}`);
    return reply.map(String);
  }

  async #call<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw faultOf(this.address, error);
    }
  }
}

/** Tells a lost identity (evidence that the data is gone) from a foreign one (the wrong engine at this address). */
export function identityFault(address: string, wanted: string, found: string | null): EngineError {
  return found === null
    ? new EngineError(
        'identity-lost',
        `engine ${address}: expected identity ${wanted}, found none: it lost its data`,
      )
    : new EngineError('identity-mismatch', `engine ${address}: expected identity ${wanted}, found ${found}`);
}

/** What ioredis takes: TLS over TCP only. */
function loginOf(
  { user, password, tls }: EngineLogin = {},
  isUnixSocket: boolean,
): Pick<RedisOptions, 'username' | 'password' | 'tls'> {
  return {
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined || isUnixSocket ? {} : { tls: clientTls(tls) }),
  };
}

function faultOf(address: string, error: unknown): Error {
  if (error instanceof EngineError || error instanceof FencedError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (/^LOADING/.test(message))
    return new EngineError('loading', `engine ${address} is still loading its data`);
  if (/timed out|ETIMEDOUT/i.test(message))
    return new EngineError('timeout', `engine ${address}: ${message}`);
  if (refusesLogin(message))
    return new EngineError('login-refused', `engine ${address} answered: ${message}`);
  if (/^[A-Z]{3,}[A-Z ]/.test(message))
    return new EngineError('refused-command', `engine ${address} answered: ${message}`);
  return unreachable(address, error instanceof Error ? error : new Error(message));
}
