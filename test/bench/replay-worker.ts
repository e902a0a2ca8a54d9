/** One replay in a process of its own, whose memory is measured; used by `bench -- replay`. */
import { openStore } from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import {
  blocksOfShards,
  everyBlock,
  type LogSource,
  openDirectoryStore,
  ReadMemory,
  type RecordIndex,
  ReplayWindow,
  type RestoreTarget,
  replay,
  type SegmentIndex,
  SlabPool,
  Tier2Source,
  type Tier2Store,
  VdiskChunks,
} from '../../packages/tlog/dist/index.js';
import { mountVdisk } from '../../packages/vdisk/dist/index.js';

export interface WorkerTask {
  readonly etcd: string;
  readonly root: string;
  readonly vdisk: string;
  readonly container: number;
  readonly upTo: number;
  readonly blocks: number;
  readonly how: 'newest-first' | 'forward';
  /** Shards whose blocks are wanted; null: all. */
  readonly lost: readonly number[] | null;
  readonly shards: number;
}

export interface WorkerReport {
  /** Until everything was written. */
  readonly restoreMs: number;
  /** What reading it all back and comparing it took after that; 0 of a forward replay. */
  readonly verifyMs: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Of this process, until everything was written. */
  readonly cpuMs: number;
  readonly peakMb: number;
}

/** Counts what is read of the files. */
function counted(store: Tier2Store, read: (bytes: number) => void): Tier2Store {
  const sum = (parts: readonly Buffer[]): Buffer[] => {
    for (const { length } of parts) read(length);
    return [...parts];
  };
  return {
    name: store.name,
    put: (path, parts) => store.put(path, parts),
    read: async (path, offset, length) => sum([await store.read(path, offset, length)])[0] ?? Buffer.alloc(0),
    readRanges: async (...asked) => sum(await store.readRanges(...asked)),
    list: (prefix) => store.list(prefix),
    stat: (path) => store.stat(path),
    delete: (path) => store.delete(path),
    tidy: (prefix) => store.tidy(prefix),
    close: () => store.close(),
  };
}

async function run(task: WorkerTask): Promise<WorkerReport> {
  const { etcd, root, vdisk, container, upTo, blocks, how, lost, shards } = task;
  let bytesRead = 0;
  const files = counted(await openDirectoryStore({ root }), (bytes) => {
    bytesRead += bytes;
  });
  const source = await Tier2Source.open(new VdiskChunks(files, container, vdisk));
  const store = openStore({ endpoints: [etcd] });
  const mounted = await mountVdisk({
    ...{ store, vdisk, log: silentLogger },
    owner: { server: `replay-${process.pid}`, instance: String(Date.now()) },
    settings: {
      ...{ leaseTtlSeconds: 30, connectTimeoutMs: 5_000, commandTimeoutMs: 30_000 },
      ...{ proposeAfterMs: 30_000, holdMaxMs: 30_000 },
    },
    events: {
      engineFailed: ({ address, reason }) => process.stderr.write(`engine ${address} failed: ${reason}\n`),
      repairCompleted: () => {},
      dataUnavailable: () => {},
      dataAvailable: () => {},
      blocksCorrupt: () => {},
      ownershipLost: (_, reason) => process.stderr.write(`lost: ${reason}\n`),
      takeoverAsked: () => {},
    },
  });
  try {
    const target = mounted.wholeBlocks();
    const cpuBefore = process.cpuUsage();
    const startedAt = performance.now();
    let restoredAt = startedAt;
    let readInRestore = 0;
    let cpuInRestore = process.cpuUsage(cpuBefore);
    let bytesWritten: number;
    const restored = (): void => {
      restoredAt = performance.now();
      readInRestore = bytesRead;
      cpuInRestore = process.cpuUsage(cpuBefore);
    };
    if (how === 'forward') {
      bytesWritten = await replayForward(source, target, upTo);
      restored();
    } else {
      const wanted =
        lost === null ? everyBlock(blocks) : blocksOfShards(target.blocks, shards, new Set(lost));
      const result = await replay(
        {
          ...{ vdisk, source, target, wanted, upTo, signal: AbortSignal.timeout(600_000) },
          checkpoint: async ({ phase }) => {
            if (phase === 'verify' && readInRestore === 0) restored();
          },
        },
        new ReplayWindow(),
      );
      bytesWritten = result.bytesWritten;
    }
    return {
      restoreMs: restoredAt - startedAt,
      verifyMs: performance.now() - restoredAt,
      bytesRead: readInRestore,
      bytesWritten,
      cpuMs: (cpuInRestore.user + cpuInRestore.system) / 1e3,
      peakMb: (process.resourceUsage().maxRSS * 1024) / 1e6,
    };
  } finally {
    await mounted.unmount();
    store.close();
    await source.close();
    await files.close();
  }
}

/** Steps of the forward replay that are under way at once. */
const FORWARD_STEPS = 6;

interface ForwardStep {
  readonly parts: { readonly segment: SegmentIndex; readonly records: readonly RecordIndex[] }[];
  records: number;
}

/**
 * Every record in its order. Several steps are read and written at once, in memory that is used again; each hands its blocks to
 * the pairs behind those of the step before, and the pairs keep that order.
 */
async function replayForward(source: LogSource, target: RestoreTarget, upTo: number): Promise<number> {
  const slabs = new SlabPool();
  const underWay = new Set<Promise<void>>();
  let bytesWritten = 0;
  let failure: unknown = null;
  let turn: Promise<void> = Promise.resolve();
  let step: ForwardStep = { parts: [], records: 0 };
  const carryOut = async (
    { parts }: ForwardStep,
    before: Promise<void>,
    handedOver: () => void,
  ): Promise<void> => {
    const memory = new ReadMemory(slabs);
    const read = await Promise.all(
      parts.map(({ segment, records }) => source.read(segment, records, memory)),
    );
    // Of a block that is there twice only what is newer.
    const changes = new Map<number, Buffer | null>();
    for (const [i, { records }] of parts.entries())
      for (const [at, { block, length }] of records.entries())
        changes.set(block, length === 0 ? null : (read[i]?.[at] ?? null));
    await before;
    const written = target.write([...changes].map(([block, data]) => ({ block, data })));
    handedOver();
    await written;
    for (const data of changes.values()) if (data !== null) bytesWritten += target.blockSize;
    memory.release();
  };
  const begin = async (): Promise<void> => {
    const begun = step;
    step = { parts: [], records: 0 };
    while (underWay.size >= FORWARD_STEPS) await Promise.race(underWay);
    if (failure !== null) throw failure;
    const before = turn;
    turn = new Promise((handedOver) => {
      const done = carryOut(begun, before, handedOver)
        .catch((error: unknown) => {
          failure ??= error;
          handedOver();
        })
        .finally(() => underWay.delete(done));
      underWay.add(done);
    });
  };
  for await (const segment of source.oldestFirst()) {
    const records = segment.records.filter(({ sequence }) => sequence <= upTo);
    if (step.records + records.length > target.stepBlocks) await begin();
    step.parts.push({ segment, records });
    step.records += records.length;
  }
  await begin();
  await Promise.all(underWay);
  if (failure !== null) throw failure;
  return bytesWritten;
}

const report = await run(JSON.parse(process.argv[2] ?? '{}') as WorkerTask);
process.stdout.write(`${JSON.stringify(report)}\n`);
