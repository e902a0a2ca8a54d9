import { vdiskKeys } from '../engine-keys.ts';
import { EngineError } from '../errors.ts';
import { SCAN_START } from '../layout/block-layout.ts';
import { Frame } from '../resp.ts';
import type { EngineReader } from './engine-reader.ts';
import { memoryLike } from './vdisk-usage.ts';

/** What an engine holds under the name of one vdisk. */
export interface VdiskRemains {
  readonly vdisk: string;
  /** At most {@link KEYS_NAMED_MAX} of them, sorted. */
  readonly keys: readonly string[];
  readonly keyCount: number;
  readonly bytes: number;
}

export interface EngineCensus {
  /** By vdisk id. */
  readonly vdisks: ReadonlyMap<string, VdiskRemains>;
  /** Keys looked at. */
  readonly scanned: number;
  /** False when the engine holds more keys than were looked at. */
  readonly complete: boolean;
}

/** Keys per step of the scan: an engine is busy with one for well under a millisecond. */
const SCAN_COUNT = 512;
/** Names of keys kept for each vdisk. */
export const KEYS_NAMED_MAX = 8;
/** Keys of each vdisk whose memory is asked for; it stands for that of the others. */
const KEYS_WEIGHED_MAX = 128;

/** What stock 0-Disk keeps beside the blocks: metadata of deduped vdisks, and of logs. */
const stockPrefixes = ['lba:', 'tlog:'];
const prefixes: readonly string[] = [...vdiskKeys('').filter((key) => key.endsWith(':')), ...stockPrefixes];

/** Keys of the native layout: chunks, and pages of checksums. The id may hold colons itself. */
const nativePattern = /^salvor:(?:chunk:(.+):\d+|sums:(.+):\d+:\d+)$/;

/** The vdisk that a key belongs to, null when it is no vdisk's. */
export function vdiskOfKey(key: string): string | null {
  const native = nativePattern.exec(key);
  if (native !== null) return native[1] ?? native[2] ?? null;
  const prefix = prefixes.find((known) => key.startsWith(known) && key.length > known.length);
  return prefix === undefined ? null : key.slice(prefix.length);
}

/** Goes through the keys of an engine, at most `keysMax` of them, and sorts them by the vdisk they belong to. */
export async function takeCensus(
  reader: EngineReader,
  { keysMax }: { keysMax: number },
): Promise<EngineCensus> {
  const found = new Map<string, Set<string>>();
  let scanned = 0;
  let complete = true;
  for await (const keys of pagesOf(reader)) {
    scanned += keys.length;
    for (const key of keys) {
      const vdisk = vdiskOfKey(key);
      if (vdisk !== null) found.set(vdisk, (found.get(vdisk) ?? new Set<string>()).add(key));
    }
    complete = scanned < keysMax;
    if (!complete) break;
  }
  const vdisks = new Map<string, VdiskRemains>();
  for (const [vdisk, keys] of found) {
    const sorted = [...keys].sort();
    const bytes = await memoryLike(reader, sorted.slice(0, KEYS_WEIGHED_MAX), sorted.length);
    vdisks.set(vdisk, { vdisk, keys: sorted.slice(0, KEYS_NAMED_MAX), keyCount: sorted.length, bytes });
  }
  return { vdisks, scanned, complete };
}

/** The keys of one vdisk, at most `most` and what the last step found beyond. */
export async function keysOfVdisk(reader: EngineReader, vdisk: string, most: number): Promise<string[]> {
  const found = new Set<string>();
  const pattern = `*${vdisk.replace(/[*?[\]\\]/g, '\\$&')}*`;
  for await (const keys of pagesOf(reader, 'MATCH', pattern)) {
    for (const key of keys) if (vdiskOfKey(key) === vdisk) found.add(key);
    if (found.size >= most) break;
  }
  return [...found];
}

async function* pagesOf(reader: EngineReader, ...only: string[]): AsyncGenerator<string[]> {
  let cursor = SCAN_START;
  do {
    const [page] = await reader.ask(new Frame().command('SCAN', cursor, ...only, 'COUNT', SCAN_COUNT));
    const [next, keys] = Array.isArray(page) ? page : [];
    if (!Buffer.isBuffer(next) || !Array.isArray(keys))
      throw new EngineError('protocol', `engine ${reader.address}: SCAN was answered with something else`);
    cursor = next.toString('latin1');
    yield keys.map((key) => (Buffer.isBuffer(key) ? key.toString('utf8') : ''));
  } while (cursor !== SCAN_START);
}
