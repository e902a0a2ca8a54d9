import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hasArchive, putConfiguration, type Tier2Finding, verifyTier2 } from '../../src/index.ts';
import { archive, chunksIn, damage, logOf, storeIn, VDISK } from '../chunk/log-model.ts';

const log = logOf(Array.from({ length: 12 }, (_, i) => ({ changes: [{ block: i, fill: 1 }] })));
const config = (begins: number) =>
  JSON.stringify({ container: 1, containers: 1, begins: { number: begins, sequence: 0 } });

interface Place {
  readonly root: string;
  /** Oldest first. */
  readonly paths: readonly string[];
  readonly configurations: readonly string[];
}

/** A log of three chunks, and two configurations. */
async function archived(context: TestContext, begins = 0) {
  const { store, root } = await storeIn(context);
  const chunks = chunksIn(store);
  for (let i = 0; i < log.length; i += 4) await archive(chunks, log.slice(i, i + 4));
  for (const revision of ['7', '9'])
    await putConfiguration(
      store,
      { revision, at: Number(revision), entries: [[`/salvor/tlogs/${VDISK}/config`, config(begins)]] },
      true,
    );
  const paths = (await chunks.list()).sort((a, b) => a.from - b.from).map(({ path }) => path);
  const folder = '_system/configuration';
  const configurations = (await readdir(join(root, folder))).sort().map((name) => `${folder}/${name}`);
  return { store, place: { root, paths, configurations } };
}

const indexOf = (path = ''): string => path.replace(/\.avro$/, '.idx.avro');

for (const { what, harm, codes, notes = [], says = /(?:)/, segments = 12, begins } of [
  { what: 'nothing', harm: async () => undefined, codes: [] },
  {
    what: 'a chunk that is missing',
    harm: async ({ root, paths }: Place) => rm(join(root, paths[1] ?? '')),
    codes: ['lost-segments'],
    notes: ['leftover-file'],
    says: /no chunk in tlog\/1\/v:1\/ holds them/,
    segments: 8,
  },
  {
    what: 'a missing chunk of an earlier log under the name',
    harm: async ({ root, paths }: Place) => {
      for (const path of [paths[1] ?? '', indexOf(paths[1])]) await rm(join(root, path));
    },
    codes: [],
    notes: ['leftover-file'],
    segments: 8,
    begins: 8,
  },
  {
    what: 'a block with a changed bit',
    harm: ({ root, paths }: Place) =>
      damage(root, paths[0] ?? '', (bytes) => {
        bytes[bytes.indexOf('1:2;')] = 0;
        return bytes;
      }),
    codes: ['lost-segments'],
    says: /does not match its checksum/,
    segments: 11,
  },
  {
    what: 'a chunk that is cut off',
    harm: ({ root, paths }: Place) => damage(root, paths[2] ?? '', (bytes) => bytes.subarray(0, -40)),
    codes: ['lost-segments'],
    says: /cannot be read/,
    segments: 11,
  },
  {
    what: 'an index that is missing, and one that is torn',
    harm: async ({ root, paths }: Place) => {
      await rm(join(root, indexOf(paths[0])));
      await damage(root, indexOf(paths[1]), (bytes) => bytes.subarray(0, -10));
    },
    codes: ['bad-index', 'bad-index'],
    says: /its index cannot be used: it has no index/,
  },
  {
    what: 'the newest configuration torn',
    harm: ({ root, configurations }: Place) =>
      damage(root, configurations[1] ?? '', (bytes) => bytes.subarray(0, 30)),
    codes: ['bad-configuration'],
  },
  {
    what: 'all configurations lost',
    harm: ({ root }: Place) => rm(join(root, '_system'), { recursive: true }),
    codes: ['bad-configuration'],
    says: /logs alone bring no cluster back/,
  },
  {
    what: 'files of others',
    harm: async ({ root }: Place) => {
      await writeFile(join(root, 'notes.txt'), 'x');
      await mkdir(join(root, 'backup_system'));
      await writeFile(join(root, 'backup_system/old'), 'x');
    },
    codes: [],
    notes: ['foreign-file'],
  },
  {
    what: 'a link instead of a chunk',
    harm: async ({ root, paths }: Place) => {
      await rm(join(root, paths[0] ?? ''));
      await symlink('/etc/hostname', join(root, paths[0] ?? ''));
    },
    codes: ['unreadable', 'unreadable'],
    notes: ['leftover-file'],
    says: /symbolic link/,
    segments: 0,
  },
  {
    what: 'an index of gigabytes in its header',
    harm: ({ root, paths }: Place) =>
      damage(root, indexOf(paths[0]), (bytes) =>
        Buffer.concat([bytes.subarray(0, 60), Buffer.alloc(900, 0x7f)]),
      ),
    codes: ['bad-index'],
  },
])
  test(`what Salvor archived, with ${what}: it is told exactly, and nothing is written`, async (context) => {
    const { store, place } = await archived(context, begins);
    await harm(place);
    const before = await contentOf(place.root);
    assert.equal(await hasArchive(place.root), true);
    const findings: Tier2Finding[] = [];
    const verified = await verifyTier2({
      ...{ root: place.root, store },
      onLog: () => undefined,
      onFinding: (finding) => findings.push(finding),
      progress: () => undefined,
    });
    const of = (wanted: string) =>
      findings.flatMap(({ severity, code }) => (severity === wanted ? [code] : [])).sort();
    assert.deepEqual([of('damage'), of('note')], [codes, notes]);
    assert.match(findings.map(({ message }) => message).join('\n'), new RegExp(says.source, 's'));
    assert.equal(verified.segments, segments);
    assert.equal(verified.verdict, codes.length === 0 ? 'clean' : 'damaged');
    assert.deepEqual(await contentOf(place.root), before);
  });

test('a folder that may not be read is no archive', async (context) => {
  const { root } = await storeIn(context);
  assert.equal(await hasArchive(root), false);
  await mkdir(join(root, 'tlog'));
  await chmod(join(root, 'tlog'), 0);
  assert.equal(await hasArchive(root), false);
});

async function contentOf(root: string): Promise<(readonly [string, string])[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return Promise.all(
    files.sort().map(async (path) => [path, (await readFile(path)).toString('base64')] as const),
  );
}
