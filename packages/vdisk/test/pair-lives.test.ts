import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { SeededRandom, testSeed } from '@salvor/testkit';
import type { BlockChange } from '../src/batch.ts';
import type { BlockLayout } from '../src/layout/block-layout.ts';
import { NondedupedLayout } from '../src/layout/nondeduped.ts';
import { VolumeLayout } from '../src/layout/volume.ts';
import type { MemberRecord } from '../src/pair-context.ts';
import { mountPair } from '../src/pair-mount.ts';
import { PairHarness, TestEngine, until } from './pair-harness.ts';
import { SECTOR_BYTES, SectorModel, sectorOf } from './sector-model.ts';

/** Each seed is one life of a pair: load, kills, returns with more or less data, rebuilds, new owners. */
const LIVES = 12;
/** As many more with the native layout. */
const VOLUME_LIVES = 6;
const STEPS = 30;
const BLOCKS = 48;
const BLOCK_BYTES = 4096;
const SECTORS_PER_BLOCK = BLOCK_BYTES / SECTOR_BYTES;
const IN_FLIGHT_MAX = 24;
const REPAIR_TIMEOUT_MS = 15_000;

type Side = 'primary' | 'slave';
type NewLayout = () => BlockLayout;

const newNondeduped: NewLayout = () => new NondedupedLayout('v1', BLOCK_BYTES);
const newVolume: NewLayout = () => new VolumeLayout('v1', BLOCK_BYTES, 1);

class PairLife {
  readonly #random: SeededRandom;
  readonly #newLayout: NewLayout;
  readonly #model = new SectorModel(BLOCKS * SECTORS_PER_BLOCK);
  readonly #engines: Record<Side, TestEngine>;
  readonly #marks: Record<Side, (() => void) | null> = { primary: null, slave: null };
  readonly #inFlight = new Set<Promise<void>>();
  readonly #story: string[] = [];
  #owner: PairHarness;
  #epoch = 1;
  #attempt = 0;
  #down: Side | null = null;
  #failed: unknown = null;

  private constructor(
    seed: number,
    newLayout: NewLayout,
    engines: Record<Side, TestEngine>,
    owner: PairHarness,
  ) {
    this.#newLayout = newLayout;
    this.#random = new SeededRandom(seed);
    this.#engines = engines;
    this.#owner = owner;
  }

  static async begin(seed: number, newLayout: NewLayout): Promise<PairLife> {
    const [primary, slave] = await Promise.all([TestEngine.start(), TestEngine.start()]);
    const owner = await new PairHarness(primary, slave, {
      epoch: '1',
      blocks: BLOCKS,
      layout: newLayout(),
    }).mount();
    return new PairLife(seed, newLayout, { primary, slave }, owner);
  }

  get story(): string {
    return this.#story.join(', ');
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      await this.#load();
      if (this.#random.below(3) === 0) await this.#strike();
      if (this.#failed !== null) throw this.#failed;
    }
    await this.#heal();
    await this.#settle(0);
    await this.#checkAll();
  }

  async end(): Promise<void> {
    this.#owner.pair.close(new Error('the end'));
    await Promise.allSettled(this.#inFlight);
    await Promise.all(Object.values(this.#engines).map((engine) => engine.stop()));
  }

  async #load(): Promise<void> {
    const count = 1 + this.#random.below(8);
    for (let i = 0; i < count; i++) {
      if (this.#random.below(4) === 0) this.#read(this.#random.below(BLOCKS));
      else this.#write();
    }
    await this.#settle(this.#random.below(2) * IN_FLIGHT_MAX);
  }

  #write(): void {
    const block = this.#random.below(BLOCKS);
    const isZero = this.#random.below(5) === 0;
    const isWhole = this.#random.below(2) === 0;
    const at = isWhole ? 0 : this.#random.below(SECTORS_PER_BLOCK);
    const count = isWhole ? SECTORS_PER_BLOCK : 1 + this.#random.below(SECTORS_PER_BLOCK - at);
    const value = isZero ? 0 : this.#model.nextValue();
    const data = isZero ? null : sectorOf(value, count);
    const change: BlockChange =
      count === SECTORS_PER_BLOCK
        ? { block, data }
        : { block, data, part: { at: at * SECTOR_BYTES, length: count * SECTOR_BYTES } };
    const acknowledged = this.#model.issue(block * SECTORS_PER_BLOCK + at, count, value);
    // A failed write is no failure of the test: it may or may not have happened.
    this.#track(this.#owner.pair.write([change]).then(acknowledged, () => {}));
  }

  #read(block: number): void {
    const { pair } = this.#owner;
    const startedAt = this.#model.now;
    const checked = pair.read([block]).then(
      ([found]) => this.#check(block, found ?? null, startedAt),
      (error: unknown) => {
        if (!pair.closed) throw error;
      },
    );
    this.#track(checked);
  }

  #check(block: number, found: Buffer | null, startedAt: number): void {
    const content = found ?? Buffer.alloc(BLOCK_BYTES);
    this.#model.check(block * SECTORS_PER_BLOCK, content, startedAt, `block ${block}`);
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => {
        this.#failed ??= error;
      })
      .finally(() => this.#inFlight.delete(tracked));
    this.#inFlight.add(tracked);
  }

  async #settle(allowed: number): Promise<void> {
    while (this.#inFlight.size > allowed) await Promise.race(this.#inFlight);
  }

  async #strike(): Promise<void> {
    const dice = this.#random.below(10);
    if (dice < 2) return await this.#newOwner();
    if (this.#down !== null) return await this.#heal();
    if (dice < 4) return await this.#remember();
    await this.#kill(this.#random.below(2) === 0 ? 'primary' : 'slave');
  }

  /** An owner that dies in the middle of whatever it is doing; sometimes an engine loses its tail at the same time. */
  async #newOwner(): Promise<void> {
    this.#story.push('new owner');
    const { primary, slave, pair } = this.#owner;
    pair.close(new Error('died'));
    const cutBack = this.#down === null && this.#random.below(3) === 0 ? this.#takeMark('slave') : null;
    if (cutBack !== null) {
      this.#story.push('the slave loses its tail');
      await this.#engines.slave.kill();
      cutBack();
      await this.#engines.slave.start();
    }
    const next = new PairHarness(this.#engines.primary, this.#engines.slave, {
      epoch: String(++this.#epoch),
      blocks: BLOCKS,
      layout: this.#newLayout(),
    });
    next.primary = primary;
    next.slave = slave;
    next.pair.applyRecords(primary, slave);
    this.#owner = next;
    await mountPair(next.pair);
    if (cutBack !== null && this.#recordOf('slave').status !== 'online') this.#down = 'slave';
  }

  /** Notes the state of an engine, to which it may fall back later. */
  async #remember(): Promise<void> {
    const side = this.#random.below(2) === 0 ? 'primary' : 'slave';
    this.#marks[side] = this.#engines[side].mark();
  }

  #takeMark(side: Side): (() => void) | null {
    const mark = this.#marks[side];
    this.#marks[side] = null;
    return mark;
  }

  async #kill(side: Side): Promise<void> {
    const { failures } = this.#owner;
    const before = failures.length;
    const wasUnderRepair = this.#recordOf(side).repair !== null;
    this.#story.push(`${side} killed`);
    this.#down = side;
    for (let i = 0; i < 5; i++) this.#write();
    await this.#engines[side].kill();
    if (wasUnderRepair) {
      await until(() => failures.length > before || this.#isRepaired(side), `the ${side} is seen to fail`);
      this.#record(side, { status: 'offline', repair: null });
    }
    await until(() => this.#recordOf(side).status === 'offline', `the ${side} is recorded as offline`);
  }

  /** Brings the engine that is down back: with all its data, short of a tail, or as an empty spare. */
  async #heal(): Promise<void> {
    const side = this.#down;
    if (side === null) return;
    await until(() => this.#recordOf(side).status === 'offline', `the ${side} is recorded as offline`);
    const dice = this.#random.below(3);
    if (dice === 0) await this.#rebuild(side);
    else await this.#comeBack(side, dice === 1);
    await this.#load();
    const [isTakenOver, diesAgain] = [this.#random.below(4) === 0, this.#random.below(4) === 0];
    if (isTakenOver) await this.#newOwner();
    else if (diesAgain && dice !== 0) {
      await this.#kill(side);
      return await this.#heal();
    }
    await this.#waitForRepair(side);
    this.#record(side, { status: 'online', repair: null });
    this.#down = null;
  }

  async #comeBack(side: Side, cut: boolean): Promise<void> {
    const engine = this.#engines[side];
    await engine.kill();
    const cutBack = cut ? this.#takeMark(side) : null;
    cutBack?.();
    this.#story.push(`${side} back${cutBack === null ? '' : ' without its tail'}`);
    await engine.start();
    this.#record(side, { status: 'repair-tmp-outage', repair: this.#repair('repair-tmp-outage') });
  }

  async #rebuild(side: Side): Promise<void> {
    this.#story.push(`${side} rebuilt`);
    const old = this.#engines[side];
    const spare = await TestEngine.start();
    await old.stop();
    this.#engines[side] = spare;
    this.#marks[side] = null;
    const { identity } = this.#recordOf(side);
    this.#record(side, {
      identity: { ...identity, generation: identity.generation + 1 },
      address: spare.address,
      status: 'repair-final-outage',
      repair: this.#repair('repair-final-outage'),
    });
  }

  #repair(kind: 'repair-tmp-outage' | 'repair-final-outage'): MemberRecord['repair'] {
    return { incident: `i${++this.#attempt}`, attempt: 1, kind, completed: false };
  }

  async #waitForRepair(side: Side): Promise<void> {
    await until(
      () => this.#isRepaired(side) || this.#failed !== null,
      `the ${side} is repaired (${this.#owner.pair.mode.kind}: ${this.#owner.pair.mode.reason})`,
      REPAIR_TIMEOUT_MS,
    );
  }

  #isRepaired(side: Side): boolean {
    const incident = this.#recordOf(side).repair?.incident;
    return this.#owner.repairs.some((outcome) => outcome.incident === incident);
  }

  #recordOf(side: Side): MemberRecord {
    return (side === 'primary' ? this.#owner.primary : this.#owner.slave) ?? assert.fail('no slave');
  }

  #record(side: Side, changes: Partial<MemberRecord>): void {
    const record = { ...this.#recordOf(side), ...changes };
    if (side === 'primary') this.#owner.primary = record;
    else this.#owner.slave = record;
    this.#owner.pair.applyRecords(this.#owner.primary, this.#owner.slave);
  }

  /** Both members hold the same blocks, and those are the right ones. */
  async #checkAll(): Promise<void> {
    const { pair } = this.#owner;
    assert.equal(pair.mode.kind, 'mirrored');
    const startedAt = this.#model.now;
    const all = Array.from({ length: BLOCKS }, (_, block) => block);
    const contents = await Promise.all(
      pair.members.map(async (member) => (await member.open()).readBlocks(all)),
    );
    const [primary, slave] = contents;
    assert.deepEqual(slave, primary);
    for (const block of all) this.#check(block, primary?.[block] ?? null, startedAt);
  }
}

describe('a life of a pair under load, kills and returns', () => {
  const first = testSeed({ SALVOR_TEST_SEED: '1', ...process.env });
  const lives: PairLife[] = [];
  after(async () => {
    for (const life of lives) await life.end();
  });

  const seeds = (count: number): number[] => Array.from({ length: count }, (_, i) => first + i);
  const cases = [
    ...seeds(LIVES).map((seed) => ({ seed, what: `seed ${seed}`, newLayout: newNondeduped })),
    ...seeds(VOLUME_LIVES).map((seed) => ({ seed, what: `volume, seed ${seed}`, newLayout: newVolume })),
  ];
  for (const { seed, what, newLayout } of cases) {
    it(`shows every acknowledged write and nothing older: ${what}`, async () => {
      const life = await PairLife.begin(seed, newLayout);
      lives.push(life);
      try {
        await life.run();
      } catch (error) {
        throw new Error(`seed ${seed}: ${life.story}`, { cause: error });
      } finally {
        await life.end();
        lives.pop();
      }
    });
  }
});
