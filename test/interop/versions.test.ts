import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Bus, type CommandHandlers, connectBus } from '@salvor/bus';
import {
  type CommandName,
  commandNames,
  commands,
  type EventType,
  eventSubject,
  events,
  eventTypes,
  fromPlainJson,
  type RecordInits,
  type RecordName,
  toPlainJson,
} from '@salvor/contracts';
import { silentLogger } from '@salvor/service-kit';
import { type NatsHandle, RawNats, startNats, type TempDir, tempDir, until } from '@salvor/testkit';
import { OtherVersion, type Version } from './other-versions.ts';

const versions: readonly Version[] = ['older', 'newer'];
let dir: TempDir;
let server: NatsHandle;
let bus: Bus;
let nats: RawNats;
before(async () => {
  dir = tempDir('versions');
  server = await startNats({ dir: dir.join('nats') });
  bus = await connectBus({ servers: [server.url], name: 'this-version', log: silentLogger });
  await bus.applyManifest();
  nats = await RawNats.connect(server.url);
});
after(async () => {
  await bus.close();
  nats.close();
  await server.process.kill();
  dir.remove();
});

/** As `salvor bus apply` of that version does, before any service of it runs. */
async function published(record: RecordName, version: Version): Promise<OtherVersion> {
  const other = new OtherVersion(record, version);
  await nats.request(`$KV.salvor_schemas.${other.fingerprint}`, other.json);
  return other;
}

/** What a record comes to: what was left out is filled in. */
function plain(record: RecordName, value: unknown): unknown {
  return toPlainJson(record, value as RecordInits[RecordName]);
}

/** A newer writer tells all that we know of; an older one, what both know, and the rest is filled in. */
function assertRead(found: unknown, example: unknown, { version, fields }: OtherVersion, what: string): void {
  if (version === 'newer') {
    assert.deepEqual(found, example, what);
    return;
  }
  const [read, wanted] = [found, example] as [Record<string, unknown>, Record<string, unknown>];
  for (const name of fields.filter((each) => typeof wanted[each] !== 'object'))
    assert.deepEqual(read[name], wanted[name], `${what}: ${name}`);
}

for (const version of versions) {
  test(`events of services of the ${version} version are read`, async () => {
    const heard = new Map<EventType, unknown>();
    const watch = bus.watchEvents({
      types: eventTypes(),
      handler: ({ type, payload }) => void heard.set(type, payload),
    });
    await bus.request('vdisk.list', {}).catch(() => undefined);
    for (const type of eventTypes()) {
      const { record, example } = events[type];
      const other = await published(record, version);
      const payload = fromPlainJson(record, example) as Parameters<typeof eventSubject>[1];
      nats.publish(eventSubject(type, payload), other.write(example));
    }
    await until(() => heard.size === eventTypes().length, { what: 'every event is read', timeoutMs: 20_000 });
    await watch.stop();
    for (const type of eventTypes()) {
      const { record, example } = events[type];
      const whole = plain(record, fromPlainJson(record, example));
      assertRead(plain(record, heard.get(type)), whole, new OtherVersion(record, version), type);
    }
  });

  test(`commands of callers of the ${version} version are carried out, and they read the answers`, async () => {
    const asked = new Map<CommandName, unknown>();
    const handlers = Object.fromEntries(
      commandNames().map((name) => [
        name,
        async (request: unknown) => {
          asked.set(name, request);
          return fromPlainJson(commands[name].reply, commands[name].replyExample);
        },
      ]),
    ) as CommandHandlers;
    const service = await bus.serve({
      name: 'this-version',
      version: '1.0.0',
      description: 'all commands',
      handlers,
    });
    for (const name of commandNames()) {
      const { request, reply, subject, example, replyExample } = commands[name];
      const [asking, reading] = [await published(request, version), new OtherVersion(reply, version)];
      const answer = await nats.request(subject, asking.write(example));
      assert.equal(answer.headers['Nats-Service-Error']?.[0], undefined, name);
      const whole = plain(request, fromPlainJson(request, example));
      assertRead(plain(request, asked.get(name)), whole, asking, name);
      const read = reading.read(answer.body) as Record<string, unknown>;
      const told = plain(reply, fromPlainJson(reply, replyExample)) as Record<string, unknown>;
      for (const field of reading.fields.filter((each) => typeof read[each] === 'string'))
        assert.equal(read[field], told[field], `${name}: ${field}`);
    }
    await service.stop();
  });

  test(`answers of services of the ${version} version are read`, async () => {
    for (const name of commandNames()) {
      const { reply, subject, example, request, replyExample } = commands[name];
      const other = await published(reply, version);
      const end = nats.subscribe(`${subject}.${version}`, (message) => {
        nats.publish(message.reply, other.write(replyExample));
      });
      await nats.ping();
      const read = await bus.request(name, fromPlainJson(request, example) as never, { instance: version });
      end();
      const whole = plain(reply, fromPlainJson(reply, replyExample));
      assertRead(plain(reply, read), whole, other, name);
    }
  });
}

test('a request of a version that nobody published is refused by name, and JSON is taken meanwhile', async () => {
  const service = await bus.serve({
    ...{ name: 'this-version', version: '1.0.0', description: 'one command' },
    handlers: { 'vdisk.list': async () => ({ vdisks: [] }) },
  });
  const other = new OtherVersion('VdiskListRequest', 'newer');
  const unknown = other.write({}).map((byte, at) => (at === 2 ? byte ^ 0xff : byte));
  const refused = await nats.request('salvor.cmd.v1.vdisk.list', Buffer.from(unknown));
  assert.match(
    refused.headers['Nats-Service-Error']?.[0] ?? '',
    /no schema with fingerprint [0-9a-f]{16} is known/,
  );
  assert.equal((await nats.request('salvor.cmd.v1.vdisk.list', '{}')).body.toString(), '{"vdisks":[]}');
  await service.stop();
});
