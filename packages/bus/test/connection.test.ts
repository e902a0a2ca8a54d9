import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connectBus } from '@salvor/bus';
import { nkeys } from 'nats';
import { keepingLogger, mounted } from './bus-fixture.ts';
import { NatsProcess } from './nats-process.ts';

describe('connecting', () => {
  it('gives up the first connect at its deadline, or when it is told to', async () => {
    const server = await NatsProcess.create();
    const options = { servers: [server.address], name: 'test', log: keepingLogger() };
    await assert.rejects(connectBus({ ...options, connectTimeoutMs: 100 }), { code: 'connect-timeout' });
    await assert.rejects(connectBus({ ...options, signal: AbortSignal.timeout(100) }), {
      code: 'connect-aborted',
    });
    await server.remove();
  });

  it('logs in with an nkey, is refused with another, and lives within least privilege', async (t) => {
    const user = nkeys.createUser();
    const server = await NatsProcess.started(`
      authorization { users: [
        { user: admin, password: secret }
        { nkey: ${user.getPublicKey()}, permissions: {
            publish: { allow: ["salvor.evt.v1.vdisk.>", "$JS.API.CONSUMER.MSG.NEXT.SALVOR_EVT.repair-coordinator",
                               "$JS.ACK.SALVOR_EVT.repair-coordinator.>"] }
            subscribe: { allow: ["_INBOX_keeper.>", "$SRV.>", "salvor.cmd.v1.>"] }
            allow_responses: { max: 10, expires: "1m" } } }
      ] }`);
    t.after(() => server.remove());
    const log = keepingLogger();
    const servers = [server.address];
    const admin = await connectBus({ servers, name: 'admin', user: 'admin', password: 'secret', log });
    t.after(() => admin.close({ deadlineMs: 500 }));
    await admin.applyManifest();

    const stranger = new TextDecoder().decode(nkeys.createUser().getSeed());
    await assert.rejects(connectBus({ servers, name: 'keeper', nkeySeed: stranger, log }), {
      code: 'not-authorized',
    });

    const nkeySeed = new TextDecoder().decode(user.getSeed());
    const bus = await connectBus({ servers, name: 'keeper', nkeySeed, log });
    t.after(() => bus.close({ deadlineMs: 500 }));
    const handled = new Promise<string>((resolve) => {
      bus.consume({
        durable: 'repair-coordinator',
        types: ['vdisk.mounted'],
        handler: async (event) => resolve(event.payload.vdisk),
      });
    });
    await bus.publishEvent('vdisk.mounted', mounted('v1'));
    assert.equal(await handled, 'v1');
    await bus.serve({
      name: 'keeper',
      version: '0.1.0',
      description: 'Lists',
      handlers: { 'vdisk.list': async () => ({ vdisks: [] }) },
    });
    assert.deepEqual(await admin.request('vdisk.list', {}), { vdisks: [] });
    assert.equal((await admin.discover({ name: 'keeper' })).length, 1);
    const forbidden = bus.publishEvent('nbdserver.started', { server: 'nbd-1', pid: 1, at: 1 });
    await assert.rejects(forbidden, { code: 'not-permitted' });
    await assert.rejects(bus.request('vdisk.list', {}), { code: 'not-permitted' });
  });
});
