import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parsePskFile, tlsOptions } from '../../src/nbd/tls-settings.ts';
import { run } from './client-programs.ts';
import { contextData, goOption, hex, infoData, option, RawClient, request, until } from './raw-client.ts';
import { MiB, type Served, serve, temporaryDirectory } from './served.ts';
import { makeTlsFiles, type TlsFiles } from './tls-files.ts';

const startTls = option(5);

/** `nbds://` with certificates, or with a key: `with_` is what libnbd needs to know. */
function secureUri({ server }: Served, with_: string, user = ''): string {
  const uri = server.uris('d').find((each) => /^nbds?:/.test(each)) ?? '';
  return `${uri.replace(/^nbds?:\/\//, `nbds://${user}`).replace('127.0.0.1', 'localhost')}?${with_}`;
}

function certificates(files: TlsFiles) {
  return { certFile: files.serverCert, keyFile: files.serverKey };
}

test('libnbd clients with certificates read and write whole images; plain ones are turned away', async (t) => {
  const files = await makeTlsFiles(t);
  const served = await serve(t, { tls: { mode: 'required', ...certificates(files) } });
  const { device, directory, server } = served;
  const uri = secureUri(served, `tls-certificates=${files.anonymous}`);
  assert.match(uri, /^nbds:\/\/localhost:\d+\/d\?/);
  const info = JSON.parse(await run('nbdinfo', '--json', uri));
  assert.deepEqual([info.TLS, info.structured, info.exports[0]['export-size']], [true, true, 8 * MiB]);
  const image = randomBytes(8 * MiB).fill(0, 2 * MiB, 5 * MiB);
  await writeFile(`${directory}/image`, image);
  for (const options of [[], ['--request-size=8388608'], ['--connections=4']]) {
    device.bytes.fill(0);
    device.stored.clear();
    await run('nbdcopy', ...options, `${directory}/image`, uri);
    assert.ok(device.bytes.equals(image));
    await run('nbdcopy', ...options, uri, `${directory}/copy`);
    assert.ok((await readFile(`${directory}/copy`)).equals(image));
  }
  const plain = uri.replace('nbds:', 'nbd:').replace(/\?.*/, '');
  await assert.rejects(run('nbdinfo', plain));
  const [local = ''] = server.uris('d');
  assert.equal(JSON.parse(await run('nbdinfo', '--json', local)).TLS, false, 'unix sockets have permissions');
  await until('everything to be over', () => server.connections().length === 0);
  assert.equal(server.bytesInFlight, 0);
});

test('with an authority for clients, only those with a certificate of it are served', async (t) => {
  const files = await makeTlsFiles(t);
  const served = await serve(t, {
    tls: { mode: 'required', ...certificates(files), clientCaFile: files.ca },
  });
  const size = (directory: string) =>
    run('nbdinfo', '--size', secureUri(served, `tls-certificates=${directory}`));
  assert.equal((await size(files.client)).trim(), String(8 * MiB));
  await assert.rejects(size(files.anonymous));
  await assert.rejects(size(files.stranger));
  assert.equal(served.server.traffic.failedHandshakes, 2);
  assert.equal((await size(files.client)).trim(), String(8 * MiB));
});

test('pre-shared keys open the server to those who have one, alone and beside certificates', async (t) => {
  const files = await makeTlsFiles(t);
  const forClients = { ...certificates(files), clientCaFile: files.ca };
  for (const beside of [{}, certificates(files), forClients]) {
    const served = await serve(t, { tls: { mode: 'required', ...beside, pskFile: files.psk } });
    const size = (psk: string, user: string) =>
      run('nbdinfo', '--size', secureUri(served, `tls-psk-file=${psk}`, `${user}@`));
    assert.equal((await size(files.psk, 'alice')).trim(), String(8 * MiB));
    await assert.rejects(size(files.wrongPsk, 'alice'));
    await assert.rejects(size(files.psk, 'bob'));
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const client = await RawClient.connect(served.tcp);
      await client.take(18);
      client.send(hex('00000003'), startTls);
      assert.equal((await client.takeOptionReply()).type, 1);
      const key = parsePskFile(files.psk, await readFile(files.psk, 'utf8')).get('alice');
      assert.ok(key);
      await client.secure({
        minVersion: version,
        maxVersion: version,
        ciphers: 'TLS_AES_128_GCM_SHA256:PSK',
        pskCallback: () => ({ identity: 'alice', psk: key }),
        checkServerIdentity: () => undefined,
      });
      client.send(goOption('d'));
      assert.equal((await client.takeOptionReply()).type, 3, version);
      client.close();
    }
  }
});

test('before TLS is required to start, nothing else is answered; afterwards nothing of before counts', async (t) => {
  const files = await makeTlsFiles(t);
  const { tcp, exports } = await serve(t, { tls: { mode: 'required', ...certificates(files) } });
  const client = await RawClient.connect(tcp);
  await client.take(18);
  client.send(hex('00000003'));
  const refused = [
    option(3),
    option(6, infoData('d')),
    goOption('d'),
    option(8),
    option(10, contextData('d', 'base:allocation')),
    option(99, Buffer.alloc(100_000)),
  ];
  for (const each of refused) {
    client.send(each);
    assert.equal((await client.takeOptionReply()).type, 0x80000005);
  }
  client.send(option(5, hex('00')));
  assert.equal((await client.takeOptionReply()).type, 0x80000003, 'STARTTLS carries no data');
  client.send(startTls);
  assert.equal((await client.takeOptionReply()).type, 1);
  await client.secure({ ca: await readFile(files.ca), servername: 'localhost' });
  client.send(startTls);
  assert.equal((await client.takeOptionReply()).type, 0x80000003, 'TLS starts once');
  client.send(goOption('d'));
  const info = await client.takeOptionReply();
  assert.equal(info.data.readUInt16BE(10) & 0x80, 0, 'structured replies are to be agreed on anew');
  await client.takeOptionReply();
  await client.takeOptionReply();
  client.send(request({ type: 1, payload: Buffer.alloc(3 * MiB, 7) }), request({ type: 0, length: 3 * MiB }));
  assert.equal((await client.takeReply()).error, 0);
  assert.ok((await client.takeReply(3 * MiB)).data.equals(Buffer.alloc(3 * MiB, 7)));
  client.send(request({ type: 2 }));
  assert.equal((await client.rest()).length, 0);
  client.close();
  await until('the export to be closed', () => exports.opened === 1 && exports.closed === 1);

  const named = await RawClient.connect(tcp);
  named.send(hex('00000003'), option(1, Buffer.from('d')));
  assert.equal((await named.rest()).length, 18, 'EXPORT_NAME can only be cut off');
  const leaving = await RawClient.connect(tcp);
  leaving.send(hex('00000003'), option(2));
  assert.equal((await leaving.rest()).length, 18 + 20, 'ABORT is acknowledged');
});

test('structured replies agreed on in the clear are void under TLS', async (t) => {
  const files = await makeTlsFiles(t);
  const { tcp } = await serve(t, { tls: { mode: 'optional', ...certificates(files) } });
  const client = await RawClient.connect(tcp);
  await client.take(18);
  client.send(hex('00000003'), option(8), startTls);
  assert.equal((await client.takeOptionReply()).type, 1);
  assert.equal((await client.takeOptionReply()).type, 1);
  await client.secure({ ca: await readFile(files.ca), servername: 'localhost' });
  client.send(goOption('d'));
  assert.equal((await client.takeOptionReply()).data.readUInt16BE(10) & 0x80, 0);
  client.close();
  (await RawClient.onStructuredExport(tcp, 'd')).close();
});

test('bytes slipped in behind STARTTLS end the session', async (t) => {
  const files = await makeTlsFiles(t);
  const { tcp, exports } = await serve(t, { tls: { mode: 'optional', ...certificates(files) } });
  const client = await RawClient.connect(tcp);
  await client.take(18);
  client.send(Buffer.concat([hex('00000003'), startTls, goOption('d')]));
  assert.equal((await client.rest()).length, 0);
  assert.equal(exports.opened, 0);
});

test('without TLS, STARTTLS is refused and the session goes on', async (t) => {
  const { tcp } = await serve(t);
  const client = await RawClient.connect(tcp);
  await client.take(18);
  client.send(hex('00000003'), startTls, option(2));
  assert.deepEqual(
    [(await client.takeOptionReply()).type, (await client.takeOptionReply()).type],
    [0x80000002, 1],
  );
});

test('garbage, silence and a vanishing client during the TLS handshake leave nothing behind', async (t) => {
  const files = await makeTlsFiles(t);
  const tlsSettings = { mode: 'required' as const, ...certificates(files) };
  const { tcp, server } = await serve(t, { tls: tlsSettings, limits: { handshakeTimeoutMs: 400 } });
  const begin = async () => {
    const client = await RawClient.connect(tcp);
    await client.take(18);
    client.send(hex('00000003'), startTls);
    await client.takeOptionReply();
    return client;
  };
  for (let i = 0; i < 20; i++) (await begin()).send(randomBytes(i * 10), hex('25609513'));
  for (let i = 0; i < 5; i++) (await begin()).close();
  const silent = await begin();
  await silent.rest();
  await until('the connections to be gone', () => server.connections().length === 0);
  const client = await begin();
  await client.secure({ ca: await readFile(files.ca), servername: 'localhost' });
  client.close();
});

test('a client under TLS that does not read its replies holds no more than its share', async (t) => {
  const files = await makeTlsFiles(t);
  const { tcp, device, server } = await serve(t, { tls: { mode: 'required', ...certificates(files) } });
  await device.write(0, Buffer.alloc(8 * MiB, 1));
  const client = await RawClient.connect(tcp);
  await client.take(18);
  client.send(hex('00000003'), startTls);
  await client.takeOptionReply();
  await client.secure({ ca: await readFile(files.ca), servername: 'localhost' });
  client.send(goOption('d'));
  for (let i = 0; i < 3; i++) await client.takeOptionReply();
  client.socket.pause();
  client.send(...Array.from({ length: 200 }, () => request({ type: 0, length: 8 * MiB })));
  await until('the share to be used up', () => server.bytesInFlight === 64 * MiB);
  assert.ok(device.calls.length < 20);
  client.close();
  await until('its memory to be given back', () => server.bytesInFlight === 0);
});

test('a key file has an identity and a key a line, between comments', () => {
  const key = '00112233445566778899aabbccddeeff';
  const keys = parsePskFile('keys', `# from psktool\n\nalice:${key}\r\nbob:${key.toUpperCase()}`);
  assert.deepEqual([...keys.keys()], ['alice', 'bob']);
  assert.deepEqual(keys.get('bob'), hex(key));
  assert.throws(() => parsePskFile('keys', `alice:${key}\nbob`), /keys, line 2: expected identity:key/);
});

test('settings that cannot work are refused at the start, without showing secrets', async (t) => {
  const files = await makeTlsFiles(t);
  const directory = await temporaryDirectory(t);
  const write = async (name: string, text: string) => {
    await writeFile(`${directory}/${name}`, text);
    return `${directory}/${name}`;
  };
  const wrong: [Parameters<typeof tlsOptions>[0], string][] = [
    [{ mode: 'required' }, 'tls-incomplete'],
    [{ mode: 'required', certFile: files.serverCert }, 'tls-incomplete'],
    [{ mode: 'required', pskFile: files.psk, clientCaFile: files.ca }, 'tls-incomplete'],
    [{ mode: 'required', pskFile: `${directory}/absent` }, 'tls-unreadable'],
    [{ mode: 'required', certFile: files.serverKey, keyFile: files.serverKey }, 'tls-invalid'],
    [{ mode: 'required', pskFile: await write('empty', '\n# nothing\n') }, 'tls-invalid'],
    [{ mode: 'required', pskFile: await write('short', 'alice:c0ffee\n') }, 'tls-invalid'],
    [{ mode: 'required', pskFile: await write('text', 'alice:topsecret\n') }, 'tls-invalid'],
  ];
  for (const [settings, code] of wrong) {
    assert.throws(
      () => tlsOptions(settings),
      (error: Error & { code: string }) => error.code === code && !/topsecret|c0ffee/.test(error.message),
      JSON.stringify(settings),
    );
  }
  await assert.rejects(serve(t, { tls: { mode: 'required' } }), { code: 'tls-incomplete' });
  await serve(t, { tls: { mode: 'off' } });
});
