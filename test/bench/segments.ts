/** Segments of a Tier-2 tree of Pravega, very many of them: how long to list, verify and recover them takes, and how much memory. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { tempDir, until } from '@salvor/testkit';
import { writeChunkedTree } from '../../packages/pravega/test/writers/chunked-writer.ts';
import { writeLegacyTree } from '../../packages/pravega/test/writers/legacy-writer.ts';
import { event, type PlannedTree } from '../../packages/pravega/test/writers/planned-tree.ts';
import { Tier1 } from '../../services/segment-recovery/test/tier1.ts';

export const segmentsOptions = {
  segments: { type: 'string' },
  containers: { type: 'string' },
  layout: { type: 'string' },
  'no-recovery': { type: 'boolean' },
} as const;

export interface SegmentsBench {
  readonly segments: number;
  readonly containers: number;
  readonly layout: 'chunked' | 'legacy';
  readonly recovers: boolean;
  readonly progress: (line: string) => void;
}

export interface MeasuredCommand {
  readonly command: string;
  readonly seconds: number;
  /** Resident memory at its highest, 10^6 bytes (proc(5), VmHWM); of the service, where that does the work. */
  readonly peakMb: number;
  readonly exitCode: number | null;
}

export interface SegmentsResult {
  readonly layout: 'chunked' | 'legacy';
  readonly segments: number;
  readonly containers: number;
  /** Of the machine, over the last minute, when it ended. */
  readonly load: number;
  readonly measured: readonly MeasuredCommand[];
  /** What the recovery told in its middle. */
  readonly progress: string | null;
  readonly broken: readonly string[];
}

const LIST_MAX_SECONDS = 60;
const MAX_MB = 500;
const SAMPLE_EVERY_MS = 20;
const START_TIMEOUT_MS = 60_000;
const MIB = 2 ** 20;
const salvor = join(import.meta.dirname, '../../packages/cli/dist/main.js');

export async function benchSegments(bench: SegmentsBench): Promise<SegmentsResult> {
  const { segments, containers, layout, recovers, progress } = bench;
  const dir = tempDir('bench-segments');
  const root = join(dir.path, 'tier2');
  try {
    progress(`writes ${segments} segments in ${containers} containers`);
    const plan = planOf(segments, containers);
    if (layout === 'chunked') writeChunkedTree(root, plan);
    else writeLegacyTree(root, plan);
    const measured: MeasuredCommand[] = [];
    const broken: string[] = [];
    for (const args of [
      ['storage', 'list-segments', root],
      ['storage', 'list-segments', root, '--json'],
      ['dr', 'verify', root],
    ]) {
      const run = await measure(args);
      measured.push(run);
      progress(lineOf(run));
    }
    const recovery = recovers ? await recover(root, dir.path, progress) : null;
    if (recovery !== null) measured.push(recovery.run);
    for (const { command, seconds, peakMb, exitCode } of measured) {
      if (exitCode !== 0) broken.push(`${command} ended with ${exitCode}`);
      if (peakMb >= MAX_MB) broken.push(`${command} took ${peakMb} MB, expected less than ${MAX_MB}`);
      if (command.includes('list-segments') && seconds >= LIST_MAX_SECONDS)
        broken.push(`${command} took ${seconds} s, expected less than ${LIST_MAX_SECONDS}`);
    }
    return {
      ...{ layout, segments, containers, load: Math.round((loadavg()[0] ?? 0) * 10) / 10, measured },
      ...{ progress: recovery?.told ?? null, broken },
    };
  } finally {
    dir.remove();
  }
}

export function segmentsTable({ measured, broken, progress }: SegmentsResult): string {
  const told = progress === null ? [] : [`told on its way: ${progress}`];
  return `${[...measured.map(lineOf), ...told, ...broken].join('\n')}\n`;
}

function lineOf({ command, seconds, peakMb, exitCode }: MeasuredCommand): string {
  return `${command}: ${seconds} s, ${peakMb} MB${exitCode === 0 ? '' : `, exit code ${exitCode}`}`;
}

/** Two events and one writer each; every seventh is sealed. */
function planOf(count: number, containers: number): PlannedTree {
  const segments = Array.from({ length: count }, (_, n) => ({
    name: `scope${n % 50}/stream${n}/0.#epoch.0`,
    bytes: Buffer.concat([event(`first event of stream ${n}`), event(`second event of stream ${n}`)]),
    startOffset: 0,
    sealed: n % 7 === 0,
    rollAt: MIB,
    core: new Map([
      [0n, 1_700_000_000_000n],
      [1n, 2n],
      [9n, 0n],
    ]),
    extended: new Map([['11111111-1111-4111-8111-111111111111', 2n]]),
  }));
  return { containers, segments, deleted: [], metadataRollAt: MIB };
}

async function measure(args: readonly string[]): Promise<MeasuredCommand> {
  const begun = performance.now();
  const child = spawn(process.execPath, [salvor, ...args], { stdio: ['ignore', 'ignore', 'ignore'] });
  const watch = watchPeak(child);
  const exitCode = await endOf(child);
  return { ...commandFacts(args, begun), peakMb: watch.end(), exitCode };
}

function commandFacts(args: readonly string[], begun: number) {
  const command = args.filter((word) => !word.startsWith('/')).join(' ');
  return { command, seconds: Math.round((performance.now() - begun) / 100) / 10 };
}

/** By the command line, with real NATS, etcd and a service of its own: it is the service that does the work. */
async function recover(root: string, dir: string, progress: (line: string) => void) {
  await using tier1 = await Tier1.start();
  const service = tier1.spawn({ SALVOR_TREE_ROOTS: dir });
  await until(async () => (await tier1.bus.discover({ name: 'segment-recovery' })).length === 1, {
    timeoutMs: START_TIMEOUT_MS,
    what: 'segment-recovery',
  });
  const watch = watchPeak(service);
  const args = ['dr', 'recover', root, '--layout', 'pravega', '--yes', '--backup-dir', join(dir, 'backup')];
  const begun = performance.now();
  const child = spawn(process.execPath, [salvor, ...args, '--server', tier1.nats.url], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const told: string[] = [];
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    const line = text.trim().split('\n').at(-1) ?? '';
    if (/left/.test(line)) told.push(line);
    progress(line);
  });
  const exitCode = await endOf(child);
  const run = { ...commandFacts(['dr recover'], begun), peakMb: watch.end(), exitCode };
  progress(lineOf(run));
  return { run, told: told[Math.floor(told.length / 2)] ?? null };
}

function endOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('exit', resolve));
}

function watchPeak({ pid }: ChildProcess): { end(): number } {
  let peakKb = 0;
  const look = () => {
    try {
      const kb = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      peakKb = Math.max(peakKb, Number(kb ?? 0));
    } catch {
      // It has ended: what was seen last is its highest, but for the last look's interval.
    }
  };
  const timer = setInterval(look, SAMPLE_EVERY_MS);
  return {
    end() {
      look();
      clearInterval(timer);
      return Math.round((peakKb * 1_024) / 1e6);
    },
  };
}
