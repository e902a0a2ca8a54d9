import type { Logger } from '@salvor/service-kit';
import {
  type AppendableStore,
  openConfiguredStore,
  type StoredFile,
  type StoreWriter,
  type Tier2Store,
  type TlogStoreSettings,
} from '@salvor/tlog';

/** The store, opened when it is first needed: one that is away must not keep the service from starting. */
export class Tier2Access implements AppendableStore {
  readonly #config: TlogStoreSettings;
  readonly #log: Logger;
  #opened: Promise<AppendableStore> | null = null;

  constructor(config: TlogStoreSettings, log: Logger) {
    this.#config = config;
    this.#log = log;
  }

  get name(): string {
    return this.#config.tlogStore;
  }

  async put(path: string, parts: readonly Uint8Array[]): Promise<void> {
    await (await this.#store()).put(path, parts);
  }

  async create(path: string): Promise<StoreWriter> {
    return (await this.#store()).create(path);
  }

  async discard(path: string, id: string): Promise<void> {
    await (await this.#store()).discard(path, id);
  }

  async read(path: string, offset: number, length: number): Promise<Buffer> {
    return (await this.#store()).read(path, offset, length);
  }

  async readRanges(...asked: Parameters<Tier2Store['readRanges']>): Promise<Buffer[]> {
    return (await this.#store()).readRanges(...asked);
  }

  async *list(prefix: string): AsyncIterable<StoredFile> {
    yield* (await this.#store()).list(prefix);
  }

  async stat(path: string): Promise<StoredFile | null> {
    return (await this.#store()).stat(path);
  }

  async delete(path: string): Promise<void> {
    await (await this.#store()).delete(path);
  }

  async tidy(prefix: string): Promise<void> {
    await (await this.#store()).tidy(prefix);
  }

  async #store(): Promise<AppendableStore> {
    this.#opened ??= this.#open();
    try {
      return await this.#opened;
    } catch (error) {
      this.#opened = null;
      throw error;
    }
  }

  async close(): Promise<void> {
    const store = await this.#opened?.catch(() => null);
    await store?.close();
  }

  async #open(): Promise<AppendableStore> {
    const store = await openConfiguredStore(this.#config);
    this.#log.info({ store: store.name }, 'Tier-2 is there');
    return store;
  }
}
