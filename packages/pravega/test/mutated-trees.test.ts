/**
 * Trees with one to three random damages each, listed and accounted for as a recovery does it. See `judging.ts` for what is
 * right. `MUTATED_TREES=2000` makes so many of each layout, and `MUTATED_SEED` begins elsewhere.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { openTree, type PravegaTree } from '../src/index.ts';
import { pathsBelow } from './damaging.ts';
import { judge, type Places, placesOf, type Wrong } from './judging.ts';
import { type Mutation, mutate } from './mutations.ts';
import { type KnownTree, knownTrees, removeFolders, sayWhatIsMissing } from './trees.ts';

sayWhatIsMissing();

/** Of each layout, over its trees. */
const RUNS = Number(process.env.MUTATED_TREES ?? 60);
const FIRST_SEED = Number(process.env.MUTATED_SEED ?? 1);
/** Of one tree of this many runs: nothing loops for ever. */
const TIMEOUT_MS = 240_000 + RUNS * 2_000;

describe('a damaged tree is read as far as it goes, and nothing wrong is told as certain', () => {
  after(removeFolders);
  const trees = knownTrees();

  for (const known of trees) {
    const share = trees.filter(({ layout }) => layout === known.layout).length;
    const runs = Math.ceil(RUNS / share);
    it(`${known.name}, damaged in ${runs} ways`, { timeout: TIMEOUT_MS }, async (context) => {
      const root = known.unpack();
      const paths = pathsBelow(root);
      const places = await placesOf(root, known);
      const sums = { certain: 0, doubted: 0, excused: 0 };
      for (let seed = FIRST_SEED; seed < FIRST_SEED + runs; seed += 1) {
        const { mutations, undo } = mutate(root, paths, seed);
        try {
          const judged = await judgeRoot({ root, known, places, mutations });
          const wrong = judged.wrong.map((each) => ({ ...each, seed }));
          assert.deepEqual(wrong, [], `seed ${seed}: ${JSON.stringify(mutations)}`);
          sums.certain += judged.certain;
          sums.doubted += judged.doubted;
          sums.excused += judged.excused;
        } finally {
          undo();
        }
      }
      const { certain, doubted, excused } = sums;
      context.diagnostic(
        `${runs} damaged trees: ${certain} facts certain, ${excused} of them as the damaged tree alone has them, ${doubted} in doubt`,
      );
    });
  }
});

interface Damaged {
  readonly root: string;
  readonly known: KnownTree;
  readonly places: Places;
  readonly mutations: readonly Mutation[];
}

async function judgeRoot({ root, known, places, mutations }: Damaged) {
  const tree = await openTree(root, { layout: known.layout });
  try {
    const judged = await judge({ root, tree, known, places, mutations });
    return { ...judged, wrong: [...judged.wrong, ...(await contradictions(tree))] };
  } finally {
    tree.close();
  }
}

/** What a recovery and a verification ask of each segment, and what can never be, whatever the tree is. */
async function contradictions(tree: PravegaTree): Promise<Wrong[]> {
  const wrong: Wrong[] = [];
  for (const segment of tree.segments) {
    const { name, startOffset, length } = segment;
    const { runs, appendAt } = await tree.framing(segment);
    const holes = tree.content(name).holes(startOffset, length);
    const isOrdered = [startOffset, ...runs.flatMap(({ from, to }) => [from, to]), length].every(
      (offset, index, all) => index === 0 || offset >= (all[index - 1] ?? 0),
    );
    const isAcrossHole = runs.some(({ from, to }) => holes.some((hole) => hole.from < to && hole.to > from));
    if (startOffset > length || appendAt > length || !isOrdered || isAcrossHole)
      wrong.push({ segment: name, fact: 'framing', found: { startOffset, length, runs }, truth: undefined });
    assert.ok(tree.origins(segment).length > 0);
    await tree.walk(segment);
    const entries = tree.entries(segment);
    if (entries === null) continue;
    for await (const { version } of entries)
      if (version > length) wrong.push({ segment: name, fact: 'entries', found: version, truth: length });
  }
  while (!(await tree.readFiles(1_000)).done);
  return wrong;
}
