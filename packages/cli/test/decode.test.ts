import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  commands,
  encode,
  events,
  eventTypes,
  fromPlainJson,
  recordNames,
  registerWriterSchema,
} from '@salvor/contracts';
import { RawNats } from '@salvor/testkit';
import { type FakeServices, startFakeServices } from './fake-services.ts';
import { runInProcess } from './fake-terminal.ts';
import { runSalvor } from './salvor-process.ts';

const mounted = { vdisk: 'v1', server: 'nbd-1', epoch: 41, at: 1_700_000_000_000 };
/** A record that no version of the contracts has: {"type":"record","name":"x.Later","fields":[{"name":"a","type":"int"}]} */
const unknownMessage = Buffer.from('c301112233445566778802', 'hex');

describe('salvor decode', () => {
  test('prints an encoded message from a pipe as plain JSON', async () => {
    const { code, stdout, stderr } = await runSalvor(['decode'], { stdin: encode('VdiskMounted', mounted) });
    assert.equal(stderr, '');
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout), mounted);
  });

  test('reads every event of the catalogue back to its example', async () => {
    for (const type of eventTypes()) {
      const { record, example } = events[type];
      const bytes = encode(record, fromPlainJson(record, example));
      const { code, stdout } = await runInProcess(['decode'], { readStdin: async () => bytes });
      assert.equal(code, 0, type);
      assert.deepEqual(JSON.parse(stdout), JSON.parse(JSON.stringify(example)), type);
    }
    assert.ok(recordNames().length > eventTypes().length);
  });

  test('tells an event as a sentence on request, and everything else as without', async () => {
    const told = async (bytes: Uint8Array): Promise<string> =>
      (await runInProcess(['decode', '--sentence'], { readStdin: async () => Buffer.from(bytes) })).stdout;
    assert.equal(
      await told(encode('VdiskMounted', mounted)),
      '22:13:20.000Z  nbd-1 owns vdisk v1 now, epoch 41\n',
    );
    for (const type of eventTypes()) {
      const { record, example } = events[type];
      assert.match(
        await told(encode(record, fromPlainJson(record, example))),
        /^\d\d:\d\d:\d\d\.\d{3}Z {2}.+\n$/,
        type,
      );
    }
    const { reply, replyExample } = commands['cluster.list'];
    assert.deepEqual(JSON.parse(await told(encode(reply, fromPlainJson(reply, replyExample)))), replyExample);
    assert.equal(await told(Buffer.from('text')), 'text');
  });

  test('wraps the value with its record and fingerprint on request', async () => {
    const bytes = encode('VdiskMounted', mounted);
    const { stdout } = await runInProcess(['decode', '--record'], { readStdin: async () => bytes });
    const { fingerprint } = events['vdisk.mounted'];
    assert.deepEqual(JSON.parse(stdout), { record: 'VdiskMounted', fingerprint, value: mounted });
  });

  for (const [what, text] of [
    ['plain JSON', '{"vdisk":"v1"}\n'],
    ['an error body', '{"code":"vdisk-exists","message":"vdisk v1 exists","details":[]}'],
    ['text that is not UTF-8', Buffer.from([0xff, 0xfe, 0x00, 0x80])],
    ['nothing', ''],
  ] as const) {
    test(`passes ${what} through byte for byte`, async () => {
      const chunks: Buffer[] = [];
      const { code } = await runInProcess(['decode'], {
        readStdin: async () => Buffer.from(text),
        out: (chunk) => void chunks.push(Buffer.from(chunk)),
      });
      assert.equal(code, 0);
      assert.deepEqual(Buffer.concat(chunks), Buffer.from(text));
    });
  }

  test('names the fingerprint that nobody knows, and exits 1', async () => {
    const { code, stdout, stderr } = await runSalvor(['decode'], { stdin: unknownMessage });
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /no schema with fingerprint 1122334455667788 is known/);
  });

  test('says what is wrong with a message that was cut', async () => {
    const cut = encode('VdiskMounted', mounted).subarray(0, -3);
    const { code, stderr } = await runInProcess(['decode'], { readStdin: async () => cut });
    assert.equal(code, 1);
    assert.match(stderr, /VdiskMounted/);
  });
});

describe('salvor decode with a bus', () => {
  let services: FakeServices;
  before(async () => {
    services = await startFakeServices();
    await services.bus.applyManifest();
  });
  after(() => services.stop());

  test('says that the registry has no such schema either', async () => {
    const { code, stderr } = await runInProcess(['decode', '-s', services.url], {
      readStdin: async () => unknownMessage,
    });
    assert.equal(code, 1);
    assert.match(stderr, /1122334455667788.*registry of the bus has none/);
  });

  test('reads a message of another version, by the schema that version published', async () => {
    const schema = '{"name":"x.Later","type":"record","fields":[{"name":"a","type":"int"}]}';
    const { fingerprint } = registerWriterSchema(schema);
    const nats = await RawNats.connect(services.url);
    const stored = await nats.request(`$KV.salvor_schemas.${fingerprint}`, schema);
    nats.close();
    assert.match(stored.body.toString(), /"seq"/);
    // A process of its own: this one knows the schema by now.
    const stdin = Buffer.concat([
      Buffer.from([0xc3, 0x01]),
      Buffer.from(fingerprint, 'hex'),
      Buffer.from([0x54]),
    ]);
    const { code, stdout, stderr } = await runSalvor(['decode'], { stdin, env: { NATS_URL: services.url } });
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.deepEqual(JSON.parse(stdout), { a: 42 });
  });

  test('reads the very replies that services give', async () => {
    const { reply, replyExample } = commands['cluster.list'];
    const bytes = encode(reply, fromPlainJson(reply, replyExample));
    const { stdout } = await runInProcess(['decode'], { readStdin: async () => bytes });
    assert.deepEqual(JSON.parse(stdout), replyExample);
  });
});
