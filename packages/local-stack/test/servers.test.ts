import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  claimPort,
  EngineLink,
  freePort,
  releasePort,
  startEtcd,
  startNats,
  startRedis,
} from '@salvor/local-stack';

let dir: string;
before(() => {
  dir = mkdtempSync(join(tmpdir(), 'salvor-servers-'));
});
after(() => rmSync(dir, { recursive: true, force: true }));

describe('free ports', () => {
  it('are never given twice while held', async () => {
    const ports = await Promise.all(Array.from({ length: 50 }, () => freePort()));
    assert.equal(new Set(ports).size, 50);
    for (const port of ports) assert.equal(await claimPort(port), false);
    for (const port of ports) releasePort(port);
    const [first = 0] = ports;
    assert.equal(await claimPort(first), true);
    releasePort(first);
  });
});

describe('nats', () => {
  it('comes up with JetStream, and keeps its port and files over a kill', async () => {
    const nats = await startNats({ dir: join(dir, 'nats') });
    await using process = nats.process;
    const info = async () => (await fetch(`${nats.monitorUrl}/jsz`)).json() as Promise<{ config: unknown }>;
    assert.match(JSON.stringify((await info()).config), /nats\/data/);
    await process.kill();
    await process.start();
    assert.ok((await info()).config);
  });
});

describe('etcd', () => {
  it('keeps what it was told over a kill', async () => {
    const etcd = await startEtcd({ dir: join(dir, 'etcd') });
    await using process = etcd.process;
    const call = async (path: string, body: object) =>
      (
        await fetch(`http://${etcd.endpoint}/v3/kv/${path}`, { method: 'POST', body: JSON.stringify(body) })
      ).text();
    const key = Buffer.from('a').toString('base64');
    await call('put', { key, value: Buffer.from('1').toString('base64') });
    await process.kill();
    await process.start();
    assert.match(await call('range', { key }), /"count":"1"/);
  });
});

describe('redis', () => {
  it('keeps its data over a kill when appendonly, and comes back empty when not', async () => {
    const kept = await startRedis({ dir: join(dir, 'kept') });
    await using keptProcess = kept.process;
    const lost = await startRedis({ dir: join(dir, 'lost'), appendonly: false });
    await using lostProcess = lost.process;
    for (const engine of [kept, lost]) {
      using link = await EngineLink.open(engine.port);
      await link.send('HSET', 'nondedup:v1', 7, Buffer.from([0, 255, 13, 10]));
      await engine.process.kill();
      await engine.process.start();
    }
    using keptLink = await EngineLink.open(kept.port);
    assert.deepEqual(await keptLink.sendRaw('HGET', 'nondedup:v1', '7'), Buffer.from([0, 255, 13, 10]));
    using lostLink = await EngineLink.open(lost.port);
    assert.equal(await lostLink.send('DBSIZE'), 0);
    await assert.rejects(lostLink.send('NOSUCHCOMMAND'), { code: 'engine-reply' });
    assert.ok(keptProcess.running && lostProcess.running);
  });

  it('goes to another port when the chosen one is taken in between', async () => {
    const taken = await listenAnywhere();
    const offered: number[] = [];
    try {
      const redis = await startRedis({
        dir: join(dir, 'contested'),
        ports: async () => {
          const port = offered.length === 0 ? taken.port : await freePort();
          offered.push(port);
          return port;
        },
      });
      await using process = redis.process;
      assert.equal(redis.port, offered[1]);
      assert.ok(process.running);
    } finally {
      taken.server.close();
    }
  });
});

function listenAnywhere(): Promise<{ server: Server; port: number }> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve({ server, port: typeof address === 'object' && address !== null ? address.port : 0 });
    });
  });
}
