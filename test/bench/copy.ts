import { loadavg } from 'node:os';
import { until } from '@salvor/testkit';
import { BlockExchange } from '../../packages/vdisk/src/copy/block-exchange.ts';
import { copier } from '../../packages/vdisk/src/copy/copier.ts';
import { RelayFrame } from '../../packages/vdisk/src/copy/relay-frame.ts';
import { Frame } from '../../packages/vdisk/src/resp.ts';
import { RespLink } from '../../packages/vdisk/src/resp-link.ts';
import { DataPlane, type Mounted } from '../../packages/vdisk/test/data-plane.ts';

const SHARDS = 4;
/** Blocks of 4 KiB on the shard that is rebuilt: 256 MiB, every one of them stored. */
const SHARD_BLOCKS = 65_536;
const BLOCK_BYTES = 4096;
const RUN = 256;
const RUNS_IN_FLIGHT = 4;
/** Requests of the client that are in flight, half of them writes. */
const CLIENT_DEPTH = 4;
/** Of the client before a repair, during it, and after it. */
const CLIENT_SECONDS = 3;
/** The first blocks of a repair do not give way to clients: they are over before anybody would notice. */
const HASTY_BLOCKS = 1_024;

interface Latency {
  readonly iops: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

interface Round {
  readonly rawRelayMbPerS: number;
  readonly rebuildMbPerS: number;
  readonly rawReadMbPerS: number;
  readonly compareMbPerS: number;
  readonly clientAlone: Latency;
  readonly clientDuringRepair: Latency;
  /** What the repair reached while the client went on. */
  readonly repairUnderLoadMbPerS: number;
}

export interface CopyBench {
  readonly rounds: number;
  readonly loadAverage: number;
  /** Medians over the rounds; every ratio is taken within one round. */
  readonly rawRelayMbPerS: number;
  readonly rebuildMbPerS: number;
  readonly rebuildToRawRelay: number;
  readonly rawReadMbPerS: number;
  readonly compareMbPerS: number;
  readonly compareToRawRead: number;
  readonly clientAlone: Latency;
  readonly clientDuringRepair: Latency;
  readonly p99DuringRepairToAlone: number;
  readonly repairUnderLoadMbPerS: number;
}

/**
 * Copies and comparisons beside what the same two engines allow in the same run: a bare relay of HMGET to HSET without
 * fence, pair or worker, and bare reads of both. The client goes over all shards while one of them is rebuilt.
 */
export async function benchCopy(options: {
  rounds: number;
  progress: (line: string) => void;
}): Promise<CopyBench> {
  // Each round uses up two spares.
  await using plane = await DataPlane.start({ shards: SHARDS, spares: 2 * options.rounds });
  await plane.addVdisk('v1');
  const [primary, slave] = [plane.primaries[0], plane.slaves[0]];
  if (primary === undefined || slave === undefined) throw new Error('unreachable');
  for (const { address } of [primary, slave]) await fill(address);
  const mounted = await plane.mount('v1');
  let current = primary.address;
  const rounds: Round[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    const compare = await measureCompare(mounted, current, slave.address);
    const rebuilt = await rebuild(plane, mounted, current);
    const rawRelayMbPerS = await rawRelay(slave.address, rebuilt.address);
    const before = await client(mounted);
    const repairing = rebuild(plane, mounted, rebuilt.address);
    const during = await duringRepair(mounted);
    // Without the client it ends soon.
    current = (await repairing).address;
    const after = await client(mounted);
    const result: Round = {
      ...compare,
      rawRelayMbPerS,
      rebuildMbPerS: rebuilt.mbPerS,
      clientAlone: latency([before, after]),
      clientDuringRepair: latency([during.requests]),
      repairUnderLoadMbPerS: during.mbPerS,
    };
    rounds.push(result);
    options.progress(`round ${round}: ${JSON.stringify(result)}`);
  }
  return summarise(rounds);
}

/** Stores every block of shard 0, as 0-Disk would have. */
async function fill(address: string): Promise<void> {
  const link = await connect(address);
  for (let from = 0; from < SHARD_BLOCKS; from += RUN) {
    const frame = new Frame()
      .begin(2 + 2 * RUN)
      .arg('HSET')
      .arg('nondedup:v1');
    for (let i = from; i < from + RUN; i++) frame.arg(i * SHARDS).arg(content(i));
    await link.request(frame);
  }
  link.close();
}

function content(i: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES, i & 0xff);
  block.writeUInt32LE((i * 2_654_435_761) >>> 0, 0);
  return block;
}

/** Loses the primary of shard 0 for good and has a spare filled in its place. */
async function rebuild(
  plane: DataPlane,
  mounted: Mounted,
  address: string,
): Promise<{ address: string; mbPerS: number }> {
  const before = mounted.repairs.length;
  await plane.reportFailure(address);
  const verdict = await plane.judge(address, 'permanent');
  await until(() => mounted.repairs.length > before, { what: 'the spare is filled', timeoutMs: 300_000 });
  const outcome = mounted.repairs.at(-1);
  if (outcome === undefined) throw new Error('unreachable');
  const completed = await plane.complete(verdict, ['v1']);
  if (completed.outcome !== 'applied')
    throw new Error(`the spare did not take its place: ${completed.reason}`);
  await until(() => mounted.vdisk.device.shardStates()[0]?.mode === 'mirrored', {
    what: 'the shard is mirrored again',
    timeoutMs: 30_000,
  });
  return { address: outcome.address, mbPerS: mbPerS(outcome.storedBlocks, outcome.repairMs) };
}

async function rawRelay(source: string, target: string): Promise<number> {
  const [from, to] = [await connect(source), await connect(target)];
  const frames: RelayFrame[] = [];
  const ms = await inRuns(async (blocks) => {
    const frame = frames.pop() ?? new RelayFrame('nondedup:v1', RUN, BLOCK_BYTES);
    await read(from, frame, frame.begin(blocks));
    const store = new Frame();
    frame.addStore(store, null);
    // Another key of the same length, so that the engine stores everything anew.
    await to.request(renamed(store));
    frames.push(frame);
  });
  await to.request(new Frame().command('DEL', 'xxxxxxxx:v1'));
  from.close();
  to.close();
  return mbPerS(SHARD_BLOCKS, ms);
}

function renamed(store: Frame): Frame {
  const [head] = store.end();
  head?.write('xxxxxxxx', head.indexOf('nondedup'), 'latin1');
  return store;
}

async function measureCompare(
  mounted: Mounted,
  source: string,
  target: string,
): Promise<Pick<Round, 'rawReadMbPerS' | 'compareMbPerS'>> {
  const [a, b] = [await connect(source), await connect(target)];
  const readMs = await inRuns(async (blocks) => {
    await Promise.all(
      [a, b].map((link) => {
        const sink = new Discarded();
        return read(link, sink, new RelayFrame('nondedup:v1', 0, 0).begin(blocks));
      }),
    );
  });
  a.close();
  b.close();
  const job = copier.open({
    layout: { kind: 'nondeduped', vdisk: 'v1', blockSizeBytes: BLOCK_BYTES, shards: SHARDS },
    epoch: mounted.vdisk.epoch,
    guard: null,
    source: { address: source, db: 0 },
    target: { address: target, db: 0 },
    connectTimeoutMs: 2_000,
    commandTimeoutMs: 10_000,
  });
  await job.compare([0]);
  const compareMs = await inRuns(async (blocks) => {
    const { differing } = await job.compare(blocks);
    if (differing.length > 0) throw new Error(`${differing.length} blocks differ`);
  });
  job.close();
  return { rawReadMbPerS: mbPerS(SHARD_BLOCKS, readMs), compareMbPerS: mbPerS(SHARD_BLOCKS, compareMs) };
}

/** Has all blocks of the shard gone through in runs, several at once; resolves with the time it took, in milliseconds. */
async function inRuns(work: (blocks: readonly number[]) => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < SHARD_BLOCKS) {
      const from = next;
      next += RUN;
      await work(Array.from({ length: RUN }, (_, i) => (from + i) * SHARDS));
    }
  };
  await Promise.all(Array.from({ length: RUNS_IN_FLIGHT }, worker));
  return performance.now() - startedAt;
}

/** What the client met while a repair was under way that gave way to it, and how fast the repair was then. */
async function duringRepair(mounted: Mounted): Promise<{ requests: Requests; mbPerS: number }> {
  const done = (): number => mounted.vdisk.repairsUnderWay()[0]?.done ?? 0;
  let isOver = false;
  const warm = client(mounted, () => isOver);
  await until(() => done() > HASTY_BLOCKS, {
    what: 'the repair gives way',
    timeoutMs: 60_000,
    intervalMs: 1,
  });
  isOver = true;
  await warm;
  const beganAt = performance.now();
  const doneBefore = done();
  const requests = await client(mounted);
  const doneAfter = done();
  const ms = performance.now() - beganAt;
  if (doneAfter <= doneBefore) throw new Error('the repair was over before the client');
  return { requests, mbPerS: mbPerS(doneAfter - doneBefore, ms) };
}

interface Requests {
  readonly latenciesUs: readonly number[];
  readonly seconds: number;
}

/** Random reads and writes of single blocks, for some seconds or until `isOver` says so. */
async function client(mounted: Mounted, isOver: () => boolean = () => false): Promise<Requests> {
  const latenciesUs: number[] = [];
  const data = Buffer.alloc(BLOCK_BYTES, 0x5a);
  const startedAt = performance.now();
  const isDone = (): boolean => performance.now() - startedAt >= CLIENT_SECONDS * 1_000 || isOver();
  const loop = async (): Promise<void> => {
    while (!isDone()) {
      const at = Math.floor(Math.random() * SHARD_BLOCKS * SHARDS) * BLOCK_BYTES;
      const began = performance.now();
      if (Math.random() < 0.5) await mounted.vdisk.device.read(at, BLOCK_BYTES);
      else await mounted.vdisk.device.write(at, data);
      latenciesUs.push((performance.now() - began) * 1_000);
    }
  };
  await Promise.all(Array.from({ length: CLIENT_DEPTH }, loop));
  return { latenciesUs, seconds: (performance.now() - startedAt) / 1_000 };
}

function latency(all: readonly Requests[]): Latency {
  const sorted = all.flatMap(({ latenciesUs }) => latenciesUs).sort((x, y) => x - y);
  const seconds = all.reduce((sum, one) => sum + one.seconds, 0);
  const at = (share: number): number => Math.round(sorted[Math.floor(sorted.length * share)] ?? 0);
  return { iops: Math.round(sorted.length / seconds), p50Us: at(0.5), p99Us: at(0.99) };
}

class Discarded {
  readonly isWhole = true;
  readonly #into = Buffer.allocUnsafeSlow(BLOCK_BYTES);

  add(): { readonly into: Buffer; readonly at: number } {
    return { into: this.#into, at: 0 };
  }

  addHole(): void {}
}

function read(link: RespLink, taker: RelayFrame | Discarded, frame: Frame): Promise<unknown> {
  return new Promise((resolve, reject) => {
    // The exchange expects one more reply behind the blocks.
    link.exchange(frame.command('PING'), new BlockExchange(taker, link.address, resolve, reject));
  });
}

function connect(address: string): Promise<RespLink> {
  return RespLink.connect({
    address,
    db: 0,
    connectTimeoutMs: 2_000,
    commandTimeoutMs: 10_000,
    clientName: 'bench',
  });
}

function mbPerS(blocks: number, ms: number): number {
  return (blocks * BLOCK_BYTES) / 1e3 / ms;
}

function summarise(rounds: readonly Round[]): CopyBench {
  const of = (pick: (round: Round) => number): number => median(rounds.map(pick));
  const latencyOf = (pick: (round: Round) => Latency): Latency => ({
    iops: of((round) => pick(round).iops),
    p50Us: of((round) => pick(round).p50Us),
    p99Us: of((round) => pick(round).p99Us),
  });
  return {
    rounds: rounds.length,
    loadAverage: loadavg()[0] ?? 0,
    rawRelayMbPerS: of((round) => round.rawRelayMbPerS),
    rebuildMbPerS: of((round) => round.rebuildMbPerS),
    rebuildToRawRelay: of((round) => round.rebuildMbPerS / round.rawRelayMbPerS),
    rawReadMbPerS: of((round) => round.rawReadMbPerS),
    compareMbPerS: of((round) => round.compareMbPerS),
    compareToRawRead: of((round) => round.compareMbPerS / round.rawReadMbPerS),
    clientAlone: latencyOf((round) => round.clientAlone),
    clientDuringRepair: latencyOf((round) => round.clientDuringRepair),
    p99DuringRepairToAlone: of((round) => round.clientDuringRepair.p99Us / round.clientAlone.p99Us),
    repairUnderLoadMbPerS: of((round) => round.repairUnderLoadMbPerS),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round((sorted[Math.floor(sorted.length / 2)] ?? Number.NaN) * 100) / 100;
}

export function copyTable(result: CopyBench): string {
  const { clientAlone: alone, clientDuringRepair: during } = result;
  return `${[
    `load average ${result.loadAverage.toFixed(1)}; medians of ${result.rounds} rounds; ratios within one round`,
    `rebuild   ${result.rebuildMbPerS} MB/s, raw relay ${result.rawRelayMbPerS} MB/s: ${result.rebuildToRawRelay}`,
    `compare   ${result.compareMbPerS} MB/s a side, raw read ${result.rawReadMbPerS} MB/s: ${result.compareToRawRead}`,
    `client    alone p50 ${alone.p50Us} p99 ${alone.p99Us} us, ${alone.iops} IOPS`,
    `          during a rebuild (${result.repairUnderLoadMbPerS} MB/s) p50 ${during.p50Us} p99 ${during.p99Us} us, ${during.iops} IOPS: p99 x${result.p99DuringRepairToAlone}`,
  ].join('\n')}\n`;
}
