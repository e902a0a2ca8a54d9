import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { containerOfAttributeIndex, containerOfSegment } from '../src/naming/container-mapping.ts';
import { primaryName } from '../src/naming/segment-name.ts';
import { fixtureFolder, sayWhatIsMissing } from './trees.ts';
import { slowContainerOf } from './writers/slow-container-mapping.ts';

sayWhatIsMissing();

const ID = '0123456789abcdef0123456789abcdef';

test('epochs, transactions, transient segments and indexes of a segment have its primary name', () => {
  for (const [name, primary] of [
    ['farm/orders/0.#epoch.7', 'farm/orders/0'],
    ['farm/orders/0', 'farm/orders/0'],
    [`farm/orders/0.#epoch.0#transaction.${ID}`, 'farm/orders/0'],
    [`farm/orders/0.#epoch.0#transaction.${ID}$attributes.index`, 'farm/orders/0'],
    [`farm/orders/0.#epoch.0#transient.${ID}.${ID}`, 'farm/orders/0'],
    ['farm/orders/0.#epoch.0#index', 'farm/orders/0'],
    ['farm/orders/0#transaction.short', 'farm/orders/0#transaction.short'],
    [`farm/orders/0#transaction.${ID}#transaction.${ID}`, 'farm/orders/0'],
    ['_system/_tables/scopes$attributes.index', '_system/_tables/scopes$attributes.index'],
  ] as const)
    assert.equal(primaryName(name), primary, name);
});

test("the containers' own segments are in the container of their number", () => {
  assert.equal(containerOfSegment('_system/containers/metadata_3', 2), 3);
  assert.equal(containerOfSegment('_system/containers/storage_metadata_17', 4), 17);
  assert.equal(containerOfAttributeIndex('_system/containers/metadata_3$attributes.index', 4), 3);
  // No Java int: an ordinary name.
  assert.equal(containerOfSegment('_system/containers/metadata_020240101010101', 64), 46);
});

test('names fall into the containers into which Pravega puts them', () => {
  const path = join(fixtureFolder, 'container-mapping-vectors.json');
  const known = [{ name: 'scope/stream/1.#epoch.0', containers: { '4': 3, '16': 15, '64': 61 } }];
  const { vectors } = existsSync(path)
    ? (JSON.parse(readFileSync(path, 'utf8')) as {
        vectors: { name: string; containers: Record<string, number> }[];
      })
    : { vectors: known };
  for (const { name, containers } of vectors) {
    for (const [count, container] of Object.entries(containers))
      assert.equal(containerOfSegment(name, Number(count)), container, `${name} of ${count}`);
  }
});

test('a second implementation agrees on 100,000 names', () => {
  let seed = 1;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const letters = 'abcXYZ019._-ü/€😀';
  for (let count = 0; count < 100_000; count += 1) {
    const scope = Array.from({ length: 1 + random(12) }, () => letters[random(letters.length)]).join('');
    const suffix = ['', '.#epoch.3', `.#epoch.1#transaction.${ID}`][random(3)] ?? '';
    const name = `${scope}/s${random(1_000)}/${random(50)}`;
    const containers = 1 + random(200);
    const expected = slowContainerOf(name, containers);
    if (containerOfSegment(name + suffix, containers) !== expected)
      assert.fail(`${name}${suffix} of ${containers}`);
  }
});
