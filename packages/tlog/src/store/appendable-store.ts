import type { Tier2Store } from './tier2-store.ts';

/** A file that is being written. It appears at its path when it is finished: whole, and durable. */
export interface StoreWriter {
  /** Names what was written so far, so that another process can discard it: see {@link AppendableStore.discard}. */
  readonly id: string;
  /** Adds bytes, which are the caller's again when it resolves. One call at a time. */
  append(parts: readonly Uint8Array[]): Promise<void>;
  finish(): Promise<void>;
  /** Removes what was written. Nothing happens after the end. */
  abandon(): Promise<void>;
}

/** A store that takes files that are too large to be held in memory. */
export interface AppendableStore extends Tier2Store {
  /** Begins a file. @throws LogError `store` */
  create(path: string): Promise<StoreWriter>;
  /** Removes what a writer that died has left; nothing happens when there is nothing. */
  discard(path: string, id: string): Promise<void>;
}
