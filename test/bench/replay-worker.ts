/** One replay in a process of its own, whose memory is measured; used by `bench -- replay`. */
import { openStore } from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import {
  blocksOfShards,
  everyBlock,
  type LogSource,
  openDirectoryStore,
  ReplayWindow,
  type RestoreTarget,
  replay,
  Tier2Source,
  type Tier2Store,
  VdiskChunks,
} from '../../packages/tlog/src/index.ts';
import { mountVdisk } from '../../packages/vdisk/src/index.ts';

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
    readRanges: async (path, ranges) => sum(await store.readRanges(path, ranges)),
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
    let bytesWritten: number;
    if (how === 'forward') {
      bytesWritten = await replayForward(source, target, upTo);
      restoredAt = performance.now();
      readInRestore = bytesRead;
    } else {
      const wanted =
        lost === null ? everyBlock(blocks) : blocksOfShards(target.blocks, shards, new Set(lost));
      const result = await replay(
        {
          ...{ vdisk, source, target, wanted, upTo, signal: AbortSignal.timeout(600_000) },
          checkpoint: async ({ phase }) => {
            if (phase !== 'verify' || readInRestore > 0) return;
            restoredAt = performance.now();
            readInRestore = bytesRead;
          },
        },
        new ReplayWindow(),
      );
      bytesWritten = result.bytesWritten;
    }
    const cpu = process.cpuUsage(cpuBefore);
    return {
      restoreMs: restoredAt - startedAt,
      verifyMs: performance.now() - restoredAt,
      bytesRead: readInRestore,
      bytesWritten,
      cpuMs: (cpu.user + cpu.system) / 1e3,
      peakMb: (process.resourceUsage().maxRSS * 1024) / 1e6,
    };
  } finally {
    await mounted.unmount();
    store.close();
    await source.close();
    await files.close();
  }
}

/** Every record in its order, several steps at once: the pairs keep the order of what they are given. */
async function replayForward(source: LogSource, target: RestoreTarget, upTo: number): Promise<number> {
  const underWay = new Set<Promise<void>>();
  let bytesWritten = 0;
  let failure: unknown = null;
  let step = new Map<number, Buffer | null>();
  const send = async (): Promise<void> => {
    const changes = [...step].map(([block, data]) => ({ block, data }));
    step = new Map();
    while (underWay.size >= 6) await Promise.race(underWay);
    if (failure !== null) throw failure;
    bytesWritten += changes.filter(({ data }) => data !== null).length * target.blockSize;
    const write = target
      .write(changes)
      .catch((error: unknown) => {
        failure ??= error;
      })
      .finally(() => underWay.delete(write));
    underWay.add(write);
  };
  for await (const segment of source.oldestFirst()) {
    const records = segment.records.filter(({ sequence }) => sequence <= upTo);
    const data = await source.read(segment, records);
    for (const [i, { block, length }] of records.entries()) {
      step.set(block, length === 0 ? null : (data[i] ?? null));
      if (step.size >= target.stepBlocks) await send();
    }
  }
  await send();
  await Promise.all(underWay);
  if (failure !== null) throw failure;
  return bytesWritten;
}

const report = await run(JSON.parse(process.argv[2] ?? '{}') as WorkerTask);
process.stdout.write(`${JSON.stringify(report)}\n`);
