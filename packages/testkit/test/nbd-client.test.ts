import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import {
  formatNbdUri,
  freePort,
  NbdClient,
  NbdConnectionLostError,
  NbdOptionError,
  NbdRequestError,
  nbd,
  nbdcopy,
  nbdinfo,
  parseNbdUri,
  qemuImg,
  qemuIo,
  releasePort,
  runTool,
  tempDir,
  withHandshake,
} from '@salvor/testkit';
import { startNbdkit, startQemuNbd } from './nbd-peers.ts';

describe('the NBD client against nbdkit', () => {
  it('reads what it wrote, with hundreds of requests outstanding', async () => {
    await using dir = tempDir('nbd');
    const peer = await startNbdkit(dir);
    await using _process = peer.process;
    await using client = await NbdClient.connect(peer.uri);
    assert.equal(client.sizeBytes, 16 << 20);
    const blocks = Array.from({ length: 500 }, (_, index) => Buffer.alloc(4096, (index % 255) + 1));
    await Promise.all(
      blocks.map((block, index) => client.write(index * 4096, block, { fua: index % 7 === 0 })),
    );
    await client.flush();
    const back = await Promise.all(blocks.map((_, index) => client.read(index * 4096, 4096)));
    assert.deepEqual(back, blocks);
    assert.deepEqual(await client.read(0, 500 * 4096), Buffer.concat(blocks));
    assert.equal(client.outstandingRequests, 0);
  });

  it('trims and writes zeroes', async () => {
    await using dir = tempDir('nbd');
    const peer = await startNbdkit(dir);
    await using _process = peer.process;
    await using client = await NbdClient.connect(peer.uri);
    await client.write(0, Buffer.alloc(12288, 1));
    await client.trim(0, 4096, { fua: true });
    await client.writeZeroes(4096, 4096, { noHole: true });
    assert.deepEqual(await client.read(0, 12288), Buffer.concat([Buffer.alloc(8192), Buffer.alloc(4096, 1)]));
  });

  it('hands out the error number of a refused request, and goes on', async () => {
    await using dir = tempDir('nbd');
    const peer = await startNbdkit(dir, [
      '--filter=error',
      'memory',
      '1M',
      'error-pwrite=ENOSPC',
      'error-pwrite-rate=100%',
    ]);
    await using _process = peer.process;
    await using client = await NbdClient.connect(peer.uri);
    const refused = client.write(0, Buffer.alloc(512, 1));
    await assert.rejects(refused, (error: unknown) => {
      assert.ok(error instanceof NbdRequestError);
      assert.equal(error.errno, 28);
      assert.match(error.message, /write of 512 bytes at 0: server answered ENOSPC/);
      return true;
    });
    assert.equal((await client.read(0, 512)).length, 512);
  });

  it('rejects everything outstanding when the server is killed', async () => {
    await using dir = tempDir('nbd');
    const args = ['--filter=delay', 'memory', '1M', 'delay-write=60'];
    const peer = await startNbdkit(dir, args);
    await using process = peer.process;
    const client = await NbdClient.connect(peer.uri);
    const writes = [0, 4096, 8192].map((offset) => client.write(offset, Buffer.alloc(4096, 1)));
    const settled = Promise.allSettled(writes);
    await client.read(0, 512);
    await process.kill();
    for (const result of await settled) {
      assert.ok(result.status === 'rejected' && result.reason instanceof NbdConnectionLostError);
    }
    assert.ok((await client.closed) instanceof NbdConnectionLostError);
    await assert.rejects(client.read(0, 1), { code: 'nbd-connection-lost' });
  });

  it('reports a request that takes too long, and drops the late answer', async () => {
    await using dir = tempDir('nbd');
    const peer = await startNbdkit(dir, ['--filter=delay', 'memory', '1M', 'delay-write=400ms']);
    await using _process = peer.process;
    await using client = await NbdClient.connect(peer.uri, { requestTimeoutMs: 100 });
    await assert.rejects(client.write(0, Buffer.alloc(512, 1)), { code: 'nbd-timeout' });
    assert.equal((await client.read(0, 512)).length, 512);
  });
});

describe('the NBD client against qemu-nbd', () => {
  it('opens an export with GO and with EXPORT_NAME, with and without the zeroes', async () => {
    await using dir = tempDir('nbd');
    const peer = await startQemuNbd(dir);
    await using _process = peer.process;
    for (const open of ['go', 'export-name'] as const) {
      for (const noZeroes of [true, false]) {
        await using client = await NbdClient.connect(peer.uri, { open, noZeroes });
        assert.equal(client.sizeBytes, 16 << 20);
        assert.equal((await client.read(0, 512)).length, 512);
      }
    }
  });

  it('lists exports, and gets a typed refusal of an unknown one', async () => {
    await using dir = tempDir('nbd');
    const peer = await startQemuNbd(dir);
    await using _process = peer.process;
    assert.deepEqual(await NbdClient.list(peer.uri), ['disk']);
    const unknown = NbdClient.connect(peer.uri.replace('disk', 'other'));
    await assert.rejects(unknown, (error: unknown) => {
      assert.ok(error instanceof NbdOptionError);
      assert.equal(error.replyType, 0x80000006);
      return true;
    });
  });

  it('goes on haggling after an option the server does not know', async () => {
    await using dir = tempDir('nbd');
    const peer = await startQemuNbd(dir);
    await using _process = peer.process;
    const info = await withHandshake(parseNbdUri(peer.uri), {}, async (handshake, socket) => {
      const reply = await handshake.raw(0x7777, Buffer.from('what'));
      assert.equal(nbd.optionErrorNames[reply.type], 'NBD_REP_ERR_UNSUP');
      const asked = await handshake.info('disk');
      socket.destroy();
      return asked;
    });
    assert.equal(info.sizeBytes, 16 << 20);
    assert.ok(info.blockSizes !== null && info.blockSizes.maximum >= 4096);
  });

  it('sees what the tools write, and the tools see what it writes', async () => {
    await using dir = tempDir('nbd');
    const peer = await startQemuNbd(dir, 1 << 20);
    await using _process = peer.process;
    await qemuIo(peer.uri, ['write -P 0xab 4096 4096', 'flush']);
    await using client = await NbdClient.connect(peer.uri);
    assert.deepEqual(await client.read(4096, 4096), Buffer.alloc(4096, 0xab));
    await client.write(0, Buffer.alloc(4096, 0xcd));
    await client.flush();
    await qemuIo(peer.uri, ['read -P 0xcd 0 4096']);
    await assert.rejects(qemuIo(peer.uri, ['read -P 0xce 0 4096']), { code: 'tool-failed' });
    assert.equal((await nbdinfo(peer.uri))['export-size'], 1 << 20);
    await nbdcopy(peer.uri, dir.join('copy.raw'));
    const compared = await qemuImg(['compare', '-f', 'raw', '-F', 'raw', peer.uri, dir.join('copy.raw')]);
    assert.match(compared.stdout, /identical/);
  });
});

describe('what is not there', () => {
  it('is said: a server that does not listen', async () => {
    const port = await freePort();
    releasePort(port);
    const connecting = NbdClient.connect(`nbd://127.0.0.1:${port}/v1`);
    await assert.rejects(connecting, { code: 'nbd-connection-lost', message: /ECONNREFUSED/ });
  });

  it('is said: a server that speaks something else', async () => {
    const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    try {
      const connecting = NbdClient.connect(`nbd://127.0.0.1:${address.port}/`);
      await assert.rejects(connecting, { code: 'nbd-protocol' });
    } finally {
      server.close();
    }
  });

  it('is said: a program', async () => {
    await assert.rejects(runTool('no-such-tool', []), { code: 'tool-missing' });
    await assert.rejects(runTool('sleep', ['60'], { timeoutMs: 50 }), { code: 'tool-timeout' });
  });
});

it('NBD URIs are read and written', () => {
  for (const uri of [
    'nbd://127.0.0.1:10810/v1',
    'nbds://127.0.0.1:10810/v1?tls-certificates=/etc/salvor/nbd',
    'nbd+unix:///v1?socket=/run/salvor/nbd-1.sock',
  ]) {
    assert.equal(formatNbdUri(parseNbdUri(uri)), uri);
  }
  assert.throws(() => parseNbdUri('http://x/'), { code: 'nbd-uri' });
});
