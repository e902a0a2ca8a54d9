import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { NbdClient } from '@salvor/testkit';
import { DisasterStack } from './disaster-stack.ts';

const BLOCK_BYTES = 4096;
const BLOCKS = 2_048;
const REQUEST_BYTES = 64 * BLOCK_BYTES;
const KILLS = 2;

/** Blocks that differ from each other and from one version to the next. */
function contentOf(version: number): Buffer {
  const content = Buffer.alloc(BLOCKS * BLOCK_BYTES, version);
  for (let block = 0; block < BLOCKS; block++) content.writeUInt32LE(block, block * BLOCK_BYTES);
  return content;
}

async function writeAll(client: NbdClient, content: Buffer): Promise<void> {
  for (let at = 0; at < content.length; at += REQUEST_BYTES)
    await client.write(at, content.subarray(at, at + REQUEST_BYTES));
  await client.flush();
}

async function assertHolds(uri: string, content: Buffer): Promise<void> {
  const client = await NbdClient.connect(uri);
  for (let at = 0; at < content.length; at += REQUEST_BYTES) {
    const found = await client.read(at, REQUEST_BYTES);
    const [is, expected] = [found[4], content[at + 4]];
    assert.ok(
      found.equals(content.subarray(at, at + REQUEST_BYTES)),
      `${REQUEST_BYTES} bytes at ${at}: version ${is}, expected ${expected}`,
    );
  }
  await client.disconnect();
}

describe('what carries them out is killed again and again', () => {
  it('a rollback and a clone of an earlier state go on where they were, and end right', async () => {
    // So slow that they come in the middle; how many do is a matter of the machine.
    await using stack = await DisasterStack.start({ bandwidthMib: 1 });
    const { bus } = stack.healing;
    const uri = await stack.createLogged('v1');
    const client = await NbdClient.connect(uri);
    await stack.untilLogged('v1');
    const [first, second] = [contentOf(1), contentOf(2)];
    const snapshot = async (name: string): Promise<void> => {
      const { operation } = await bus.request('vdisk.snapshot.create', { vdisk: 'v1', name });
      const { status, message } = await stack.untilEnded(operation);
      assert.equal(status, 'completed', message);
    };
    await writeAll(client, first);
    await snapshot('first');
    await writeAll(client, second);
    await snapshot('second');
    await client.disconnect();
    await stack.untilReleased('v1');

    const rollback = randomUUID();
    await bus.request('vdisk.rollback', { vdisk: 'v1', atSnapshot: 'first', operationId: rollback });
    assert.ok((await stack.killReplayers(rollback, KILLS)) > 0, 'killed on the way');
    const rolled = await stack.untilEnded(rollback);
    assert.equal(rolled.status, 'completed', rolled.message);
    await assertHolds(uri, first);

    await stack.untilReleased('v1');
    const clone = randomUUID();
    await bus.request('vdisk.clone', {
      ...{ source: 'v1', vdisk: 'c1', atSnapshot: 'second', operationId: clone },
    });
    assert.ok((await stack.killReplayers(clone, KILLS)) > 0, 'killed on the way');
    const cloned = await stack.untilEnded(clone);
    assert.equal(cloned.status, 'completed', cloned.message);
    await assertHolds(stack.healing.server.unixUri('c1'), second);
    await assertHolds(uri, first);
  });
});
