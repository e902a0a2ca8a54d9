/**
 * Trees that are whole, of any number of containers, with any mixture of segments: all that is told of one has to be as it was
 * planned, and without a doubt. `RANDOM_TREES=500` makes so many of each layout, and `RANDOM_SEED` begins elsewhere.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { openTree } from '../src/index.ts';
import { newFolder, removeFolder, removeFolders } from './trees.ts';
import { writeChunkedTree } from './writers/chunked-writer.ts';
import { writeLegacyTree } from './writers/legacy-writer.ts';
import { event, truthOf } from './writers/planned-tree.ts';
import { garbageOf, randomPlan } from './writers/random-plan.ts';

const RUNS = Number(process.env.RANDOM_TREES ?? 10);
const FIRST_SEED = Number(process.env.RANDOM_SEED ?? 1);

describe('a whole tree, whatever is in it', () => {
  after(removeFolders);
  for (const [layout, write] of [
    ['legacy', writeLegacyTree],
    ['chunked', writeChunkedTree],
  ] as const)
    it(`${layout}: ${RUNS} trees are read as they were planned`, {
      timeout: 240_000 + RUNS * 2_000,
    }, async () => {
      for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed += 1) {
        const plan = randomPlan(seed);
        const root = newFolder();
        write(root, plan);
        if (layout === 'chunked')
          for (const segment of plan.garbage) writeFileSync(join(root, garbageOf(segment)), event('deleted'));
        const tree = await openTree(root);
        const truth = truthOf(plan);
        assert.deepEqual([tree.layout, tree.containerCount], [layout, plan.containers], `seed ${seed}`);
        assert.deepEqual(
          tree.segments.map(({ name }) => name).sort(),
          [...truth.keys()].sort(),
          `seed ${seed}`,
        );
        for (const segment of tree.segments) {
          const { entries, ...planned } = truth.get(segment.name) ?? assert.fail(segment.name);
          const { uncertain, ...facts } = await tree.facts(segment);
          assert.deepEqual(facts, planned, `seed ${seed}`);
          assert.deepEqual(uncertain, {}, `seed ${seed}: ${segment.name}`);
          const found: { key: string; value: string; version: number }[] = [];
          for await (const { key, value, version } of tree.entries(segment) ?? [])
            found.push({ key: key.toString(), value: value.toString(), version });
          assert.deepEqual(
            found.sort((a, b) => (a.key < b.key ? -1 : 1)),
            entries ?? [],
            `seed ${seed}`,
          );
          await tree.framing(segment);
          await tree.walk(segment);
        }
        while (!(await tree.readFiles(1_000)).done);
        assert.deepEqual(
          tree.findings.filter(({ severity }) => severity === 'damage'),
          [],
          `seed ${seed}`,
        );
        tree.close();
        removeFolder(root);
      }
    });
});
