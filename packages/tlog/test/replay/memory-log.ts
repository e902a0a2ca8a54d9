import fc from 'fast-check';
import {
  blockChecksum,
  LogError,
  type LogSource,
  type RecordIndex,
  type SegmentIndex,
} from '../../src/index.ts';

export const BLOCK = 16;
export const BLOCKS = 40;

export type Change =
  | { readonly kind: 'set'; readonly block: number; readonly fill: number; readonly length: number }
  | { readonly kind: 'delete'; readonly block: number }
  | { readonly kind: 'cut' }
  | { readonly kind: 'owner' }
  | { readonly kind: 'snapshot'; readonly name: string }
  | { readonly kind: 'base' };

const block = fc.integer({ min: 0, max: BLOCKS - 1 });

export const history: fc.Arbitrary<Change[]> = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant('set' as const),
        block,
        fill: fc.integer({ min: 1, max: 255 }),
        length: fc.oneof(fc.constant(BLOCK), fc.integer({ min: 1, max: BLOCK })),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('delete' as const), block }) },
    { weight: 5, arbitrary: fc.constant({ kind: 'cut' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'owner' as const }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('snapshot' as const), name: fc.constantFrom('a', 'b') }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'base' as const }) },
  ),
  { maxLength: 120 },
);

/** Content of the blocks that are not zeros. */
export type State = ReadonlyMap<number, Buffer>;

export interface Model {
  readonly segments: MemorySegment[];
  /** By sequence; 0 is the state before the first record. */
  readonly states: readonly State[];
  readonly snapshots: ReadonlyMap<string, number>;
}

interface MemorySegment {
  readonly index: SegmentIndex;
  readonly data: Buffer;
}

/** The log of a fresh vdisk that was changed so, and what it held after each record. */
export function logOf(changes: readonly Change[]): Model {
  const segments: MemorySegment[] = [];
  const states: State[] = [new Map()];
  const snapshots = new Map<string, number>();
  let epoch = 1;
  let base = 1;
  let sequence = 0;
  let open: { sequence: number; block: number; data: Buffer | null }[] = [];
  const add = (kind: SegmentIndex['kind'], name = ''): void => {
    const number = segments.length + 1;
    let at = 0;
    const records = open.map((record): RecordIndex => {
      const length = record.data?.length ?? 0;
      const checksum = record.data === null ? 0 : blockChecksum(record.data);
      const index = { sequence: record.sequence, block: record.block, length, at, checksum };
      at += length;
      return index;
    });
    const first = open[0]?.sequence ?? sequence + 1;
    const times = { firstAt: number * 1_000, lastAt: number * 1_000 + 1 };
    segments.push({
      index: { number, epoch, kind, name, first, last: sequence, ...times, base, blockSize: BLOCK, records },
      data: Buffer.concat(open.flatMap(({ data }) => data ?? [])),
    });
    open = [];
  };
  const record = (changed: number, data: Buffer | null): void => {
    open.push({ sequence: ++sequence, block: changed, data });
    const state = new Map(states[sequence - 1]);
    if (data === null) state.delete(changed);
    else state.set(changed, padded(data));
    states.push(state);
  };
  const cut = (): void => {
    if (open.length > 0) add('writes');
  };
  add('begin');
  for (const change of changes) {
    switch (change.kind) {
      case 'set':
        record(change.block, Buffer.alloc(change.length, change.fill));
        break;
      case 'delete':
        record(change.block, null);
        break;
      case 'cut':
        cut();
        break;
      case 'owner':
        cut();
        epoch++;
        add('begin');
        break;
      case 'snapshot':
        cut();
        add('snapshot', change.name);
        snapshots.set(change.name, sequence);
        break;
      case 'base': {
        cut();
        add('baseBegin');
        const begins = sequence + 1;
        for (const [stored, data] of states[sequence] ?? []) record(stored, data);
        if (open.length > 0) add('base');
        base = begins;
        add('baseComplete');
        break;
      }
      default:
        throw new Error(`unknown change ${JSON.stringify(change satisfies never)}`);
    }
  }
  cut();
  return { segments, states, snapshots };
}

function padded(data: Buffer): Buffer {
  const whole = Buffer.alloc(BLOCK);
  data.copy(whole);
  return whole;
}

/** One segment for those at `from` to `to`, without the records that later ones of them make void. */
export function compacted(segments: readonly MemorySegment[], from: number, to: number): MemorySegment[] {
  const old = segments.slice(from, to + 1);
  const [oldest, newest] = [old[0]?.index, old.at(-1)?.index];
  if (oldest === undefined || newest === undefined) return [...segments];
  const kept = new Map<number, { record: RecordIndex; data: Buffer }>();
  for (const { index, data } of old)
    for (const record of index.records)
      kept.set(record.block, { record, data: data.subarray(record.at, record.at + record.length) });
  const sorted = [...kept.values()].sort((a, b) => a.record.sequence - b.record.sequence);
  let at = 0;
  const records = sorted.map(({ record }) => {
    const moved = { ...record, at };
    at += record.length;
    return moved;
  });
  const index: SegmentIndex = {
    ...newest,
    kind: 'writes',
    name: '',
    first: records[0]?.sequence ?? newest.last + 1,
    firstAt: oldest.firstAt,
    records,
    covers: { number: oldest.number, first: oldest.first, exactFrom: newest.last },
  };
  const segment = { index, data: Buffer.concat(sorted.map(({ data }) => data)) };
  return [...segments.slice(0, from), segment, ...segments.slice(to + 1)];
}

/** A log in memory; of `damaged` records the bytes cannot be read. */
export class MemorySource implements LogSource {
  readonly #segments: readonly MemorySegment[];
  readonly #damaged: ReadonlySet<number>;
  /** Sequences whose bytes were read, in the order in which they were asked for. */
  readonly reads: number[] = [];

  constructor(segments: readonly MemorySegment[], damaged: ReadonlySet<number> = new Set()) {
    this.#segments = segments;
    this.#damaged = damaged;
  }

  async *newestFirst(upTo = Number.POSITIVE_INFINITY): AsyncIterable<SegmentIndex> {
    for (const { index } of [...this.#segments].reverse()) if (index.first <= upTo) yield index;
  }

  async newestNumber(): Promise<number> {
    return Math.max(0, ...this.#segments.map(({ index }) => index.number));
  }

  async *oldestFirst(from = 0): AsyncIterable<SegmentIndex> {
    for (const { index } of this.#segments) if (index.last >= from) yield index;
  }

  read(segment: SegmentIndex, records: readonly RecordIndex[]): Promise<Buffer[]> {
    const data = this.#segments.find(({ index }) => index.number === segment.number)?.data;
    if (data === undefined || records.some(({ sequence }) => this.#damaged.has(sequence)))
      return Promise.reject(new LogError('bad-chunk', `records of segment ${segment.number} cannot be read`));
    this.reads.push(...records.map(({ sequence }) => sequence));
    return Promise.resolve(records.map(({ at, length }) => data.subarray(at, at + length)));
  }

  async close(): Promise<void> {}
}
