import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { SegmentRecovery } from '@salvor/contracts';
import fc from 'fast-check';
import { damageFile, damages, pathsBelow } from '../../../packages/pravega/test/damaging.ts';
import {
  type KnownTree,
  removeFolder,
  removeFolders,
  writtenTrees,
} from '../../../packages/pravega/test/trees.ts';
import { Tier1 } from './tier1.ts';
import { everySegment } from './tier1-content.ts';

/** Of each layout. */
const RUNS = Number(process.env.DAMAGED_RECOVERIES ?? 4);
const MAX_DAMAGES = 4;
const STREAM = 'farm/orders/0.#epoch.0';

describe('a damaged tree is brought back in part, with an exact report', () => {
  let tier1: Tier1;
  before(async () => {
    tier1 = await Tier1.start();
    await tier1.serve();
  });
  after(async () => {
    await tier1[Symbol.asyncDispose]();
    removeFolders();
  });

  /** Every run begins with nothing in Tier-1. */
  async function recovered(root: string): Promise<SegmentRecovery> {
    for (const { described } of (await everySegment(tier1.bus)).values()) {
      const { stream, subject } = described;
      const { lastSequence } = await tier1.bus.logStreams.facts(stream);
      for (const part of ['content', 'attributes', 'entries'])
        await tier1.bus.logStreams.purge(stream, `${subject}.${part}`, lastSequence + 1);
    }
    const keys = (await tier1.store.list('/salvor/segment')).entries.map(({ key }) => key);
    for (let at = 0; at < keys.length; at += 100)
      await tier1.store.transact({ compare: [], deletes: keys.slice(at, at + 100) });
    return tier1.recover({ root });
  }

  for (const tree of writtenTrees()) {
    const damaged = (damage: (root: string, paths: string[]) => void) => async () => {
      const root = tree.unpack();
      damage(root, pathsBelow(root));
      const recovery = await recovered(root);
      assert.equal(recovery.looked, recovery.segments);
      assert.equal(recovery.failed, 0);
      await assertNothingWrongIsCertain(tree, tier1);
      removeFolder(root);
      return recovery;
    };
    const find = (paths: readonly string[], part: string) => paths.find((path) => path.includes(part)) ?? '';

    it(`${tree.name}: a missing chunk`, async () => {
      const recovery = await damaged((root, paths) => rmSync(join(root, chunkOf(tree, paths, STREAM))))();
      assert.equal(recovery.segments, tree.truth.size);
      assert.match(recovery.trouble.join('\n'), new RegExp(STREAM));
    });

    it(`${tree.name}: a file that is cut off`, async () => {
      const recovery = await damaged((root, paths) => {
        const path = join(root, chunkOf(tree, paths, STREAM));
        truncateSync(path, Math.floor(statSync(path).size / 2));
      })();
      assert.equal(recovery.segments, tree.truth.size);
      assert.match(recovery.trouble.join('\n'), new RegExp(STREAM));
    });

    it(`${tree.name}: metadata of which nothing is left`, async () => {
      const recovery = await damaged((root, paths) => {
        for (const path of paths)
          if (path.startsWith('_system/containers/')) writeFileSync(join(root, path), '');
      })();
      assert.ok(recovery.damage > 0 || recovery.uncertain > 0);
    });

    it(`${tree.name}: lengths of gigabytes in small files`, async () => {
      await damaged((root, paths) => {
        for (const path of paths.filter((each) => each.startsWith('_system/containers/')))
          writeFileSync(join(root, path), Buffer.alloc(1_024, 0x7f));
      })();
    });

    it(`${tree.name}: foreign files, and links that lead out of it`, async () => {
      const recovery = await damaged((root) => {
        writeFileSync(join(root, 'notes.txt'), 'nothing of ours');
        mkdirSync(join(root, 'farm/.snapshot'));
        symlinkSync('/etc/passwd', join(root, 'farm/passwd'));
        symlinkSync('/', join(root, 'farm/outside'));
        symlinkSync('.', join(root, 'farm/itself'));
      })();
      assert.equal(recovery.segments, tree.truth.size);
      assert.match(recovery.trouble.join('\n'), /symbolic-link: .*farm\/outside/);
    });

    it(`${tree.name}: files of other modes`, async () => {
      await damaged((root, paths) => {
        for (const path of paths.filter((_, index) => index % 3 === 0)) chmodSync(join(root, path), 0o000);
        chmodSync(join(root, find(paths, STREAM)), 0o444);
      })();
    });

    it(`${tree.name}: any damage of some files`, async () => {
      const root = tree.unpack();
      const paths = pathsBelow(root);
      const one = fc.record({ path: fc.constantFrom(...paths), damage: damages });
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(one, { minLength: 1, maxLength: MAX_DAMAGES, selector: ({ path }) => path }),
          async (all) => {
            const undo = all.map(({ path, damage }) => damageFile(root, path, damage, paths));
            try {
              const recovery = await recovered(root);
              assert.equal(recovery.looked, recovery.segments);
              const found = await everySegment(tier1.bus);
              assert.equal(found.size, recovery.segments);
              for (const { described, sha256 } of found.values())
                if (described.sha256 !== undefined) assert.equal(sha256, described.sha256, described.segment);
            } finally {
              for (const each of undo.reverse()) each();
              rmSync(join(root, 'backup_system'), { recursive: true, force: true });
            }
          },
        ),
        { numRuns: RUNS },
      );
      removeFolder(root);
    });
  }
});

/** A chunk in the middle of a segment. */
function chunkOf({ layout }: KnownTree, paths: readonly string[], segment: string): string {
  const begin = layout === 'chunked' ? `${segment}.E-` : `${segment}$offset.`;
  const chunks = paths.filter((path) => path.startsWith(begin)).sort((a, b) => offsetIn(a) - offsetIn(b));
  return chunks[Math.floor(chunks.length / 2)] ?? '';
}

function offsetIn(path: string): number {
  return Number(/(?:-O-|\$offset\.)(\d+)/.exec(path)?.[1]);
}

/** Whatever is told without a doubt is as it was in the tree before the damage. */
async function assertNothingWrongIsCertain({ truth }: KnownTree, tier1: Tier1): Promise<void> {
  for (const [name, { described }] of await everySegment(tier1.bus)) {
    const expected = truth.get(name);
    const doubts = new Set(described.uncertain.map(({ fact }) => fact));
    if (expected === undefined) {
      assert.ok(doubts.has('existence') || doubts.size > 0, `${name} never was there`);
      continue;
    }
    for (const fact of ['length', 'startOffset', 'sealed', 'container'] as const)
      if (!doubts.has(fact)) assert.equal(described[fact], expected[fact], `${fact} of ${name}`);
  }
}
