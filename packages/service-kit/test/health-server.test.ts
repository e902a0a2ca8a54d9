import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics, HealthServer } from '@salvor/service-kit';

test('readiness follows the checks, and ends when the service drains', async () => {
  let problem: string | null = 'etcd does not answer';
  const metrics = createMetrics();
  metrics
    .counter('salvor_reports_total', 'Failure reports taken', ['outcome'])
    .add({ outcome: 'applied' }, 3);
  const server = await HealthServer.start({
    host: '127.0.0.1',
    port: 0,
    metrics,
    checks: { etcd: () => problem, bus: async () => null },
  });
  const get = async (path: string): Promise<{ status: number; body: string }> => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`);
    return { status: response.status, body: await response.text() };
  };
  assert.equal((await get('/healthz')).status, 200);
  const notReady = await get('/readyz');
  assert.equal(notReady.status, 503);
  assert.deepEqual(JSON.parse(notReady.body).problems, { etcd: 'etcd does not answer' });
  problem = null;
  assert.equal((await get('/readyz')).status, 200);
  assert.match((await get('/metrics')).body, /salvor_reports_total\{outcome="applied"\} 3/);
  assert.equal((await get('/else')).status, 404);
  server.setDraining();
  assert.equal((await get('/readyz')).status, 503);
  server.close();
});

test('a check that hangs counts as failed, and does not hold up the others', async () => {
  const server = await HealthServer.start({
    host: '127.0.0.1',
    port: 0,
    metrics: createMetrics(),
    checks: { etcd: () => new Promise(() => {}), bus: () => 'not connected to NATS' },
  });
  const response = await fetch(`http://127.0.0.1:${server.port}/readyz`);
  assert.equal(response.status, 503);
  const { problems } = JSON.parse(await response.text());
  assert.match(problems.etcd, /did not happen within/);
  assert.equal(problems.bus, 'not connected to NATS');
  server.close();
});
