import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type ListedSegment, openTree, type PravegaTree } from '../src/index.ts';
import { newFolder, removeFolders } from './trees.ts';
import { chunkPath, writeChunkedTree } from './writers/chunked-writer.ts';
import { event, smallTree, truthOf } from './writers/planned-tree.ts';

const plan = smallTree();
const truth = truthOf(plan);
const ORDERS = 'farm/orders/0.#epoch.0';
const SEALED = 'farm/orders/2.#epoch.1';
const ROLL_AT = 300;
const length = truth.get(ORDERS)?.length ?? 0;
const lastChunk = length - (length % ROLL_AT);

describe('a chunked tree with damage', () => {
  after(removeFolders);

  it('a torn batch of the journal: chunks are ordered by their names, and everything is found', async () => {
    const { root } = tree();
    const journal = join(root, '_system/containers/_sysjournal.epoch1.container0.file2');
    truncateSync(journal, readFileSync(journal).length - 5);
    const read = await openTree(root);
    assert.equal(read.segments.length, truth.size);
    for (const { name, length, startOffset, sealed } of read.segments) {
      const expected = truth.get(name);
      assert.deepEqual(
        [length, startOffset, sealed],
        [expected?.length, expected?.startOffset, expected?.sealed],
      );
    }
    assert.deepEqual(new Set(damageCodes(read)), new Set(['bad-journal']));
    read.close();
  });

  for (const [what, name] of [
    ['no snapshot_info', '_sysjournal.container1.snapshot_info'],
    ['no snapshot', '_sysjournal.epoch1.container1.snapshot1'],
  ] as const) {
    it(`${what}: chunks are ordered by their names, and everything is found`, async () => {
      const { root } = tree();
      rmSync(join(root, '_system/containers', name));
      const read = await openTree(root);
      assert.deepEqual(read.segments.map((segment) => segment.name).sort(), [...truth.keys()].sort());
      assert.deepEqual(damageCodes(read), ['bad-journal']);
      read.close();
    });
  }

  it('a first chunk that is gone makes the start offset a lower bound', async () => {
    const { root } = tree();
    rmSync(join(root, chunkPath(ORDERS, 1, 0)));
    const { read, segment } = await opened(root);
    assert.deepEqual([segment.startOffset, segment.length], [ROLL_AT, length]);
    assert.match(segment.uncertain.startOffset ?? '', /lower bound/);
    assert.notEqual((await read.facts(segment)).sha256, null);
    read.close();
  });

  it('a chunk that is gone further on is a hole, which is not closed', async () => {
    const { root } = tree();
    rmSync(join(root, chunkPath(ORDERS, 1, ROLL_AT)));
    const { read, segment } = await opened(root);
    assert.deepEqual([segment.startOffset, segment.length], [0, length]);
    assert.equal((await read.facts(segment)).sha256, null);
    assert.deepEqual(lost(read), [{ from: ROLL_AT, to: 2 * ROLL_AT }]);
    const expected = plan.segments.find(({ name }) => name === ORDERS)?.bytes ?? Buffer.alloc(0);
    assert.deepEqual(await read.content(ORDERS).read(0, length), expected.subarray(0, ROLL_AT));
    assert.deepEqual(await read.content(ORDERS).read(2 * ROLL_AT, length), expected.subarray(2 * ROLL_AT));
    read.close();
  });

  it('a last chunk that is gone or short makes the length uncertain, and says what is lost', async () => {
    for (const kept of [undefined, 10]) {
      const { root } = tree();
      const path = join(root, chunkPath(ORDERS, 1, lastChunk));
      if (kept === undefined) rmSync(path);
      else truncateSync(path, kept);
      const { read, segment } = await opened(root);
      assert.equal(segment.length, lastChunk + (kept ?? 0));
      assert.match(segment.uncertain.length ?? '', new RegExp(`metadata says ${length}`));
      assert.deepEqual(lost(read), [{ from: segment.length, to: length }]);
      read.close();
    }
  });

  it('a chunk of a later epoch that begins at the end continues the segment', async () => {
    const { root } = tree();
    const more = event('after the last save of the metadata');
    writeFileSync(join(root, chunkPath(ORDERS, 2, length)), more);
    const { read, segment } = await opened(root);
    assert.equal(segment.length, length + more.length);
    assert.match(segment.uncertain.length ?? '', /deduced from the data/);
    const { coreAttributes } = await read.facts(segment);
    assert.equal(coreAttributes['80000000-0000-0000-0000-000000000001'], '41');
    assert.deepEqual(damageCodes(read), []);
    read.close();
  });

  it('what a writer had copied beyond the metadata is taken up to the last whole event', async () => {
    const { root } = tree();
    const whole = event('whole');
    appendFileSync(
      join(root, chunkPath(ORDERS, 1, lastChunk)),
      Buffer.concat([whole, event('half').subarray(0, 9)]),
    );
    const { read, segment } = await opened(root);
    assert.equal(segment.length, length + whole.length);
    const [cut] = read.findings.filter(({ severity }) => severity === 'damage');
    assert.deepEqual(
      [cut?.code, cut?.from, cut?.to],
      ['quarantined-chunk', length + whole.length, length + whole.length + 9],
    );
    read.close();
  });

  it('chunks of which it is not certain that they continue the segment are left out', async () => {
    for (const add of [
      (root: string) => {
        writeFileSync(join(root, chunkPath(ORDERS, 2, length)), event('one'));
        writeFileSync(join(root, chunkPath(ORDERS, 3, length)), event('two, which is another'));
      },
      (root: string) => writeFileSync(join(root, chunkPath(ORDERS, 2, length + 5)), event('behind a gap')),
      (root: string) => writeFileSync(join(root, chunkPath(ORDERS, 0, length)), event('of an epoch before')),
    ]) {
      const { root } = tree();
      add(root);
      const { read, segment } = await opened(root);
      assert.equal(segment.length, length);
      assert.deepEqual(new Set(damageCodes(read)), new Set(['quarantined-chunk']));
      read.close();
    }
  });

  it('of two chunks at the end the later epoch is taken, if it has all that the other has', async () => {
    const { root } = tree();
    const first = event('copied by the owner before');
    writeFileSync(join(root, chunkPath(ORDERS, 2, length)), first);
    writeFileSync(join(root, chunkPath(ORDERS, 3, length)), Buffer.concat([first, event('and more')]));
    const { read, segment } = await opened(root);
    assert.equal(segment.length, length + first.length + event('and more').length);
    read.close();
  });

  it('a sealed segment does not grow', async () => {
    const { root } = tree();
    writeFileSync(join(root, chunkPath(SEALED, 2, truth.get(SEALED)?.length ?? 0)), event('late'));
    const { read, segment } = await opened(root, SEALED);
    assert.equal(segment.length, truth.get(SEALED)?.length);
    assert.deepEqual(damageCodes(read), ['quarantined-chunk']);
    read.close();
  });

  it('files of a deleted segment do not bring it back', async () => {
    const { root } = tree();
    const [gone = ''] = plan.deleted;
    mkdirSync(join(root, gone, '..'), { recursive: true });
    writeFileSync(join(root, chunkPath(gone, 1, 0)), event('left over'));
    const read = await openTree(root);
    assert.equal(
      read.segments.find(({ name }) => name === gone),
      undefined,
    );
    assert.deepEqual(damageCodes(read), []);
    read.close();
  });

  it('a chunk of a segment that nothing knows of is listed, and all about it is uncertain', async () => {
    const { root } = tree();
    writeFileSync(join(root, chunkPath('farm/orders/9.#epoch.3', 1, 0)), event('new'));
    const { read, segment } = await opened(root, 'farm/orders/9.#epoch.3');
    assert.equal(segment.length, event('new').length);
    assert.deepEqual(Object.keys(segment.uncertain).sort(), [
      ...['container', 'coreAttributes', 'existence', 'length', 'sealed', 'startOffset'],
    ]);
    read.close();
  });

  it('links are not followed, whatever they lead to', async () => {
    const { root } = tree();
    const path = join(root, chunkPath(ORDERS, 1, lastChunk));
    rmSync(path);
    symlinkSync('/etc/passwd', path);
    symlinkSync('/', join(root, 'farm/outside'));
    const { read, segment } = await opened(root);
    assert.equal(segment.length, lastChunk);
    assert.equal(read.findings.filter(({ code }) => code === 'symbolic-link').length, 2);
    read.close();
  });

  it('lengths that no file can have are damage, and cost nothing', async () => {
    const { root } = tree();
    const huge = Buffer.from('000001007fffffff', 'hex');
    for (const name of [
      '_sysjournal.container0.snapshot_info',
      '_sysjournal.epoch1.container1.snapshot1',
      '_sysjournal.epoch1.container2.file2',
    ])
      writeFileSync(join(root, '_system/containers', name), huge);
    const entry = Buffer.from('00000000087fffffff8000000000000000', 'hex');
    writeFileSync(join(root, chunkPath('_system/containers/metadata_0', 1, 0)), entry);
    const read = await openTree(root);
    assert.ok(damageCodes(read).includes('bad-journal'));
    assert.ok(read.segments.length > 0);
    read.close();
  });
});

function tree(): { root: string } {
  const root = newFolder();
  writeChunkedTree(root, plan);
  return { root };
}

async function opened(root: string, name = ORDERS): Promise<{ read: PravegaTree; segment: ListedSegment }> {
  const read = await openTree(root);
  const segment = read.segments.find((one) => one.name === name);
  assert.ok(segment !== undefined, `${name} is not listed`);
  return { read, segment };
}

function damageCodes(read: PravegaTree): string[] {
  return read.findings.filter(({ severity }) => severity === 'damage').map(({ code }) => code);
}

function lost(read: PravegaTree) {
  return read.findings.filter(({ code }) => code === 'lost-range').map(({ from, to }) => ({ from, to }));
}
