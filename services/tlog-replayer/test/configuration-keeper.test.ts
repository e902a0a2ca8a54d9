import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@salvor/service-kit';
import { until } from '@salvor/testkit';
import { latestConfiguration, listConfigurations } from '@salvor/tlog';
import { ConfigurationKeeper } from '../src/configuration-keeper.ts';
import { ArchivedLogs } from './archived-log.ts';

const TIMEOUT_MS = 20_000;

test('each change of the configuration is kept in Tier-2, by one replica, and what is of the moment is not', async () => {
  await using logs = await ArchivedLogs.start();
  const { store, tier2 } = logs;
  const keeperOf = (instance: string): ConfigurationKeeper =>
    new ConfigurationKeeper({
      store,
      tier2,
      log: silentLogger,
      instance,
      intervalMs: 20,
      leaseTtlSeconds: 2,
    });
  const [one, two] = [keeperOf('one'), keeperOf('two')];
  const put = async (key: string, value: string): Promise<void> => {
    await store.transact({ compare: [], puts: [{ key, value }] });
  };
  await put('v1:vdisk:conf:static', 'blockSize: 4096');
  await put('/salvor/vdisks/v1/owner', '{}');
  one.start();
  two.start();
  const kept = async (key: string): Promise<string | undefined> =>
    (await latestConfiguration(tier2))?.entries.find(([found]) => found === key)?.[1];
  const wait = { what: 'the change is kept', timeoutMs: TIMEOUT_MS };
  await until(async () => (await kept('v1:vdisk:conf:static')) !== undefined, wait);
  assert.equal(await kept('/salvor/vdisks/v1/owner'), undefined);
  await put('/salvor/vdisks/v1/owner', '{"now":"another"}');
  await put('/salvor/tlogs/v1/snapshots/before', '{"sequence":7}');
  await until(async () => (await kept('/salvor/tlogs/v1/snapshots/before')) !== undefined, wait);
  // One a change: the second replica has stored nothing.
  assert.equal((await listConfigurations(tier2)).length, 2);
  await one.stop();
  await put('v2:vdisk:conf:static', 'blockSize: 4096');
  await until(async () => (await kept('v2:vdisk:conf:static')) !== undefined, wait);
  await two.stop();
});
