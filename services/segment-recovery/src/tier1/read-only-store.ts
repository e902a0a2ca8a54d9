/** Tier-2 as a recovery reads it: never written to, and one file that cannot be read keeps no other from being read. */
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, messageOf } from '@salvor/service-kit';
import { LogError, type StoredFile, type Tier2Store } from '@salvor/tlog';

const DEPTH_MAX = 4;

export class ReadOnlyStore implements Tier2Store {
  readonly name: string;
  readonly #root: string;
  readonly #store: Tier2Store;
  readonly #damage = new Set<string>();

  /** Owns the store from now on. */
  constructor(root: string, store: Tier2Store) {
    this.name = store.name;
    this.#root = root;
    this.#store = store;
  }

  /** What could not be looked at, as sentences. */
  get damage(): readonly string[] {
    return [...this.#damage];
  }

  async *list(prefix: string): AsyncIterable<StoredFile> {
    yield* this.#listBelow(prefix, 0);
  }

  async stat(path: string): Promise<StoredFile | null> {
    return this.#reading(path, () => this.#store.stat(path)).catch((error: unknown) =>
      this.#pass(error, null),
    );
  }

  read(path: string, offset: number, length: number): Promise<Buffer> {
    return this.#reading(path, () => this.#store.read(path, offset, length));
  }

  readRanges(...asked: Parameters<Tier2Store['readRanges']>): Promise<Buffer[]> {
    return this.#reading(asked[0], () => this.#store.readRanges(...asked));
  }

  put(path: string): Promise<void> {
    return this.#refuse(path);
  }

  delete(path: string): Promise<void> {
    return this.#refuse(path);
  }

  tidy(prefix: string): Promise<void> {
    return this.#refuse(prefix);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async *#listBelow(prefix: string, depth: number): AsyncIterable<StoredFile> {
    let entries: Dirent[];
    try {
      entries = await readdir(join(this.#root, prefix), { withFileTypes: true });
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') this.#damage.add(`${prefix}: ${messageOf(error)}`);
      return;
    }
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = `${prefix}${entry.name}`;
      if (entry.isSymbolicLink()) this.#damage.add(`${path} is a symbolic link, which is not followed`);
      else if (entry.isDirectory() && depth < DEPTH_MAX) yield* this.#listBelow(`${path}/`, depth + 1);
      else if (entry.isFile()) {
        const found = await this.stat(path);
        if (found !== null) yield found;
      }
    }
  }

  /** @throws LogError `bad-chunk` */
  async #reading<T>(path: string, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      throw error instanceof LogError && error.code === 'bad-chunk'
        ? error
        : new LogError('bad-chunk', `${path}: ${messageOf(error)}`);
    }
  }

  #pass(error: unknown, instead: null): null {
    this.#damage.add(messageOf(error));
    return instead;
  }

  #refuse(path: string): Promise<never> {
    return Promise.reject(
      new LogError('store', `${this.name}: expected nobody to write ${path}, it is only read`),
    );
  }
}
