import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runCli, type Terminal } from '@salvor/cli';
import { testSeed, until, VerifyingLoad } from '@salvor/testkit';
import { Tier1Stack } from './tier1-stack.ts';

const BLOCKS = 64;
const LOST = 1;

describe('Tier-1 is lost, and Tier-2 with whatever survived brings it back', { concurrency: false }, () => {
  let stack: Tier1Stack;
  before(async () => {
    stack = await Tier1Stack.start();
    await stack.serveRecovery();
    for (const vdisk of ['v1', 'v2']) await stack.createLogged(vdisk);
    await stack.healing.createVdisk('plain');
    for (const vdisk of ['v1', 'v2', 'plain']) await stack.write(vdisk, 0, BLOCKS, 1);
    for (const vdisk of ['v1', 'v2']) await stack.untilLogIs(vdisk, 'whole');
  });
  after(async () => {
    await stack[Symbol.asyncDispose]();
  });

  it('etcd alone: what was deleted behind the last configuration stays deleted, and what was made then is there', async () => {
    const { healing } = stack;
    await healing.createVdisk('dropped');
    await stack.untilKept();
    const replayer = healing.stack.service('tlog-replayer');
    await replayer.stop();
    await healing.bus.request('vdisk.delete', { vdisk: 'dropped' });
    await healing.createVdisk('late');
    await stack.write('late', 0, BLOCKS, 9);
    await stack.write('v1', 0, BLOCKS, 2);
    const before = await stack.configuration();
    await stack.loseEtcd();
    // It must not take the empty etcd for the configuration.
    await replayer.start();
    const tier1 = await stack.recover();
    assert.deepEqual(
      tier1.vdisks.map(({ vdisk, outcome }) => [vdisk, outcome]),
      [
        ['dropped', 'deleted'],
        ['late', 'made-again'],
        ['plain', 'brought-back'],
        ['v1', 'brought-back'],
        ['v2', 'brought-back'],
      ],
    );
    assert.equal(tier1.lostSegments, 0);
    const found = await stack.configuration();
    for (const [key, value] of before)
      if (!key.startsWith('/salvor/vdisks/dropped') && !key.startsWith('late:'))
        assert.equal(found.get(key), value, key);
    for (const vdisk of ['v1', 'v2', 'plain', 'late']) assert.deepEqual(await stack.wrongBlocks(vdisk), []);
    await stack.write('v1', 0, BLOCKS, 3);
    assert.deepEqual(await stack.wrongBlocks('v1'), []);
    const again = await salvor(['dr', 'recover', stack.tier2], 'yes');
    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stderr, /Type 'yes' to go on/);
    assert.match(again.stdout, /keys written +0\n/, 'done again, it changes nothing');
    const refused = await salvor(['dr', 'recover', stack.tier2], 'y');
    assert.match(refused.stderr, /expected the word yes, found 'y'; nothing was changed/);
    await resumeHealing(stack);
  });

  it('some streams and some keys under load: what survived in etcd wins, and the log begins a new base by itself', async () => {
    const { healing } = stack;
    const load = new VerifyingLoad({
      ...{ targets: healing.server.unixUri('v1'), seed: testSeed(), firstBlock: 1_024, blockCount: 512 },
      ...{ queueDepth: 4, fuaShare: 0.2 },
    });
    await load.start();
    await until(() => load.stats.writesAcknowledged >= 500, { what: 'a load', timeoutMs: 60_000 });
    await stack.untilKept();
    const kept = await stack.configuration();
    await healing.bus.request('healing.pause', { reason: 'somebody works on it', by: 'test' });
    await stack.loseStream(stack.streamOf('v1'));
    await stack.loseKeys([
      ...[
        'p1:cluster:conf:storage',
        '/salvor/clusters/s1',
        'v2:vdisk:conf:static',
        'v1:vdisk:conf:storage:nbd',
      ],
      ...['/salvor/tlogs/v2/config', '/salvor/tlogs/v1/archived'],
    ]);
    // What is left of etcd is not taken for the configuration.
    await stack.untilNotKept();
    const tier1 = await stack.recover();
    await load.stop();
    assert.match(tier1.loss, new RegExp(`keys of etcd .*${stack.streamOf('v1')}`));
    const found = await stack.configuration();
    for (const [key, value] of kept)
      if (!key.startsWith('/salvor/healing')) assert.equal(found.get(key), value, key);
    assert.ok(found.has('/salvor/healing/everywhere'), 'what is younger than the configuration stays');
    await resumeHealing(stack);
    const { blocksLost, details } = await load.verifyOverNbd();
    assert.deepEqual([blocksLost, details], [0, []]);
    for (const vdisk of ['v1', 'v2', 'plain']) assert.deepEqual(await stack.wrongBlocks(vdisk), []);
    await stack.write('v1', 0, BLOCKS, 4);
    // Segments that were in neither tier break it once they are missed, and it begins another base.
    await stack.untilArchived('v1');
    await stack.untilLogIs('v1', 'whole');
  });

  it('some streams and all of etcd: logs whose stream is left go on where they were', async () => {
    await stack.write('v1', 0, BLOCKS, 5);
    await stack.write('v2', 0, BLOCKS, 5);
    await stack.untilKept();
    const kept = await stack.configuration();
    await stack.loseStream('SALVOR_EVT');
    await stack.loseStream(stack.streamOf('v2'));
    await stack.loseEtcd();
    const tier1 = await stack.recover();
    assert.deepEqual(
      tier1.vdisks.map(({ vdisk, logStatus }) => [vdisk, logStatus]),
      [
        ['late', undefined],
        ['plain', undefined],
        ['v1', 'whole'],
        ['v2', 'broken'],
      ],
    );
    const found = await stack.configuration();
    for (const [key, value] of kept)
      if (!key.startsWith('/salvor/healing')) assert.equal(found.get(key), value, key);
    assert.match(found.get('/salvor/healing/everywhere') ?? '', /"by":"segment-recovery"/);
    await resumeHealing(stack);
    for (const vdisk of ['v1', 'v2', 'plain', 'late']) assert.deepEqual(await stack.wrongBlocks(vdisk), []);
    await stack.write('v2', 0, BLOCKS, 6);
    await stack.untilLogIs('v2', 'whole');
  });

  it('everything, and a pair of engines with it: what was archived is replayed, and served once its lost end is accepted', async () => {
    const { healing } = stack;
    for (const vdisk of ['v1', 'v2']) await stack.write(vdisk, 0, BLOCKS, 7);
    // What builds on no complete base cannot be replayed.
    for (const vdisk of ['v1', 'v2']) await stack.untilLogIs(vdisk, 'whole');
    for (const vdisk of ['v1', 'v2']) await stack.untilArchived(vdisk);
    await stack.untilKept();
    await stack.destroyPair(LOST);
    await stack.loseNats();
    await stack.loseEtcd();
    const refused = await stack.ended(await stack.begin());
    assert.match(refused.message, /expected every engine that is online by the plan to answer/);
    const tier1 = await stack.recover({ acceptUnreachable: true });
    assert.match(tier1.loss, /all of etcd/);
    assert.ok(tier1.trouble.some((line) => /could not be asked who wrote to it/.test(line)));
    await resumeHealing(stack);
    await stack.replayPair(LOST);
    // Whether anything was written behind what was archived only JetStream knew: that is a loss, which somebody accepts.
    for (const vdisk of ['v1', 'v2']) {
      await stack.acceptLostEnd(vdisk);
      assert.deepEqual(await stack.wrongBlocks(vdisk), []);
    }
    await healing.untilStatus(healing.stack.engine('primary', 0).address, 'online');
  });

  async function salvor(words: readonly string[], line: string) {
    const out = { stdout: '', stderr: '' };
    const terminal: Terminal = {
      ...{ env: { NATS_URL: stack.healing.stack.natsUrl }, cwd: stack.tier2, isInteractive: false },
      out: (text) => {
        out.stdout += text;
      },
      err: (text) => {
        out.stderr += text;
      },
      readStdin: async () => Buffer.alloc(0),
      readLine: async () => line,
      interrupted: () => new AbortController().signal,
    };
    return { code: await runCli(words, terminal), ...out };
  }
});

describe('Tier-1 is lost while the configuration in Tier-2 is older than the last failure', () => {
  it('etcd alone, and an engine that failed behind the last configuration: its old blocks are not read', async () => {
    await using stack = await Tier1Stack.start();
    await stack.serveRecovery();
    const { healing } = stack;
    await stack.createLogged('v1');
    await healing.createVdisk('plain');
    for (const vdisk of ['v1', 'plain']) await stack.write(vdisk, 0, BLOCKS, 1);
    await stack.untilLogIs('v1', 'whole');
    const replayer = healing.stack.service('tlog-replayer');
    const failed = healing.stack.engine('primary', 0);
    await stack.untilKept();
    await replayer.stop();
    await failed.process.kill('SIGKILL');
    // The server records the failure, and goes on with the partner alone.
    for (const vdisk of ['v1', 'plain']) await stack.write(vdisk, 0, BLOCKS, 8);
    await stack.loseEtcd();
    await failed.process.start();
    await replayer.start();
    await stack.recover();
    for (const vdisk of ['v1', 'plain']) assert.deepEqual(await stack.wrongBlocks(vdisk), [], vdisk);
    await resumeHealing(stack);
    await healing.untilHealed();
  });
});

/** What an operator does once he has looked at what is in doubt. */
async function resumeHealing({ healing }: Tier1Stack): Promise<void> {
  await healing.bus.request('healing.resume', { reason: 'all was looked at', by: 'test' });
}
