import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  type Bus,
  connectBus,
  type NatsUser,
  natsPeopleFile,
  natsUser,
  natsUsersConfig,
  parsePeople,
} from '@salvor/bus';
import { commands, fromPlainJson } from '@salvor/contracts';
import { silentLogger } from '@salvor/service-kit';
import { connect, headers, type NatsConnection, nkeyAuthenticator } from 'nats';
import { creditedTo } from '../src/caller.ts';
import { NatsProcess } from './nats-process.ts';

describe('who gave a command', () => {
  const users: readonly NatsUser[] = [
    ...[natsUser('repair-coordinator'), natsUser('console'), natsUser('administrator'), natsUser('reader')],
    ...[natsUser('operator', undefined, 'anna'), natsUser('operator', undefined, 'bob')],
  ];
  const userOf = (name: string): NatsUser => users.find((user) => user.name === name) ?? assert.fail(name);
  let server: NatsProcess;
  let coordinator: Bus;
  /** Who the handlers saw, in the order of the commands. */
  const seen: (string | null | undefined)[] = [];
  before(async () => {
    server = await NatsProcess.started(natsUsersConfig(users));
    const administrator = await busOf('administrator');
    await administrator.applyManifest();
    await administrator.close();
    coordinator = await busOf('repair-coordinator', parsePeople(natsPeopleFile(users)));
    const { replyExample } = commands['healing.pause'];
    await coordinator.serve({
      ...{ name: 'repair-coordinator', version: '0.1.0', description: 'test', instance: 'one' },
      handlers: {
        'healing.pause': async ({ by }) => {
          seen.push(by);
          return fromPlainJson(commands['healing.pause'].reply, replyExample);
        },
      },
    });
  });
  after(async () => {
    await coordinator?.close();
    await server?.remove();
  });

  const busOf = (name: string, people: ReturnType<typeof parsePeople> = null): Promise<Bus> =>
    connectBus({
      ...{ servers: [server.address], name: name.includes('-') || name === 'console' ? name : 'salvor-cli' },
      ...{ nkeySeed: userOf(name).seed, log: silentLogger, people },
    });

  async function as<T>(name: string, use: (nc: NatsConnection) => Promise<T>): Promise<T> {
    const authenticator = nkeyAuthenticator(Buffer.from(userOf(name).seed));
    const inboxPrefix = name === 'console' ? '_INBOX_console' : '_INBOX';
    const nc = await connect({ servers: server.address, authenticator, inboxPrefix });
    try {
      return await use(nc);
    } finally {
      await nc.close();
    }
  }

  /** Gives the command by hand; the name that the handler saw, or the code of the error. */
  async function saw(nc: NatsConnection, by: string | undefined, forged: [string, string][] = []) {
    const lies = headers();
    for (const [name, value] of forged) lies.append(name, value);
    const { subject } = commands['healing.pause'];
    const answer = await nc.request(subject, JSON.stringify({ reason: 'test', by }), {
      ...{ timeout: 5_000, headers: lies },
    });
    const code = (answer.json() as { code?: string }).code;
    return code ?? seen.at(-1);
  }

  it('is whom the server knows, whatever the request and its headers claim', async () => {
    const bob = JSON.stringify({ acc: 'PEOPLE', user: userOf('bob').publicKey });
    await as('anna', async (nc) => {
      assert.equal(await saw(nc, undefined), 'anna');
      assert.equal(await saw(nc, 'anna'), 'anna');
      assert.equal(await saw(nc, 'bob'), 'anna (as bob)');
      assert.equal(await saw(nc, 'bob', [['Nats-Request-Info', bob]]), 'anna (as bob)');
      assert.equal(await saw(nc, 'bob', [['nats-request-info', bob]]), 'anna (as bob)');
      const often = Array.from({ length: 3 }, (): [string, string] => ['Nats-Request-Info', bob]);
      assert.match(String(await saw(nc, 'bob', often)), /^(anna \(as bob\)|malformed-headers)$/);
    });
    await as('bob', async (nc) => assert.equal(await saw(nc, undefined), 'bob'));
  });

  it('is whom the console names, who showed it a token; of who is in the account of services it is not known', async () => {
    await as('console', async (nc) => assert.equal(await saw(nc, 'carol'), 'carol (by console)'));
    await as('administrator', async (nc) => {
      assert.equal(await saw(nc, 'bob'), 'bob (unverified)');
      assert.equal(await saw(nc, undefined), 'operator (unverified)');
      assert.equal(await saw(nc, 'bob', [['Nats-Request-Info', '{"acc":"OTHER"}']]), 'malformed-headers');
    });
  });

  it('a user whom the file does not name is named by its public key', () => {
    const role = 'unknown';
    assert.equal(creditedTo({ name: 'UABC', role }, undefined), 'UABC');
    assert.equal(creditedTo({ name: 'UABC', role }, 'anna'), 'UABC (as anna)');
  });

  it('people reach commands, events, services and streams from their account', async () => {
    const [anna, reader] = await Promise.all([busOf('anna'), busOf('reader')]);
    try {
      const heard = new Promise<string>((resolve) => {
        reader.watchEvents({ types: ['vdisk.deleted'], handler: (event) => resolve(event.type) });
      });
      await reader.discover({ windowMs: 1 });
      const about = { vdisk: 'v1', cluster: 'p1', operation: 'o1', by: 'anna', at: 1 };
      await coordinator.publishEvent('vdisk.deleted', about);
      assert.equal(await heard, 'vdisk.deleted');
      assert.deepEqual(
        (await anna.discover({ windowMs: 200 })).map(({ name }) => name),
        ['repair-coordinator'],
      );
      assert.deepEqual(await reader.checkManifest(), []);
      const command = { reason: 'test' };
      await anna.request('healing.pause', command, { instance: 'one' });
      assert.equal(seen.at(-1), 'anna');
    } finally {
      await Promise.all([anna.close(), reader.close()]);
    }
  });

  it('a file of people that is none is refused', () => {
    assert.equal(parsePeople(' '), null);
    for (const text of ['{}', '[{}]', 'no', '[{"publicKey":"SU","name":"anna","role":"operator"}]'])
      assert.throws(() => parsePeople(text), { code: 'bad-people' });
  });
});
