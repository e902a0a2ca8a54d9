import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { CommandShapes } from '@salvor/contracts';
import { EngineLink, until } from '@salvor/testkit';
import { HealingStack } from './healing-stack.ts';

/** Blocks of 4 KiB in the smallest vdisk. */
const BLOCKS = 262_144;

let healing: HealingStack;
before(async () => {
  healing = await HealingStack.start({ primaries: 1, slaves: 1, spares: 0 });
  for (const vdisk of ['v1', 'v2']) await healing.createVdisk(vdisk);
});
after(() => healing[Symbol.asyncDispose]());

type Operation = CommandShapes['operation.get']['reply']['operation'];

async function operation(id: string): Promise<Operation> {
  return (await healing.bus.request('operation.get', { operation: id })).operation;
}

async function untilEnded(id: string): Promise<Operation> {
  let last: Operation | null = null;
  await until(
    async () => {
      last = await operation(id);
      return last.endedAt !== undefined;
    },
    { what: 'the scrub ends', timeoutMs: 120_000, intervalMs: 50 },
  );
  return last ?? assert.fail();
}

/** Changes blocks on the slave behind everybody's back. */
async function plant(vdisk: string, ...blocks: number[]): Promise<void> {
  const { address } = healing.stack.engine('slave', 0);
  using link = await EngineLink.open(Number(address.split(':').at(-1)));
  for (const block of blocks)
    await link.sendRaw('HSET', `nondedup:${vdisk}`, String(block), 'x'.repeat(4096));
}

test('a scrub of a vdisk that nobody has mounted reports what it cannot prove, and repairs it from the named side', async () => {
  await plant('v1', 7, 70_000);
  const first = await healing.bus.request('vdisk.scrub', { vdisk: 'v1', bandwidthMiBs: 0 });
  const reported = await untilEnded(first.operation);
  assert.equal(reported.status, 'completed', reported.message);
  assert.match(reported.message, /262144 blocks compared, 2 differed, 0 repaired.*block 7 .*block 70000 /);
  const second = await healing.bus.request('vdisk.scrub', {
    vdisk: 'v1',
    prefer: 'primary',
    bandwidthMiBs: 0,
  });
  assert.match((await untilEnded(second.operation)).message, /2 differed, 2 repaired/);
  const third = await healing.bus.request('vdisk.scrub', { vdisk: 'v1', bandwidthMiBs: 0 });
  assert.match((await untilEnded(third.operation)).message, /262144 blocks compared, 0 differed/);
});

test('a scrub goes on where it was after its server was killed', async () => {
  await plant('v2', 3);
  const { operation: id } = await healing.bus.request('vdisk.scrub', { vdisk: 'v2', bandwidthMiBs: 150 });
  await until(async () => ((await operation(id)).done ?? 0) > 20_000, {
    what: 'the scrub is under way',
    timeoutMs: 60_000,
    intervalMs: 20,
  });
  await healing.server.kill('SIGKILL');
  const { status, message, done } = await untilEnded(id);
  assert.equal(status, 'completed', message);
  assert.equal(done, BLOCKS);
  assert.match(message, /262144 blocks compared, 1 differed/);
});

test('a scrub is stopped by a command', async () => {
  const { operation: id } = await healing.bus.request('vdisk.scrub', { vdisk: 'v2', bandwidthMiBs: 1 });
  await healing.bus.request('operation.cancel', { operation: id });
  const { status } = await untilEnded(id);
  assert.equal(status, 'cancelled');
});

test('what has no second copy is not scrubbed', async () => {
  await healing.bus.request('vdisk.create', { vdisk: 'one', type: 'db', sizeGiB: 1, cluster: 'p1' });
  await assert.rejects(healing.bus.request('vdisk.scrub', { vdisk: 'one' }), /no slave cluster/);
  await assert.rejects(healing.bus.request('vdisk.scrub', { vdisk: 'none' }), /there is no vdisk none/);
  await assert.rejects(healing.bus.request('vdisk.scrub', { vdisk: 'v1', prefer: 'me' }), /primary or slave/);
});
