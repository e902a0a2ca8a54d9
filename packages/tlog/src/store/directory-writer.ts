import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import type { StoreWriter } from './appendable-store.ts';

/** So that the end does not have to wait for all of a large file. */
const SYNC_EVERY_BYTES: number = 64 * 1024 * 1024;

export interface DirectoryWriterOptions {
  readonly id: string;
  readonly temporary: string;
  readonly target: string;
  /** Bounds a step, and says what it was for. */
  readonly guarded: <T>(work: () => Promise<T>) => Promise<T>;
  readonly syncFolder: () => Promise<void>;
}

/** Writes a file under a temporary name beside its place, and renames it when it is whole and synced. */
export class DirectoryWriter implements StoreWriter {
  readonly id: string;
  readonly #options: DirectoryWriterOptions;
  readonly #file: FileHandle;
  #unsyncedBytes = 0;
  #isOver = false;

  private constructor(options: DirectoryWriterOptions, file: FileHandle) {
    this.id = options.id;
    this.#options = options;
    this.#file = file;
  }

  static async open(options: DirectoryWriterOptions): Promise<DirectoryWriter> {
    return new DirectoryWriter(options, await open(options.temporary, 'wx'));
  }

  append(parts: readonly Uint8Array[]): Promise<void> {
    return this.#options.guarded(async () => {
      // writeFile writes all of it where a single write may write less.
      for (const part of parts) {
        await this.#file.writeFile(part);
        this.#unsyncedBytes += part.length;
      }
      if (this.#unsyncedBytes < SYNC_EVERY_BYTES) return;
      await this.#file.datasync();
      this.#unsyncedBytes = 0;
    });
  }

  finish(): Promise<void> {
    const { temporary, target, guarded, syncFolder } = this.#options;
    return guarded(async () => {
      await this.#file.sync();
      this.#isOver = true;
      await this.#file.close();
      await rename(temporary, target);
      await syncFolder();
    });
  }

  async abandon(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    const { temporary, guarded } = this.#options;
    await guarded(async () => {
      await this.#file.close();
      await unlink(temporary);
    });
  }
}
