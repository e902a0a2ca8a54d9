import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type ConfigStore, openStore, readOperation } from '@salvor/config-store';
import { NbdClient, until } from '@salvor/testkit';
import { HealingStack } from './healing-stack.ts';

const BLOCK = 4096;
const RUN_BLOCKS = 64;
const RUNS = 160;

let healing: HealingStack;
let store: ConfigStore;

before(async () => {
  healing = await HealingStack.start({
    ...{ primaries: 2, slaves: 2, spares: 0 },
    services: { 'tlog-replayer': {} },
    readyTimeoutMs: 120_000,
    nbdServerEnv: { SALVOR_ENGINE_CONNECT_TIMEOUT_MS: '10000', SALVOR_ENGINE_COMMAND_TIMEOUT_MS: '10000' },
  });
  store = openStore({ endpoints: healing.stack.etcdEndpoints });
});
after(async () => {
  store?.close();
  await healing?.[Symbol.asyncDispose]();
});

function run(index: number): Buffer {
  return Buffer.alloc(RUN_BLOCKS * BLOCK, `run ${index};`);
}

/** Kills the process that carries an operation out, once it is as far as `isThere` says, and starts it again. */
async function killAt(
  operation: string,
  what: string,
  isThere: (checkpoint: unknown) => boolean,
): Promise<void> {
  await until(
    async () => {
      const work = (await readOperation(store, operation))?.work;
      return work?.endedAt !== undefined || isThere(work?.checkpoint);
    },
    { what, timeoutMs: 120_000, intervalMs: 5 },
  );
  const replayer = healing.stack.service('tlog-replayer');
  await replayer.kill('SIGKILL');
  await replayer.start();
}

async function completed(operation: string): Promise<string> {
  const ended = await until(
    async () => {
      const { operation: found } = await healing.bus.request('operation.get', { operation });
      return found.endedAt === undefined ? null : found;
    },
    { what: `the end of ${operation}`, timeoutMs: 240_000, intervalMs: 100 },
  );
  assert.equal(ended.status, 'completed', ended.message);
  return ended.message;
}

test('an export and an import end although the tlog-replayer is killed in the middle of each', async () => {
  await healing.bus.request('vdisk.create', {
    ...{ vdisk: 'v1', type: 'db', sizeGiB: 1, cluster: 'p1', slaveCluster: 's1', tlog: 'block' },
  });
  const client = await NbdClient.connect(healing.server.unixUri('v1'));
  for (let index = 0; index < RUNS; index++) await client.write(2 * index * RUN_BLOCKS * BLOCK, run(index));
  await client.flush();

  // The vdisk stays in use.
  const { operation: exporting } = await healing.bus.request('vdisk.export', {
    vdisk: 'v1',
    file: 'v1.avro',
  });
  await killAt(
    exporting,
    'a file that is being written',
    (checkpoint) => Object(checkpoint).writer !== undefined,
  );
  assert.match(await completed(exporting), new RegExp(`${RUNS * RUN_BLOCKS} blocks in`));
  assert.deepEqual(await readdir(join(healing.stack.options.dir, 'tier2', 'exports')), ['v1.avro']);

  const place = { cluster: 'p1', slaveCluster: 's1' };
  const request = { file: 'v1.avro', vdisk: 'v2', ...place };
  const { operation: importing } = await healing.bus.request('vdisk.import', request);
  await killAt(
    importing,
    'a vdisk that is being filled',
    (checkpoint) => Object(checkpoint).phase === 'fill',
  );
  await killAt(
    importing,
    'a vdisk that is being compared',
    (checkpoint) => Object(checkpoint).phase === 'verify',
  );
  assert.match(await completed(importing), new RegExp(`${RUNS * RUN_BLOCKS} blocks written and compared`));

  // A replayer that was killed owns it until its lease is over.
  const copy = await until(() => NbdClient.connect(healing.server.unixUri('v2')), {
    what: 'the imported vdisk is served',
    timeoutMs: 60_000,
  });
  for (let index = 0; index < RUNS; index++) {
    const at = 2 * index * RUN_BLOCKS * BLOCK;
    assert.ok((await copy.read(at, RUN_BLOCKS * BLOCK)).equals(run(index)), `run ${index}`);
    const behind = await copy.read(at + RUN_BLOCKS * BLOCK, RUN_BLOCKS * BLOCK);
    assert.ok(
      behind.every((byte) => byte === 0),
      `the hole behind run ${index}`,
    );
  }
  await copy.disconnect();
  await client.disconnect();
});
