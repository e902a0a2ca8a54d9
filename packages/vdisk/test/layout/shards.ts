import assert from 'node:assert/strict';
import { EngineControl } from '../../src/engine-control.ts';
import type { EngineIdentity } from '../../src/engine-keys.ts';
import { EngineSession } from '../../src/engine-session.ts';
import type { BlockLayout } from '../../src/layout/block-layout.ts';
import { Pair } from '../../src/pair.ts';
import { mountPair } from '../../src/pair-mount.ts';
import { Frame } from '../../src/resp.ts';
import { Placement } from '../../src/spread/placement.ts';
import { Vdisk } from '../../src/vdisk.ts';
import { TestEngine } from '../pair-harness.ts';

const EPOCH = '7';
const DATABASES = 8;
const TIMEOUT_MS = 5_000;

export type MakeLayout = (vdisk: string, blockSizeBytes: number, shards: number) => BlockLayout;

/** One real engine whose databases are the shards of vdisks; each vdisk under test has a name of its own. */
export class Shards {
  readonly engine: TestEngine;
  readonly #opened: { close(): void }[] = [];
  #vdisks = 0;

  private constructor(engine: TestEngine) {
    this.engine = engine;
  }

  static async start(): Promise<Shards> {
    const shards = new Shards(await TestEngine.start());
    for (let db = 0; db < DATABASES; db++) await shards.#control(db, (c) => c.claim(identityOf(db), any));
    return shards;
  }

  newVdisk(): string {
    return `v${++this.#vdisks}`;
  }

  /** The session of an owner with the shard that is database `db`. */
  async session(vdisk: string, layout: BlockLayout, db = 0): Promise<EngineSession> {
    await this.#control(db, (control) => control.raiseEpoch(identityOf(db), vdisk, EPOCH));
    const session = await EngineSession.open({
      identity: identityOf(db),
      vdisk,
      epoch: EPOCH,
      layout,
      link: {
        address: this.engine.address,
        db,
        connectTimeoutMs: TIMEOUT_MS,
        commandTimeoutMs: TIMEOUT_MS,
      },
    });
    this.#opened.push(session);
    return session;
  }

  /** A vdisk with one copy of `blocks` blocks; the shards in `rip` are gone for good. */
  async device(
    vdisk: string,
    layout: BlockLayout,
    { shards, blocks, rip = [] }: { shards: number; blocks: number; rip?: readonly number[] },
  ): Promise<Vdisk> {
    assert.ok(shards <= DATABASES);
    const pairs = Array.from({ length: shards }, (_, shard) =>
      this.#pair(vdisk, layout, shard, shards, blocks),
    );
    await Promise.all(pairs.filter((_, shard) => !rip.includes(shard)).map(mountPair));
    this.#opened.push(...pairs.map((pair) => ({ close: () => pair.close(new Error('the test is over')) })));
    const { blockSizeBytes } = layout;
    const placement = new Placement(vdisk, layout, shards);
    placement.setRip(pairs.map((_, shard) => rip.includes(shard)));
    return new Vdisk(
      {
        vdisk,
        sizeBytes: blocks * blockSizeBytes,
        blockSizeBytes,
        isDeduped: false,
        layout,
        readOnly: false,
        shards,
      },
      pairs,
      { isOwner: () => true, assertOwner: async () => {} },
      placement,
    );
  }

  /** Stores blocks, null = zeros, as one transaction. */
  async store(
    session: EngineSession,
    layout: BlockLayout,
    blocks: Map<number, Buffer | null>,
  ): Promise<void> {
    const frame = new Frame();
    layout.addStore(frame, blocks);
    await session.transact(frame);
  }

  cli(db: number, ...args: string[]): Promise<string> {
    return this.engine.cliIn(db, ...args);
  }

  /** Keys of the database that begin with `prefix`, in order. */
  async keys(db: number, prefix: string): Promise<string[]> {
    const found = await this.cli(db, 'KEYS', `${prefix}*`);
    return found === '' ? [] : found.split('\n').sort();
  }

  async stop(): Promise<void> {
    for (const opened of this.#opened) opened.close();
    await this.engine.stop();
  }

  #pair(vdisk: string, layout: BlockLayout, shard: number, shards: number, blocks: number): Pair {
    const { address } = this.engine;
    const id = identityOf(shard);
    return new Pair(
      {
        vdisk,
        epoch: EPOCH,
        shard,
        shards,
        layout,
        bits: layout.bitCount(blocks, shards),
        lease: { isOwner: () => true, leaseHeld: async () => {} },
        settings: {
          connectTimeoutMs: TIMEOUT_MS,
          commandTimeoutMs: TIMEOUT_MS,
          proposeAfterMs: 250,
          holdMaxMs: 1_000,
        },
        blocksOfBit: () => assert.fail('nothing is repaired here'),
        engineFailed: (_record, error) => assert.fail(error),
        writesLost: async (_record, error) => assert.fail(error),
        isLast: async () => assert.fail('nothing is repaired here'),
        repairInterrupted: () => {},
        recordedAttempts: async () => assert.fail('nothing is repaired here'),
        isSpareInUse: async () => assert.fail('nothing is repaired here'),
        loginRefused: async (error) => assert.fail(error),
        proposeOffline: async () => {},
        repairCompleted: () => {},
        dataUnavailable: () => {},
        dataAvailable: () => {},
        blocksCorrupt: () => assert.fail('every block was written here'),
        fenced: (error) => assert.fail(error),
      },
      { identity: id, address, db: shard, status: 'online', repair: null, stale: null },
      null,
    );
  }

  async #control<T>(db: number, work: (control: EngineControl) => Promise<T>): Promise<T> {
    return EngineControl.with({ address: this.engine.address, db, timeoutMs: TIMEOUT_MS }, work);
  }
}

const any = { mustBeEmpty: false };

export function identityOf(shard: number): EngineIdentity {
  return { cluster: 'p1', role: 'primary', shard, generation: 1 };
}
