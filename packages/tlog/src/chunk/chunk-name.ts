/**
 * Names of chunks: `<first>-<last>.<from>-<to>[.e<epoch>][.c<pass>].avro`, and beside it `….idx.avro`.
 *
 * First and last are sequences of records, padded to 16 digits, so a folder lists in order; a chunk of marks alone holds
 * no record, and its last is its first minus one. From and to are numbers of segments: they make the names of such chunks
 * different, and a gap or an overlap shows in a listing, without a look into the files. A chunk that compaction wrote has
 * `.c<pass>` behind them, so it never has the name of another one. In the archive of a volume each writer has an epoch: a chunk
 * that one stores when the next one has begun to write is told from what that one stores under the same numbers.
 */
export interface ChunkName {
  readonly first: number;
  readonly last: number;
  /** Numbers of the segments that it covers; compaction may have left out some of them. */
  readonly from: number;
  readonly to: number;
  /** 0: as archived; else how often its oldest part was compacted. */
  readonly pass: number;
  /** Of whoever wrote it; of a compacted one, the latest. 0: nobody else may have written the same numbers. */
  readonly epoch: number;
}

const DIGITS = 16;
const NAME =
  /^(\d{16})-(\d{16})\.([1-9]\d{0,15})-([1-9]\d{0,15})(?:\.e([1-9]\d{0,15}))?(?:\.c([1-9]\d{0,8}))?(\.idx)?\.avro$/;

export const LOG_ROOT = 'tlog/';

export function chunkFolder(container: number, vdisk: string): string {
  return `${LOG_ROOT}${container}/${vdisk}/`;
}

export function chunkFile(name: ChunkName): string {
  return `${stem(name)}.avro`;
}

export function indexFile(name: ChunkName): string {
  return `${stem(name)}.idx.avro`;
}

/** Null for a file of another name: it is not ours. */
export function parseChunkName(file: string): (ChunkName & { readonly kind: 'chunk' | 'index' }) | null {
  const found = NAME.exec(file);
  if (found === null) return null;
  const [first = 0, last = 0, from = 0, to = 0, epoch = 0, pass = 0] = found
    .slice(1, 7)
    .map((text) => Number(text ?? 0));
  const isOrdered = first >= 1 && last >= first - 1 && to >= from;
  const isSafe = [last, to, epoch].every((number) => Number.isSafeInteger(number));
  return isOrdered && isSafe
    ? { first, last, from, to, pass, epoch, kind: found[7] === undefined ? 'chunk' : 'index' }
    : null;
}

function stem({ first, last, from, to, pass, epoch }: ChunkName): string {
  const sequences = [first, last].map((sequence) => String(sequence).padStart(DIGITS, '0')).join('-');
  const of = epoch === 0 ? '' : `.e${epoch}`;
  return `${sequences}.${from}-${to}${of}${pass === 0 ? '' : `.c${pass}`}`;
}
