import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Bus } from '@salvor/bus';
import { INCIDENTS_PREFIX, salvorClusterKey } from '@salvor/config-store';
import { until } from '@salvor/testkit';
import { Announcer } from '../src/announcer.ts';
import { address, CoordinatedCluster } from './coordinated-cluster.ts';

interface Heard {
  readonly type: string;
  readonly id: string;
  readonly payload: Record<string, unknown>;
}

/** A coordinator's announcer and what it publishes; `refuse` makes the bus fail. */
async function startAnnouncer(
  { store, log }: CoordinatedCluster,
  refuse: (heard: Heard) => boolean = () => false,
) {
  const heard: Heard[] = [];
  const bus = {
    publishEvent: async (type: string, payload: Heard['payload'], { id }: { id: string }) => {
      const one = { type, id, payload };
      if (refuse(one)) throw new Error('no bus');
      heard.push(one);
    },
  } as unknown as Bus;
  const announcer = new Announcer(store, bus, log);
  await announcer.start();
  return { heard, stop: () => announcer.stop(), [Symbol.asyncDispose]: () => announcer.stop() };
}

const waitFor = (heard: readonly Heard[], type: string, count = 1) =>
  until(() => heard.filter((one) => one.type === type).length >= count, {
    what: `${count} times ${type} among ${heard.map((one) => one.type).join(', ')}`,
    timeoutMs: 10_000,
  });

const engine = address('primary', 0);

async function wholeIncident(cluster: CoordinatedCluster): Promise<void> {
  await cluster.fail(engine);
  const { id, attempt } = (await cluster.judge(engine, 'temporary')).incident ?? assert.fail();
  const done = { kind: 'repairs-complete', incident: id, attempt, by: 'test' };
  await cluster.apply({ ...done, repaired: new Set(), vdisks: new Set() });
}

describe('the announcer', () => {
  it('tells every step of an incident under ids that every coordinator gives it', async () => {
    await using cluster = await CoordinatedCluster.start();
    await using one = await startAnnouncer(cluster);
    await using two = await startAnnouncer(cluster);
    await wholeIncident(cluster);
    for (const { heard } of [one, two]) {
      await waitFor(heard, 'incident.closed');
      await waitFor(heard, 'cluster.status-changed', 2);
    }
    const ids = (heard: readonly Heard[]) => heard.map(({ id }) => id).sort();
    assert.deepEqual(ids(one.heard), ids(two.heard));
    assert.equal(new Set(ids(one.heard)).size, one.heard.length, 'each is told once');
    assert.deepEqual(
      one.heard.flatMap(({ type, payload }) => (type === 'engine.status-changed' ? [payload.to] : [])),
      ['offline', 'repair-tmp-outage', 'online'],
    );
  });

  it('that starts later tells again, under the same ids, what happened before', async () => {
    await using cluster = await CoordinatedCluster.start();
    await using first = await startAnnouncer(cluster);
    await wholeIncident(cluster);
    await waitFor(first.heard, 'incident.closed');
    await first.stop();
    await using second = await startAnnouncer(cluster);
    await waitFor(second.heard, 'incident.closed');
    const about = (heard: readonly Heard[]) =>
      heard.filter(({ type }) => type !== 'cluster.status-changed').map(({ id }) => id);
    assert.deepEqual(about(second.heard).sort(), about(first.heard).sort());
  });

  it('goes on past records that cannot be read, and past events that cannot be published', async () => {
    await using cluster = await CoordinatedCluster.start();
    const bad = `${INCIDENTS_PREFIX}p1/1`;
    await cluster.store.transact({ compare: [], puts: [{ key: bad, value: '{"id":7' }] });
    await using announcer = await startAnnouncer(cluster, ({ type }) => type === 'incident.opened');
    await cluster.store.transact({ compare: [], puts: [{ key: bad, value: '{"id":8' }] });
    await cluster.fail(engine);
    await waitFor(announcer.heard, 'engine.status-changed');
    assert.equal((await cluster.waitForLine('a record cannot be announced')).fields.key, bad);
    assert.equal((await cluster.waitForLine('event not published')).fields.event, 'incident.opened');
  });

  it('tells what a good record says that comes after a bad one', async () => {
    await using cluster = await CoordinatedCluster.start();
    await using announcer = await startAnnouncer(cluster);
    const key = salvorClusterKey('p1');
    await cluster.fail(engine);
    await waitFor(announcer.heard, 'cluster.status-changed');
    const value = (await cluster.store.get(key))?.value ?? assert.fail();
    const record = JSON.parse(value) as Record<string, unknown>;
    await cluster.store.transact({ compare: [], puts: [{ key, value: 'no record' }] });
    await cluster.waitForLine('a record cannot be announced');
    const changed = { from: 'repairing', to: 'unhealthy', at: Date.now() };
    const next = JSON.stringify({ ...record, status: 'unhealthy', changed });
    await cluster.store.transact({ compare: [], puts: [{ key, value: next }] });
    await waitFor(announcer.heard, 'cluster.status-changed', 2);
    assert.equal(announcer.heard.at(-1)?.payload.to, 'unhealthy');
  });
});
