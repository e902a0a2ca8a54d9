import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import {
  EngineLink,
  NbdClient,
  type NbdServerHandle,
  type StackEngine,
  type TempDir,
  tempDir,
  until,
} from '@salvor/testkit';
import { HealingStack } from './healing-stack.ts';
import { movesOf, OddEngineStage, temporaryOutage } from './odd-engine.ts';

const PASSWORD = 'right';

let dir: TempDir;
let healing: HealingStack;
let stage: OddEngineStage;
before(async () => {
  dir = tempDir('password');
  writeFileSync(dir.join('password'), PASSWORD);
  healing = await HealingStack.start({
    ...{ primaries: 1, slaves: 1, spares: 0, nbdServers: 2 },
    env: { SALVOR_ENGINE_PASSWORD_FILE: dir.join('password') },
  });
  stage = new OddEngineStage(healing, 'v1', await healing.createVdisk('v1'), PASSWORD);
});
after(async () => {
  await healing[Symbol.asyncDispose]();
  dir.remove();
});

const engines = (): StackEngine[] => [...healing.stack.engines.primary, ...healing.stack.engines.slave];

/** Has engines ask everybody for another password: first those who connect, then those who are connected too. */
async function askFor(asking: readonly StackEngine[], password: string, before?: string): Promise<void> {
  const opened = await Promise.all(asking.map(({ port }) => EngineLink.open(port)));
  if (before !== undefined) await Promise.all(opened.map((link) => link.send('AUTH', before)));
  await Promise.all(opened.map((link) => link.send('CONFIG', 'SET', 'requirepass', password)));
  await Promise.all(opened.map((link) => link.send('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')));
  for (const link of opened) link.close();
}

test('engines that ask for no password are used by services that have one', async (t) => {
  await stage.underLoad(t, async (scene) => {
    await scene.wrote(50);
    assert.deepEqual(await healing.transitions(), []);
    await askFor(engines(), PASSWORD);
  });
});

test('an engine whose password was changed is left out and not touched, and repaired when it is put right', async (t) => {
  const engine = healing.stack.engine('slave', 0);
  await stage.underLoad(t, async (scene) => {
    await askFor(engines(), PASSWORD, PASSWORD);
    await scene.wrote(50);
    assert.deepEqual(await healing.transitions(), [], 'a password that is known is no failure');

    await scene.fails(engine, () => askFor([engine], 'changed', PASSWORD));
    const held = await stage.blocksOn(engine, 'changed');
    assert.match(await scene.untilProbed(engine, 'refuses-commands'), /WRONGPASS/);
    await scene.wrote(50);
    const seen = await scene.latestIncident(engine);
    assert.equal(seen.status, 'offline');
    assert.equal(seen.verdict, undefined, 'neither lost nor back');
    assert.match(seen.reporters[0]?.reason ?? '', /WRONGPASS/);
    assert.deepEqual(await stage.blocksOn(engine, 'changed'), held);

    const incident = await scene.heals(engine, () => askFor([engine], PASSWORD, 'changed'));
    assert.equal(incident.verdict?.verdict, 'temporary');
    assert.deepEqual(movesOf(incident), temporaryOutage);
  });
});

test('a server that is started with a wrong password serves nothing, and takes no engine from the others', async (t) => {
  const [, second] = healing.stack.nbdServers;
  assert.ok(second !== undefined);
  await healing.createVdisk('v2');
  await stage.underLoad(t, async (scene) => {
    const before = await healing.transitions();
    await restartWith(second, 'wrong');
    await assert.rejects(NbdClient.connect(second.unixUri('v2')), /cannot be served: .*WRONGPASS/);
    await scene.wrote(100);
    assert.deepEqual(await healing.transitions(), before);

    await restartWith(second, PASSWORD);
    await writes(second, 'v2');
  });
});

test('a server that no engine lets in any more lets its vdisks go to one that has the password', async () => {
  const [first, second] = healing.stack.nbdServers;
  assert.ok(first !== undefined && second !== undefined);
  await healing.createVdisk('v3');
  const before = await healing.transitions();
  const client = await NbdClient.connect(first.unixUri('v3'));
  await client.write(0, Buffer.alloc(4096, 1));
  await askFor(engines(), 'next', PASSWORD);
  await assert.rejects(async () => {
    for (;;) await client.write(0, Buffer.alloc(4096, 2));
  });
  await restartWith(second, 'next');
  await writes(second, 'v3');
  assert.deepEqual(await healing.transitions(), before);

  await askFor(engines(), PASSWORD, 'next');
  await restartWith(second, PASSWORD);
  await writes(first, 'v3');
  assert.deepEqual(await healing.transitions(), before);
});

/** What is in the file counts for those that start. */
async function restartWith(server: NbdServerHandle, password: string): Promise<void> {
  writeFileSync(dir.join('password'), password);
  await server.kill();
  await server.waitUntilReady(60_000);
  writeFileSync(dir.join('password'), PASSWORD);
}

/** Until the server has the vdisk and writes to it: who had it before may have been about to let it go. */
async function writes(server: NbdServerHandle, vdisk: string): Promise<void> {
  const written = async (): Promise<boolean> => {
    await using client = await NbdClient.connect(server.unixUri(vdisk));
    await client.write(0, Buffer.alloc(4096, 3));
    return true;
  };
  await until(() => written().catch(() => false), {
    what: `${server.name} serves ${vdisk}`,
    timeoutMs: 60_000,
  });
}
