import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runInProcess } from './fake-terminal.ts';
import { runSalvor } from './salvor-process.ts';

const FIRST = 'farm/orders/0.#epoch.0';

/** The smallest tree there is: one segment without metadata, in the layout of rolling storage. */
function writeSmallTree(root: string): void {
  rmSync(root, { recursive: true, force: true });
  for (const [path, text] of [
    [`${FIRST}$header`, `maxsize=4&0=${FIRST}$offset.0&4=${FIRST}$offset.4&`],
    [`${FIRST}$offset.0`, 'abcd'],
    [`${FIRST}$offset.4`, 'ef'],
  ] as const)
    writeFileSync(join(folderOf(root, path), path.split('/').at(-1) ?? ''), text);
}

function folderOf(root: string, path: string): string {
  const folder = join(root, path, '..');
  mkdirSync(folder, { recursive: true });
  return folder;
}

describe('salvor storage list-segments', () => {
  let dir = '';
  let root = '';
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'salvor-storage-'));
    root = join(dir, 'tier2');
    writeSmallTree(root);
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const list = (...args: string[]) => runInProcess(['storage', 'list-segments', root, ...args]);

  test('shows container, seal, length, start offset and name, and what is uncertain', async () => {
    const { code, stdout, stderr } = await runSalvor(['storage', 'list-segments', root]);
    assert.equal(code, 0);
    assert.equal(
      stdout,
      `CONTAINER  SEALED  LENGTH  START OFFSET  NAME\n0          false   6       0             ${FIRST}\n`,
    );
    assert.match(stderr, /^salvor: container-count: the number of containers is taken to be 1/m);
    assert.match(stderr, new RegExp(`^salvor: uncertain: coreAttributes of ${FIRST}: `, 'm'));
  });

  test('gives one object with --json --full', async () => {
    const { code, stdout } = await list('--json', '--full');
    assert.equal(code, 0);
    const { layout, containerCount, segments } = JSON.parse(stdout);
    assert.deepEqual({ layout, containerCount }, { layout: 'legacy', containerCount: 1 });
    const [{ uncertain, ...facts }] = segments;
    assert.deepEqual(facts, {
      ...{ name: FIRST, container: 0, length: 6, startOffset: 0, sealed: false, coreAttributes: {} },
      sha256: 'bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721',
    });
    assert.deepEqual(Object.keys(uncertain).sort(), [
      ...[
        'container',
        'coreAttributes',
        'existence',
        'extendedAttributes',
        'length',
        'sealed',
        'startOffset',
      ],
    ]);
  });

  test('takes the number of containers from whoever knows it', async () => {
    const { stdout } = await list('--json', '--containers', '64');
    assert.equal(JSON.parse(stdout).segments[0].container, 8);
  });

  test('writes a list for each container, twice the same', async () => {
    const folder = join(dir, 'lists');
    for (const _ of ['once', 'again']) {
      const { code } = await list('--csv', folder);
      assert.equal(code, 0);
      assert.deepEqual(readdirSync(folder), ['Container_0.csv']);
      const text = readFileSync(join(folder, 'Container_0.csv'), 'utf8');
      assert.equal(text, `Sealed Status,Length,Segment Name\nfalse,6,${FIRST}\n`);
    }
  });

  test('writes nothing into the tree', async () => {
    const { code, stderr } = await list('--csv', join(root, 'lists'));
    assert.equal(code, 1);
    assert.match(stderr, /expected a folder outside of/);
    assert.deepEqual(readdirSync(root), ['farm']);
  });

  for (const [what, args, expected] of [
    ['no directory', ['/nonexistent/tier2'], /to be a readable directory .*ENOENT/],
    ['a directory of something else', [import.meta.dirname], /expected files of Pravega/],
  ] as const) {
    test(`says what is wrong with ${what}`, async () => {
      const { code, stdout, stderr } = await runInProcess(['storage', 'list-segments', ...args]);
      assert.deepEqual({ code, stdout }, { code: 1, stdout: '' });
      assert.match(stderr, expected);
    });
  }

  test('refuses --full without --json, and layouts that do not exist', async () => {
    for (const args of [['--full'], ['--layout', 'other']]) assert.equal((await list(...args)).code, 2);
  });
});
