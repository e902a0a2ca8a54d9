import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { connectBus, natsPeopleFile, natsUser, natsUsersConfig, SERVICE_ROLES } from '@salvor/bus';
import { silentLogger } from '@salvor/service-kit';
import { NbdClient, restartEmpty, until } from '@salvor/testkit';
import { HealingStack } from './healing-stack.ts';

const BLOCK = 4096;

describe('every service logs in to NATS as a user of its own', () => {
  const users = [...SERVICE_ROLES, 'operator', 'administrator'] as const;
  const made = users.map((role) => natsUser(role));
  const seedOf = (role: string): string => made.find((user) => user.role === role)?.seed ?? assert.fail(role);
  let healing: HealingStack;
  before(async () => {
    healing = await HealingStack.start({
      ...{ primaries: 2, slaves: 2, spares: 2, nbdServers: 2 },
      services: { 'tlog-replayer': { env: { SALVOR_ARCHIVE_MAX_AGE_MS: '500' } } },
      natsUsers: { config: natsUsersConfig(made), seedOf },
      env: { SALVOR_NATS_PEOPLE: natsPeopleFile(made) },
    });
  });
  after(() => healing?.[Symbol.asyncDispose]());

  it('serves, heals, archives, takes over and restores, and asks for nothing that it may not have', async (t) => {
    t.after(() => {
      const refused = readFileSync(healing.stack.nats.process.logFile, 'utf8').match(/.*Violation.*/g) ?? [];
      assert.deepEqual(refused, []);
    });
    const { stack } = healing;
    const operator = await connectBus({
      ...{ servers: [stack.natsUrl], name: 'salvor-cli', nkeySeed: seedOf('operator'), log: silentLogger },
    });
    t.after(() => operator.close({ deadlineMs: 1_000 }));
    const places = { cluster: 'p1', slaveCluster: 's1' };
    await operator.request('vdisk.create', {
      ...{ vdisk: 'v1', type: 'db', sizeGiB: 1, tlog: 'block', ...places },
    });
    const client = await NbdClient.connect(stack.nbdServer('nbd-1').unixUri('v1'));
    await client.write(0, Buffer.alloc(2 * BLOCK, 7));
    await client.flush();
    await operator.request('vdisk.snapshot.create', { vdisk: 'v1', name: 'before' });
    // A spare takes the place of an engine that lost everything.
    const { address } = stack.engine('primary', 0);
    await restartEmpty(stack.engineAt(address));
    await client.write(0, Buffer.alloc(2 * BLOCK, 8));
    await client.flush();
    await until(async () => (await operator.request('incident.list', { all: true })).incidents.length > 0, {
      ...{ what: 'the loss is noticed', timeoutMs: 30_000 },
    });
    await healing.untilHealed();
    await until(
      async () => ((await operator.request('tlog.status', { vdisk: 'v1' })).logs[0]?.archived ?? 0) > 0,
      {
        ...{ what: 'the log is archived', timeoutMs: 30_000 },
      },
    );
    await client.disconnect();
    await operator.request('vdisk.takeover', { vdisk: 'v1', server: 'nbd-2' }, { timeoutMs: 30_000 });
    const { operation } = await operator.request('vdisk.clone', {
      ...{ source: 'v1', vdisk: 'v1-before', atSnapshot: 'before' },
    });
    await until(
      async () => {
        const { operation: found } = await operator.request('operation.get', { operation });
        return found.status === 'completed';
      },
      { what: 'the clone is made', timeoutMs: 60_000 },
    );
    // Whoever made it lets go of it a moment later.
    let clone: NbdClient | null = null;
    await until(
      async () => {
        clone ??= await NbdClient.connect(stack.nbdServer('nbd-2').unixUri('v1-before')).catch(() => null);
        return clone !== null;
      },
      { what: 'the clone is served', timeoutMs: 30_000 },
    );
    const served: NbdClient = clone ?? assert.fail();
    assert.deepEqual(await served.read(0, 2 * BLOCK), Buffer.alloc(2 * BLOCK, 7));
    await served.disconnect();
    await operator.request('healing.pause', { reason: 'a lie about who it is', by: 'administrator' });
    const { everywhere: pause } = await operator.request('healing.status', {});
    assert.equal(pause?.by, 'operator (as administrator)');
    await operator.request('healing.resume', { reason: 'seen' });
    const { alerts } = await operator.request('alert.list', {});
    assert.deepEqual(alerts, []);
  });
});
