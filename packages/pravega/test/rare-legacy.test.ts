import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type ListedSegment, openTree, type PravegaTree } from '../src/index.ts';
import { newFolder, removeFolders } from './trees.ts';
import { writeLegacyTree } from './writers/legacy-writer.ts';
import { event, type PlannedSegment, smallTree } from './writers/planned-tree.ts';

const ORDERS = 'farm/orders/0.#epoch.0';
const TRUNCATED = 'farm/orders/1.#epoch.0';
const WRITERS = 'farm/writers/0.#epoch.0';
const ID = '00000000000000010000000000000002';
const TRANSACTION = `${ORDERS}#transaction.${ID}`;
const plan = smallTree();
const bytesOf = (name: string) =>
  plan.segments.find((each) => each.name === name)?.bytes ?? assert.fail(name);

describe('a legacy tree: what is rare, and allowed', () => {
  after(removeFolders);

  it('a transaction whose bytes were appended to its parent already was merged', async () => {
    const root = written([segment(TRANSACTION, bytesOf(ORDERS).subarray(-90))]);
    const read = await openTree(root);
    assert.equal(
      read.segments.find(({ name }) => name === TRANSACTION),
      undefined,
    );
    assert.ok(read.findings.some(({ message }) => /its parent ends with all of its bytes/.test(message)));
    read.close();
  });

  it('a transaction that was not merged is a segment', async () => {
    const read = await openTree(written([segment(TRANSACTION, event('open'))]));
    assert.deepEqual(found(read, TRANSACTION).uncertain, {});
    read.close();
  });

  it('merged transactions of several chunks stand where the merges put them', async () => {
    const root = written([]);
    const length = bytesOf(ORDERS).length;
    const merged = Buffer.concat([event('one'), event('two'), event('three')]);
    for (const at of [0, 10])
      writeFileSync(
        join(root, `${TRANSACTION}$offset.${at}`),
        merged.subarray(at, at === 0 ? 10 : undefined),
      );
    const tail = event('the parent goes on');
    const end = length + merged.length;
    writeFileSync(join(root, `${ORDERS}$offset.${end}`), tail);
    appendFileSync(
      join(root, `${ORDERS}$header`),
      `CONCAT=2@${length}&maxSize=10&0=${TRANSACTION}$offset.0&10=${TRANSACTION}$offset.10&${end}=${ORDERS}$offset.${end}&`,
    );
    const read = await openTree(root);
    const parent = found(read, ORDERS);
    assert.equal(parent.length, end + tail.length);
    assert.deepEqual(await read.content(ORDERS).read(length, 1_000), Buffer.concat([merged, tail]));
    assert.equal((await read.framing(parent)).runs[0]?.events, 44);
    // Only what was appended to the parent itself was ever counted.
    assert.equal((await read.facts(parent)).coreAttributes['80000000-0000-0000-0000-000000000001'], '41');
    read.close();
  });

  it('headers that changed places tell nothing of the content of either segment, nor of its attributes', async () => {
    const root = written([]);
    for (const suffix of ['', '$attributes.index']) {
      const [one, other] = [ORDERS, WRITERS].map((name) => join(root, `${name}${suffix}$header`));
      assert.ok(one !== undefined && other !== undefined);
      const [first, second] = [readFileSync(one), readFileSync(other)];
      writeFileSync(one, second);
      writeFileSync(other, first);
    }
    const read = await openTree(root);
    for (const name of [ORDERS, WRITERS]) {
      const facts = await read.facts(found(read, name));
      const { length, uncertain, extendedAttributes } = facts;
      assert.deepEqual({ length, extendedAttributes }, { length: 0, extendedAttributes: {} });
      assert.match(uncertain.length ?? '', /are lost/);
      assert.notEqual(uncertain.extendedAttributes, undefined);
    }
    assert.ok(read.findings.some(({ message }) => message === 'the header names a chunk of another segment'));
    read.close();
  });

  it('chunks that a truncation deleted are still named by a header that cannot be replaced', async () => {
    const root = written([]);
    const header = join(root, `${ORDERS}$header`);
    rmSync(join(root, `${ORDERS}$offset.0`));
    const read = await openTree(root);
    const { startOffset, uncertain } = found(read, ORDERS);
    assert.equal(startOffset, 300);
    assert.match(uncertain.startOffset ?? '', /lower bound/);
    assert.match(readFileSync(header, 'utf8'), /&0=/);
    read.close();
  });

  it('a start offset behind chunks that are still there is told by the metadata alone', async () => {
    const root = written([{ ...segment('farm/late/0.#epoch.0', bytesOf(TRUNCATED)), startOffset: 700 }]);
    for (const [at, next] of [
      [0, 300],
      [300, 600],
    ] as const) {
      const path = join(root, `farm/late/0.#epoch.0$offset.${at}`);
      writeFileSync(path, bytesOf(TRUNCATED).subarray(at, next));
    }
    const header = join(root, 'farm/late/0.#epoch.0$header');
    const text = readFileSync(header, 'utf8');
    const first = (at: number) => `${at}=farm/late/0.#epoch.0$offset.${at}&`;
    writeFileSync(header, text.replace('&', `&${first(0)}${first(300)}`));
    const read = await openTree(root);
    const { startOffset, uncertain } = found(read, 'farm/late/0.#epoch.0');
    assert.equal(startOffset, 700);
    assert.match(uncertain.startOffset ?? '', /^deduced from metadata alone/);
    read.close();
  });

  for (const sealed of [true, false])
    it(`a ${sealed ? 'sealed' : 'writable'} segment that was truncated to its end`, async () => {
      const name = 'farm/all/0.#epoch.0';
      const bytes = bytesOf(ORDERS).subarray(0, 450);
      const root = written([{ ...segment(name, bytes), startOffset: 450, sealed }]);
      if (!sealed) {
        // An empty chunk keeps the place.
        rmSync(join(root, `${name}$offset.300`));
        writeFileSync(join(root, `${name}$offset.450`), '');
        writeFileSync(join(root, `${name}$header`), `maxsize=300&450=${name}$offset.450&`);
      }
      const read = await openTree(root);
      const { length, startOffset, sealed: isSealed, uncertain } = found(read, name);
      assert.deepEqual(
        { length, startOffset, isSealed, uncertain },
        { length: 450, startOffset: 450, isSealed: sealed, uncertain: {} },
      );
      read.close();
    });

  it('an index that ends with a write that was torn: the tree before it counts', async () => {
    const root = written([]);
    appendFileSync(join(root, `${WRITERS}$attributes.index$offset.0`), Buffer.alloc(70, 1));
    const read = await openTree(root);
    const { extendedAttributes, uncertain } = await read.facts(found(read, WRITERS));
    assert.equal(Object.keys(extendedAttributes).length, 250);
    assert.match(uncertain.extendedAttributes ?? '', /the last 70 bytes/);
    read.close();
  });

  it('a rollover that was interrupted left an empty chunk, or a header that does not name it', async () => {
    const root = written([]);
    const end = bytesOf(ORDERS).length;
    writeFileSync(join(root, `${ORDERS}$offset.${end}`), '');
    const read = await openTree(root);
    assert.deepEqual([found(read, ORDERS).length, damage(read)], [end, []]);
    read.close();
    appendFileSync(join(root, `${ORDERS}$header`), `${end}=${ORDERS}$offset.${end}&`);
    const again = await openTree(root);
    assert.deepEqual([found(again, ORDERS).length, damage(again)], [end, []]);
    again.close();
  });

  it('a header of a part of a segment, and copies of files, make no segments', async () => {
    const root = written([]);
    const header = readFileSync(join(root, `${ORDERS}$header`));
    for (const name of [
      `${ORDERS}$header$header`,
      `${ORDERS}$header.bak`,
      `${ORDERS}$offset.0.1`,
      'farm/notes',
    ])
      writeFileSync(join(root, name), header);
    const read = await openTree(root);
    assert.equal(read.segments.length, plan.segments.length);
    read.close();
  });

  it('a single file of an old version is sealed by its own mode', async () => {
    const name = 'farm/old/0.#epoch.0';
    const root = written([{ ...segment(name, event('old')), sealed: true }]);
    rmSync(join(root, `${name}$header`));
    rmSync(join(root, `${name}$offset.0`));
    writeFileSync(join(root, name), event('old'));
    chmodSync(join(root, name), 0o444);
    const read = await openTree(root);
    const { length, sealed, uncertain } = found(read, name);
    assert.deepEqual(
      { length, sealed, uncertain },
      { length: event('old').length, sealed: true, uncertain: {} },
    );
    read.close();
  });
});

function segment(name: string, bytes: Buffer): PlannedSegment {
  return {
    name,
    bytes,
    startOffset: 0,
    sealed: false,
    rollAt: 300,
    core: new Map([[9n, 0n]]),
    extended: new Map(),
  };
}

function written(more: readonly PlannedSegment[]): string {
  const root = newFolder();
  writeLegacyTree(root, { ...plan, segments: [...plan.segments, ...more] });
  return root;
}

function found(read: PravegaTree, name: string): ListedSegment {
  return read.segments.find((each) => each.name === name) ?? assert.fail(`${name} is not listed`);
}

function damage(read: PravegaTree): string[] {
  return read.findings.filter(({ severity }) => severity === 'damage').map(({ code }) => code);
}
