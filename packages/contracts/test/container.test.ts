import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containerOf, murmurWord } from '../src/container.ts';

const names: readonly [name: string, word: bigint, counts: Readonly<Record<number, number>>][] = [
  ['farm/orders/0', 0xc3ff_ddd7_01ce_7f88n, { 4: 0 }],
  ['farm/_MARKorders/0', 3_596_600_303_570_926_931n, { 4: 2 }],
  ['scope/stream/1', 11_614_606_207_484_588_234n, { 4: 3, 64: 61 }],
  ['farm/orders/3', 4_298_096_062_466_953_281n, { 4: 3, 16: 8 }],
  ['_system/_tables/completedTransactionsBatches', 9_655_474_995_737_542_515n, { 4: 1, 48: 16 }],
  ['üñï/çödé/0', 15_322_455_404_216_373_404n, { 4: 3 }],
];

test('names fall into the containers in which the original puts them', () => {
  for (const [name, word, counts] of names) {
    assert.equal(murmurWord(Buffer.from(name, 'utf16le')), word, name);
    for (const [count, container] of Object.entries(counts))
      assert.equal(containerOf(name, Number(count)), container, `${name} of ${count}`);
  }
});

test('a number of containers below one is refused', () => {
  for (const count of [0, -1, 1.5, Number.NaN]) assert.throws(() => containerOf('v', count), RangeError);
});
