import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { until } from '@salvor/testkit';
import { newFolder, removeFolders } from '../../../packages/pravega/test/trees.ts';
import { writeChunkedTree } from '../../../packages/pravega/test/writers/chunked-writer.ts';
import { event, type PlannedTree, truthOf } from '../../../packages/pravega/test/writers/planned-tree.ts';
import { kill, Tier1 } from './tier1.ts';
import { everySegment } from './tier1-content.ts';

const SEGMENTS = 150;
const KILLS = 3;

/** Enough segments that a process dies between them, one of them of several messages. */
function tree(): PlannedTree {
  const core = new Map([[9n, 0n]]);
  const segments = Array.from({ length: SEGMENTS }, (_, n) => {
    const size = n === 150 ? 700_000 : 40 + n;
    const bytes = Buffer.concat([event(`first of ${n}`), event('x'.repeat(size))]);
    const extended = new Map([['11111111-1111-4111-8111-111111111111', BigInt(n)]]);
    return {
      name: `farm/s${n}/0.#epoch.0`,
      bytes,
      startOffset: 0,
      sealed: n % 3 === 0,
      rollAt: 2 ** 20,
      core,
      extended,
    };
  });
  return { containers: 3, segments, deleted: [], metadataRollAt: 100_000 };
}

describe('a segment-recovery that is killed in the middle of a recovery', () => {
  let tier1: Tier1;
  before(async () => {
    tier1 = await Tier1.start();
  });
  after(async () => {
    await tier1[Symbol.asyncDispose]();
    removeFolders();
  });

  it('is followed by another process that goes on, with the same result', async () => {
    const root = newFolder();
    const plan = tree();
    writeChunkedTree(root, plan);
    const registered = async () => (await tier1.store.list('/salvor/segments/')).entries.length;
    let service = tier1.spawn({ SALVOR_SEGMENTS_AT_ONCE: '1' });
    await until(async () => (await tier1.bus.discover({ name: 'segment-recovery' })).length === 1, {
      timeoutMs: 60_000,
      what: 'the service',
    });
    const operation = await tier1.begin({ root });
    const interruptedAt: number[] = [];
    for (let killed = 1; killed <= KILLS; killed++) {
      const least = (SEGMENTS / (KILLS + 2)) * killed;
      await until(async () => (await registered()) >= least, {
        ...{ timeoutMs: 120_000, intervalMs: 5 },
        what: `${least} segments in etcd`,
      });
      await kill(service);
      interruptedAt.push(await registered());
      service = tier1.spawn({ SALVOR_SEGMENTS_AT_ONCE: '1' });
    }
    assert.ok(
      interruptedAt.every((count) => count < SEGMENTS),
      `killed at ${interruptedAt.join(', ')}`,
    );
    assert.equal((await tier1.end(operation)).work?.status, 'completed');
    const found = await everySegment(tier1.bus);
    assert.equal(found.size, SEGMENTS);
    for (const [name, truth] of truthOf(plan)) {
      const content = found.get(name);
      assert.deepEqual(
        [content?.described.length, content?.described.sealed, content?.sha256, content?.extendedAttributes],
        [truth.length, truth.sealed, truth.sha256, truth.extendedAttributes],
        name,
      );
    }
    const again = await tier1.recover({ root });
    assert.deepEqual({ written: again.written, already: again.already }, { written: 0, already: SEGMENTS });
  });
});
