/** What a tree is to have: written by either layout's writer, and what a reader must say of it. */
import { createHash } from 'node:crypto';
import { containerOfSegment } from '../../src/naming/container-mapping.ts';
import { collection, frame, i64, u8, utf } from './byte-writer.ts';
import { attributeIndex, type EntryToWrite, table, tableIndex } from './table-writer.ts';

export interface PlannedSegment {
  readonly name: string;
  /** From offset 0 on, what was truncated included. */
  readonly bytes: Buffer;
  readonly startOffset: number;
  readonly sealed: boolean;
  /** Chunks are rolled over at this length. */
  readonly rollAt: number;
  /** Second half of the id -> value. */
  readonly core: ReadonlyMap<bigint, bigint>;
  /** Extended attributes by UUID. */
  readonly extended: ReadonlyMap<string, bigint>;
}

export interface PlannedTree {
  readonly containers: number;
  readonly segments: readonly PlannedSegment[];
  /** Segments that were there once. */
  readonly deleted: readonly string[];
  /** Chunks of the containers' own segments are rolled over at this length; small by default, so that there are several. */
  readonly metadataRollAt?: number;
  /** Chunks of a segment of the chunked layout, the first at 0 and of epoch 1; else all are of one epoch, and as long as they roll. */
  readonly cuts?: (file: SegmentFile) => readonly Cut[];
  /** Entries of `metadata_N` and `storage_metadata_N` behind all others, by container. */
  readonly more?: (container: number) => {
    readonly metadata?: readonly EntryToWrite[];
    readonly storage?: readonly EntryToWrite[];
  };
}

/** Where a chunk of a segment begins, in the chunked layout. */
export interface Cut {
  readonly at: number;
  readonly epoch: number;
  /** What a fenced owner left in its file, behind the place where the next chunk begins. */
  readonly surplus: number;
}

export interface SegmentFile {
  readonly name: string;
  readonly bytes: Buffer;
  readonly startOffset: number;
  readonly sealed: boolean;
  readonly rollAt: number;
}

export function event(text: string): Buffer {
  const payload = Buffer.from(text);
  const header = Buffer.alloc(8);
  header.writeInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

/** A little of everything that the two layouts can hold. */
export function smallTree(): PlannedTree {
  const events = (stream: string, count: number) =>
    Buffer.concat(
      Array.from({ length: count }, (_, index) =>
        event(`${stream} event ${index} ${'x'.repeat(index % 40)}`),
      ),
    );
  const stream = (name: string, count: number, changes: Partial<PlannedSegment> = {}): PlannedSegment => {
    const bytes = events(name, count);
    const writer = '11111111-1111-4111-8111-111111111111';
    const core = new Map([
      [0n, 1_700_000_000_000n],
      [9n, 0n],
      ...(count === 0 ? [] : ([[1n, BigInt(count)]] as const)),
    ] as const);
    const extended = count === 0 ? new Map<string, bigint>() : new Map([[writer, BigInt(count)]]);
    return { name, bytes, startOffset: 0, sealed: false, rollAt: 300, core, extended, ...changes };
  };
  const entries: EntryToWrite[] = [
    ...Array.from({ length: 150 }, (_, index) => ({
      key: `key-${index}`,
      value: Buffer.from(`value ${index}`),
    })),
    { key: 'gone', value: Buffer.from('x') },
    { key: 'gone', value: null },
    { key: 'empty', value: Buffer.alloc(0) },
  ];
  const scopes = table(entries);
  const index = tableIndex(scopes);
  const tableCore = new Map([
    [9n, 1n],
    [7n, BigInt(index.length - 12)],
    [0x10_0000n, BigInt(scopes.bytes.length)],
    [0x10_0001n, BigInt(scopes.live.size)],
    [0x10_0002n, BigInt(scopes.live.size)],
    [0x10_0003n, BigInt(entries.length)],
    [0x10_0004n, 0n],
  ]);
  const many = new Map(
    Array.from(
      { length: 250 },
      (_, n) => [createHash('md5').update(String(n)).digest('hex'), BigInt(n)] as const,
    ).map(
      ([hex, value]) => [hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'), value] as const,
    ),
  );
  return {
    containers: 3,
    deleted: ['farm/removed/0.#epoch.0'],
    segments: [
      stream('farm/orders/0.#epoch.0', 40),
      stream('farm/orders/1.#epoch.0', 30, { startOffset: 200 }),
      stream('farm/orders/2.#epoch.1', 7, { sealed: true }),
      stream('farm/short/0.#epoch.0', 1),
      stream('farm/never/0.#epoch.0', 0),
      stream('farm/neversealed/0.#epoch.0', 0, { sealed: true }),
      stream('farm/writers/0.#epoch.0', 5, { extended: many }),
      { ...stream('_system/_tables/scopes', 0), bytes: scopes.bytes, rollAt: 1_000, core: tableCore },
    ],
  };
}

export interface Truth {
  readonly name: string;
  readonly container: number;
  readonly length: number;
  readonly startOffset: number;
  readonly sealed: boolean;
  readonly coreAttributes: Record<string, string>;
  readonly extendedAttributes: Record<string, string>;
  readonly sha256: string;
  /** Of tables, by key. */
  readonly entries?: readonly { readonly key: string; readonly value: string; readonly version: number }[];
}

/** What must be said of the tree, by name. */
export function truthOf(tree: PlannedTree): Map<string, Truth> {
  return new Map(
    tree.segments.map((segment) => {
      const { name, bytes, startOffset, sealed, extended } = segment;
      const core = [...coreWithRoot(segment)].map(
        ([id, value]) =>
          [`80000000-0000-0000-0000-${id.toString(16).padStart(12, '0')}`, String(value)] as const,
      );
      const truth: Truth = {
        name,
        container: containerOfSegment(name, tree.containers),
        length: bytes.length,
        startOffset,
        sealed,
        coreAttributes: Object.fromEntries(core),
        extendedAttributes: Object.fromEntries([...extended].map(([id, value]) => [id, String(value)])),
        sha256: createHash('sha256').update(bytes.subarray(startOffset)).digest('hex'),
        ...(segment.core.get(9n) === 1n ? { entries: liveEntries(bytes) } : {}),
      };
      return [name, truth] as const;
    }),
  );
}

/** The segments that are files, attribute indexes included; without the containers' own. */
export function segmentFiles(tree: PlannedTree): SegmentFile[] {
  return tree.segments.flatMap((segment) => {
    const { name, bytes, startOffset, sealed, rollAt } = segment;
    if (bytes.length === 0) return [];
    const index = indexOf(segment);
    const indexFile = {
      name: `${name}$attributes.index`,
      bytes: index,
      startOffset: 0,
      sealed,
      rollAt: 16_384,
    };
    return [{ name, bytes, startOffset, sealed, rollAt }, ...(index.length === 0 ? [] : [indexFile])];
  });
}

const placed = new Map<string, number>();

/** As `containerOfSegment`, once for each name: trees are written container by container. */
export function placeOf(name: string, containers: number): number {
  const key = `${containers} ${name}`;
  const place = placed.get(key) ?? containerOfSegment(name, containers);
  placed.set(key, place);
  return place;
}

/** `metadata_N` with a row of each segment, and of those that were deleted a row and its removal. */
export function metadataTable(tree: PlannedTree, container: number): EntryToWrite[] {
  const here = (name: string) => placeOf(name, tree.containers) === container;
  const rows = tree.segments
    .filter(({ name }) => here(name))
    .map((segment) => ({ key: segment.name, value: segmentInfo(segment) }));
  const gone = tree.deleted.filter(here).flatMap((name) => {
    const value = segmentInfo({
      name,
      bytes: Buffer.alloc(9),
      startOffset: 0,
      sealed: false,
      core: new Map(),
    });
    return [
      { key: name, value },
      { key: name, value: null },
    ];
  });
  // A container has a row of its own metadata, too.
  const own = `_system/containers/metadata_${container}`;
  const ownRow = {
    name: own,
    bytes: Buffer.alloc(0),
    startOffset: 0,
    sealed: false,
    core: new Map([[9n, 0x71n]]),
  };
  const more = tree.more?.(container).metadata ?? [];
  return [{ key: own, value: segmentInfo(ownRow) }, ...gone, ...rows, ...more];
}

export function segmentInfo(
  segment: Pick<PlannedSegment, 'name' | 'bytes' | 'startOffset' | 'sealed' | 'core'>,
): Buffer {
  const { name, bytes, startOffset, sealed } = segment;
  const attributes = [...coreWithRoot(segment)].map(([id, value]) =>
    Buffer.concat([i64(-(2n ** 63n)), i64(id), i64(value)]),
  );
  return frame(
    i64(77),
    utf(name),
    i64(bytes.length),
    i64(startOffset),
    u8(sealed ? 1 : 0),
    collection(attributes),
  );
}

function coreWithRoot(
  segment: Pick<PlannedSegment, 'core'> & Partial<PlannedSegment>,
): ReadonlyMap<bigint, bigint> {
  const { extended, core } = segment;
  if (extended === undefined || extended.size === 0) return core;
  return new Map([...core, [7n, BigInt(attributeIndex(extended).length - 12)]]);
}

function liveEntries(bytes: Buffer): Truth['entries'] & object {
  return [...liveKeys(bytes)]
    .map(([key, at]) => {
      const valueAt = at + 17 + bytes.readInt32BE(at + 1);
      const value = bytes.toString('utf8', valueAt, valueAt + bytes.readInt32BE(at + 5));
      return { key, value, version: at };
    })
    .sort((a, b) => (a.key < b.key ? -1 : 1));
}

function indexOf({ core, extended, bytes }: PlannedSegment): Buffer {
  if (core.get(9n) !== 1n) return extended.size === 0 ? Buffer.alloc(0) : attributeIndex(extended);
  return tableIndex({ bytes, live: liveKeys(bytes) });
}

/** Key -> offset of its newest entry. */
function liveKeys(bytes: Buffer): Map<string, number> {
  const live = new Map<string, number>();
  for (let at = 0; at < bytes.length; ) {
    const [keyLength, valueLength] = [bytes.readInt32BE(at + 1), bytes.readInt32BE(at + 5)];
    const key = bytes.toString('latin1', at + 17, at + 17 + keyLength);
    if (valueLength < 0) live.delete(key);
    else live.set(key, at);
    at += 17 + keyLength + Math.max(0, valueLength);
  }
  return live;
}
