/** The values of the keys that describe a vdisk, and the vdisk list of a server. */
import { type ConfigProblem, ConfigValueError } from './errors.ts';
import { rememberingReader } from './last-read.ts';
import {
  bool,
  integer,
  isAbsent,
  items,
  type Members,
  type Place,
  problem,
  readStockYaml,
  requiredText,
  text,
  writeStockYaml,
} from './stock-yaml.ts';

/** 0-Disk's types, and Salvor's own: 0-Disk's servers refuse a `volume` by themselves. */
export const VDISK_TYPES = ['boot', 'db', 'cache', 'tmp', 'volume'] as const;
export type VdiskType = (typeof VDISK_TYPES)[number];

interface WithExtra {
  /** Members that Salvor does not know; they survive a rewrite. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** `<vdisk>:vdisk:conf:static` */
export interface VdiskStatic extends WithExtra {
  /** Bytes; a power of two of at least 512. */
  readonly blockSize: number;
  /** GiB */
  readonly size: number;
  readonly type: VdiskType;
  readonly readOnly: boolean;
  /** Empty when the vdisk has no template. */
  readonly templateVdiskID: string;
}

/** `<vdisk>:vdisk:conf:storage:nbd`; an empty id means: none. */
export interface VdiskNbd extends WithExtra {
  readonly storageClusterID: string;
  readonly templateStorageClusterID: string;
  readonly slaveStorageClusterID: string;
  readonly tlogServerClusterID: string;
}

/** `<vdisk>:vdisk:conf:storage:tlog` */
export interface VdiskTlog extends WithExtra {
  readonly zeroStorClusterID: string;
}

/** `<server>:nbdserver:conf:vdisks` */
export interface ServerVdisks extends WithExtra {
  readonly vdisks: readonly string[];
}

const GIB_BYTES = 1024 ** 3;
const MIN_BLOCK_BYTES = 512;
const BLOCK_SIZE = `a power of two of at least ${MIN_BLOCK_BYTES}, and not above the size`;
/** Values of vdisks remembered: most vdisks are like others. */
const REMEMBERED = 512;
const SIZE = 'a whole number of GiB of at least 1';

/** Size of a vdisk in bytes. */
export function vdiskSizeBytes(vdisk: Pick<VdiskStatic, 'size'>): number {
  return vdisk.size * GIB_BYTES;
}

/** Reads whatever the stock reader reads (it cuts `size: 1.5` to 1). Throws `ConfigValueError`, as do all below. */
export const parseVdiskStatic: (value: string) => VdiskStatic = rememberingReader(
  (value) =>
    readStockYaml('vdisk static configuration', value, (root) => {
      const blockSize = integer(root.member('blockSize'), 1, BLOCK_SIZE);
      const size = integer(root.member('size'), 1, SIZE);
      if (blockSize >= 1 && (!isBlockSize(blockSize) || (size >= 1 && blockSize > size * GIB_BYTES))) {
        problem(root.member('blockSize'), BLOCK_SIZE);
      }
      return {
        blockSize,
        size,
        type: readType(root.member('type')),
        readOnly: bool(root.member('readOnly')),
        templateVdiskID: text(root.member('templateVdiskID')),
        ...extraOf(root),
      };
    }),
  REMEMBERED,
);

/** Stricter than the reader: a fraction is refused, not cut off. */
export function formatVdiskStatic(vdisk: VdiskStatic): string {
  const problems: ConfigProblem[] = [];
  if (!Number.isSafeInteger(vdisk.size) || !Number.isSafeInteger(vdisk.size * GIB_BYTES)) {
    problems.push({ path: 'size', found: String(vdisk.size), expected: SIZE });
  }
  if (!Number.isSafeInteger(vdisk.blockSize)) {
    problems.push({ path: 'blockSize', found: String(vdisk.blockSize), expected: BLOCK_SIZE });
  }
  if (problems.length > 0) throw new ConfigValueError('vdisk static configuration', problems);
  const { extra, ...known } = vdisk;
  return checked(parseVdiskStatic, { ...extra, ...known });
}

export const parseVdiskNbd: (value: string) => VdiskNbd = rememberingReader(
  (value) =>
    readStockYaml('vdisk storage configuration', value, (root) => ({
      storageClusterID: requiredText(
        root.member('storageClusterID'),
        'the id of the primary storage cluster',
      ),
      templateStorageClusterID: text(root.member('templateStorageClusterID')),
      slaveStorageClusterID: text(root.member('slaveStorageClusterID')),
      tlogServerClusterID: text(root.member('tlogServerClusterID')),
      ...extraOf(root),
    })),
  REMEMBERED,
);

export function formatVdiskNbd({ extra, ...known }: VdiskNbd): string {
  return checked(parseVdiskNbd, { ...extra, ...withoutEmpty(known) });
}

export function parseVdiskTlog(value: string): VdiskTlog {
  return readStockYaml('vdisk tlog configuration', value, (root) => ({
    zeroStorClusterID: requiredText(root.member('zeroStorClusterID'), 'the id of the 0-stor cluster'),
    ...extraOf(root),
  }));
}

export function formatVdiskTlog({ extra, ...known }: VdiskTlog): string {
  return checked(parseVdiskTlog, { ...extra, ...known });
}

export function parseServerVdisks(value: string): ServerVdisks {
  return readStockYaml('vdisk list of a server', value, (root) => ({
    vdisks: items(root.member('vdisks')).map((place) => requiredText(place, 'a vdisk id')),
    ...extraOf(root),
  }));
}

export function formatServerVdisks({ extra, vdisks }: ServerVdisks): string {
  return checked(parseServerVdisks, { ...extra, vdisks: [...vdisks] });
}

function readType(place: Place): VdiskType {
  const word = isAbsent(place) ? '' : text(place);
  const type = VDISK_TYPES.find((known) => known === word);
  if (type === undefined) problem(place, `one of ${VDISK_TYPES.join(', ')}`);
  return type ?? 'db';
}

function isBlockSize(bytes: number): boolean {
  return bytes >= MIN_BLOCK_BYTES && Number.isInteger(Math.log2(bytes));
}

function extraOf(root: Members): { extra?: Record<string, unknown> } {
  const extra = root.rest();
  return extra === undefined ? {} : { extra };
}

function withoutEmpty(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== ''));
}

/** Writes a value and reads it back, so that nothing is stored that a stock reader would refuse. */
function checked(parse: (value: string) => unknown, plain: Record<string, unknown>): string {
  const value = writeStockYaml(plain);
  parse(value);
  return value;
}
