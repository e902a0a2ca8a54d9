import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from './client-programs.ts';
import { hex, option, RawClient, request } from './raw-client.ts';
import { MiB, type Served, serve } from './served.ts';
import { makeTlsFiles } from './tls-files.ts';

/** Flags of an 8 MiB writable export, as the README of the protocol orders them. */
const size8MiB = '0000000000800000';
const exportFlags = '0d6d';

/**
 * nbd-client from its connection to the end of the negotiation. Where there is no kernel device it stops there: it has
 * printed the size by then, and complains about the ioctl.
 */
async function negotiate(...args: string[]): Promise<string> {
  const ended = run('nbd-client', ...args, '-nofork', '-nonetlink', '/dev/null');
  return ended.catch(({ stdout, stderr }: { stdout: string; stderr: string }) => stdout + stderr);
}

function place({ tcp, unix }: Served): { tcp: string[]; unix: string[] } {
  const [, host = '', port = ''] = tcp.split(':');
  return { tcp: [host, port], unix: ['-u', unix.slice('unix:'.length)] };
}

test('nbd-client lists the exports', async (t) => {
  const { tcp } = place(await serve(t));
  assert.match(await run('nbd-client', '-l', ...tcp), /^d\nro$/m);
});

for (const [mode, args] of Object.entries({ GO: [], EXPORT_NAME: ['-g'], 'GO, read-only': ['-R'] })) {
  test(`nbd-client negotiates with ${mode}, over TCP and a unix socket`, async (t) => {
    const { tcp, unix } = place(await serve(t));
    for (const where of [tcp, unix]) {
      const said = await negotiate(...where, '-name', 'd', ...args);
      assert.match(said, /size = 8MB/);
      assert.match(said, /ioctl/i);
    }
  });
}

test('nbd-client is told why an export is not there', async (t) => {
  const { tcp } = place(await serve(t));
  const said = await negotiate(...tcp, '-name', 'nobody');
  assert.doesNotMatch(said, /size = /);
  assert.match(said, /no vdisk nobody|unknown|not (found|available)/i);
});

test('nbd-client negotiates over TLS', async (t) => {
  const files = await makeTlsFiles(t);
  const tls = { mode: 'required' as const, certFile: files.serverCert, keyFile: files.serverKey };
  const { tcp } = place(await serve(t, { tls }));
  const [, port = ''] = tcp;
  const said = await negotiate('localhost', port, '-name', 'd', '-enable-tls', '-cacertfile', files.ca);
  assert.match(said, /size = 8MB/);
  assert.doesNotMatch(await negotiate('localhost', port, '-name', 'd'), /size = /, 'plain is refused');
});

test('an oldstyle client is cut off at its first request, and the log says why', async (t) => {
  const { tcp, logged, server } = await serve(t);
  const client = await RawClient.connect(tcp);
  // It takes the greeting for the oldstyle one and goes on with a READ.
  client.send(request({ type: 0, length: 512 }));
  assert.equal((await client.rest()).toString('latin1', 0, 16), 'NBDMAGICIHAVEOPT');
  assert.ok(
    logged.some(({ fields }) => /flag/i.test(JSON.stringify(fields))),
    JSON.stringify(logged),
  );
  assert.equal(server.traffic.failedHandshakes, 1);
  client.close();
});

for (const [name, flags, padding] of [
  ['newstyle, with the 124 zeroes', '00000000', 124],
  ['fixed newstyle, with the 124 zeroes', '00000001', 124],
  ['fixed newstyle without them', '00000003', 0],
] as const) {
  test(`EXPORT_NAME byte for byte: ${name}`, async (t) => {
    const { tcp, device } = await serve(t);
    await device.write(1 * MiB, Buffer.alloc(4096, 0x5a));
    const client = await RawClient.connect(tcp);
    assert.equal((await client.take(18)).toString('hex'), '4e42444d4147494349484156454f50540003');
    client.send(hex(flags), hex('49484156454f5054 00000001 00000001 64'));
    const answer = (await client.take(10 + padding)).toString('hex');
    assert.equal(answer, `${size8MiB}${exportFlags}${'00'.repeat(padding)}`);
    client.send(request({ type: 0, cookie: 7, offset: 1 * MiB, length: 4096 }));
    const { cookie, error, data } = await client.takeReply(4096);
    assert.deepEqual([cookie, error], [7, 0]);
    assert.ok(data.equals(Buffer.alloc(4096, 0x5a)));
    client.send(request({ type: 2 }));
    assert.equal((await client.rest()).length, 0, 'DISC has no reply');
    client.close();
  });
}

test('GO after structured replies were agreed, byte for byte', async (t) => {
  const { tcp } = await serve(t);
  const client = await RawClient.connect(tcp);
  await client.take(18);
  client.send(hex('00000003'), option(8), hex('49484156454f5054 00000007 00000007 00000001 64 0000'));
  const reply = '0003e889045565a9';
  const expected = [
    `${reply} 00000008 00000001 00000000`,
    `${reply} 00000007 00000003 0000000c 0000 ${size8MiB} 0ded`,
    `${reply} 00000007 00000003 0000000e 0003 00000001 00001000 02000000`,
    `${reply} 00000007 00000001 00000000`,
  ]
    .join('')
    .replaceAll(' ', '');
  assert.equal((await client.take(expected.length / 2)).toString('hex'), expected);
  client.send(request({ type: 0, cookie: 9, offset: 0, length: 4096 }));
  const chunk = await client.takeChunk();
  assert.deepEqual([chunk.cookie, chunk.flags], [9, 1]);
  client.close();
});
