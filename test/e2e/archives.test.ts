/** Archives of a volume: what they hold, restored and compared block by block, and what happens when parts of it fail. */
import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { ArchivesStack, type Content, VDISK, VOLUME } from './archives-stack.ts';

let stack: ArchivesStack;

before(async () => {
  stack = await ArchivesStack.start({ managers: 2 });
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
let monday: Content;

test('an archive takes all of a volume that is in use, then its log; states since then can be restored', async () => {
  const { bus } = stack.healing;
  const client = await stack.connected();
  await stack.write(client, 150);
  await bus.request('archive.init-storage', { volume: VOLUME, vdisk: VDISK });
  const order = { archive: 'a1', volume: VOLUME, operationId: 'start-a1' };
  assert.equal((await bus.request('archive.start-synchronizing', order)).outcome, 'applied');
  assert.equal((await bus.request('archive.start-synchronizing', order)).outcome, 'already');
  await stack.write(client, 60);
  const { role, generation } = await stack.untilProtected('a1');
  assert.deepEqual([role, generation], ['primary', 1]);
  early = await keep();
  await stack.write(client, 60);
  await bus.request('archive.snapshot', { archive: 'a1', volume: VOLUME, name: 'monday' });
  monday = stack.content;
  const load = stack.write(client, 100);
  await stack.until('a1', 'has monday', ({ snapshots }) => snapshots[0]?.state === 'restorable');
  await stack.assertRestores('a1', monday, { atSnapshot: 'monday' });
  await load;
  await stack.untilProtected('a1');
  await stack.assertRestores('a1', early.content, { atTime: early.at });
  await stack.assertRestores('a1', stack.content);
  await client.disconnect();
});

test('what cannot be restored changes nothing, and names what can', async () => {
  const { operation } = await stack.orderRestore('a1', { atTime: early.at - 3_600_000 });
  assert.match(await stack.ended(operation, 'failed'), /holds no state.*nothing was written/);
  await assert.rejects(stack.orderRestore('a1', { atSnapshot: 'tuesday' }), { code: 'unknown-snapshot' });
});

test('all managers die in the middle of a backup: one that is back goes on, and when it dies the other one does', async () => {
  const client = await stack.connected();
  await stack.write(client, 40);
  await stack.healing.bus.request('archive.full-backup', { archive: 'a1', volume: VOLUME });
  await stack.until('a1', 'is compared', ({ backup }) => (backup?.blocks ?? 0) > 0);
  await stack.killManagers();
  await stack.write(client, 120);
  const [first, second] = stack.managers;
  await first?.start();
  await stack.untilProtected('a1');
  await first?.kill('SIGKILL');
  await stack.write(client, 40);
  await second?.start();
  const { generation } = await stack.untilProtected('a1');
  assert.equal(generation, 2);
  await first?.start();
  await stack.assertRestores('a1', stack.content);
  await client.disconnect();
});

test('the store of an archive is away: the log waits, and flows when it is back, with and without a kick', async () => {
  const { bus } = stack.healing;
  const client = await stack.connected();
  const folder = stack.folderOf('a1');
  for (const isKicked of [false, true]) {
    await rename(folder, `${folder}-away`);
    await stack.write(client, 30);
    await stack.until('a1', 'waits', ({ status }) => status === 'trouble');
    const asked = await bus.request('archive.is-send-error', { volume: VOLUME });
    assert.ok(asked.isSendError);
    assert.match(asked.archives[0]?.reason ?? '', /a1/);
    await rename(`${folder}-away`, folder);
    if (isKicked) await bus.request('archive.kick', { archive: 'a1' });
    await stack.untilProtected('a1');
  }
  assert.equal((await bus.request('archive.is-send-error', { volume: VOLUME })).isSendError, false);
  assert.equal((await stack.status('a1')).generation, 2, 'nothing had to be compared');
  await client.disconnect();
});

test('a restore goes on when its manager is killed', async () => {
  const { operation } = await stack.orderRestore('a1', { atSnapshot: 'monday' });
  await stack.killManagers();
  await stack.startManagers();
  await stack.assertRestored(operation, monday);
});

test('retention leaves what is young or has a name', async () => {
  const { bus } = stack.healing;
  const named = { archive: 'a1', volume: VOLUME };
  const before = await stack.chunksOf('a1');
  await bus.request('archive.set-retention', { ...named, everyStateMs: 0 });
  const client = await stack.connected();
  await stack.write(client, 10);
  await stack.untilFewerChunks('a1', before);
  const { operation } = await stack.orderRestore('a1', { atTime: early.at });
  await stack.ended(operation, 'failed');
  await stack.assertRestores('a1', monday, { atSnapshot: 'monday' });
  await stack.untilProtected('a1');
  await stack.assertRestores('a1', stack.content);
  const verified = await bus.request('archive.verify', named);
  assert.match(await stack.ended(verified.operation, 'completed'), / 0 places lost/);
  await client.disconnect();
});
