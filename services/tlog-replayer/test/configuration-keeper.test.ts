import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  configurationTroubleKey,
  installationKey,
  operationKey,
  segmentRecoveryKey,
  tier1RecoveryKey,
  vdiskLifecycleKey,
} from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import { until } from '@salvor/testkit';
import { latestConfiguration, listConfigurations, newestConfiguration } from '@salvor/tlog';
import { ConfigurationKeeper } from '../src/configuration-keeper.ts';
import { decideKeeping, type EtcdNow, type KeptBefore } from '../src/keeping-decision.ts';
import { vanishedKeys } from '../src/vanished-keys.ts';
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

test('an etcd that was lost and made anew is never kept in the place of the configuration, until it was brought back', async () => {
  await using logs = await ArchivedLogs.start();
  const { store, tier2 } = logs;
  const told: string[] = [];
  const log = { ...silentLogger, error: (fields: object) => void told.push(JSON.stringify(fields)) };
  const keeper = new ConfigurationKeeper({
    ...{ store, tier2, log, instance: 'one' },
    ...{ intervalMs: 20, leaseTtlSeconds: 2 },
  });
  const put = async (key: string, value: string): Promise<void> => {
    await store.transact({ compare: [], puts: [{ key, value }] });
  };
  const kept = async (key: string): Promise<string | undefined> =>
    new Map((await newestConfiguration(tier2))?.entries).get(key);
  const wait = { what: 'the change is kept', timeoutMs: TIMEOUT_MS };
  await put('v1:vdisk:conf:static', 'blockSize: 4096');
  keeper.start();
  await until(async () => (await kept('v1:vdisk:conf:static')) !== undefined, wait);
  const name = (await store.get(installationKey))?.value ?? '';
  assert.equal(await kept(installationKey), name);

  await store.transact({ compare: [], deletes: [installationKey, 'v1:vdisk:conf:static'] });
  await until(() => told.some((line) => line.includes('salvor dr recover')), wait);
  assert.equal(await kept('v1:vdisk:conf:static'), 'blockSize: 4096');

  // A recovery: its mark holds the keeper off as well, until all is there.
  await put(tier1RecoveryKey, '{}');
  await put(installationKey, name);
  await put('v1:vdisk:conf:static', 'blockSize: 4096');
  await put('v2:vdisk:conf:static', 'blockSize: 8192');
  await until(() => told.some((line) => line.includes('being brought back')), wait);
  assert.equal(await kept('v2:vdisk:conf:static'), undefined);
  await store.transact({ compare: [], deletes: [tier1RecoveryKey] });
  await until(async () => (await kept('v2:vdisk:conf:static')) !== undefined, wait);
  await keeper.stop();
});

test('whose configuration is kept follows from the name of the installation, and from revisions where none has one', () => {
  const now: EtcdNow = { revision: '10', installation: null, isRecovering: false };
  const kindOf = (etcd: Partial<EtcdNow>, before: KeptBefore | null) =>
    decideKeeping({ ...now, ...etcd }, before).kind;
  assert.equal(kindOf({}, null), 'name');
  assert.equal(kindOf({ installation: 'a' }, null), 'keep');
  assert.equal(kindOf({}, { revision: '9', installation: null }), 'name');
  assert.equal(kindOf({}, { revision: '11', installation: null }), 'wait');
  assert.equal(kindOf({ installation: 'a' }, { revision: '10', installation: 'a' }), 'keep');
  assert.equal(kindOf({ installation: 'b' }, { revision: '9', installation: 'a' }), 'wait');
  assert.equal(kindOf({}, { revision: '9', installation: 'a' }), 'wait');
  assert.equal(
    kindOf({ installation: 'a', isRecovering: true }, { revision: '9', installation: 'a' }),
    'wait',
  );
});

test('an etcd that went back in time is not kept: its snapshots would lose against those of its lost future', () => {
  const now: EtcdNow = { revision: '5001', installation: 'a', isRecovering: false };
  const decided = decideKeeping(now, { revision: '6000', installation: 'a' });
  assert.equal(decided.kind, 'wait');
  assert.match(decided.reason, /revision 6000, and etcd is at revision 5001: it went back in time/);
  assert.match(decided.reason, /salvor dr recover/);
});

test('an etcd that lost a part of what it had is not kept, and says so, until that is there again or was taken away by Salvor', async () => {
  await using logs = await ArchivedLogs.start();
  const { store, tier2 } = logs;
  const keeper = new ConfigurationKeeper({
    ...{ store, tier2, log: silentLogger, instance: 'one', intervalMs: 20, leaseTtlSeconds: 2 },
  });
  const put = async (
    puts: Readonly<Record<string, string>>,
    deletes: readonly string[] = [],
  ): Promise<void> => {
    await store.transact({
      ...{ compare: [], deletes },
      puts: Object.entries(puts).map(([key, value]) => ({ key, value })),
    });
  };
  const kept = async (key: string): Promise<string | undefined> =>
    new Map((await newestConfiguration(tier2))?.entries).get(key);
  const wait = { what: 'what etcd has is kept', timeoutMs: TIMEOUT_MS };
  const trouble = async (): Promise<string> => (await store.get(configurationTroubleKey))?.value ?? '';
  const [v1, v2] = ['v1:vdisk:conf:static', 'v2:vdisk:conf:static'];
  await put({ [v1]: 'blockSize: 4096', [v2]: 'blockSize: 4096' });
  keeper.start();
  await until(async () => (await kept(v2)) !== undefined, wait);

  await put({ 's:nbdserver:conf:vdisks': 'vdisks: []' }, [v1]);
  await until(async () => (await trouble()).includes(v1), {
    what: 'the loss is told',
    timeoutMs: TIMEOUT_MS,
  });
  assert.match(await trouble(), /salvor dr recover/);
  assert.deepEqual([await kept(v1), await kept('s:nbdserver:conf:vdisks')], ['blockSize: 4096', undefined]);
  await put({ [v1]: 'blockSize: 4096' });
  await until(async () => (await kept('s:nbdserver:conf:vdisks')) !== undefined, wait);
  await until(async () => (await trouble()) === '', { what: 'the trouble is over', timeoutMs: TIMEOUT_MS });

  const mark = { kind: 'vdisk.delete', request: '{}', outcome: 'applied', reason: 'r', at: 1, subject: 'v1' };
  await put({ [operationKey('op-1')]: JSON.stringify({ operation: 'op-1', ...mark }) }, [v1]);
  await until(async () => (await kept(v1)) === undefined, wait);
  const tombstone = JSON.stringify({ state: 'deleting', operations: ['op-2'], at: 1 });
  await put({ [vdiskLifecycleKey('v2')]: tombstone }, [v2]);
  await until(async () => (await kept(v2)) === undefined, wait);
  assert.equal(await trouble(), '');
  await keeper.stop();
});

const keptAt = 1_700_000_000_000;
const entriesOf = (...values: readonly (readonly [string, string, number])[]) =>
  new Map(
    values.map(([key, value, revision]) => [
      key,
      { key, value, revision: String(revision), createRevision: String(revision), lease: null },
    ]),
  );

test('which keys have vanished follows from what was taken away behind the last snapshot', () => {
  const nbd = 'storageClusterID: p1\nslaveStorageClusterID: s1\n';
  const last = {
    ...{ revision: 10n, at: keptAt },
    keys: new Set(['v1:vdisk:conf:static', '/salvor/tlogs/v1/config', 'p1:cluster:conf:storage', 'x:y']),
  };
  const gone = (...values: readonly (readonly [string, string, number])[]): string[] =>
    vanishedKeys(last, entriesOf(...values), keptAt + 1_000);
  const mark = (kind: string, more: object = {}) =>
    JSON.stringify({
      ...{ operation: 'o', kind, request: '{}', outcome: 'applied', reason: 'r', at: 1, subject: 'v1' },
      ...more,
    });
  const at = operationKey('o');
  assert.deepEqual(gone(), ['v1:vdisk:conf:static', '/salvor/tlogs/v1/config']);
  assert.deepEqual(gone([at, mark('vdisk.delete'), 11]), []);
  assert.equal(gone([at, mark('vdisk.delete'), 9]).length, 2, 'that was an earlier one of its name');
  const failed = { work: { status: 'failed', message: 'm', updatedAt: 1 } };
  assert.deepEqual(gone([at, mark('vdisk.clone', failed), 11]), []);
  assert.deepEqual(gone([at, mark('tlog.disable'), 11]), ['v1:vdisk:conf:static']);
  assert.ok(gone(['v2:vdisk:conf:storage:nbd', nbd, 11]).includes('p1:cluster:conf:storage'));
  assert.ok(gone(['/salvor/clusters/p1', '{}', 3]).includes('p1:cluster:conf:storage'));
  const recovered = (dryRun: boolean, revision: number) =>
    gone([segmentRecoveryKey('r'), JSON.stringify({ dryRun }), revision]).length;
  assert.deepEqual([recovered(false, 11), recovered(true, 11), recovered(false, 9)], [0, 2, 2]);
  assert.deepEqual(
    vanishedKeys(last, new Map(), keptAt + 7 * 86_400_000),
    [],
    'operations are not known any more',
  );
});
