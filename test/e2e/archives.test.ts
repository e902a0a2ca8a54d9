/** Archives of a volume: what they hold, restored and compared block by block, and what happens when parts of it fail. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ArchivesStack, type Content, VDISK, VOLUME } from './archives-stack.ts';

let stack: ArchivesStack;
/** States of the volume, by the time at which it had them. */
const kept: { readonly at: number; readonly content: Content }[] = [];

before(async () => {
  stack = await ArchivesStack.start({ managers: 2 });
});
after(async () => {
  await stack?.[Symbol.asyncDispose]();
});

async function keep(): Promise<void> {
  kept.push({ at: await stack.moment(), content: stack.content });
}

test('an archive takes all of a volume that is in use, then its log; every state since can be restored', async () => {
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
  await keep();
  await stack.write(client, 60);
  await keep();
  await bus.request('archive.snapshot', { archive: 'a1', volume: VOLUME, name: 'monday' });
  const monday = stack.content;
  await stack.write(client, 60);
  await stack.untilProtected('a1');
  await stack.assertRestores('a1', stack.content);
  await stack.assertRestores('a1', monday, { atSnapshot: 'monday' });
  for (const { at, content } of kept) await stack.assertRestores('a1', content, { atTime: at });
  await client.disconnect();
});
