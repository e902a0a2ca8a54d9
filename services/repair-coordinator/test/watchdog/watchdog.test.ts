import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  ALERTS_PREFIX,
  type AlertRecord,
  alertSchema,
  beginOperation,
  type ConfigStore,
  cancelOperation,
  operationKey,
  parseRecord,
  repairProgressKey,
  tlogArchivedKey,
  tlogConfigKey,
} from '@salvor/config-store';
import { until } from '@salvor/testkit';
import { type Announcement, Announcements } from '../../src/announcements.ts';
import type { StuckBounds } from '../../src/watchdog/stuck-decision.ts';
import { Watchdog } from '../../src/watchdog/watchdog.ts';
import { address, CoordinatedCluster } from '../coordinated-cluster.ts';

const NEVER_MS = 3_600_000;
const bounds: StuckBounds = {
  ...{ repairMs: NEVER_MS, verdictMs: NEVER_MS, operationMs: NEVER_MS },
  ...{ takeoverMs: NEVER_MS, unhealthyMs: NEVER_MS, archiveMs: NEVER_MS },
};

/** The store, and how often it was looked at what is watched, and read which vdisks there are. */
function countingReads(store: ConfigStore): { store: ConfigStore; looks: number; vdisksRead: number } {
  const counted = {
    looks: 0,
    vdisksRead: 0,
    store: new Proxy(store, {
      get(target, name: keyof ConfigStore) {
        if (name === 'listKeys') counted.vdisksRead++;
        if (name !== 'watch') return Reflect.get(target, name).bind(target);
        return async (...args: Parameters<ConfigStore['watch']>) => {
          const watch = await target.watch(...args);
          const entries = () => {
            counted.looks++;
            return watch.entries();
          };
          return { entries, close: () => watch.close() };
        };
      },
    }),
  };
  return counted;
}

async function watching(
  { store, log }: Pick<CoordinatedCluster, 'store' | 'log'>,
  changes: Partial<StuckBounds>,
): Promise<Watchdog & AsyncDisposable> {
  const counts = new Map<string, number>();
  const raised = { set: (value: number, { kind = '' } = {}) => void counts.set(kind, value) };
  const watchdog = new Watchdog({ store, log, bounds: { ...bounds, ...changes }, raised, intervalMs: 25 });
  await watchdog.start();
  return Object.assign(watchdog, { counts, [Symbol.asyncDispose]: () => watchdog.stop() });
}

async function alerts({ store }: CoordinatedCluster): Promise<AlertRecord[]> {
  const { entries } = await store.list(ALERTS_PREFIX);
  return entries.map(({ key, value }) => parseRecord(alertSchema, key, value));
}

async function untilAlert(
  cluster: CoordinatedCluster,
  is: (alert: AlertRecord) => boolean,
): Promise<AlertRecord> {
  return until(async () => (await alerts(cluster)).find(is), { what: 'an alert', timeoutMs: 15_000 });
}

const isRaised = ({ clearedAt }: AlertRecord): boolean => clearedAt === undefined;

describe('the watchdog', () => {
  it('raises one alert for an unhealthy cluster, whoever looks, and clears it when a member serves again', async () => {
    await using cluster = await CoordinatedCluster.start();
    await using _one = await watching(cluster, { unhealthyMs: 1 });
    await using _two = await watching(cluster, { unhealthyMs: 1 });
    const announcements = new Announcements();
    const told: Announcement[] = [];
    const watch = await cluster.store.watch({ prefixes: [ALERTS_PREFIX] }, ({ changes }) => {
      told.push(...changes.flatMap((change) => announcements.of(change)));
    });
    await cluster.fail(address('primary', 0));
    await cluster.fail(address('slave', 0));
    await untilAlert(cluster, ({ subject }) => subject === 'p1');
    const { kind, message } = await untilAlert(cluster, ({ subject }) => subject === 's1');
    assert.equal(kind, 'cluster-unhealthy');
    assert.match(message, /^cluster s1 is unhealthy: pair 0 has no live member/);
    const { id, attempt } = (await cluster.judge(address('slave', 0), 'temporary')).incident ?? assert.fail();
    const done = { kind: 'repairs-complete', incident: id, attempt, by: 'test' };
    await cluster.apply({ ...done, repaired: new Set(), vdisks: new Set() });
    await until(async () => !(await alerts(cluster)).some(isRaised), { what: 'no alert', timeoutMs: 15_000 });
    await until(async () => told.length >= 4, { what: 'what the watch tells', timeoutMs: 15_000 });
    const types = told.map(({ type, payload }) => `${type} ${'subject' in payload ? payload.subject : ''}`);
    assert.deepEqual(types.sort(), [
      'alert.cleared p1',
      'alert.cleared s1',
      'alert.raised p1',
      'alert.raised s1',
    ]);
    watch.close();
  });

  it('names a repair that does not move, and is content when a server says that it does', async () => {
    await using cluster = await CoordinatedCluster.start();
    await cluster.addVdisks('v1');
    await cluster.fail(address('primary', 0));
    const { id, attempt } =
      (await cluster.judge(address('primary', 0), 'temporary')).incident ?? assert.fail();
    await using _watchdog = await watching(cluster, { repairMs: 1_000 });
    const { message, incident } = await untilAlert(cluster, isRaised);
    assert.match(message, /waits for vdisk v1, which nobody owns$/);
    assert.equal(incident, id);
    const key = repairProgressKey('nbd-1');
    const movedAt = Date.now() + NEVER_MS;
    const repair = { vdisk: 'v1', incident: id, attempt, address: 'h:1', total: 9, done: 3, movedAt };
    const value = JSON.stringify({ server: 'nbd-1', at: movedAt, repairs: [repair] });
    await cluster.store.transact({ compare: [], puts: [{ key, value }] });
    await untilAlert(cluster, (alert) => !isRaised(alert));
  });

  it('reads which vdisks there are only for a repair that is stuck, and then once for many looks', async () => {
    await using cluster = await CoordinatedCluster.start();
    await cluster.addVdisks('v1');
    await cluster.fail(address('primary', 0));
    await cluster.judge(address('primary', 0), 'temporary');
    const counted = countingReads(cluster.store);
    const looks = async (more: number): Promise<void> => {
      const goal = counted.looks + more;
      await until(() => counted.looks >= goal, { what: `${more} more looks`, timeoutMs: 15_000 });
    };
    {
      await using _content = await watching({ log: cluster.log, store: counted.store }, {});
      await looks(10);
      assert.equal(counted.vdisksRead, 0);
    }
    await using _watchdog = await watching({ log: cluster.log, store: counted.store }, { repairMs: 1 });
    await untilAlert(cluster, isRaised);
    const before = counted.vdisksRead;
    await looks(10);
    assert.ok(before > 0);
    assert.equal(counted.vdisksRead, before);
  });

  it('names an operation that nobody carries out; its end clears that', async () => {
    await using cluster = await CoordinatedCluster.start();
    const operation = { operation: 'o1', kind: 'vdisk.clone', request: {}, subject: 'v1', message: 'copies' };
    await beginOperation(cluster.store, { ...operation, now: () => Date.now() - 60_000 });
    await using _watchdog = await watching(cluster, { operationMs: 30_000 });
    const { message } = await untilAlert(cluster, isRaised);
    assert.match(
      message,
      /^operation o1 \(vdisk\.clone of v1\) makes no progress, nobody carries it out: copies/,
    );
    await cancelOperation(cluster.store, 'o1', 'test');
    await cluster.store.transact({ compare: [], deletes: [operationKey('o1')] });
    await untilAlert(cluster, (alert) => !isRaised(alert));
  });

  it('raises one alert for a log that cannot be archived, whatever its reason becomes, and clears it once', async () => {
    await using cluster = await CoordinatedCluster.start();
    await using _one = await watching(cluster, { archiveMs: 1_000 });
    await using _two = await watching(cluster, { archiveMs: 1_000 });
    const announcements = new Announcements();
    const told: Announcement[] = [];
    const watch = await cluster.store.watch({ prefixes: [ALERTS_PREFIX] }, ({ changes }) => {
      told.push(...changes.flatMap((change) => announcements.of(change)));
    });
    const since = Date.now() - 2_000;
    const archived = { number: 7, sequence: 90, chunks: 1, bytes: 1_000, at: since };
    const put = (key: string, record: object) =>
      cluster.store.transact({ compare: [], puts: [{ key, value: JSON.stringify(record) }] });
    await put(tlogConfigKey('v1'), { container: 0 });
    await put(tlogArchivedKey('v1'), { ...archived, trouble: { reason: 'Tier-2 is away', since } });
    const { kind, vdisk } = await untilAlert(cluster, isRaised);
    assert.deepEqual([kind, vdisk], ['log-not-archived', 'v1']);
    await put(tlogArchivedKey('v1'), { ...archived, trouble: { reason: 'Tier-2 is full', since } });
    await untilAlert(cluster, ({ message }) => message.includes('Tier-2 is full'));
    await put(tlogArchivedKey('v1'), archived);
    await untilAlert(cluster, (alert) => !isRaised(alert));
    await until(async () => told.length >= 2, { what: 'what the watch tells', timeoutMs: 15_000 });
    assert.deepEqual(
      told.map(({ type }) => type),
      ['alert.raised', 'alert.cleared'],
    );
    // A vdisk that has no log any more has none that could be archived.
    await put(tlogArchivedKey('v2'), { ...archived, trouble: { reason: 'Tier-2 is away', since } });
    await put(tlogArchivedKey('v1'), { ...archived, trouble: { reason: 'Tier-2 is away', since } });
    await untilAlert(cluster, isRaised);
    assert.equal((await alerts(cluster)).length, 1);
    watch.close();
  });

  it('goes on past records that cannot be read, and replaces an alert that cannot', async () => {
    await using cluster = await CoordinatedCluster.start();
    const puts = ['/salvor/incidents/p1/1', `${ALERTS_PREFIX}cluster-unhealthy:p1`, repairProgressKey('x')];
    await cluster.store.transact({ compare: [], puts: puts.map((key) => ({ key, value: '{"id":7' })) });
    await cluster.fail(address('primary', 0));
    await cluster.fail(address('slave', 0));
    await using _watchdog = await watching(cluster, { unhealthyMs: 1 });
    const isReplaced = async (): Promise<boolean> => (await alerts(cluster)).length === 2;
    await until(isReplaced, { what: 'two alerts that can be read', timeoutMs: 15_000 });
  });
});
