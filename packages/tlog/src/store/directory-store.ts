import { randomUUID } from 'node:crypto';
import { constants, type Dirent } from 'node:fs';
import {
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  stat,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { codeOf, deadline, messageOf } from '@salvor/service-kit';
import { LogError } from '../log-error.ts';
import type { AppendableStore, StoreWriter } from './appendable-store.ts';
import { DirectoryWriter } from './directory-writer.ts';
import { RangeReader } from './range-reader.ts';
import type { ByteRange } from './range-reading.ts';
import type { ReadMemory } from './read-memory.ts';
import { isStoreName, requirePath, requirePrefix } from './store-path.ts';
import type { StoredFile } from './tier2-store.ts';

/** Names of files that are being written. */
const TEMPORARY_PREFIX = '.salvor-put-';
const TEMPORARY_NAME = /^\.salvor-put-[0-9a-f-]{36}$/;
/** A put takes less; what is older was left by a writer that died. */
const TEMPORARY_KEPT_MS: number = 60 * 60_000;
const MAX_DEPTH = 8;
const LOOKED_MAX = 64;
/** A file system that hangs (a network mount) must not hold its users for ever. */
const DEFAULT_TIMEOUT_MS = 60_000;

export interface DirectoryStoreOptions {
  /** Made when it is not there; its parent must be. */
  readonly root: string;
  /** Bound of each call; default 60 s. */
  readonly timeoutMs?: number;
}

/**
 * Tier-2 in a folder. A file is written under a temporary name, synced, renamed, and its folder is synced. Symbolic links below
 * the root are not followed: a link would take the log out of the place that is backed up and watched.
 */
export async function openDirectoryStore(options: DirectoryStoreOptions): Promise<AppendableStore> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const root = await guarded(`folder ${options.root}`, timeoutMs, async () => {
    await mkdir(options.root).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
    const real = await realpath(options.root);
    if (!(await stat(real)).isDirectory()) throw new Error('it is no folder');
    return real;
  });
  return new DirectoryStore(root, timeoutMs);
}

class DirectoryStore implements AppendableStore {
  readonly name: string;
  readonly #root: string;
  readonly #timeoutMs: number;
  readonly #ranges = new RangeReader();
  /** Folders below no link, among those that was read from: to look costs more than to read. */
  readonly #looked = new Set<string>();

  constructor(root: string, timeoutMs: number) {
    this.name = `folder ${root}`;
    this.#root = root;
    this.#timeoutMs = timeoutMs;
  }

  put(path: string, parts: readonly Uint8Array[]): Promise<void> {
    requirePath(path);
    return this.#guarded(`write of ${path}`, async () => {
      const target = join(this.#root, path);
      const folder = dirname(target);
      await this.#makeFolder(dirname(path));
      await this.#refuseLinks(path);
      const temporary = join(folder, `${TEMPORARY_PREFIX}${randomUUID()}`);
      try {
        await writeFile(temporary, parts, { flag: 'wx', flush: true });
        await rename(temporary, target);
      } catch (error) {
        await unlink(temporary).catch(() => undefined); // it may not have come to be
        throw error;
      }
      await syncFolder(folder);
    });
  }

  create(path: string): Promise<StoreWriter> {
    requirePath(path);
    const target = join(this.#root, path);
    const folder = dirname(target);
    const id = `${TEMPORARY_PREFIX}${randomUUID()}`;
    const guarded = <T>(work: () => Promise<T>): Promise<T> => this.#guarded(`write of ${path}`, work);
    return guarded(async () => {
      await this.#makeFolder(dirname(path));
      await this.#refuseLinks(path);
      const temporary = join(folder, id);
      return DirectoryWriter.open({ id, temporary, target, guarded, syncFolder: () => syncFolder(folder) });
    });
  }

  async discard(path: string, id: string): Promise<void> {
    requirePath(path);
    // It comes from a record that anybody could have written.
    if (!TEMPORARY_NAME.test(id)) return;
    await this.#guarded(`removal of ${id}`, async () => {
      await unlink(join(this.#root, dirname(path), id)).catch((error: unknown) => {
        if (!isAbsent(error)) throw error;
      });
    });
  }

  read(path: string, offset: number, length: number): Promise<Buffer> {
    requirePath(path);
    return this.#guarded(`read of ${path}`, async () => {
      const file = await this.#open(path);
      try {
        const { size } = await file.stat();
        // Before memory is taken for what a damaged index asks for.
        if (offset < 0 || length < 0 || offset + length > size)
          throw new LogError(
            'bad-chunk',
            `${path}: expected ${length} bytes at ${offset}, the file has ${size}`,
          );
        const bytes = Buffer.allocUnsafe(length);
        let at = 0;
        while (at < length) {
          const { bytesRead } = await file.read(bytes, at, length - at, offset + at);
          if (bytesRead === 0) throw new LogError('bad-chunk', `${path}: ends at ${offset + at}`);
          at += bytesRead;
        }
        return bytes;
      } finally {
        await file.close();
      }
    });
  }

  readRanges(path: string, ranges: readonly ByteRange[], memory?: ReadMemory): Promise<Buffer[]> {
    requirePath(path);
    return this.#guarded(`read of ${path}`, async () => {
      await this.#refuseLinkedFolder(path);
      try {
        return await this.#ranges.read(join(this.#root, path), ranges, memory);
      } catch (error) {
        if (codeOf(error) === 'ELOOP') throw linkError(path);
        if (isAbsent(error)) throw new LogError('bad-chunk', `${path} is not there`);
        if (codeOf(error) === 'ends') throw new LogError('bad-chunk', `${path}: ${messageOf(error)}`);
        throw error;
      }
    });
  }

  async *list(prefix: string): AsyncIterable<StoredFile> {
    requirePrefix(prefix);
    yield* this.#listBelow(prefix, 0);
  }

  stat(path: string): Promise<StoredFile | null> {
    requirePath(path);
    return this.#guarded(`look at ${path}`, async () => {
      try {
        await this.#refuseLinks(path);
        const found = await lstat(join(this.#root, path));
        return found.isFile() ? { path, sizeBytes: found.size } : null;
      } catch (error) {
        if (isAbsent(error)) return null;
        throw error;
      }
    });
  }

  delete(path: string): Promise<void> {
    requirePath(path);
    return this.#guarded(`removal of ${path}`, async () => {
      try {
        await this.#refuseLinks(path);
        await unlink(join(this.#root, path));
      } catch (error) {
        if (isAbsent(error)) return;
        throw error;
      }
      await syncFolder(dirname(join(this.#root, path)));
    });
  }

  async tidy(prefix: string): Promise<void> {
    requirePrefix(prefix);
    const folder = join(this.#root, prefix);
    const names = (await this.#entriesOf(prefix)).map(({ name }) => name);
    for (const name of names.filter((name) => name.startsWith(TEMPORARY_PREFIX)))
      await this.#guarded(`removal of ${name}`, async () => {
        const { mtimeMs } = await lstat(join(folder, name));
        if (Date.now() - mtimeMs > TEMPORARY_KEPT_MS) await unlink(join(folder, name));
      });
  }

  close(): Promise<void> {
    return this.#ranges.close();
  }

  async *#listBelow(prefix: string, depth: number): AsyncIterable<StoredFile> {
    const entries = (await this.#entriesOf(prefix)).filter(({ name }) => isStoreName(name));
    for (const entry of entries) {
      const path = `${prefix}${entry.name}`;
      if (entry.isSymbolicLink()) throw linkError(path);
      if (entry.isDirectory()) {
        if (depth < MAX_DEPTH) yield* this.#listBelow(`${path}/`, depth + 1);
      } else if (entry.isFile()) {
        const found = await this.stat(path);
        if (found !== null) yield found;
      }
    }
  }

  #entriesOf(prefix: string): Promise<Dirent[]> {
    return this.#guarded(`list of ${prefix}`, async () => {
      try {
        if (prefix !== '') await this.#refuseLinks(prefix.slice(0, -1));
        return await readdir(join(this.#root, prefix), { withFileTypes: true });
      } catch (error) {
        if (!isAbsent(error)) throw error;
        await this.#makeRoot();
        return [];
      }
    });
  }

  /** A root without its parent is away: what it holds is not lost, and a new one must not take its place. */
  async #makeRoot(): Promise<void> {
    await mkdir(this.#root).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
  }

  async #open(path: string): Promise<FileHandle> {
    await this.#refuseLinkedFolder(path);
    try {
      return await open(join(this.#root, path), constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (error) {
      if (codeOf(error) === 'ELOOP') throw linkError(path);
      if (isAbsent(error)) throw new LogError('bad-chunk', `${path} is not there`);
      throw error;
    }
  }

  /** Each new folder is synced into its parent. */
  async #makeFolder(path: string): Promise<void> {
    if (path === '.') return;
    await this.#refuseLinks(path);
    await this.#makeRoot();
    const made = await mkdir(join(this.#root, path), { recursive: true });
    if (made === undefined) return;
    for (let folder = join(this.#root, path); folder.length >= made.length; folder = dirname(folder))
      await syncFolder(dirname(folder));
  }

  /** Of a file that is opened by a call that follows no link itself. */
  async #refuseLinkedFolder(path: string): Promise<void> {
    const folder = dirname(path);
    if (folder === '.' || this.#looked.has(folder)) return;
    await this.#refuseLinks(folder);
    this.#looked.add(folder);
    const [oldest] = this.#looked;
    if (this.#looked.size > LOOKED_MAX && oldest !== undefined) this.#looked.delete(oldest);
  }

  async #refuseLinks(path: string): Promise<void> {
    let at = this.#root;
    for (const name of path.split('/')) {
      at = join(at, name);
      const found = await lstat(at).catch((error: unknown) => {
        if (isAbsent(error)) return null;
        throw error;
      });
      if (found === null) return;
      if (found.isSymbolicLink()) throw linkError(at.slice(this.#root.length + sep.length));
    }
  }

  #guarded<T>(what: string, work: () => Promise<T>): Promise<T> {
    return guarded(`${this.name}: ${what}`, this.#timeoutMs, work);
  }
}

function linkError(path: string): LogError {
  return new LogError(
    'store',
    `${path} is a symbolic link, which is not followed: put the files in its place, or make the root the link`,
  );
}

async function guarded<T>(what: string, timeoutMs: number, work: () => Promise<T>): Promise<T> {
  try {
    return await deadline(work(), timeoutMs, what);
  } catch (error) {
    if (error instanceof LogError) throw error;
    throw new LogError('store', `${what}: ${messageOf(error)}`);
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function isAbsent(error: unknown): boolean {
  return codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';
}
