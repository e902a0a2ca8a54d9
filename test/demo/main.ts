/**
 * The main job, watched: a host keeps its file system and its writes while storage engines die under it. Every byte is
 * compared at the end. `--json` prints one object as the last line, `--keep` leaves the stack running, `--seed N` repeats.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openStore } from '@salvor/config-store';
import {
  killEngine,
  nbdcopy,
  restartEmpty,
  restartWithData,
  startStack,
  tempDir,
  VerifyingLoad,
} from '@salvor/testkit';
import { DemoError } from './demo-error.ts';
import { EngineRecords } from './engine-outage.ts';
import { compareFiles, copyTree, isClean, makeExt4 } from './file-tree.ts';
import { lookAround } from './look-around.ts';
import { differingBlocks, fileReader } from './read-back.ts';
import { type DemoSummary, isOk, type OutageFigures, summaryText } from './summary.ts';
import { Timeline } from './timeline.ts';

const BLOCK_BYTES = 4096;
const VDISK_BLOCKS = (1 << 30) / BLOCK_BYTES;
const IMAGE_MIB = 256;
/** The write load works behind the file system. */
const LOAD_FIRST_BLOCK = (512 << 20) / BLOCK_BYTES;
const LOAD_BLOCKS = (256 << 20) / BLOCK_BYTES;
/** How long an engine stays away before it comes back, so that writes gather. */
const AWAY_MS = 1_500;
const STEP_TIMEOUT_MS = 60_000;

const { values: flags } = parseArgs({
  options: { json: { type: 'boolean' }, keep: { type: 'boolean' }, seed: { type: 'string' } },
});
const seed = flags.seed === undefined ? Date.now() % 2 ** 31 : Number(flags.seed);
const startedAt = performance.now();
const timeline = new Timeline(flags.json === true);
const dir = tempDir('demo');

const stack = await startStack({
  dir: join(dir.path, 'stack'),
  onProgress: (line) => timeline.say('stack', line),
});
const bus = await stack.connectBus('demo');
try {
  const summary = await run();
  process.stdout.write(flags.json ? `${JSON.stringify(summary)}\n` : summaryText(summary));
  process.exitCode = summary.ok ? 0 : 1;
  if (flags.keep) {
    process.stdout.write(lookAround(stack));
    await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve));
  }
} finally {
  await bus.close({ deadlineMs: 1_000 });
  await stack.stop();
  dir.remove();
}

async function run(): Promise<DemoSummary> {
  timeline.say(
    'stack',
    `nats-server, etcd, ${stack.engines.primary.length} + ${stack.engines.slave.length} engines, ${stack.engines.spares.length} spares and 4 services run`,
  );
  bus.watchEvents({ types: 'all', handler: (event) => timeline.event(event) });
  const store = openStore({ endpoints: stack.etcdEndpoints });
  const records = await EngineRecords.follow(store, 'p1');

  await bus.request('vdisk.create', {
    vdisk: 'demo',
    type: 'db',
    sizeGiB: 1,
    cluster: 'p1',
    slaveCluster: 's1',
  });
  const uri = stack.nbdServer().unixUri('demo');
  const { image, hashes } = await makeFileSystem();
  await nbdcopy(image, uri, { timeoutMs: STEP_TIMEOUT_MS });
  timeline.say(
    'host',
    `copied a file system of ${hashes.size} files (${IMAGE_MIB} MiB) to the vdisk over ${uri}`,
  );

  const load = new VerifyingLoad({
    targets: uri,
    seed,
    firstBlock: LOAD_FIRST_BLOCK,
    blockCount: LOAD_BLOCKS,
    queueDepth: 8,
    requestsPerSecond: 1_500,
    readShare: 0.2,
  });
  await load.start();
  timeline.say('host', 'keeps writing random blocks and reading them back');
  await written(load, 1_500);

  const temporary = await outage(load, records, 1, async (engine) => {
    await passed(AWAY_MS);
    timeline.say('demo', `${engine.address} comes back with its data`);
    await restartWithData(engine);
  });
  await written(load, 500);
  const final = await outage(load, records, 2, async (engine) => {
    timeline.say('demo', `${engine.address} comes back, but its data is gone`);
    await restartEmpty(engine);
  });
  await written(load, 500);
  const stats = await load.stop();
  timeline.say(
    'host',
    `stopped: ${stats.writesAcknowledged} writes acknowledged, ${stats.ioErrors} I/O errors`,
  );

  const readBack = join(dir.path, 'read-back.raw');
  await nbdcopy(uri, readBack, { timeoutMs: STEP_TIMEOUT_MS });
  const blocks = await compareBlocks(image, readBack, load);
  const fsckClean = await isClean(readBack);
  const files = await compareFiles(readBack, join(dir.path, 'read-back'), hashes);
  const { incidents } = await bus.request('incident.list', { all: true });
  const inOrder = [...incidents].sort((a, b) => a.openedAt - b.openedAt);
  store.close();

  const figures = {
    clientIoErrors: stats.ioErrors + stats.connectionsLost,
    ...blocks,
    fsckClean,
    filesCompared: files.filesCompared,
    filesDifferent: files.filesDifferent.length,
    writesAcknowledged: stats.writesAcknowledged,
    longestWriteMs: Math.round(stats.longestWriteMs),
    temporary: temporary.figures,
    final: { ...final.figures, rebuiltBlocks: final.storedBlocks, spare: final.addressAfter },
    incidents: incidents.length,
    transitions: inOrder.flatMap(({ cluster, shard, history }) =>
      history.map(({ from, to }) => `${cluster}/${shard} ${from} -> ${to}`),
    ),
    seed,
    durationMs: Math.round(performance.now() - startedAt),
  };
  return { ok: isOk(figures), ...figures };
}

async function makeFileSystem(): Promise<{ image: string; hashes: ReadonlyMap<string, string> }> {
  const tree = join(dir.path, 'tree');
  mkdirSync(tree);
  const root = join(import.meta.dirname, '../..');
  const hashes = copyTree(join(root, 'node_modules/.pnpm'), tree, { files: 4_000, bytes: 120 << 20 });
  const image = join(dir.path, 'image.raw');
  await makeExt4(tree, image, IMAGE_MIB);
  return { image, hashes };
}

/** Kills a primary engine, lets `bringBack` do its part, and measures until the shard is online again. */
async function outage(
  load: VerifyingLoad,
  records: EngineRecords,
  shard: number,
  bringBack: (engine: (typeof stack.engines.primary)[number]) => Promise<void>,
): Promise<{ figures: OutageFigures; storedBlocks: number; addressAfter: string }> {
  const engine = stack.engines.primary[shard];
  if (engine === undefined) throw new DemoError(`there is no primary engine ${shard}`);
  const repaired = nextRepair();
  timeline.say('demo', `SIGKILL to the engine of p1/${shard}, ${engine.address}`);
  const killedAt = performance.now();
  const acked = load.firstAck({
    submittedAfter: killedAt,
    shard: { index: shard, shards: 4 },
    timeoutMs: STEP_TIMEOUT_MS,
  });
  const [offline] = await Promise.all([
    records.reached(shard, 'offline', STEP_TIMEOUT_MS),
    killEngine(engine),
  ]);
  const { ackedAt } = await acked;
  timeline.say(
    'host',
    `first write to the shard acknowledged ${(ackedAt - killedAt).toFixed(1)} ms after the kill`,
  );
  await bringBack(engine);
  const online = await records.reached(shard, 'online', STEP_TIMEOUT_MS);
  const repair = await repaired;
  const figures = {
    killToOfflineMs: rounded(offline.at - killedAt),
    killToFirstAckMs: rounded(ackedAt - killedAt),
    killToOnlineMs: rounded(online.at - killedAt),
    dirtyBlocks: repair.dirtyBlocks ?? -1,
    copiedBlocks: repair.copiedBlocks ?? -2,
    repairMs: repair.repairMs ?? -1,
  };
  return { figures, storedBlocks: repair.storedBlocks ?? -1, addressAfter: online.address };
}

type Repair = {
  dirtyBlocks?: number | undefined;
  copiedBlocks?: number | undefined;
  storedBlocks?: number | undefined;
  repairMs?: number | undefined;
};

function nextRepair(): Promise<Repair> {
  return new Promise((resolve) => {
    const watch = bus.watchEvents({
      types: ['repair.completed'],
      handler: async ({ payload }) => {
        resolve(payload);
        await watch.stop();
      },
    });
  });
}

async function compareBlocks(
  image: string,
  readBack: string,
  load: VerifyingLoad,
): Promise<{ blocksCompared: number; blocksLost: number }> {
  const imageBlocks = (IMAGE_MIB << 20) / BLOCK_BYTES;
  const loadEnd = LOAD_FIRST_BLOCK + LOAD_BLOCKS;
  const file = fileReader(readBack);
  const written = await load.verify(file.read);
  file.close();
  const wrong = [
    ...differingBlocks(readBack, image, { from: 0, to: imageBlocks }, BLOCK_BYTES),
    ...differingBlocks(readBack, null, { from: imageBlocks, to: LOAD_FIRST_BLOCK }, BLOCK_BYTES),
    ...differingBlocks(readBack, null, { from: loadEnd, to: VDISK_BLOCKS }, BLOCK_BYTES),
  ];
  return {
    blocksCompared: VDISK_BLOCKS - LOAD_BLOCKS + written.blocksCompared,
    blocksLost: wrong.length + written.blocksLost,
  };
}

/** Waits until the load has so many more writes acknowledged. */
async function written(load: VerifyingLoad, more: number): Promise<void> {
  const goal = load.stats.writesAcknowledged + more;
  const giveUpAt = performance.now() + STEP_TIMEOUT_MS;
  while (load.stats.writesAcknowledged < goal) {
    if (performance.now() > giveUpAt)
      throw new DemoError(`the load did not get ${more} writes acknowledged in ${STEP_TIMEOUT_MS} ms`);
    await passed(10);
  }
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
