import assert from 'node:assert/strict';
import { chmod, readdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { testSeed } from '@salvor/testkit';
import fc from 'fast-check';
import { newFolder, removeFolders } from '../../../../packages/pravega/test/trees.ts';
import { Tier1 } from '../tier1.ts';
import {
  configurationsOf,
  configuredAt,
  type SalvorTree,
  vdiskName,
  writeSalvorTree,
} from './salvor-tree.ts';

const TREES = Number(process.env.SALVOR_RECOVERY_TREES ?? '25');
const VDISKS = 3;
const LAST = 6;

type Damage = {
  readonly kind: 'flip' | 'cut' | 'delete' | 'swap' | 'grow' | 'link' | 'locked';
  readonly file: number;
  readonly other: number;
  readonly at: number;
};

const damage: fc.Arbitrary<Damage> = fc.record({
  kind: fc.constantFrom('flip', 'cut', 'delete', 'swap', 'grow', 'link', 'locked'),
  ...{ file: fc.nat(1_000), other: fc.nat(1_000), at: fc.nat(1_000_000) },
});

describe('a Tier-2 of Salvor that is damaged', () => {
  let tier1: Tier1;
  before(async () => {
    tier1 = await Tier1.start();
    await tier1.serve();
  });
  after(async () => {
    await tier1[Symbol.asyncDispose]();
    removeFolders();
  });

  it('gives a plan in which nothing is told that was not so, whatever was flipped, cut, deleted, swapped or locked', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 4 }), async (damages) => {
        const tree: SalvorTree = {
          root: newFolder(),
          vdisks: VDISKS,
          revision: 9_090,
          configurations: 3,
          chunks: 3,
          segments: 2,
        };
        await writeSalvorTree(tree);
        for (const one of damages) await harm(tree.root, one);
        const { status, message, tier1: found } = await planOf(tree.root);
        if (status !== 'completed') {
          assert.ok(['no-tree', 'other-installation'].includes(message) || message.length > 10, message);
          return;
        }
        assert.ok(found);
        const known = configurationsOf(tree);
        const names = new Set(
          known
            .flatMap((entries) => [...entries.keys()])
            .flatMap((key) => /^(v\d+):vdisk:conf:static$/.exec(key)?.[1] ?? []),
        );
        for (const { vdisk, outcome, archivedTo = 0, lost, logStatus, tailTo } of found.vdisks) {
          assert.ok(names.has(vdisk), vdisk);
          assert.ok(archivedTo <= LAST && tailTo === undefined, `${vdisk} up to ${archivedTo}`);
          assert.ok(lost.every(({ from, to }) => from >= 1 && to <= LAST));
          // JetStream had its end, and is empty: nothing of it is certain.
          if (outcome === 'brought-back') assert.equal(logStatus, 'broken');
          const isShort = archivedTo < LAST && outcome === 'brought-back';
          if (isShort)
            assert.ok(
              lost.some(({ to }) => to === LAST),
              `${vdisk} ends with ${archivedTo}, and nothing is told to be lost`,
            );
        }
        const all = Array.from({ length: VDISKS }, (_, i) => vdiskName(i));
        const missing = all.filter((vdisk) => !found.vdisks.some((one) => one.vdisk === vdisk));
        if (missing.length > 0) assert.ok(found.trouble.length > 0, `${missing.join(', ')}: not a word`);
      }),
      { numRuns: TREES, seed: testSeed() },
    );
  });

  it('is recovered as far as it goes when its newest configuration is torn, and says which one it goes by', async () => {
    const tree: SalvorTree = {
      root: newFolder(),
      vdisks: VDISKS,
      revision: 9_090,
      configurations: 3,
      chunks: 1,
      segments: 2,
    };
    await writeSalvorTree(tree);
    const folder = join(tree.root, '_system/configuration');
    for (const name of await readdir(folder))
      if (name.includes('90-') || name.startsWith('latest')) await truncate(join(folder, name), 40);
    const { tier1: found } = await planOf(tree.root);
    assert.match(found?.configuration ?? '', /0000000000009089-/);
    assert.ok(found?.trouble.some((line) => /younger configurations .* cannot be read/.test(line)));
    const youngest = found?.vdisks.find(({ vdisk }) => vdisk === vdiskName(VDISKS - 1));
    assert.equal(youngest?.outcome, 'unknown', 'its log tells of it, and nothing of its size');
    assert.equal(found?.raisedTo, 9_090 + 1_000, 'the name of a torn file tells its revision all the same');
  });

  it('is recovered by the configuration that is named, by its file or a time, and says that there are younger ones', async () => {
    const tree: SalvorTree = {
      ...{ root: newFolder(), vdisks: VDISKS, revision: 9_090, configurations: 3, chunks: 1, segments: 2 },
    };
    await writeSalvorTree(tree);
    const names = (await readdir(join(tree.root, '_system/configuration'))).sort();
    const [oldest = ''] = names;
    const time = new Date(configuredAt(1)).toISOString();
    for (const [configuration, expected, vdisks] of [
      [oldest, oldest, VDISKS - 2],
      [`${tree.root}/_system/configuration/${oldest}`, oldest, VDISKS - 2],
      [time, '0000000000009089-', VDISKS - 1],
    ] as const) {
      const { tier1: found } = await planOf(tree.root, configuration);
      assert.match(found?.configuration ?? '', new RegExp(expected));
      assert.equal(found?.vdisks.filter(({ outcome }) => outcome === 'brought-back').length, vdisks);
      assert.ok(found?.trouble.some((line) => /Tier-2 has younger ones, up to revision 9090/.test(line)));
      assert.equal(found?.raisedTo, 9_090 + 1_000, 'no snapshot that is there is newer than the next ones');
    }
    for (const configuration of [
      '../../secret.json.gz',
      'nothing.json.gz',
      '1999-01-01T00:00:00Z',
      '2999-13-99',
    ]) {
      const { status, code } = await planOf(tree.root, configuration);
      assert.deepEqual([status, code], ['failed', 'unknown-configuration'], configuration);
    }
  });

  it('is refused when it is none, or a file, or not there', async () => {
    const empty = newFolder();
    for (const root of [empty, join(empty, 'nowhere'), '/etc/hostname']) {
      const { status, code } = await planOf(root);
      assert.deepEqual([status, code], ['failed', 'no-tree'], root);
    }
    assert.deepEqual(await readdir(empty), [], 'nothing is made there');
  });

  async function planOf(root: string, configuration?: string) {
    const operation = await tier1.begin({
      ...{ root, layout: 'salvor', dryRun: true },
      ...(configuration === undefined ? {} : { configuration }),
    });
    await tier1.end(operation);
    return tier1.bus.request('dr.report', { operation });
  }
});

async function harm(root: string, { kind, file, other, at }: Damage): Promise<void> {
  const files = (await readdir(root, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const path = files[file % files.length];
  const second = files[other % files.length];
  if (path === undefined || second === undefined) return;
  await chmod(path, 0o644);
  const bytes = await readFile(path);
  switch (kind) {
    case 'flip': {
      const place = at % Math.max(1, bytes.length);
      bytes[place] = (bytes[place] ?? 0) ^ (1 + (at % 255));
      return writeFile(path, bytes);
    }
    case 'cut':
      return truncate(path, at % Math.max(1, bytes.length));
    case 'delete':
      return rm(path);
    case 'swap':
      if (path === second) return;
      await rename(path, `${path}.swap`);
      await rename(second, path);
      return rename(`${path}.swap`, second);
    case 'grow':
      return writeFile(path, Buffer.concat([bytes, Buffer.alloc(1 + (at % 5_000), at)]));
    case 'link':
      await rm(path);
      return symlink('/etc/hostname', path);
    case 'locked':
      return chmod(path, 0);
  }
}
