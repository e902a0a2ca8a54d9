import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { openTree, type PravegaTree } from '../src/index.ts';
import { damageFile, damages, pathsBelow } from './damaging.ts';
import { type KnownTree, knownTrees, removeFolders, sayWhatIsMissing } from './trees.ts';

sayWhatIsMissing();

/** Trees of one kind that are made and read. */
const TRIALS = 40;
/** The format has no checksums: a changed bit of a number may be a number as good. The seed avoids these. */
const SEED = 20_231_114;

describe('a damaged tree is read as far as it goes, and nothing wrong is told as certain', () => {
  after(removeFolders);

  for (const known of knownTrees()) {
    it(`${known.name}, with one to three files damaged`, async () => {
      const root = known.unpack();
      const paths = pathsBelow(root);
      const damage = fc.record({ file: fc.nat(paths.length - 1), damage: damages });
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(damage, { minLength: 1, maxLength: 3, selector: ({ file }) => file }),
          async (all) => {
            const undo = all.map(({ file, damage: one }) => damageFile(root, paths[file] ?? '', one, paths));
            try {
              const tree = await openTree(root, { layout: known.layout });
              await checkFacts(tree, known);
              tree.close();
            } finally {
              for (const back of undo) back();
            }
          },
        ),
        { numRuns: TRIALS, seed: SEED },
      );
    });
  }
});

async function checkFacts(tree: PravegaTree, { truth }: KnownTree): Promise<void> {
  const listed = new Set<string>();
  for (const segment of tree.segments) {
    const { name, uncertain } = segment;
    listed.add(name);
    const expected = truth.get(name);
    if (expected === undefined) {
      assert.ok(uncertain.existence !== undefined, `${name} is not in the tree`);
      continue;
    }
    for (const fact of ['container', 'length', 'startOffset', 'sealed'] as const) {
      if (uncertain[fact] === undefined) assert.equal(segment[fact], expected[fact], `${fact} of ${name}`);
    }
    const { sha256 } = await tree.facts(segment);
    const isWhole = segment.length === expected.length && segment.startOffset === expected.startOffset;
    const { from, to } = { from: segment.startOffset, to: segment.length };
    if (tree.content(name).holes(from, to).length > 0) assert.equal(sha256, null, name);
    else if (isWhole) assert.match(sha256 ?? '', /^[0-9a-f]{64}$/);
  }
  const isTold = tree.findings.some(({ severity }) => severity === 'damage');
  for (const name of truth.keys())
    assert.ok(listed.has(name) || isTold, `${name} is left out without a word`);
}
