import { copyFileSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { connect as netConnect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineStatus } from '@salvor/config-store';
import { EngineLink, type RedisHandle, startRedis } from '@salvor/testkit';
import type { RepairTurns } from '../src/copy/repair-turns.ts';
import { EngineControl } from '../src/engine-control.ts';
import type { EngineIdentity } from '../src/engine-keys.ts';
import { type EngineError, errno, type FencedError, VdiskIoError } from '../src/errors.ts';
import type { BlockLayout } from '../src/layout/block-layout.ts';
import { NondedupedLayout } from '../src/layout/nondeduped.ts';
import { Pair } from '../src/pair.ts';
import type { MemberRecord, PairContext, RepairOutcome } from '../src/pair-context.ts';
import { mountPair } from '../src/pair-mount.ts';
import { RespReader, ValueSink } from '../src/resp-reader.ts';

/** A real redis-server with an append-only file, killable, and able to come back with, without or with less of its data. */
export class TestEngine {
  readonly #redis: RedisHandle;
  readonly #dir: string;

  private constructor(redis: RedisHandle, dir: string) {
    this.#redis = redis;
    this.#dir = dir;
  }

  static async start(): Promise<TestEngine> {
    const dir = mkdtempSync(join(tmpdir(), 'salvor-engine-'));
    // Written before it is answered: with `everysec` redis holds back what it answered while the disk is busy.
    return new TestEngine(await startRedis({ dir }), dir);
  }

  get port(): number {
    return this.#redis.port;
  }

  get address(): string {
    return this.#redis.address;
  }

  /** Starts it again, on the same port and with the data that it has. */
  async start(): Promise<void> {
    await this.#redis.process.start();
  }

  async kill(): Promise<void> {
    if (this.#redis.process.running) await this.#redis.process.kill('SIGKILL');
  }

  pause(): void {
    this.#redis.process.pause();
  }

  resume(): void {
    if (this.#redis.process.running) this.#redis.process.resume();
  }

  wipe(): void {
    rmSync(this.#appendOnlyDir, { recursive: true, force: true });
  }

  /** Remembers how long the append-only file is now; the returned function makes the stopped engine forget everything after that. */
  mark(): () => void {
    const folder = this.#appendOnlyDir;
    const name = readdirSync(folder).find((file) => file.endsWith('.incr.aof'));
    if (name === undefined) throw new Error('no append-only file');
    const path = join(folder, name);
    const saved = `${path}.saved`;
    copyFileSync(path, saved);
    const length = statSync(saved).size;
    return () => {
      if (statSync(path).size < length) throw new Error('the append-only file was rewritten');
      copyFileSync(saved, path);
      rmSync(saved);
    };
  }

  get #appendOnlyDir(): string {
    return join(this.#redis.dataDir, 'appendonlydir');
  }

  /** The reply to a command as text, the items of a list on lines of their own; empty for nothing. Rejects with its error. */
  cli(...args: string[]): Promise<string> {
    return this.cliIn(0, ...args);
  }

  /** As `cli`, in another database. */
  async cliIn(db: number, ...args: string[]): Promise<string> {
    using link = await EngineLink.open(this.port);
    if (db !== 0) await link.send('SELECT', db);
    const reply = await link.send(...args);
    return (Array.isArray(reply) ? reply : [reply ?? '']).map(String).join('\n').trim();
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

export async function until(
  done: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 15_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await done())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** One shard under test: a vdisk of 4 KiB blocks on one pair, with etcd's part played by the test. */
export class PairHarness {
  readonly failures: { address: string; fault: string }[] = [];
  readonly interrupted: string[] = [];
  readonly writesLost: string[] = [];
  /** Repairs that etcd has on record as complete, as `incident/attempt`. */
  readonly onRecord = new Map<string, readonly number[]>();
  readonly repairs: RepairOutcome[] = [];
  readonly fences: string[] = [];
  readonly proposals: string[] = [];
  readonly unavailable: string[] = [];
  readonly availableAgain: string[] = [];
  readonly corrupt: { address: string; blocks: readonly number[]; lost: readonly number[] }[] = [];
  primary: MemberRecord;
  slave: MemberRecord | null;
  pair: Pair;
  readonly blocks: number;
  /** Plays the lease: while it is not valid, whoever waits for it waits until it is. */
  readonly lease = { isValid: true, isOwner: () => this.lease.isValid, leaseHeld: () => this.#leaseHeld() };
  #clock = 1;

  constructor(
    primary: TestEngine,
    slave: TestEngine | null,
    {
      epoch = '7',
      blocks = 1000,
      blockSizeBytes = 4096,
      holdMaxMs = 10_000,
      layout = new NondedupedLayout('v1', blockSizeBytes),
      repairTurns,
    }: {
      epoch?: string;
      blocks?: number;
      blockSizeBytes?: number;
      holdMaxMs?: number;
      layout?: BlockLayout;
      repairTurns?: RepairTurns;
    } = {},
  ) {
    this.blocks = blocks;
    this.primary = record(identity('primary'), primary.address, 'online');
    this.slave = slave && record(identity('slave'), slave.address, 'online');
    const context: PairContext = {
      vdisk: 'v1',
      epoch,
      shard: 0,
      shards: 1,
      layout,
      bits: blocks,
      lease: this.lease,
      settings: {
        connectTimeoutMs: 1000,
        commandTimeoutMs: 1000,
        proposeAfterMs: 250,
        holdMaxMs,
        repairTurns,
      },
      blocksOfBit: (bit) => [bit],
      engineFailed: ({ address }, error) => this.failures.push({ address, fault: error.fault }),
      repairInterrupted: ({ address }) => this.interrupted.push(address),
      loginRefused: async () => {},
      isLast: async () => true,
      recordedAttempts: async (incident) => this.onRecord.get(incident) ?? [],
      isSpareInUse: async () => false,
      writesLost: async ({ address }) => {
        this.writesLost.push(address);
        this.record(address, 'offline');
      },
      proposeOffline: async ({ address }: MemberRecord, _error: EngineError) => {
        this.proposals.push(address);
        this.record(address, 'offline');
      },
      repairCompleted: (outcome) => this.repairs.push(outcome),
      dataUnavailable: (_shard, reason) => this.unavailable.push(reason),
      dataAvailable: (_shard, reason) => this.availableAgain.push(reason),
      blocksCorrupt: ({ address }, blocks, lost) => this.corrupt.push({ address, blocks, lost }),
      fenced: (error: FencedError) => {
        this.fences.push(error.message);
        this.pair.close(error);
      },
    };
    this.pair = new Pair(context, this.primary, this.slave);
  }

  async #leaseHeld(): Promise<void> {
    const giveUpAt = performance.now() + this.pair.context.settings.holdMaxMs;
    while (!this.lease.isValid) {
      if (performance.now() > giveUpAt) throw new VdiskIoError('ownership-in-doubt', 'no lease', errno.io);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Claims the engines, then mounts. */
  async mount(): Promise<this> {
    for (const { identity: id, address } of [this.primary, this.slave].filter((r) => r !== null)) {
      await EngineControl.with({ address, db: 0, timeoutMs: 2000 }, (control) =>
        control.claim(id, { mustBeEmpty: false }),
      );
    }
    await mountPair(this.pair);
    return this;
  }

  /** Plays etcd: the engine at `address` now has this status. */
  record(address: string, status: EngineStatus, repair: MemberRecord['repair'] = null): void {
    const now = this.#clock++;
    const staleOf = ({ stale }: MemberRecord): MemberRecord['stale'] => {
      if (status === 'online') return null;
      return status === 'offline' ? { since: stale?.since ?? now, latest: now } : stale;
    };
    if (this.primary.address === address)
      this.primary = { ...this.primary, status, repair, stale: staleOf(this.primary) };
    if (this.slave?.address === address)
      this.slave = { ...this.slave, status, repair, stale: staleOf(this.slave) };
    this.pair.applyRecords(this.primary, this.slave);
  }

  repairTemporary(address: string, attempt = 1): void {
    this.record(address, 'repair-tmp-outage', {
      incident: 'i1',
      attempt,
      kind: 'repair-tmp-outage',
      completed: false,
    });
  }

  /** Plays etcd: the primary is lost, `spare` takes its place under the next generation. */
  repairFinal(spare: TestEngine): void {
    const id = { ...this.primary.identity, generation: this.primary.identity.generation + 1 };
    const repair = { incident: 'i2', attempt: 1, kind: 'repair-final-outage' as const, completed: false };
    this.primary = {
      identity: id,
      address: spare.address,
      db: 0,
      status: 'repair-final-outage',
      repair,
      stale: null,
    };
    this.pair.applyRecords(this.primary, this.slave);
  }

  async write(block: number, fill: number): Promise<void> {
    await this.pair.write([{ block, data: fill === 0 ? null : Buffer.alloc(4096, fill) }]);
  }

  async read(block: number): Promise<number> {
    const [data] = await this.pair.read([block]);
    return data?.[0] ?? 0;
  }
}

function identity(role: 'primary' | 'slave'): EngineIdentity {
  return { cluster: role === 'primary' ? 'p1' : 's1', role, shard: 0, generation: 1 };
}

function record(id: EngineIdentity, address: string, status: EngineStatus): MemberRecord {
  return { identity: id, address, db: 0, status, repair: null, stale: null };
}

/** Every stored block of an engine, as field -> first byte. */
export async function stored(engine: TestEngine): Promise<Map<number, number>> {
  const socket = netConnect(engine.port, '127.0.0.1');
  return new Promise((resolve, reject) => {
    const sink = new ValueSink();
    const complete = (): void => {
      const [value] = sink.values;
      const blocks = new Map<number, number>();
      const list = Array.isArray(value) ? value : [];
      for (let i = 0; i + 1 < list.length; i += 2) {
        const [field, data] = [list[i], list[i + 1]];
        if (Buffer.isBuffer(field) && Buffer.isBuffer(data))
          blocks.set(Number(field.toString()), data[0] ?? -1);
      }
      socket.destroy();
      resolve(new Map([...blocks].sort(([a], [b]) => a - b)));
    };
    const reader = new RespReader({ sink: () => sink, complete });
    socket.on('data', (bytes) => reader.feed(bytes));
    socket.on('error', reject);
    socket.write('HGETALL nondedup:v1\r\n');
  });
}
