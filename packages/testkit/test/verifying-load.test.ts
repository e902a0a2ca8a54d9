import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  blockContent,
  identifyBlock,
  LoadModel,
  NbdClient,
  tempDir,
  until,
  VerifyingLoad,
} from '@salvor/testkit';
import fc from 'fast-check';
import { startNbdkit, startQemuNbd } from './nbd-peers.ts';

describe('block content', () => {
  it('names its seed, block and version, whatever they are', () => {
    fc.assert(
      fc.property(
        fc.nat(0xffffffff),
        fc.nat(2 ** 40),
        fc.integer({ min: 1, max: 0xffffffff }),
        fc.constantFrom(64, 512, 4096),
        (seed, block, version, size) => {
          const bytes = blockContent(seed, block, version, size);
          assert.deepEqual(identifyBlock(bytes, seed, block), { kind: 'version', version });
          assert.equal(identifyBlock(bytes, seed, block + 1).kind, 'misplaced');
        },
      ),
    );
  });

  it('shows a write that is torn at any byte', () => {
    fc.assert(
      fc.property(fc.integer({ min: 24, max: 4092 }), (at) => {
        const newer = blockContent(1, 7, 2, 4096);
        const torn = Buffer.concat([newer.subarray(0, at), blockContent(1, 7, 1, 4096).subarray(at)]);
        const found = identifyBlock(torn, 1, 7);
        assert.equal(found.kind, 'damaged');
      }),
    );
  });

  it('tells zeroes from foreign bytes', () => {
    assert.equal(identifyBlock(Buffer.alloc(4096), 1, 7).kind, 'zero');
    assert.equal(identifyBlock(Buffer.alloc(4096, 9), 1, 7).kind, 'foreign');
  });
});

describe('the model of a load', () => {
  it('allows an unacknowledged write to be there or not', () => {
    const model = new LoadModel(0, 1);
    model.acknowledge(0, model.submit(0));
    model.submit(0);
    assert.equal(model.judge(0, { kind: 'version', version: 1 }), null);
    assert.equal(model.judge(0, { kind: 'version', version: 2 }), null);
  });

  it('does not allow it to go away again once it was seen', () => {
    const model = new LoadModel(0, 1);
    model.acknowledge(0, model.submit(0));
    model.submit(0);
    assert.equal(model.judge(0, { kind: 'version', version: 2 }), null);
    assert.match(String(model.judge(0, { kind: 'version', version: 1 })?.reason), /older version 1/);
  });

  it('finds a lost, a stale and an invented block', () => {
    const model = new LoadModel(10, 2);
    model.acknowledge(10, model.submit(10));
    assert.match(
      String(model.judge(10, { kind: 'zero' })?.reason),
      /block 10: expected version 1, found zeroes/,
    );
    model.acknowledge(10, model.submit(10));
    assert.ok(model.judge(10, { kind: 'version', version: 1 }));
    assert.match(String(model.judge(10, { kind: 'version', version: 3 })?.reason), /never submitted/);
    assert.equal(model.judge(11, { kind: 'zero' }), null);
  });
});

describe('a verifying load', () => {
  it('finds nothing lost on a server that keeps its word', async () => {
    await using dir = tempDir('load');
    const peer = await startNbdkit(dir);
    await using _process = peer.process;
    const load = new VerifyingLoad({
      targets: peer.uri,
      seed: 3,
      blockCount: 256,
      readShare: 0.3,
      fuaShare: 0.1,
    });
    await load.start();
    await until(() => load.stats.writesAcknowledged > 2_000, { what: 'writes', timeoutMs: 20_000 });
    const stats = await load.stop();
    assert.ok(stats.readsCompared > 200);
    assert.equal(stats.writesAcknowledged, stats.writesSubmitted);
    assert.equal(stats.ioErrors, 0);
    assert.deepEqual(await load.verifyOverNbd(), { blocksCompared: 256, blocksLost: 0, details: [] });
  });

  it('goes on over kills of the server, and what was acknowledged is there', async () => {
    await using dir = tempDir('load');
    const peer = await startQemuNbd(dir);
    await using process = peer.process;
    const load = new VerifyingLoad({ targets: peer.uri, seed: 4, blockCount: 512, readShare: 0.2 });
    await load.start();
    for (let kills = 1; kills <= 2; kills++) {
      const before = load.stats.writesAcknowledged;
      await until(() => load.stats.writesAcknowledged > before + 300, { what: 'writes', timeoutMs: 20_000 });
      await process.kill();
      const killedAt = performance.now();
      await process.start();
      const first = await load.firstAck({
        submittedAfter: killedAt,
        shard: { index: 1, shards: 4 },
        timeoutMs: 5_000,
      });
      assert.ok(first.ackedAt >= first.submittedAt && first.block % 4 === 1);
    }
    const stats = await load.stop();
    assert.equal(stats.connectionsLost, 2);
    assert.equal(stats.ioErrors, 0);
    assert.equal((await load.verifyOverNbd()).blocksLost, 0);
  });

  it('finds every block of a server that lost its memory', async () => {
    await using dir = tempDir('load');
    const peer = await startNbdkit(dir);
    await using _process = peer.process;
    const load = new VerifyingLoad({ targets: peer.uri, seed: 5, blockCount: 16 });
    await load.start();
    await until(() => load.stats.writesAcknowledged > 500, { what: 'writes', timeoutMs: 20_000 });
    await load.stop();
    await peer.restart();
    const { blocksLost, details } = await load.verifyOverNbd();
    assert.equal(blocksLost, 16);
    assert.match(details[0]?.reason ?? '', /found zeroes/);
  });

  it('counts I/O errors, and keeps to its rate', async () => {
    await using dir = tempDir('load');
    const args = ['--filter=error', 'memory', '1M', 'error-pwrite=EIO', 'error-pwrite-rate=50%'];
    const peer = await startNbdkit(dir, args);
    await using _process = peer.process;
    const failed: number[] = [];
    const load = new VerifyingLoad({
      targets: peer.uri,
      seed: 6,
      blockCount: 64,
      requestsPerSecond: 400,
      onIoError: (block) => failed.push(block),
    });
    const startedAt = performance.now();
    await load.start();
    await until(() => load.stats.ioErrors >= 20, { what: 'errors', timeoutMs: 20_000 });
    const stats = await load.stop();
    const seconds = (performance.now() - startedAt) / 1_000;
    assert.equal(failed.length, stats.ioErrors);
    assert.ok(stats.writesSubmitted <= seconds * 400 + 2, `${stats.writesSubmitted} in ${seconds} s`);
    assert.equal((await load.verifyOverNbd()).blocksLost, 0);
  });

  it('leaves a block alone whose write was not answered in time', async () => {
    await using dir = tempDir('load');
    const peer = await startNbdkit(dir);
    await using process = peer.process;
    const load = new VerifyingLoad({ targets: peer.uri, seed: 8, blockCount: 8, requestTimeoutMs: 500 });
    await load.start();
    await until(() => load.stats.writesAcknowledged > 50, { what: 'writes', timeoutMs: 10_000 });
    process.pause();
    await until(() => load.stats.ioErrors === 8, { what: 'a timeout for each block', timeoutMs: 10_000 });
    const { writesSubmitted } = load.stats;
    process.resume();
    const { blocksLost } = await load.verifyOverNbd();
    assert.equal(blocksLost, 0);
    assert.equal((await load.stop()).writesSubmitted, writesSubmitted);
  });

  it('gives up when the server stays away', async () => {
    await using dir = tempDir('load');
    const peer = await startNbdkit(dir);
    await using process = peer.process;
    const load = new VerifyingLoad({ targets: peer.uri, seed: 7, blockCount: 16, reconnectTimeoutMs: 100 });
    await load.start();
    let gone = 0;
    const probe = await NbdClient.connect(peer.uri);
    const closed = probe.closed.then(() => gone++);
    await process.kill();
    await closed;
    await until(() => load.gaveUp, { what: 'the end of patience', timeoutMs: 5_000 });
    await assert.rejects(load.stop(), { code: 'load-gave-up' });
  });
});
