import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { productCores } from './cores.ts';
import { Engine } from './engine.ts';
import { blindSpots, mutations } from './mutations/index.ts';
import { Overwrites } from './overwrites.ts';
import { Random } from './random.ts';
import { Register } from './register.ts';
import { Scheduler } from './scheduler.ts';
import { runRange } from './seed-range.ts';
import { ShortHistories } from './short-histories.ts';
import { simulate } from './simulate.ts';
import { World } from './world.ts';

const SEEDS = 150;

/** How many seeds from 0 on find out a mutation; the others take longer, and are left to `npm run simulate -- --mutations`. */
const seedsThatDo: ReadonlyMap<string, number> = new Map([
  ['missed-vdisk', 15],
  ['online-before-repair', 12],
  ['false-alarm-trusted', 111],
  ['spare-taken-twice', 32],
  ['old-reports-count', 26],
  ['attempt-not-counted', 15],
  ['reports-open-twice', 20],
  ['created-while-sick', 12],
  ['identity-not-needed', 25],
  ['loss-waits-for-ever', 28],
  ['no-epoch-fence', 31],
  ['older-links-not-barred', 37],
  ['lost-dirty-bit', 15],
  ['writes-pass-by-the-target', 17],
  ['bits-not-cleared', 12],
  ['ack-before-offline', 14],
  ['lease-beyond-expiry', 13],
  ['served-unconfirmed', 20],
  ['owner-key-stolen', 38],
  ['half-seen-end-believed', 37],
  ['stale-member-used', 12],
  ['faults-kept', 15],
  ['sequence-not-checked', 34],
  ['anyone-vouches', 20],
  ['no-catch-up', 15],
  ['nothing-marked', 15],
  ['copies-not-in-the-ring', 30],
  ['spare-let-go', 47],
  ['unrecorded-repair-trusted', 381],
  ['hold-ignored', 20],
  ['pause-ignored', 41],
]);

describe('the simulator', () => {
  it('finds no rule broken by the product, and everything healed or waiting for an operator', () => {
    const { seeds, violations, writes, reads, unavailable } = runRange({
      from: 0,
      count: SEEDS,
      mutation: null,
      untilViolation: false,
    });
    const found = violations.map(
      ({ seed, violation }) => `seed ${seed}: rule ${violation?.rule}: ${violation?.what}`,
    );
    assert.deepEqual(found, []);
    assert.equal(seeds, SEEDS);
    assert.ok(writes > SEEDS * 50 && reads > SEEDS * 50, `${writes} writes and ${reads} reads were judged`);
    assert.ok(unavailable < SEEDS / 10, `${unavailable} seeds left a pair to an operator`);
  });

  it('runs a seed the same way each time, told or not', () => {
    for (const seed of [1, 20, 44]) {
      const lines: string[] = [];
      const [quiet, told, again] = [
        simulate(seed),
        simulate(seed, productCores, (line) => lines.push(line)),
        simulate(seed, productCores, () => undefined),
      ];
      assert.deepEqual(told, quiet);
      assert.deepEqual(again, quiet);
      assert.ok(lines.some((line) => line.includes('FAULT')));
    }
  });

  it('runs different seeds in different ways', () => {
    const digests = new Set([1, 2, 3, 4, 5].map((seed) => simulate(seed).digest));
    assert.equal(digests.size, 5);
  });
});

describe('a mutation of a decision', () => {
  it('has a name of its own, and a fault to tell', () => {
    assert.ok(mutations.length - blindSpots.size >= 20, 'at least 20 are found out');
    for (const name of blindSpots)
      assert.ok(mutations.some((mutation) => mutation.name === name) && !seedsThatDo.has(name), name);
    assert.equal(new Set(mutations.map(({ name }) => name)).size, mutations.length);
    for (const { name, fault } of mutations) assert.ok(name.length > 0 && fault.length > 0);
  });

  for (const { name, fault } of mutations) {
    const seeds = seedsThatDo.get(name);
    if (seeds === undefined) continue;
    it(`is found out within ${seeds} seeds: ${fault} (${name})`, () => {
      const { violations } = runRange({ from: 0, count: seeds, mutation: name, untilViolation: true });
      assert.equal(violations.length, 1);
    });
  }
});

describe('the time of the simulator', () => {
  it('moves on, or the run ends with an error', () => {
    const scheduler = new Scheduler();
    let rounds = 0;
    const again = (): void => {
      rounds++;
      scheduler.after(rounds < 100 ? 0.5 : 0, null, again);
    };
    again();
    assert.throws(() => {
      while (scheduler.step(1_000));
    }, /time stands still at 49.5 ms/);
    assert.ok(rounds > 100);
  });
});

describe('the register of the simulator', () => {
  it('takes any value that was written and not yet followed by another, and refuses older ones', () => {
    const register = new Register();
    register.began(1, 1);
    assert.equal(register.read(0, 2, 3), null);
    assert.equal(register.read(1, 2, 4), null, 'the write is under way');
    assert.equal(register.wrote(1, 5), null);
    assert.equal(register.read(1, 6, 7), null);
    assert.match(register.read(0, 8, 9) ?? '', /no order/);
  });

  it('takes a write that was never answered at any time after it began, once', () => {
    const register = new Register();
    register.began(1, 1);
    register.began(2, 2);
    assert.equal(register.wrote(2, 3), null);
    assert.equal(register.read(2, 4, 5), null);
    assert.equal(register.read(1, 6, 7), null);
    assert.match(register.read(2, 8, 9) ?? '', /no order/);
  });

  it('refuses a value that nobody wrote', () => {
    assert.match(new Register().read(7, 1, 2) ?? '', /nobody wrote/);
  });
});

describe('a write that is not on an engine', () => {
  it('is missed there, unless what took its place is', () => {
    const overwrites = new Overwrites();
    overwrites.tell(0, 1);
    overwrites.tell(1, 2);
    overwrites.tell(2, 3);
    overwrites.tell(2, 2);
    assert.equal(overwrites.isOn(new Set([1]), 1), true);
    assert.equal(overwrites.isOn(new Set([3]), 1), true);
    assert.equal(overwrites.isOn(new Set([1, 2]), 3), false, 'what it took the place of does not count');
    assert.equal(overwrites.isOn(new Set([4]), 1), false);
  });

  it('is missed where writes followed each other in a circle, and none of them is', () => {
    const overwrites = new Overwrites();
    overwrites.tell(1, 2);
    overwrites.tell(2, 1);
    assert.equal(overwrites.isOn(new Set([3]), 1), false);
  });
});

describe('a history that is taken up short', () => {
  const world = new World(1, productCores, null);
  const shard = world.emptyShard;

  /** Three batches are acknowledged, and the engine holds them. */
  function started(): { histories: ShortHistories; engine: Engine } {
    const engine = new Engine(world, 'tested');
    engine.isLazy = true;
    for (const seq of [1, 2, 3]) engine.store(0, '1', { ...shard, seq });
    const histories = new ShortHistories();
    histories.acknowledge(0, 0, 3);
    return { histories, engine };
  }

  it('could be known, unless its one engine lost its tail and its partner does not tell', () => {
    const { histories, engine } = started();
    const about = { vdisk: 0, shard: 0, found: [engine], stalePartner: null };
    assert.equal(histories.tookUp({ ...about, seq: 3 }), null);
    assert.deepEqual(histories.tookUp({ ...about, seq: 2 }), { missing: 1, couldKnow: true }, 'it lost none');
    engine.loseTail(1);
    assert.deepEqual(histories.tookUp({ ...about, seq: 2, stalePartner: 4 }), {
      missing: 1,
      couldKnow: true,
    });
    const both = { ...about, found: [engine, new Engine(world, 'partner')] };
    assert.deepEqual(histories.tookUp({ ...both, seq: 2 }), { missing: 1, couldKnow: true });
    assert.equal(histories.tookUp({ ...about, seq: 3 }), null, 'nobody took it up unnoticed yet');
    const limit = { missing: 1, couldKnow: false };
    assert.deepEqual(histories.tookUp({ ...about, seq: 2, stalePartner: 3 }), limit);
  });

  it('lacks a write that was never acknowledged once somebody has read it', () => {
    const { histories, engine } = started();
    engine.store(0, '1', { ...shard, seq: 4 });
    const about = { vdisk: 0, shard: 0, found: [engine], stalePartner: null, seq: 3 };
    histories.sent(77, 4);
    engine.loseTail(1);
    assert.equal(histories.tookUp(about), null);
    histories.read(0, 0, 77);
    assert.deepEqual(histories.tookUp(about), { missing: 1, couldKnow: false });
  });

  it('lacks what was there before the first batch when the one engine lost all of its repair', () => {
    const histories = new ShortHistories();
    histories.imported(0, 0, 1, 77);
    const engine = new Engine(world, 'filled');
    engine.isLazy = true;
    engine.store(0, '1', { blocks: shard.blocks.with(1, 77) });
    const about = { vdisk: 0, shard: 0, found: [engine], stalePartner: null, seq: 0 };
    assert.equal(histories.tookUp(about), null);
    engine.loseTail(1);
    assert.deepEqual(histories.tookUp(about), { missing: 1, couldKnow: false });
  });

  it('stays so under the numbers that its owner gave anew, until the engine is repaired', () => {
    const { histories, engine } = started();
    const about = { vdisk: 0, shard: 0, found: [engine], stalePartner: 3 };
    const limit = { missing: 1, couldKnow: false };
    engine.loseTail(1);
    assert.deepEqual(histories.tookUp({ ...about, seq: 2 }), limit);
    assert.deepEqual(histories.tookUp({ ...about, seq: 3 }), limit, 'another batch has the number');
    assert.deepEqual(histories.tookUp({ ...about, seq: 3, stalePartner: 5 }), {
      missing: 1,
      couldKnow: true,
    });
    assert.equal(histories.tookUp({ ...about, vdisk: 1, seq: 0 }), null, 'another vdisk lost none');
    const found = [new Engine(world, 'partner')];
    assert.equal(histories.tookUp({ ...about, found, seq: 3 }), null, 'another engine has it all');
    engine.isRepaired();
    assert.equal(histories.tookUp({ ...about, seq: 3 }), null);
    engine.loseTail(1);
    assert.equal(histories.tookUp({ ...about, seq: 3 }), null, 'a later loss is another one');
  });
});

describe('the random numbers of the simulator', () => {
  it('are the same for a seed, and spread over the range', () => {
    const draw = (seed: number): number[] => {
      const random = new Random(seed);
      return Array.from({ length: 1_000 }, () => random.whole(0, 9));
    };
    assert.deepEqual(draw(7), draw(7));
    assert.notDeepEqual(draw(7), draw(8));
    for (let digit = 0; digit < 10; digit++)
      assert.ok(draw(7).filter((drawn) => drawn === digit).length > 50);
  });
});
