import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  clusterStorageKey,
  parseClusterStorage,
  type RecoveryVdisk,
  readRecovery,
  recoveredVdisks,
  salvorClusterKey,
  vdiskLifecycleKey,
} from '@salvor/config-store';
import { BLOCK, LostPair } from './lost-pair.ts';

const BLOCKS = 300;
const v1: RecoveryVdisk = { vdisk: 'v1', blocks: 100, counted: false, recoverable: 'all' };
const v2: RecoveryVdisk = {
  ...{ vdisk: 'v2', blocks: 100, counted: false, recoverable: 'nothing', why: 'it has no log' },
};

const content = (block: number, version: number): Buffer => Buffer.alloc(BLOCK, `${version}:${block};`);

function blocks(from: number, to: number, version: number): Map<number, Buffer> {
  return new Map(Array.from({ length: to - from }, (_, i) => [from + i, content(from + i, version)]));
}

const everything = Array.from({ length: BLOCKS }, (_, block) => block);

/** Written twice, and some of it deleted. */
async function filled(pair: LostPair, vdisk: string): Promise<(Buffer | null)[]> {
  await pair.addVdisk(vdisk);
  const gone = new Map([6, 7, 8].map((block): [number, null] => [block, null]));
  await pair.write(vdisk, blocks(0, BLOCKS, 1), blocks(90, 200, 2), gone);
  return everything.map((block) => {
    if (gone.has(block)) return null;
    return content(block, block >= 90 && block < 200 ? 2 : 1);
  });
}

async function statuses(pair: LostPair): Promise<string[]> {
  const entry = await pair.store.get(clusterStorageKey('p1'));
  return parseClusterStorage(entry?.value ?? '').servers.map(({ status }) => status);
}

describe('a recovery from the log', () => {
  it('brings every block back onto the other pairs when there is no spare', async () => {
    await using pair = await LostPair.start();
    const expected = await filled(pair, 'v1');
    await pair.destroy(1);
    await pair.prepare([v1]);
    await pair.startReplayer();
    await pair.order('op-1');
    const { work } = await pair.ended('op-1');
    assert.equal(work?.status, 'completed', work?.message);
    assert.deepEqual(await statuses(pair), ['online', 'rip', 'online']);
    assert.deepEqual(await pair.read('v1', everything), expected);
    const recovery = await readRecovery(pair.store, 'p1');
    assert.equal(recovery?.status, 'done');
    const restored = (await recoveredVdisks(pair.store, recovery)).get('v1');
    assert.deepEqual([restored?.outcome, restored?.blocks], ['restored', 100 - 1]);
    const record = await pair.store.get(salvorClusterKey('p1'));
    assert.match(record?.value ?? '', /"status":"healthy"/);
  });

  it('brings them back onto spares, keeps vdisks without a log locked, and is begun again where another process died', async () => {
    await using pair = await LostPair.start({ spares: 1 });
    const expected = await filled(pair, 'v1');
    await pair.addVdisk('v2', { logged: false });
    await pair.destroy(0);
    await pair.prepare([v1, v2]);
    const first = await pair.startReplayer();
    await pair.order('op-2');
    await first.stop();
    await pair.startReplayer();
    const { work } = await pair.ended('op-2');
    assert.equal(work?.status, 'completed', work?.message);
    assert.deepEqual(await statuses(pair), ['online', 'online', 'online']);
    assert.deepEqual(await pair.read('v1', everything), expected);
    await assert.rejects(pair.mount('v2'), { code: 'being-restored' });
    assert.match((await pair.store.get(vdiskLifecycleKey('v2')))?.value ?? '', /"blocks":100/);
  });

  it('is shown before it is done, and run again at any time: what was lost between two revisions is as the log has it', async () => {
    await using pair = await LostPair.start();
    const expected = await filled(pair, 'v1');
    const { revision: before } = await pair.store.getMany([clusterStorageKey('p1')]);
    await pair.destroy(2);
    await pair.prepare([v1]);
    await pair.startReplayer();
    await pair.order('op-dry', { dryRun: true });
    const dry = (await pair.ended('op-dry')).work;
    assert.match(dry?.message ?? '', /^would write 100 blocks, 0\.4 MiB: vdisk v1: 100 blocks/);
    assert.deepEqual(await statuses(pair), ['online', 'online', 'offline'], 'nothing was changed');
    await pair.order('op-real');
    assert.equal((await pair.ended('op-real')).work?.status, 'completed');
    const { revision: after } = await pair.store.getMany([clusterStorageKey('p1')]);
    await pair.order('op-again', { vdisk: 'v1', before, after });
    const again = (await pair.ended('op-again')).work;
    assert.deepEqual(
      [again?.status, again?.message],
      ['completed', 'the blocks of shards 2 of 1 vdisks are as their logs have them'],
    );
    await pair.order('op-all', { vdisk: 'v1' });
    assert.match((await pair.ended('op-all')).work?.message ?? '', /^all blocks of 1 vdisks/);
    assert.deepEqual(await pair.read('v1', everything), expected);
    await pair.order('op-future', { vdisk: 'v1', before, after: '999999' });
    const refused = (await pair.ended('op-future')).work;
    assert.deepEqual([refused?.status, refused?.code], ['failed', 'future-revision']);
  });

  it('goes on with what is written after it: the log is whole, and a second disaster loses nothing', async () => {
    await using pair = await LostPair.start({ spares: 1 });
    const expected = await filled(pair, 'v1');
    await pair.startReplayer();
    await pair.destroy(0);
    await pair.prepare([v1]);
    await pair.order('op-first');
    assert.equal((await pair.ended('op-first')).work?.status, 'completed');
    await pair.write('v1', blocks(0, 30, 3));
    for (let block = 0; block < 30; block++) expected[block] = content(block, 3);
    await pair.destroy(1);
    await pair.prepare([v1]);
    await pair.order('op-second');
    const { work } = await pair.ended('op-second');
    assert.equal(work?.status, 'completed', work?.message);
    assert.deepEqual(await statuses(pair), ['online', 'rip', 'online']);
    assert.deepEqual(await pair.read('v1', everything), expected);
  });

  it('gives a stale survivor what was written without it, and nothing else, when its partner is destroyed', async () => {
    await using pair = await LostPair.start();
    const expected = await filled(pair, 'v1');
    await pair.fail('s1');
    await pair.write('v1', blocks(0, 60, 4));
    for (let block = 0; block < 60; block++) expected[block] = content(block, 4);
    await pair.fail('p1');
    await pair.comeBack('s1');
    await pair.judge('p1', 'permanent');
    const { pairs } = await pair.prepare([v1]);
    assert.deepEqual(
      pairs.map(({ way, members, survivor }) => [
        way,
        members.map(({ cluster }) => cluster),
        survivor?.cluster,
      ]),
      [['survivor', ['p1'], 's1']],
    );
    await pair.startReplayer();
    await pair.order('op-survivor');
    const { work } = await pair.ended('op-survivor');
    assert.equal(work?.status, 'completed', work?.message);
    assert.deepEqual(await pair.read('v1', everything), expected);
    const recovery = await readRecovery(pair.store, 'p1');
    assert.ok(recovery !== null);
    const restored = (await recoveredVdisks(pair.store, recovery)).get('v1');
    assert.equal(restored?.blocks, 20, 'those of shard 1 that were written meanwhile');
  });
});
