/** A tree that is whole, and otherwise anything, from a number: the same number plans the same tree. */
import { createHash } from 'node:crypto';
import { containerOfSegment } from '../../src/naming/container-mapping.ts';
import { generator } from '../mutations.ts';
import { compactInt, compactLong, i64, typedFrame, utf } from './byte-writer.ts';
import { chunkPath, transactionData } from './chunked-writer.ts';
import { type Cut, event, type PlannedSegment, type PlannedTree, type SegmentFile } from './planned-tree.ts';
import { type EntryToWrite, table, tableIndex } from './table-writer.ts';

const SCOPES = ['farm', '_system', 'a', 'A.-b', '0', 'x'.repeat(60), '-.-', 'kvt_kvtable', '_tables'];
const STREAMS = [
  'orders',
  '_RGreaders',
  '_MARKorders',
  'E-1-O-0',
  '$',
  'offset.7',
  's.E-2-O-3',
  'header',
  'y'.repeat(80),
];
const SUFFIXES = ['', '', '', '#transaction.', '#transient.'];
const ROLL_AT = [1, 17, 64, 300, 1_000, 1_000_000];

export interface RandomPlan extends PlannedTree {
  /** Segments beside which lies a chunk that waits to be collected. */
  readonly garbage: readonly PlannedSegment[];
}

export function randomPlan(seed: number): RandomPlan {
  const random = generator(seed);
  const pick = <T>(some: readonly T[]): T => some[random(some.length)] as T;
  const names = new Set<string>();
  const segments: PlannedSegment[] = [];
  for (let left = random(30); left > 0; left -= 1) {
    const base = `${pick(SCOPES)}/${pick(STREAMS)}/${random(12)}${random(9) === 0 ? '' : `.#epoch.${random(4)}`}`;
    const suffix = pick(SUFFIXES);
    const name =
      suffix === ''
        ? base
        : `${base}${suffix}${hex(random)}${suffix === '#transient.' ? `.${hex(random)}` : ''}`;
    if (names.has(name)) continue;
    names.add(name);
    const main = random(5) === 0 ? bytesOnly(name, random) : stream(name, random);
    segments.push(main);
    if (main.bytes.length > 0 && suffix === '' && random(2) === 0) segments.push(eventIndex(main, random));
  }
  for (let left = random(4); left > 0; left -= 1) {
    const name = `_system/_tables/t${left}${random(2) === 0 ? '' : `/${pick(SCOPES)}.#.${hex(random)}`}`;
    segments.push(hashTable(name, random));
  }
  const containers = 1 + random(random(3) === 0 ? 16 : 4);
  const deleted = Array.from({ length: random(3) }, (_, n) => `farm/removed${n}/0.#epoch.0`);
  const garbage = segments.filter(({ bytes, sealed }) => bytes.length > 0 && !sealed && random(6) === 0);
  return {
    ...{ containers, segments, deleted, metadataRollAt: pick([64, 700, 100_000]), garbage },
    ...(random(2) === 0
      ? {}
      : { cuts: (file: SegmentFile) => cutsOf(file, generator(seed + file.bytes.length)) }),
    more: (container) => ({
      storage: garbage
        .filter(({ name }) => containerOfSegment(name, containers) === container)
        .map((segment) => ({ key: garbageOf(segment), value: inactive(garbageOf(segment)) })),
    }),
  };
}

/** A chunk that waits to be collected, at the end of the segment, where it would continue it. */
export function garbageOf({ name, bytes }: PlannedSegment): string {
  return chunkPath(name, 99, bytes.length);
}

function inactive(chunk: string): Buffer {
  const metadata = typedFrame(2, utf(chunk), compactLong(9), utf(null), compactInt(0));
  return transactionData(chunk, metadata);
}

/** The container moved at most of the cuts, and each time its last owner may have left bytes behind. */
function cutsOf({ bytes, rollAt }: SegmentFile, random: Random): Cut[] {
  const cuts: Cut[] = [];
  let epoch = 1;
  for (let at = 0; at < bytes.length; at += 1 + random(Math.max(rollAt, 40, Math.ceil(bytes.length / 20)))) {
    cuts.push({ at, epoch, surplus: random(2) === 0 ? 0 : random(50) });
    epoch += random(3) === 0 ? 1 + random(3) : 0;
  }
  return cuts;
}

type Random = (below: number) => number;

function stream(name: string, random: Random): PlannedSegment {
  const count = random(4) === 0 ? 0 : random(60);
  const bytes = Buffer.concat(
    Array.from({ length: count }, (_, n) =>
      event(random(9) === 0 ? '' : `event ${n} ${'x'.repeat(random(90))}`),
    ),
  );
  const core = new Map([
    [0n, 1_700_000_000_000n],
    [9n, 0n],
    ...(count === 0 ? [] : ([[1n, BigInt(count)]] as const)),
  ] as const);
  return { ...plain(name, bytes, random), core, extended: count === 0 ? new Map() : writers(random) };
}

function bytesOnly(name: string, random: Random): PlannedSegment {
  const bytes = Buffer.from(Array.from({ length: random(2_000) }, () => 1 + random(255)));
  return { ...plain(name, bytes, random), core: new Map([[9n, 0n]]) };
}

function plain(name: string, bytes: Buffer, random: Random): PlannedSegment {
  const isTruncated = bytes.length > 0 && random(3) === 0;
  return {
    ...{ name, bytes, sealed: random(4) === 0, core: new Map(), extended: new Map() },
    startOffset: isTruncated ? (random(4) === 0 ? bytes.length : random(bytes.length)) : 0,
    rollAt: Math.max(Math.ceil(bytes.length / 200), ROLL_AT[random(ROLL_AT.length)] ?? 300),
  };
}

/** Of some of the events: the index may lag. */
function eventIndex(main: PlannedSegment, random: Random): PlannedSegment {
  const records: Buffer[] = [];
  let last = 0;
  for (let at = 0, count = 0; main.core.has(1n) && at < main.bytes.length; ) {
    at += 8 + main.bytes.readInt32BE(at + 4);
    count += 1;
    if (random(3) > 0) continue;
    records.push(Buffer.concat([i64(BigInt(at)), i64(BigInt(count)), i64(1_700_000_000_000n + BigInt(at))]));
    last = count;
  }
  const core = new Map([[9n, 0n], ...(last === 0 ? [] : ([[1n, BigInt(last)]] as const))] as const);
  const bytes = Buffer.concat(records);
  return { ...plain(`${main.name}#index`, bytes, () => 1), core, rollAt: 240 };
}

function hashTable(name: string, random: Random): PlannedSegment {
  const entries: EntryToWrite[] = Array.from({ length: random(200) }, () => ({
    key: `key-${random(60)}`,
    value: random(5) === 0 ? null : Buffer.from('v'.repeat(random(30))),
  }));
  const written = table(entries);
  const core = new Map([
    [9n, 1n],
    ...(written.bytes.length === 0 ? [] : ([[7n, BigInt(tableIndex(written).length - 12)]] as const)),
    [0x10_0000n, BigInt(written.bytes.length)],
    [0x10_0001n, BigInt(written.live.size)],
    [0x10_0002n, BigInt(written.live.size)],
    [0x10_0003n, BigInt(entries.length)],
    [0x10_0004n, 0n],
  ] as const);
  return { ...plain(name, written.bytes, () => 1), core, rollAt: ROLL_AT[1 + random(5)] ?? 300 };
}

function writers(random: Random): Map<string, bigint> {
  const count = random(4) === 0 ? 150 + random(200) : random(4);
  return new Map(
    Array.from({ length: count }, (_, n) => {
      const id = createHash('md5')
        .update(`${n} ${random(1_000_000)}`)
        .digest('hex');
      return [
        id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
        BigInt(random(1_000)),
      ] as const;
    }),
  );
}

function hex(random: Random): string {
  return Array.from({ length: 32 }, () => random(16).toString(16)).join('');
}
