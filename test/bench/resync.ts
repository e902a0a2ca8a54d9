/** Two copies of a volume of which a few blocks differ: what comparing them by hashes sends, and how fast it is beside bare reads. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { startStack, tempDir } from '@salvor/testkit';
import type { SideOrder, SideReport, SideSettings } from './resync-side.ts';

export const resyncOptions = { changed: { type: 'string' } } as const;

export interface ResyncRound {
  readonly changedPercent: number;
  readonly changedBlocks: number;
  readonly sentBlocks: number;
  /** Bytes of blocks that came over : bytes of blocks that were changed. */
  readonly sentToChanged: number;
  readonly hashBytes: number;
  /** With hashes. */
  readonly allToChanged: number;
  readonly compareSeconds: number;
  /** Both sides read by themselves, at the same time, in this round. */
  readonly rawReadSeconds: number;
  /** Of the rate at which both sides can be read. */
  readonly rateToRawRead: number;
  /** What a second comparison finds. */
  readonly left: number;
}

export interface ResyncBench {
  readonly sizeMib: number;
  readonly loadAverage: number;
  readonly rounds: readonly ResyncRound[];
  /** Resident memory of the side that is made equal, at its highest, 10^6 bytes. */
  readonly peakMb: number;
  readonly broken: readonly string[];
}

const BLOCK_BYTES = 4096;
const SENT_TO_CHANGED_MAX = 1.1;
const RATE_TO_RAW_MIN = 0.6;

export async function benchResync({
  gib,
  changed,
  progress,
}: {
  readonly gib: number;
  /** Shares of the blocks that differ, in percent, one for each round. */
  readonly changed: readonly number[];
  readonly progress: (line: string) => void;
}): Promise<ResyncBench> {
  const dir = tempDir('bench-resync');
  const services = { 'tlog-replayer': { replicas: 0 }, 'health-analyzer': { replicas: 0 } };
  const stack = await startStack({
    ...{ dir: dir.path, primaries: 2, slaves: 0, spares: 0, appendonly: false, nbdServers: 0, services },
  });
  const sides: Side[] = [];
  try {
    const bus = await stack.connectBus('bench');
    for (const vdisk of ['north', 'south'])
      await bus.request('vdisk.create', { vdisk, type: 'db', sizeGiB: gib, cluster: 'p1' });
    await bus.close({ deadlineMs: 1_000 });
    const [etcd = ''] = stack.etcdEndpoints;
    for (const vdisk of ['north', 'south'])
      sides.push(await Side.start({ etcd, nats: stack.natsUrl, vdisk }));
    const [north, south] = sides;
    if (north === undefined || south === undefined) throw new Error('expected two sides');
    progress(`fills two vdisks of ${gib} GiB`);
    await Promise.all(sides.map((side) => side.order({ do: 'fill', seed: 1 })));
    const blocks = (gib * 2 ** 30) / BLOCK_BYTES;
    const rounds: ResyncRound[] = [];
    let peakMb = 0;
    for (const [i, changedPercent] of changed.entries()) {
      const differing = scattered(blocks, Math.round((blocks * changedPercent) / 100), i);
      await north.order({ do: 'change', blocks: differing, seed: 2 + i });
      if (i === 0) await north.order({ do: 'serve' });
      const raw = await Promise.all(sides.map((side) => side.order({ do: 'read' })));
      const rawReadSeconds = Math.max(...raw.map(({ ms }) => ms)) / 1e3;
      const compared = await south.order({ do: 'compare' });
      const again = await south.order({ do: 'compare' });
      const changedBytes = differing.length * BLOCK_BYTES;
      const round: ResyncRound = {
        ...{ changedPercent, changedBlocks: differing.length, sentBlocks: compared.sentBlocks },
        sentToChanged: compared.sentBytes / changedBytes,
        hashBytes: compared.hashBytes,
        allToChanged: (compared.sentBytes + compared.hashBytes) / changedBytes,
        ...{ compareSeconds: compared.ms / 1e3, rawReadSeconds },
        rateToRawRead: (rawReadSeconds * 1e3) / compared.ms,
        left: again.sentBlocks,
      };
      peakMb = Math.max(peakMb, again.peakMb);
      rounds.push(round);
      progress(roundText(round));
    }
    const broken = rounds.flatMap(faultsOf);
    return { sizeMib: gib * 1024, loadAverage: loadavg()[0] ?? 0, rounds, peakMb, broken };
  } finally {
    for (const side of sides) side.end();
    await stack.destroy();
    dir.remove();
  }
}

function faultsOf({ changedPercent, sentToChanged, rateToRawRead, left }: ResyncRound): string[] {
  const broken: string[] = [];
  if (sentToChanged > SENT_TO_CHANGED_MAX)
    broken.push(`${changedPercent} %: ${sentToChanged.toFixed(2)} bytes sent for each that was changed`);
  if (left !== 0) broken.push(`${changedPercent} %: ${left} blocks differed afterwards`);
  if (rateToRawRead < RATE_TO_RAW_MIN)
    broken.push(`${changedPercent} %: ${rateToRawRead.toFixed(2)} of the rate of bare reads`);
  return broken;
}

/** So many blocks, each once, all over the vdisk. */
function scattered(blocks: number, count: number, round: number): number[] {
  const chosen = new Set<number>();
  for (let state = 12_345 + round; chosen.size < count; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    chosen.add(Math.floor((state / 2 ** 32) * blocks));
  }
  return [...chosen];
}

function roundText(round: ResyncRound): string {
  const { changedPercent, changedBlocks, sentToChanged, hashBytes, allToChanged } = round;
  const { compareSeconds, rawReadSeconds, rateToRawRead } = round;
  return `${changedPercent} % (${changedBlocks} blocks): ${sentToChanged.toFixed(3)} bytes of blocks for each changed, ${(hashBytes / 1024).toFixed(0)} KiB of hashes, ${allToChanged.toFixed(2)} in all; ${compareSeconds.toFixed(1)} s, bare reads ${rawReadSeconds.toFixed(1)} s: ${rateToRawRead.toFixed(2)} of their rate`;
}

export function resyncTable({ sizeMib, rounds, peakMb, broken }: ResyncBench): string {
  const lines = rounds.map((round) => `  ${roundText(round)}`);
  const failed = broken.map((line) => `  not as it should be: ${line}`);
  return `${[`resync of ${sizeMib} MiB, ${peakMb.toFixed(0)} MB at most`, ...lines, ...failed].join('\n')}\n`;
}

class Side {
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#process = child;
  }

  static async start(settings: SideSettings): Promise<Side> {
    const child = fork(join(import.meta.dirname, 'resync-side.ts'), [JSON.stringify(settings)], {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const side = new Side(child);
    await side.#message();
    return side;
  }

  async order(order: SideOrder): Promise<SideReport> {
    this.#process.send(order);
    return (await this.#message()) as SideReport;
  }

  end(): void {
    this.#process.kill('SIGKILL');
  }

  async #message(): Promise<unknown> {
    const gone = new AbortController();
    try {
      const ended = once(this.#process, 'exit', { signal: gone.signal }).then(([code]) => {
        throw new Error(`a side of the comparison ended with ${code}`);
      });
      const [message] = await Promise.race([once(this.#process, 'message', { signal: gone.signal }), ended]);
      return message;
    } finally {
      gone.abort();
    }
  }
}
