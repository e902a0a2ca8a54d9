import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { openTree, type PravegaTree } from '../src/index.ts';
import { pathsBelow } from './damaging.ts';
import { newFolder, removeFolders } from './trees.ts';
import { writeLegacyTree } from './writers/legacy-writer.ts';
import { event, smallTree, truthOf } from './writers/planned-tree.ts';

const plan = smallTree();
const truth = truthOf(plan);
const ORDERS = 'farm/orders/0.#epoch.0';
const SEALED = 'farm/orders/2.#epoch.1';
const SHORT = 'farm/short/0.#epoch.0';
const ID = '00000000000000010000000000000002';

describe('a legacy tree with damage', () => {
  after(removeFolders);

  it('the header that a replacement left is used while there is no other', async () => {
    const root = tree();
    const header = join(root, `${ORDERS}$header`);
    writeFileSync(`${header}.replace.tmp`, 'maxsize=1&');
    assert.equal((await listed(root, ORDERS)).length, truth.get(ORDERS)?.length);
    renameSync(header, `${header}.replace.tmp`);
    assert.equal((await listed(root, ORDERS)).length, truth.get(ORDERS)?.length);
  });

  it('a header that was cut is read up to there', async () => {
    const root = tree();
    const header = join(root, `${ORDERS}$header`);
    writeFileSync(header, readFileSync(header, 'utf8').slice(0, 100));
    const segment = await listed(root, ORDERS);
    assert.equal(segment.length, 2 * 300);
    assert.match(segment.uncertain.length ?? '', /metadata says/);
  });

  it('a segment whose last chunk is gone exists, if the metadata has a row of it', async () => {
    const root = tree();
    rmSync(join(root, `${SHORT}$offset.0`));
    const segment = await listed(root, SHORT);
    assert.deepEqual([segment.length, segment.uncertain.existence], [0, 'its last chunk is gone']);
  });

  it('a segment that was being deleted does not come back', async () => {
    const root = tree();
    writeFileSync(
      join(root, 'farm/orders/7.#epoch.0$header'),
      'maxsize=9&0=farm/orders/7.#epoch.0$offset.0&',
    );
    writeFileSync(join(root, `${plan.deleted[0]?.replace('removed', 'orders')}$header`), '');
    const read = await openTree(root);
    assert.equal(read.segments.length, truth.size);
    read.close();
  });

  it('an interrupted merge: the chunks are the parent’s, and the transaction is merged', async () => {
    const root = tree();
    const name = `${ORDERS}#transaction.${ID}`;
    const length = truth.get(ORDERS)?.length ?? 0;
    const merged = event('of the transaction');
    writeFileSync(join(root, `${name}$offset.0`), merged);
    writeFileSync(join(root, `${name}$header`), `maxsize=300&0=${name}$offset.0&`);
    appendFileSync(join(root, `${ORDERS}$header`), `concat=1@${length}&maxsize=300&0=${name}$offset.0&`);
    const read = await openTree(root);
    const parent = read.segments.find((segment) => segment.name === ORDERS);
    assert.equal(parent?.length, length + merged.length);
    assert.equal(
      read.segments.find((segment) => segment.name === name),
      undefined,
    );
    // Events of a transaction were counted by none of the appends to the parent.
    assert.ok(parent !== undefined);
    const { coreAttributes } = await read.facts(parent);
    assert.equal(coreAttributes['80000000-0000-0000-0000-000000000001'], '40');
    read.close();
  });

  it('a merge that was interrupted before the chunks were added is dropped', async () => {
    const root = tree();
    const header = join(root, `${ORDERS}$header`);
    const text = readFileSync(header, 'utf8');
    const at = text.lastIndexOf('&', text.length - 2) + 1;
    writeFileSync(header, `${text.slice(0, at)}concat=2@99999&${text.slice(at)}`);
    assert.equal((await listed(root, ORDERS)).length, truth.get(ORDERS)?.length);
  });

  it('a file without a header is a segment of that one file', async () => {
    const root = tree();
    const file = join(root, 'farm/old/0.#epoch.0');
    rmSync(join(root, 'farm/short'), { recursive: true });
    writeFileSync(join(root, 'farm/notes.txt'), 'foreign');
    renameSync(join(root, 'farm/writers'), join(root, 'farm/old'));
    renameSync(`${file}$offset.0`, file);
    rmSync(`${file}$header`);
    const read = await openTree(root);
    const old = read.segments.find((segment) => segment.name === 'farm/old/0.#epoch.0');
    assert.equal(old?.length, truth.get('farm/writers/0.#epoch.0')?.length);
    assert.equal(
      read.segments.find((segment) => segment.name.includes('notes')),
      undefined,
    );
    read.close();
  });

  it('modes that a copy lost do not tell of seals any more, and the metadata does', async () => {
    for (const mode of [0o644, 0o444]) {
      const root = tree();
      for (const path of pathsBelow(root)) chmodSync(join(root, path), mode);
      const read = await openTree(root);
      for (const { name, sealed, uncertain } of read.segments) {
        assert.equal(sealed, truth.get(name)?.sealed, name);
        const isOnlyInMetadata = truth.get(name)?.length === 0;
        assert.equal(uncertain.sealed === undefined, sealed || isOnlyInMetadata, name);
      }
      assert.deepEqual(codes(read), ['uncertain-fact']);
      read.close();
    }
  });

  it('a seal that the mode alone tells of is told, with a doubt', async () => {
    const root = tree();
    chmodSync(join(root, `${ORDERS}$header`), 0o444);
    const segment = await listed(root, ORDERS);
    assert.equal(segment.sealed, true);
    assert.match(segment.uncertain.sealed ?? '', /mode of a file alone/);
    assert.equal((await listed(root, SEALED)).uncertain.sealed, undefined);
  });

  it('offsets that no file reaches are lost ranges', async () => {
    const root = tree();
    const header = join(root, `${ORDERS}$header`);
    appendFileSync(header, `9007199254740000=${ORDERS}$offset.9007199254740000&`);
    const read = await openTree(root);
    assert.ok(codes(read).includes('missing-chunk'));
    assert.equal(read.segments.find((segment) => segment.name === ORDERS)?.length, truth.get(ORDERS)?.length);
    read.close();
  });

  it('chunks outside of the tree are not read', async () => {
    const root = tree();
    writeFileSync(join(root, `${ORDERS}$header`), 'maxsize=9&0=../../../../../../etc/passwd&5=/etc/passwd&');
    const segment = await listed(root, ORDERS);
    assert.equal(segment.length, 0);
    assert.notEqual(segment.uncertain.length, undefined);
  });

  it('containers whose metadata is gone leave everything about their segments uncertain', async () => {
    const root = tree();
    for (const path of pathsBelow(root))
      if (path.endsWith('$header') && path.includes('/metadata_')) rmSync(join(root, path));
    const read = await openTree(root, { layout: 'legacy', containerCount: plan.containers });
    assert.equal(read.segments.length, [...truth.values()].filter(({ length }) => length > 0).length);
    for (const { name, container, uncertain } of read.segments) {
      assert.equal(container, truth.get(name)?.container);
      assert.ok(uncertain.startOffset !== undefined && uncertain.coreAttributes !== undefined, name);
    }
    read.close();
  });
});

function tree(): string {
  const root = newFolder();
  writeLegacyTree(root, plan);
  return root;
}

async function listed(root: string, name: string) {
  const read = await openTree(root);
  const segment = read.segments.find((one) => one.name === name);
  read.close();
  assert.ok(segment !== undefined, `${name} is not listed`);
  return segment;
}

function codes(read: PravegaTree): string[] {
  return read.findings.filter(({ severity }) => severity === 'damage').map(({ code }) => code);
}
