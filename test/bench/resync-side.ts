/** One side of a comparison, in a process of its own; used by `bench -- resync`. */

import { connectBus } from '@salvor/bus';
import { type ConfigStore, openStore } from '@salvor/config-store';
import { silentLogger } from '@salvor/service-kit';
import {
  type LiveImage as Image,
  LiveImage,
  type MountedVdisk,
  mountVdisk,
} from '../../packages/vdisk/dist/index.js';
import { answerOf } from '../../services/replication-manager/dist/compare-answer.js';
import { compareBlocks } from '../../services/replication-manager/dist/compared-blocks.js';

export interface SideSettings {
  readonly etcd: string;
  readonly nats: string;
  readonly vdisk: string;
}

export type SideOrder =
  /** Every block, content by the block's number and this seed. */
  | { readonly do: 'fill'; readonly seed: number }
  /** These blocks, with another seed. */
  | { readonly do: 'change'; readonly blocks: readonly number[]; readonly seed: number }
  | { readonly do: 'read' }
  /** Answers hashes and blocks until it ends. */
  | { readonly do: 'serve' }
  | { readonly do: 'compare' };

export interface SideReport {
  readonly ms: number;
  readonly sentBlocks: number;
  readonly sentBytes: number;
  readonly hashBytes: number;
  readonly peakMb: number;
}

const settings: SideSettings = JSON.parse(process.argv[2] ?? '{}');
const { vdisk } = settings;
const access = { timeoutMs: 30_000, login: undefined };
const STEP_BLOCKS = 2_048;

const store: ConfigStore = openStore({ endpoints: [settings.etcd] });
const bus = await connectBus({ servers: [settings.nats], name: 'bench', log: silentLogger });
let image: Image | null = null;

process.on('message', (order: SideOrder) => {
  carryOut(order).then(
    (report) => process.send?.(report),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      process.exit(1);
    },
  );
});
process.send?.('ready');

async function carryOut(order: SideOrder): Promise<SideReport> {
  const sent = { sentBlocks: 0, sentBytes: 0, hashBytes: 0 };
  const startedAt = performance.now();
  const report = (counts = sent): SideReport => ({
    ...{ ms: performance.now() - startedAt, ...counts },
    peakMb: (process.resourceUsage().maxRSS * 1024) / 1e6,
  });
  switch (order.do) {
    case 'serve':
      image = await LiveImage.open(store, vdisk, access);
      await bus.serve({
        ...{ name: 'replication-manager', version: '0.1.0', description: 'the other side' },
        handlers: {
          'volume.compare': async (request) => {
            if (image === null) throw new Error('not open');
            return answerOf(image, request);
          },
        },
      });
      return report();
    case 'read': {
      if (image !== null) {
        await readAll(image.map.blocks, image);
        return report();
      }
      return mounted(async (mount) => {
        const target = mount.wholeBlocks();
        const from = performance.now();
        await readAll(target.blocks, target);
        return { ...report(), ms: performance.now() - from };
      });
    }
    case 'fill':
      return mounted(async (mount) => {
        const target = mount.wholeBlocks();
        for (let first = 0; first < target.blocks; first += STEP_BLOCKS)
          await target.write(
            range(first, Math.min(STEP_BLOCKS, target.blocks - first)).map(contentBy(order.seed)),
          );
        return report();
      });
    case 'change':
      return mounted(async (mount) => {
        await mount.wholeBlocks().write(order.blocks.map(contentBy(order.seed)));
        return report();
      });
    case 'compare':
      return mounted(async (mount) => {
        const from = performance.now();
        const signal = AbortSignal.timeout(600_000);
        const counts = await compareBlocks({
          ...{ target: mount.wholeBlocks(), from: 0, signal },
          ask: (question) =>
            bus.request('volume.compare', { volume: 'vol1', ...question }, { timeoutMs: 60_000 }),
          pace: async () => undefined,
          report: async () => undefined,
        });
        return { ...report(counts), ms: performance.now() - from };
      });
  }
}

/** As one after the other, a few steps at once. */
async function readAll(
  blocks: number,
  from: { read(blocks: readonly number[]): Promise<(Buffer | null)[]> },
): Promise<void> {
  const ahead: Promise<unknown>[] = [];
  for (let first = 0; first < blocks; first += STEP_BLOCKS) {
    ahead.push(from.read(range(first, Math.min(STEP_BLOCKS, blocks - first))));
    if (ahead.length > 3) await ahead.shift();
  }
  await Promise.all(ahead);
}

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

/** Content that no other block has, and that does not shrink much. */
function contentBy(seed: number): (block: number) => { block: number; data: Buffer } {
  return (block) => {
    const words = new Uint32Array(1024);
    let state = (block * 2_654_435_761 + seed * 40_503 + 1) >>> 0;
    for (let i = 0; i < words.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[i] = state >>> 0;
    }
    return { block, data: Buffer.from(words.buffer) };
  };
}

async function mounted(use: (mount: MountedVdisk) => Promise<SideReport>): Promise<SideReport> {
  const mount = await mountVdisk({
    ...{ store, vdisk, log: silentLogger },
    owner: { server: `bench-${process.pid}`, instance: String(Date.now()) },
    settings: {
      ...{ leaseTtlSeconds: 30, connectTimeoutMs: 10_000, commandTimeoutMs: 30_000 },
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
    return await use(mount);
  } finally {
    await mount.unmount();
  }
}
