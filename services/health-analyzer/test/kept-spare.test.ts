import assert from 'node:assert/strict';
import { it } from 'node:test';
import { applyEngineStatus, createCluster, type EngineStatusInput, openStore } from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import { restartEmpty, startEtcd, startRedis, tempDir, until } from '@salvor/testkit';
import { EngineControl } from '@salvor/vdisk';
import type { JudgedOutage } from '../src/outage-judge.ts';
import { OutageWatch } from '../src/outage-watch.ts';

/** Nobody listens there. */
const lost = '127.0.0.1:1';
const partner = '127.0.0.1:2';

it('a spare that failed while it was filled is what is probed, under its own identity, and not the engine that it replaces', async () => {
  const dir = tempDir('kept-spare');
  const [etcd, spare] = await Promise.all([
    startEtcd({ dir: dir.join('etcd') }),
    startRedis({ dir: dir.join('spare') }),
  ]);
  const store = openStore({ endpoints: [etcd.endpoint] });
  const judged: JudgedOutage[] = [];
  const watch = new OutageWatch({
    store,
    policy: { healthyProbes: 2, permanentAfterMs: 3_600_000 },
    probe: { timeoutMs: 1_000, observer: 'test', now: () => Date.now() },
    probeIntervalMs: 10,
    repeatAfterMs: 50,
    announce: async (one) => {
      if (one.incident.cluster === 'p1') judged.push(one);
    },
    log: silentLogger,
  });
  try {
    const { address } = spare;
    const refs = (...addresses: string[]) => addresses.map((at) => ({ address: at, db: 0 }));
    const by = (operation: string) => ({ operation, by: 'test' });
    await createCluster(
      store,
      { cluster: 'p1', role: 'primary', engines: refs(lost), spares: refs(address), partner: 's1' },
      by('create-p1'),
    );
    await createCluster(
      store,
      { cluster: 's1', role: 'slave', engines: refs(partner), spares: [], partner: 'p1' },
      by('create-s1'),
    );
    const apply = async (input: object): Promise<void> => {
      const operation = `op-${JSON.stringify(input)}`.replaceAll(/[^a-z0-9]/g, '-').slice(0, 60);
      const result = await applyEngineStatus(store, {
        ...{ operation, reason: 'the test says so', by: 'test', reporter: 'nbd-1' },
        ...{ detectedAt: Date.now() + 60_000, ...input },
      } as unknown as EngineStatusInput);
      assert.equal(result.outcome, 'applied', result.reason);
    };
    await apply({ kind: 'failure-reported', address: lost });
    await apply({ kind: 'verdict', operator: true, address: lost, verdict: 'permanent', evidence: [] });
    await EngineControl.with({ address, db: 0, timeoutMs: 2_000 }, (control) =>
      control.claim({ cluster: 'p1', role: 'primary', shard: 0, generation: 2 }, { mustBeEmpty: true }),
    );
    await apply({ kind: 'failure-reported', address: partner });
    await apply({ kind: 'failure-reported', address });

    await watch.start();
    await until(() => judged.length > 0, { what: 'a verdict', timeoutMs: 15_000 });
    assert.deepEqual([judged[0]?.verdict, judged[0]?.incident.attempt], ['temporary', 2]);
    assert.match(judged[0]?.reason ?? '', new RegExp(`^${address} answers again`));
    await restartEmpty(spare);
    await until(() => judged.at(-1)?.verdict === 'permanent', { what: 'its loss', timeoutMs: 15_000 });
    assert.match(judged.at(-1)?.reason ?? '', /lost its identity/);
  } finally {
    watch.stop();
    store.close();
    await Promise.all([etcd.process.kill(), spare.process.kill()]);
    dir.remove();
  }
});
