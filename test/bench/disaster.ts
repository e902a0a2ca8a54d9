/**
 * Both members of a pair are destroyed under vdisks with file systems while another one is written to, JetStream has nothing of
 * some logs any more, and what replays is killed again and again: how long until everything is back, and whether it is.
 */
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { NbdClient, nbdcopy, tempDir, testSeed, until, VerifyingLoad } from '@salvor/testkit';
import { compareFiles, copyTree, isClean, makeExt4 } from '../demo/file-tree.ts';
import { DisasterStack } from '../e2e/disaster-stack.ts';

export const disasterOptions = {
  vdisks: { type: 'string' },
  kills: { type: 'string' },
  mib: { type: 'string' },
} as const;

export interface DisasterBench {
  readonly vdisks: number;
  /** Kills of the processes that replay. */
  readonly kills: number;
  /** Size of each file system. */
  readonly mib: number;
  readonly progress: (line: string) => void;
}

export interface DisasterResult {
  readonly vdisks: number;
  /** Those that hit a process in the middle of the replay. */
  readonly kills: number;
  readonly filesCompared: number;
  readonly filesDifferent: number;
  readonly fileSystemsClean: number;
  readonly blocksRestored: number;
  readonly blocksVerified: number;
  readonly bytesInLog: number;
  /** From the order to the end, kills included. */
  readonly replaySeconds: number;
  /** From the destruction to a healthy cluster. */
  readonly outageSeconds: number;
  readonly clustersHealthy: boolean;
  /** Vdisks of whose log only Tier-2 was left. */
  readonly fromTier2Alone: number;
  /** Of the vdisk that was written to meanwhile: acknowledged and flushed writes, and blocks that lack one. */
  readonly writesAcknowledged: number;
  readonly blocksLost: number;
  /** What went wrong, as sentences. */
  readonly broken: readonly string[];
}

const REPLAYERS = 2;
const TREE_FILES = 4_000;
const LOST = 1;
const TOOL_TIMEOUT_MS = 300_000;
/** Share of an image that is files. */
const FILLED = 0.6;
const SHARDS = 3;
/** A kill lets about so much time pass, which is to be less than the replay takes. */
const SECONDS_BETWEEN_KILLS = 5;
/** One in so many vdisks keeps nothing of its log in JetStream. */
const WIPED_EVERY = 2;
const LOADED = 'load';
const LOAD_BLOCKS = 1_024;
const LOAD_WRITES = 300;

export async function benchDisaster({
  vdisks,
  kills,
  mib,
  progress,
}: DisasterBench): Promise<DisasterResult> {
  const dir = tempDir('disaster');
  // What is lost is brought back and read again: so slowly that every kill hits the replay.
  const lostMib = (vdisks * mib * FILLED) / SHARDS;
  const bandwidthMib = Math.max(1, Math.floor((2 * lostMib) / (kills * SECONDS_BETWEEN_KILLS)));
  await using stack = await DisasterStack.start({ replayers: REPLAYERS, bandwidthMib });
  try {
    const source = resolve(import.meta.dirname, '../../node_modules/.pnpm');
    const tree = join(dir.path, 'tree');
    const hashes = copyTree(source, tree, { files: TREE_FILES, bytes: mib * FILLED * 2 ** 20 });
    const image = join(dir.path, 'image');
    await makeExt4(tree, image, mib);
    const names = Array.from({ length: vdisks }, (_, at) => `v${at + 1}`);
    const uris = new Map<string, string>();
    for (const vdisk of names) {
      const uri = await stack.createLogged(vdisk);
      uris.set(vdisk, uri);
      const client = await NbdClient.connect(uri);
      await stack.untilLogged(vdisk);
      await nbdcopy(image, uri, { args: ['--flush'], timeoutMs: TOOL_TIMEOUT_MS });
      await client.flush();
      await client.disconnect();
      progress(`${vdisk}: a file system of ${mib} MiB with ${hashes.size} files is written and flushed`);
    }
    const wiped = names.filter((_, at) => at % WIPED_EVERY === WIPED_EVERY - 1);
    for (const vdisk of wiped) {
      await stack.untilReleased(vdisk);
      await stack.untilAllArchived(vdisk);
    }
    const load = await startLoad(stack);
    const destroyedAt = performance.now();
    await stack.destroyPair(LOST);
    await until(() => load.stats.ioErrors > 0, { what: 'errors of the lost pair', timeoutMs: 60_000 });
    await stack.judgePermanent(LOST);
    const plan = await stack.untilPlanned();
    await load.stop();
    // While somebody owns a vdisk he would see that JetStream lost what it had, and begin its log anew.
    for (const vdisk of wiped) await stack.wipeTier1(vdisk);
    progress(`pair ${LOST} is destroyed; the plan names ${plan.vdisks.length} vdisks`);
    const begunAt = performance.now();
    const operation = await stack.replay();
    const hits = await stack.killReplayers(operation, kills, progress);
    const { status, message } = await stack.untilEnded(operation, TOOL_TIMEOUT_MS);
    const endedAt = performance.now();
    if (status !== 'completed') throw new Error(`the replay ${status}: ${message}`);
    progress(message);
    const done = (await stack.recovery())?.vdisks ?? [];
    const { clusters } = await stack.healing.bus.request('cluster.list', {});
    let filesCompared = 0;
    let filesDifferent = 0;
    let fileSystemsClean = 0;
    for (const [vdisk, uri] of uris) {
      const back = join(dir.path, `${vdisk}.img`);
      await nbdcopy(uri, back, { timeoutMs: TOOL_TIMEOUT_MS });
      if (statSync(back).size === 0) throw new Error(`${vdisk} is empty`);
      if (await isClean(back)) fileSystemsClean++;
      const files = await compareFiles(back, join(dir.path, `${vdisk}-files`), hashes);
      filesCompared += files.filesCompared;
      filesDifferent += files.filesDifferent.length;
    }
    const { blocksLost } = await load.verifyOverNbd();
    const isHealthy = clusters.every((one) => one.status === 'healthy');
    const broken = [
      [hits < kills, `only ${hits} of ${kills} kills hit the replay`],
      [fileSystemsClean < vdisks, `${vdisks - fileSystemsClean} file systems have flaws`],
      [filesDifferent > 0 || filesCompared === 0, `${filesDifferent} of ${filesCompared} files differ`],
      [blocksLost > 0, `${blocksLost} blocks lack an acknowledged write`],
      [!isHealthy, 'not all clusters are healthy'],
    ].flatMap(([isBroken, what]) => (isBroken === true ? [String(what)] : []));
    const sum = (of: (one: (typeof done)[number]) => number | undefined): number =>
      done.reduce((all, one) => all + (of(one) ?? 0), 0);
    return {
      ...{ vdisks, kills: hits, filesCompared, filesDifferent, fileSystemsClean },
      blocksRestored: sum((one) => one.restoredBlocks),
      blocksVerified: sum((one) => one.verifiedBlocks),
      bytesInLog: sum((one) => one.logBytes),
      replaySeconds: Math.round((endedAt - begunAt) / 100) / 10,
      outageSeconds: Math.round((endedAt - destroyedAt) / 100) / 10,
      clustersHealthy: isHealthy,
      fromTier2Alone: wiped.length,
      ...{ writesAcknowledged: load.stats.writesAcknowledged, blocksLost, broken },
    };
  } finally {
    dir.remove();
  }
}

/** Writes to a vdisk of its own, each write through to the log. */
async function startLoad(stack: DisasterStack): Promise<VerifyingLoad> {
  const targets = await stack.createLogged(LOADED);
  const client = await NbdClient.connect(targets);
  await stack.untilLogged(LOADED);
  await client.disconnect();
  const load = new VerifyingLoad({
    ...{ targets, seed: testSeed(), firstBlock: 0, blockCount: LOAD_BLOCKS, queueDepth: 8, fuaShare: 1 },
  });
  await load.start();
  await until(() => load.stats.writesAcknowledged >= LOAD_WRITES, {
    ...{ what: `${LOAD_WRITES} writes`, timeoutMs: 120_000 },
  });
  return load;
}

export function disasterTable({ broken, ...result }: DisasterResult): string {
  const figures = Object.entries(result).map(([name, value]) => `${name.padEnd(18)} ${value}\n`);
  return [...figures, ...broken.map((what) => `BROKEN             ${what}\n`)].join('');
}
