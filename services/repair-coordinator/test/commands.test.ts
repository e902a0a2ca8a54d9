import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { CommandContext, CommandHandlers } from '@salvor/bus';
import { type ConfigStore, openStore } from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import {
  type EtcdHandle,
  killEngine,
  type RedisHandle,
  startEtcd,
  startRedis,
  tempDir,
} from '@salvor/testkit';
import { EngineControl, removeVdisk } from '@salvor/vdisk';
import { commandHandlers } from '../src/commands.ts';
import { HookBook } from '../src/hooks/hook-book.ts';
import { withoutLogs } from './without-logs.ts';

const access = { timeoutMs: 1_000 };
const dir = tempDir('commands');
let etcd: EtcdHandle;
let store: ConfigStore;
let handlers: CommandHandlers;
let engines: RedisHandle[];

before(async () => {
  etcd = await startEtcd({ dir: dir.join('etcd') });
  store = openStore({ endpoints: [etcd.endpoint] });
  engines = await Promise.all([0, 1, 2].map((i) => startRedis({ dir: dir.join(`engine-${i}`) })));
  handlers = commandHandlers({
    store,
    access,
    log: silentLogger,
    announce: () => {},
    askServer: async () => [],
    hooks: { book: HookBook.read(store, silentLogger, ''), pendingOf: () => 0 },
    logs: withoutLogs(store),
  });
});

after(async () => {
  store?.close();
  await Promise.all([etcd, ...(engines ?? [])].map((server) => server?.process.kill()));
  dir.remove();
});

const engineAt = (index: number): { address: string; db: number } => ({
  address: engines[index]?.address ?? assert.fail(`no engine ${index}`),
  db: 0,
});

function as(operationId: string): CommandContext {
  const signal = new AbortController().signal;
  return {
    operationId,
    signal,
    command: 'test',
    subject: 'test',
    traceparent: '',
  } as unknown as CommandContext;
}

function identity(index: number): Promise<string | null> {
  return EngineControl.with({ ...engineAt(index), ...access }, (control) => control.identity());
}

describe('the commands of the coordinator', () => {
  it('leave an engine alone that a refused cluster.create names', async () => {
    const create = handlers['cluster.create'] ?? assert.fail();
    const engines = [engineAt(0), engineAt(0)];
    const twice = { cluster: 'p1', role: 'primary' as const, engines, spares: [], operationId: '' };
    await assert.rejects(async () => create(twice, as('twice')), { code: 'address-in-use' });
    assert.equal(await identity(0), null);
  });

  it('answer a repeat as before, also when an engine has died since', async () => {
    const createCluster = handlers['cluster.create'] ?? assert.fail();
    const addSpares = handlers['cluster.add-spares'] ?? assert.fail();
    const createVdisk = handlers['vdisk.create'] ?? assert.fail();
    const deleteVdisk = handlers['vdisk.delete'] ?? assert.fail();
    const cluster = {
      cluster: 'p1',
      role: 'primary' as const,
      engines: [engineAt(0), engineAt(1)],
      spares: [],
      operationId: '',
    };
    const spares = { cluster: 'p1', spares: [engineAt(2)], operationId: '' };
    const vdisk = {
      vdisk: 'v1',
      type: 'db',
      sizeGiB: 1,
      blockSize: 4096,
      cluster: 'p1',
      readOnly: false,
    } as const;
    const requests = [
      () => createCluster(cluster, as('op-cluster')),
      () => addSpares(spares, as('op-spares')),
      () => createVdisk({ ...vdisk, operationId: '' }, as('op-create')),
      () => deleteVdisk({ vdisk: 'v1', operationId: '' }, as('op-delete')),
    ];
    for (const request of requests) assert.equal((await request()).outcome, 'applied');
    await EngineControl.with({ ...engineAt(2), ...access }, (control) =>
      control.claim({ cluster: 'p1', role: 'primary', shard: 0, generation: 2 }, { mustBeEmpty: true }),
    );
    const [dead] = engines;
    if (dead !== undefined) await killEngine(dead);
    for (const request of requests) assert.equal((await request()).outcome, 'already');
  });

  it('never free blocks of a vdisk that was created again under the same id', async () => {
    const engine = engineAt(1);
    const probe = 'v2';
    await EngineControl.with({ ...engine, ...access }, async (control) => {
      await control.raiseEpoch({ cluster: 'p1', role: 'primary', shard: 1, generation: 1 }, probe, '200');
    });
    const identity = { cluster: 'p1', role: 'primary', shard: 1, generation: 1 } as const;
    const removal = { vdisk: probe, identity, search: false, ...engine, ...access };
    assert.deepEqual(await removeVdisk({ ...removal, untilEpoch: '199' }), {
      outcome: 'newer',
      keys: 0,
      bytes: 0,
    });
    const { keys: kept } = await removeVdisk({ ...removal, untilEpoch: '200' });
    assert.equal(kept, 1, 'the epoch of the newer owner is still there');
  });
});
