/** Cuts that are remembered for copies that are behind: each comes to one that all have heard of. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { decideToldCuts, toldCutsMax } from '../../src/volumes/decide-told-cuts.ts';
import {
  decideGroupStep,
  withArrivedCuts,
  withMadeCut,
  withMembership,
  withReleasedCut,
} from '../../src/volumes/volume-group.ts';
import { type LogSegment, type VolumeRecord, volumeSchema } from '../../src/volumes/volume-records.ts';

interface Numbered {
  readonly number: number;
}

function toldAfter(count: number): Numbered[] {
  let told: Numbered[] = [];
  for (let number = 1; number <= count; number++) told = decideToldCuts([...told, { number }]);
  return told;
}

it('however far a copy is behind, a cut at most four times as old as its place is told', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3_000 }), fc.nat(2_000), (newest, behind) => {
      const told = toldAfter(newest).map(({ number }) => number);
      assert.ok(told.length <= toldCutsMax && told.at(-1) === newest);
      const place = newest - behind;
      if (place < 1) return;
      const found = told.findLast((number) => number <= place) ?? 0;
      // Before there were as many, the oldest may be a little younger.
      assert.ok(found > newest - 4 * Math.max(1, behind), `${found} of ${told.join()} for ${place}`);
    }),
    { numRuns: 60 },
  );
});

it('numbers with gaps take no more room, and the newest is always told', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(1_000_000), { minLength: 1, maxLength: 200 }), (numbers) => {
      const told = decideToldCuts(numbers.map((number) => ({ number })));
      assert.ok(told.length <= toldCutsMax);
      assert.equal(told.at(-1)?.number, Math.max(...numbers));
    }),
    { numRuns: 60 },
  );
});

const GROUP = { name: 'shop/database', members: ['a', 'b'], everyMs: 1_000 };
const generation = { number: 1, zone: 'north', incarnation: '' };
const segmentAt = (last: number): LogSegment => ({ number: last + 1, epoch: 1, last, at: 0, base: 1 });

function recordOf(volume: string, role: 'primary' | 'secondary'): VolumeRecord {
  const record: VolumeRecord = volumeSchema.parse({
    ...{
      volume,
      vdisk: `v-${volume}`,
      role,
      phase: role === 'primary' ? 'serving' : 'following',
      generation,
    },
    ...{ lineage: [], begins: 0, sequence: 0, segment: segmentAt(0), known: 1, peer: 'x', mode: 'instant' },
    ...{
      promotion: null,
      divergence: null,
      rival: null,
      trouble: null,
      point: null,
      changedAt: 0,
      reason: '',
    },
  });
  return { ...record, ...withMembership(record, GROUP) };
}

/**
 * Record n is written, and cut n made, in second n. Copies are that many seconds behind; what each hears of cuts is a second old at
 * most. How far behind the primary the released cut is in each second.
 */
function releasedBehind(lags: readonly number[], seconds: number): (number | null)[] {
  let primaries = GROUP.members.map((volume) => recordOf(volume, 'primary'));
  let copies = GROUP.members.map((volume) => recordOf(volume, 'secondary'));
  let heardBefore = primaries;
  const behind: (number | null)[] = [];
  for (let now = 1; now <= seconds; now++) {
    const places = new Map(GROUP.members.map((volume) => [volume, segmentAt(now)]));
    primaries = withMadeCut(primaries, { id: `cut-${now}`, at: now, places });
    copies = copies.map((copy, at) => {
      const arrived = Math.max(0, now - (lags[at] ?? 0));
      const heard = (at === 0 ? primaries : heardBefore)[at]?.group?.made ?? [];
      const applied = copy.group?.released?.segment.last ?? 0;
      const whole = heard.filter(({ segment: { last } }) => last <= arrived && last >= applied);
      return { ...copy, ...withArrivedCuts(copy, whole) };
    });
    heardBefore = primaries;
    const step = decideGroupStep(GROUP, copies);
    if (step.kind === 'release')
      copies = withReleasedCut(copies, step.id).map((copy) => ({
        ...copy,
        sequence: copy.group?.released?.segment.last ?? 0,
      }));
    const released = copies[0]?.group?.released?.number;
    behind.push(released === undefined ? null : now - released);
  }
  return behind;
}

it('volumes that stay behind, each as far as its link makes it, are one moment again and again, and not only once they are level', () => {
  for (const lags of [
    [0, 9],
    [0, 40],
    [25, 300],
    [700, 0],
  ]) {
    const furthest = Math.max(...lags);
    const behind = releasedBehind(lags, 10 * furthest).slice(5 * furthest);
    for (const each of behind)
      assert.ok(each !== null && each <= 5 * furthest + 5, `${each} behind with lags ${lags.join()}`);
  }
});
