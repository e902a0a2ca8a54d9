import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type EtcdHandle, startEtcd, type TempDir, tempDir } from '@salvor/testkit';
import { askForNews } from '../src/audit-reads.ts';
import { connectEtcd, type EtcdCalls } from '../src/etcd-calls.ts';
import { keyRange, prefixRange } from '../src/ranges.ts';

let dir: TempDir;
let server: EtcdHandle;
let etcd: EtcdCalls;

before(async () => {
  dir = tempDir('audit');
  server = await startEtcd({ dir: dir.join('etcd') });
  etcd = connectEtcd([server.endpoint], 5_000);
});
after(async () => {
  etcd?.close();
  await server?.process.kill();
  dir?.remove();
});

async function put(key: string): Promise<bigint> {
  const { header } = await etcd.kv.put({ key: Buffer.from(key), value: Buffer.from('x') });
  return BigInt(header.revision);
}

/** The same connection, counting its calls. */
function counting(): { etcd: EtcdCalls; calls: () => number } {
  let calls = 0;
  const counted: EtcdCalls = {
    ...etcd,
    call: (...args) => {
      calls++;
      return etcd.call(...args);
    },
  };
  return { etcd: counted, calls: () => calls };
}

test('questions of the same moment go in one call, and each gets its own answer', async () => {
  const before = await put('one/a');
  const after = await put('one/b');
  const counted = counting();
  const [changed, unchanged, single, none] = await Promise.all([
    askForNews(counted.etcd, prefixRange('one/'), before),
    askForNews(counted.etcd, prefixRange('one/'), after),
    askForNews(counted.etcd, keyRange('one/a'), before),
    askForNews(counted.etcd, keyRange('one/nobody'), 0n),
  ]);
  assert.deepEqual([changed?.count, changed?.isChanged], [2, true]);
  assert.deepEqual([unchanged?.count, unchanged?.isChanged], [2, false]);
  assert.deepEqual([single?.count, single?.isChanged], [1, false]);
  assert.deepEqual([none?.count, none?.isChanged], [0, false]);
  assert.equal(counted.calls(), 1);
});

test('a thousand watches of a few shared keys and one of their own take eight calls', async () => {
  const revision = await put('shared');
  const counted = counting();
  const questions = Array.from({ length: 1_000 }, (_, i) => [
    askForNews(counted.etcd, keyRange('shared'), revision),
    askForNews(counted.etcd, keyRange(`own/${i}`), revision),
  ]);
  const answers = await Promise.all(questions.flat());
  assert.ok(answers.every(({ isChanged }) => !isChanged));
  assert.equal(counted.calls(), 8);
});

test('everyone who asked is told when etcd does not answer', async () => {
  const closed = connectEtcd([server.endpoint], 500);
  closed.close();
  const asked = ['a', 'b'].map((key) => askForNews(closed, keyRange(key), 0n));
  const outcomes = await Promise.allSettled(asked);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
});
