/** Archives that lose what they had, or what they were to get: what is done by itself, and what is said. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ArchivesStack, type Content, VDISK, VOLUME } from './archives-stack.ts';

let stack: ArchivesStack;

before(async () => {
  stack = await ArchivesStack.start();
});
after(async () => {
  await stack?.[Symbol.asyncDispose]();
});

interface Kept {
  readonly at: number;
  readonly content: Content;
}

/** A state of the volume, and a time at which it had it. */
async function keep(): Promise<Kept> {
  return { at: await stack.moment(), content: stack.content };
}

let early: Kept;

test('the archive of a volume is complete', async () => {
  const { bus } = stack.healing;
  const client = await stack.connected();
  await stack.write(client, 100);
  await bus.request('archive.init-storage', { volume: VOLUME, vdisk: VDISK });
  await bus.request('archive.start-synchronizing', { archive: 'a1', volume: VOLUME });
  const { generation } = await stack.untilProtected('a1');
  assert.equal(generation, 1);
  early = await keep();
  await stack.write(client, 40);
  await client.disconnect();
});

test('a log that lost what the archive had not taken is an overflow: it is told, compared by hashes, and followed again by itself', async () => {
  const { bus } = stack.healing;
  const client = await stack.connected();
  await stack.untilProtected('a1');
  const before = await keep();
  await stack.killManagers();
  await stack.write(client, 80);
  await stack.dropLog();
  const load = stack.write(client, 80);
  await stack.startManagers();
  await load;
  const { generation, holes } = await stack.until(
    'a1',
    'is complete again',
    (found) => found.generation === 2 && found.status === 'protected',
  );
  assert.equal(generation, 2);
  assert.equal(holes.length, 1);
  assert.match(stack.logsOfManagers(), /"msg":"a volume is not protected by an archive"/);
  assert.equal((await bus.request('archive.is-overflow', { volume: VOLUME })).isOverflow, false);
  await stack.untilProtected('a1');
  await stack.assertRestores('a1', before.content, { atTime: before.at });
  await stack.assertRestores('a1', stack.content);
  await client.disconnect();
});

test('a zone that lost the record of a volume has it again with init-storage, and the archive goes on', async () => {
  const { bus } = stack.healing;
  const client = await stack.connected();
  await bus.request('volume.disable', { volume: VOLUME });
  await stack.write(client, 20);
  const waits = await stack.until('a1', 'misses the volume', ({ sendError }) => sendError !== undefined);
  assert.match(waits.sendError ?? '', /unknown-volume/);
  await bus.request('archive.init-storage', { volume: VOLUME, vdisk: VDISK });
  const { generation } = await stack.untilProtected('a1');
  assert.equal(generation, 2, 'the log is the same: nothing had to be compared');
  await client.disconnect();
});

test('an archive is made from another one, with its history', async () => {
  const { bus } = stack.healing;
  await bus.request('archive.replicate', { archive: 'a1', volume: VOLUME, to: 'a3' });
  const client = await stack.connected();
  await stack.write(client, 20);
  await stack.untilProtected('a1');
  const { sequence } = await stack.status('a1');
  await stack.until('a3', 'has the same', (found) => found.sequence === sequence && found.isRestorable);
  await stack.assertRestores('a3', early.content, { atTime: early.at });
  const { operation } = await bus.request('archive.verify', { archive: 'a3', volume: VOLUME });
  assert.match(await stack.ended(operation, 'completed'), / 0 places lost/);
  await client.disconnect();
});

test('the primary archive is lost: one that has all of it takes over without a resync, and gives its history back', async () => {
  const { bus } = stack.healing;
  const client = await stack.connected();
  await bus.request('archive.start-synchronizing', { archive: 'a2', volume: VOLUME });
  const { generation } = await stack.untilProtected('a2');
  const since = await keep();
  await stack.write(client, 30);
  await stack.untilProtected('a1');
  await stack.untilProtected('a2');
  await stack.lose('a1');
  await stack.until('a2', 'takes over', ({ role, phase }) => role === 'primary' && phase === 'following');
  assert.equal((await stack.status('a2')).generation, generation);
  const again = await stack.until('a1', 'is made again', ({ isRestorable }) => isRestorable);
  assert.deepEqual([again.role, again.source], ['secondary', 'archive a2']);
  assert.match(again.lost ?? '', /holds nothing any more|begins with record/);
  await stack.assertRestores('a1', since.content, { atTime: since.at });
  await client.disconnect();
});

test('an archive that is not primary is lost: it is made again from the primary one', async () => {
  await stack.lose('a3');
  const again = await stack.until(
    'a3',
    'is made again',
    ({ isRestorable, source }) => isRestorable && source === 'archive a2',
  );
  assert.match(again.lost ?? '', /holds nothing any more|begins with record/);
});

test('the only archive is lost: a full backup is made, and its history is said to be lost', async () => {
  const { bus } = stack.healing;
  const client = await stack.connected();
  for (const archive of ['a1', 'a3'])
    await bus.request('archive.stop-synchronizing', { archive, volume: VOLUME, forget: true });
  const { generation } = await stack.status('a2');
  await stack.lose('a2');
  const again = await stack.until(
    'a2',
    'is backed up again',
    (found) => found.generation > generation && found.status === 'protected',
  );
  assert.match(again.lost ?? '', /holds nothing any more|begins with record/);
  await stack.write(client, 20);
  await stack.untilProtected('a2');
  await stack.assertRestores('a2', stack.content);
  const { operation } = await stack.orderRestore('a2', { atTime: early.at });
  assert.match(await stack.ended(operation, 'failed'), /holds no state/);
  await client.disconnect();
});
