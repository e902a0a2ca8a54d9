/** Verifies all that Salvor archived in a Tier-2: every chunk of every log, and every configuration. Nothing is written. */
import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '@salvor/service-kit';
import { parseChunkName } from '../chunk/chunk-name.ts';
import { VdiskChunks } from '../chunk/vdisk-chunks.ts';
import {
  CONFIGURATION_FOLDER,
  type ConfigurationSnapshot,
  isConfigurationFile,
  readConfiguration,
} from '../configuration-snapshots.ts';
import { LogError } from '../log-error.ts';
import type { StoredFile, Tier2Store } from '../store/tier2-store.ts';
import { type Finding, type VerifyReport, verifyArchive } from './verification.ts';

export type Tier2FindingCode =
  /** Segments that no chunk has. */
  | 'lost-segments'
  /** Something that is broken, while other files have the same. */
  | 'damaged-chunk'
  | 'bad-index'
  | 'bad-configuration'
  | 'unreadable'
  /** What others cover, or nobody needs. */
  | 'leftover-file'
  | 'foreign-file';

export interface Tier2Finding {
  readonly severity: 'damage' | 'note';
  readonly code: Tier2FindingCode;
  readonly message: string;
  readonly container?: number;
  readonly vdisk?: string;
  readonly path?: string;
  /** Numbers of segments, the last one included. */
  readonly from?: number;
  readonly to?: number;
}

/** One archived log. */
export interface VerifiedLog {
  readonly container: number;
  readonly vdisk: string;
  readonly chunks: number;
  readonly segments: number;
  readonly bytes: number;
  readonly damage: number;
}

export interface Tier2Verification {
  readonly files: number;
  readonly fileBytes: number;
  readonly logs: number;
  readonly chunks: number;
  readonly segments: number;
  readonly configurations: number;
  /** Of the newest configuration that is whole; null where there is none. */
  readonly configuration: Pick<ConfigurationSnapshot, 'revision' | 'at'> | null;
  readonly damage: number;
  readonly notes: number;
  readonly verdict: 'clean' | 'damaged';
}

export interface VerifyTier2Options {
  /** The directory; it is there. */
  readonly root: string;
  readonly store: Pick<Tier2Store, 'read' | 'readRanges' | 'list' | 'stat' | 'name'>;
  onLog(verified: VerifiedLog): void;
  onFinding(finding: Tier2Finding): void;
  progress(what: 'configurations' | 'logs', done: number, total: number): void;
}

const FOLDER = /^tlog\/(0|[1-9]\d{0,4})\/([A-Za-z0-9_:-]{1,64})\//;
/** Copies that a recovery made of what was there. */
const BACKUP_FOLDER = 'backup_system';
/** Of folders below the root: an archive has three. */
const MAX_DEPTH = 16;

interface Found {
  readonly files: readonly StoredFile[];
  readonly configurations: readonly string[];
  readonly logs: ReadonlyMap<string, { readonly container: number; readonly vdisk: string }>;
}

/** @throws LogError `store` when the store itself cannot be read */
export async function verifyTier2(options: VerifyTier2Options): Promise<Tier2Verification> {
  const sums = { chunks: 0, segments: 0, damage: 0, notes: 0 };
  const tell = (finding: Tier2Finding): void => {
    sums[finding.severity === 'damage' ? 'damage' : 'notes'] += 1;
    options.onFinding(finding);
  };
  const found = await look(options, tell);
  const configuration = await verifyConfigurations(options, found, tell);
  const earlier = configuration === null ? new Map<string, number>() : beginsOf(configuration);
  let done = 0;
  for (const { container, vdisk } of found.logs.values()) {
    const before = sums.damage;
    const report = await verifyLog(
      options,
      container,
      vdisk,
      earlier.get(`${container} ${vdisk}`) ?? 0,
      tell,
    );
    sums.chunks += report.chunks;
    sums.segments += report.segments;
    const { chunks, segments, bytes } = report;
    options.onLog({ container, vdisk, chunks, segments, bytes, damage: sums.damage - before });
    done += 1;
    options.progress('logs', done, found.logs.size);
  }
  return {
    files: found.files.length,
    fileBytes: found.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    logs: found.logs.size,
    configurations: found.configurations.length,
    configuration: configuration && { revision: configuration.revision, at: configuration.at },
    ...sums,
    verdict: sums.damage > 0 ? 'damaged' : 'clean',
  };
}

/** Every file, by what it is. */
async function look({ root }: VerifyTier2Options, tell: (finding: Tier2Finding) => void): Promise<Found> {
  const files: StoredFile[] = [];
  const configurations: string[] = [];
  const logs = new Map<string, { container: number; vdisk: string }>();
  const chunks = new Set<string>();
  const indexes: string[] = [];
  for await (const file of filesBelow(root, tell)) {
    const { path } = file;
    files.push(file);
    const [folder, container = '', vdisk = ''] = FOLDER.exec(path) ?? [];
    const kind = folder === undefined ? undefined : parseChunkName(path.slice(folder.length))?.kind;
    if (isConfigurationFile(path)) configurations.push(path);
    else if (folder === undefined || kind === undefined)
      tell({ severity: 'note', code: 'foreign-file', message: 'the file is none of an archive', path });
    else if (kind === 'index') indexes.push(path);
    else {
      chunks.add(path);
      logs.set(folder, { container: Number(container), vdisk });
    }
  }
  for (const path of indexes)
    if (!chunks.has(path.replace(/\.idx\.avro$/, '.avro')))
      tell({ severity: 'note', code: 'leftover-file', message: 'an index without its chunk', path });
  return { files, configurations, logs };
}

async function* filesBelow(root: string, tell: (finding: Tier2Finding) => void): AsyncGenerator<StoredFile> {
  const folders = [''];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const unreadable = (path: string, message: string): void =>
      tell({ severity: 'damage', code: 'unreadable', message, path });
    let entries: Dirent[] = [];
    try {
      entries = await readdir(join(root, folder), { withFileTypes: true });
    } catch (error) {
      unreadable(folder, `the folder cannot be read: ${messageOf(error)}`);
    }
    for (const entry of entries) {
      const path = `${folder}${entry.name}`;
      if (entry.isSymbolicLink()) unreadable(path, 'a symbolic link is not followed');
      else if (entry.isDirectory()) {
        if (path !== BACKUP_FOLDER && folder.split('/').length <= MAX_DEPTH) folders.push(`${path}/`);
      } else if (entry.isFile()) yield { path, sizeBytes: (await lstat(join(root, path))).size };
    }
  }
}

/** The newest one that is whole. */
async function verifyConfigurations(
  { store, progress }: VerifyTier2Options,
  { configurations, logs }: Found,
  tell: (finding: Tier2Finding) => void,
): Promise<ConfigurationSnapshot | null> {
  let newest: ConfigurationSnapshot | null = null;
  for (const [index, path] of configurations.entries()) {
    try {
      const snapshot = await readConfiguration(store, path);
      if (newest === null || BigInt(snapshot.revision) > BigInt(newest.revision)) newest = snapshot;
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      tell({ severity: 'damage', code: 'bad-configuration', message: error.message, path });
    }
    progress('configurations', index + 1, configurations.length);
  }
  if (newest === null && (logs.size > 0 || configurations.length > 0)) {
    const message = `no configuration in ${CONFIGURATION_FOLDER} can be read: logs alone bring no cluster back`;
    tell({ severity: 'damage', code: 'bad-configuration', message });
  }
  return newest;
}

async function verifyLog(
  { store }: VerifyTier2Options,
  container: number,
  vdisk: string,
  begins: number,
  tell: (finding: Tier2Finding) => void,
): Promise<VerifyReport> {
  const chunks = new VdiskChunks(readOnly(store), container, vdisk);
  try {
    const report = await verifyArchive({
      ...{ chunks, after: 0, tail: null, archivedTo: 0, repairs: false },
      progress: async () => undefined,
    });
    for (const finding of report.findings) tell({ ...toldOf(finding, begins), container, vdisk });
    return report;
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    tell({ severity: 'damage', code: 'unreadable', message: error.message, container, vdisk });
    return { chunks: 0, segments: 0, bytes: 0, findings: [] };
  }
}

/** What is up to where a log begins belongs to an earlier one under its name, of which parts were let go. */
function toldOf({ kind, from, to, what }: Finding, begins: number): Tier2Finding {
  const place = { message: what, from, to };
  switch (kind) {
    case 'lost':
      return to <= begins
        ? { severity: 'note', code: 'leftover-file', ...place, message: `of an earlier log: ${what}` }
        : { severity: 'damage', code: 'lost-segments', ...place };
    case 'damaged':
      return { severity: 'damage', code: 'damaged-chunk', ...place };
    case 'repaired':
      return { severity: 'damage', code: 'bad-index', ...place };
    case 'leftover':
      return { severity: 'note', code: 'leftover-file', ...place };
    default:
      return kind satisfies never;
  }
}

/** Container and vdisk -> number of the last segment that belongs to an earlier log. */
function beginsOf({ entries }: ConfigurationSnapshot): Map<string, number> {
  const begins = new Map<string, number>();
  for (const [key, value] of entries) {
    const vdisk = /^\/salvor\/tlogs\/([^/]+)\/config$/.exec(key)?.[1];
    if (vdisk === undefined) continue;
    const config = parsed(value);
    const { container, begins: at } = config;
    const number = typeof at === 'object' && at !== null && 'number' in at ? at.number : undefined;
    if (typeof container === 'number' && typeof number === 'number')
      begins.set(`${container} ${vdisk}`, number);
  }
  return begins;
}

function parsed(value: string): { readonly container?: unknown; readonly begins?: unknown } {
  try {
    const json: unknown = JSON.parse(value);
    return typeof json === 'object' && json !== null ? json : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

/** Whatever a reader does, nothing is written into what is verified. */
function readOnly(store: VerifyTier2Options['store']): Tier2Store {
  const refuse = async (): Promise<never> => {
    throw new LogError('store', `${store.name} is only read, and nothing may be written`);
  };
  return {
    name: store.name,
    read: (path, offset, length) => store.read(path, offset, length),
    readRanges: (path, ranges, memory) => store.readRanges(path, ranges, memory),
    list: (prefix) => store.list(prefix),
    stat: (path) => store.stat(path),
    ...{ put: refuse, delete: refuse, tidy: refuse, close: async () => undefined },
  };
}
