import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineLink, NbdClient, until } from '@salvor/testkit';
import { HealingStack } from './healing-stack.ts';

const BLOCK_BYTES = 4096;
const why = { reason: 'a test', by: 'alice' };

test('a pause of healing makes a repair rest on its way, and it goes on where it was', async () => {
  // A repair of a few thousand blocks takes seconds, and can be stopped on its way.
  await using healing = await HealingStack.start({
    ...{ primaries: 1, spares: 0, nbdServerEnv: { SALVOR_REPAIR_BANDWIDTH_MIB: '2' } },
  });
  const client = await NbdClient.connect(await healing.createVdisk('v1'));
  const fill = async (from: number, count: number, byte: number): Promise<void> => {
    for (let n = from; n < from + count; n++)
      await client.write(n * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, byte));
  };
  const dirtyBlocks = async (): Promise<number> => {
    using link = await EngineLink.open(healing.stack.engine('slave', 0).port);
    return Number(await link.send('BITCOUNT', 'salvor:dirty:v1'));
  };
  const engine = healing.stack.engine('primary', 0);
  const { address } = engine;
  await healing.bus.request('engine.take-offline', { address, ...why });
  const blocks = 4_000;
  await fill(100, blocks, 0x33);
  await healing.bus.request('engine.bring-online', { address, ...why });
  await until(async () => (await dirtyBlocks()) < blocks, {
    what: 'the copy is under way',
    timeoutMs: 30_000,
  });
  await healing.bus.request('healing.pause', why);
  let before = -1;
  const rests = async (): Promise<boolean> => {
    const left = await dirtyBlocks();
    const isSame = left === before;
    before = left;
    return isSame;
  };
  // At its bandwidth it would copy hundreds of blocks between two looks.
  await until(rests, { what: 'the copy rests', timeoutMs: 30_000, intervalMs: 1_000 });
  assert.ok(before > 0, 'it was not done yet');
  const { repairs } = await healing.bus.request('repair.list', {});
  assert.deepEqual(
    repairs.map(({ state }) => state),
    ['paused'],
  );
  await fill(0, 5, 0x44);
  assert.equal((await client.read(0, BLOCK_BYTES))[0], 0x44, 'clients notice nothing');
  await healing.bus.request('healing.resume', why);
  await healing.untilHealed();
  const { incidents } = await healing.bus.request('incident.list', { all: true });
  const { attempt, repairs: done, actions } = incidents[0] ?? assert.fail('no incident');
  await client.disconnect();
  const [repair] = done;
  assert.deepEqual([attempt, repair?.dirtyBlocks, repair?.copiedBlocks], [1, blocks, blocks]);
  assert.deepEqual(
    actions.map(({ action }) => action).filter((action) => action.startsWith('healing.')),
    ['healing.pause', 'healing.resume'],
  );
});
