import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SeededRandom } from '@salvor/testkit';
import fc from 'fast-check';
import { isLinearizable, judge, type SmallOperation } from './brute-force.ts';

interface Shape {
  readonly sectors: number;
  readonly operations: number;
  readonly zeroes: boolean;
}

/** Operations that overlap at random on a register that behaves, with a read or two changed afterwards. */
function smallHistory(seed: number, { sectors, operations, zeroes }: Shape): SmallOperation[] {
  const random = new SeededRandom(seed);
  // How far an operation reaches over those that are begun before and after it.
  const reach = [2, 5, 20][random.below(3)] ?? 5;
  const places: { op: number; place: number }[] = [];
  for (let op = 0; op < operations; op++) {
    for (let copy = 0; copy < 3; copy++) places.push({ op, place: op * 2 + random.fraction() * reach });
  }
  const shuffled = places.sort((a, b) => a.place - b.place).map(({ op }) => op);
  // Of the three places of each operation the first is when it is sent, then it takes effect, then it is answered.
  const [sent, effect, answered] = [
    new Map<number, number>(),
    new Map<number, number>(),
    new Map<number, number>(),
  ];
  const state = new Array<number>(sectors).fill(0);
  const drafts = Array.from({ length: operations }, () => {
    const first = random.below(sectors);
    return {
      first,
      count: 1 + random.below(sectors - first),
      write: random.below(2) === 0,
      fate: random.below(8),
    };
  });
  const values = new Map<number, (number | null)[]>();
  const written: number[] = [0];
  for (const [at, op] of shuffled.entries()) {
    const draft = drafts[op];
    if (draft === undefined) throw new Error('no such operation');
    const inside = (sector: number): boolean => sector >= draft.first && sector < draft.first + draft.count;
    if (!sent.has(op)) sent.set(op, at + 1);
    else if (!effect.has(op)) {
      effect.set(op, at + 1);
      const value = zeroes && random.below(4) === 0 ? 0 : op + 1;
      if (draft.write) {
        written.push(value);
        values.set(
          op,
          state.map((_, sector) => (inside(sector) ? value : null)),
        );
        // A write that nobody answered may never have happened.
        if (draft.fate !== 0) for (let s = 0; s < sectors; s++) if (inside(s)) state[s] = value;
      } else {
        values.set(
          op,
          state.map((now, sector) => (inside(sector) ? now : null)),
        );
      }
    } else answered.set(op, at + 1);
  }
  const ops = drafts.map(({ write, fate }, op): SmallOperation => {
    const end = answered.get(op) ?? 0;
    return {
      kind: write ? 'write' : 'read',
      sentAt: sent.get(op) ?? 0,
      answeredAt: write && fate < 2 ? null : end,
      ...(write && fate === 1 ? { fencedAt: end } : {}),
      values: values.get(op) ?? [],
    };
  });
  const reads = ops.filter((op) => op.kind === 'read');
  for (let change = random.below(4); change > 0 && reads.length > 0; change--) {
    const read = reads[random.below(reads.length)];
    if (read === undefined) continue;
    const value = written[random.below(written.length)] ?? 0;
    const changed = { ...read, values: [...read.values] };
    const sector = read.values.findIndex((old) => old !== null);
    changed.values[sector] = value;
    ops[ops.indexOf(read)] = changed;
    reads[reads.indexOf(read)] = changed;
  }
  return ops;
}

const seeds = fc.integer({ min: 0, max: 0x7fff_ffff });

function compare(shape: Shape, runs: number, exact: boolean): { illegal: number; found: number } {
  const totals = { illegal: 0, found: 0 };
  fc.assert(
    fc.property(seeds, fc.constantFrom(0, 3, 12), (seed, pruneFrom) => {
      const history = smallHistory(seed, shape);
      const legal = isLinearizable(history, shape.sectors);
      const contradiction = judge(history, pruneFrom);
      if (legal) assert.equal(contradiction, null, JSON.stringify({ history, contradiction }));
      else if (exact) assert.notEqual(contradiction, null, JSON.stringify(history));
      if (!legal) totals.illegal++;
      if (contradiction !== null) totals.found++;
    }),
    { numRuns: runs },
  );
  return totals;
}

describe('the history of a block, against the trial of every order', () => {
  it('of one sector with unique values: contradicts exactly what no order explains', () => {
    const { illegal, found } = compare({ sectors: 1, operations: 7, zeroes: false }, 4_000, true);
    assert.equal(found, illegal);
    assert.ok(illegal > 400, `only ${illegal} illegal histories`);
  });

  it('of several sectors: never contradicts what some order explains, and finds nearly all else', () => {
    const { illegal, found } = compare({ sectors: 3, operations: 7, zeroes: false }, 4_000, false);
    assert.ok(found > 0.97 * illegal, `found ${found} of ${illegal}`);
  });

  it('with writes of zeroes, which cannot be told apart: never contradicts what some order explains', () => {
    const { illegal, found } = compare({ sectors: 2, operations: 7, zeroes: true }, 4_000, false);
    assert.ok(found > 0.97 * illegal, `found ${found} of ${illegal}`);
  });
});
