import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Bus } from '@salvor/bus';
import { openStore } from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import { startEtcd, tempDir } from '@salvor/testkit';
import { Announcer } from '../src/announcer.ts';
import { HealingLoop } from '../src/healing-loop.ts';

describe('a coordinator that starts while etcd is away', () => {
  it('waits for it, says so, and goes on when it is back', async () => {
    using dir = tempDir('etcd-away');
    const etcd = await startEtcd({ dir: dir.join('etcd') });
    await etcd.process.kill();
    const said: string[] = [];
    const log = { ...silentLogger, warn: (_: object, message: string) => void said.push(message) };
    const store = openStore({ endpoints: [etcd.endpoint], callTimeoutMs: 200 });
    const healing = new HealingLoop({
      store,
      instance: 'test',
      log,
      engineTimeoutMs: 100,
      spreadAfterMs: null,
    });
    const announcer = new Announcer(store, {} as Bus, log);
    try {
      const started = Promise.all([healing.start(), announcer.start()]);
      started.catch(() => {});
      while (said.filter((message) => message === 'waiting for etcd').length < 2)
        await Promise.race([started, new Promise((resolve) => setTimeout(resolve, 20))]);
      await etcd.process.start();
      await started;
      assert.equal((await store.list('/salvor/')).entries.length, 0);
    } finally {
      await healing.stop();
      await announcer.stop();
      store.close();
      await etcd.process.kill();
    }
  });
});
