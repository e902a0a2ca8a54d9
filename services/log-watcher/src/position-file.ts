import { type Logger, messageOf, pause } from '@salvor/service-kit';
import { z } from 'zod';
import { readStored, store } from './stored-json.ts';

/** How far a file was read and announced. */
export interface Position {
  readonly inode: string;
  /**
   * Made anew whenever the content of the file begins anew. Part of event ids: an inode is used again after a delete, and
   * an offset after a truncation, and the bus must not take the later event for the earlier one.
   */
  readonly generation: string;
  readonly offset: number;
  /** The first bytes, base64: tells a file that was truncated and has grown again. */
  readonly head: string;
}

const positionSchema: z.ZodType<Position> = z.object({
  inode: z.string(),
  generation: z.string().regex(/^[0-9a-f]{8}$/),
  offset: z.int().min(0),
  head: z.string(),
});

/** Progress is written at most this often; what was announced since the last write is announced again after a crash. */
const SAVE_INTERVAL_MS = 100;

export class PositionFile {
  readonly #path: string;
  readonly #log: Logger;
  #next: Position | null = null;
  #saving: Promise<void> | null = null;

  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
  }

  load(): Position | null {
    return readStored(this.#path, positionSchema);
  }

  /** Saves soon. */
  save(position: Position): void {
    this.#next = position;
    this.#saving ??= this.#saveAll().finally(() => {
      this.#saving = null;
    });
  }

  /** Saves what is not saved yet. */
  async flush(): Promise<void> {
    await this.#saving;
    await this.#saveNext();
  }

  /** Resolves when it is on the disk. @throws when it cannot be written */
  async saveNow(position: Position): Promise<void> {
    this.#next = null;
    await this.#saving;
    this.#next = null;
    await store(this.#path, position);
  }

  async #saveAll(): Promise<void> {
    while (this.#next !== null) {
      await pause(SAVE_INTERVAL_MS);
      await this.#saveNext();
    }
  }

  async #saveNext(): Promise<void> {
    const position = this.#next;
    if (position === null) return;
    this.#next = null;
    try {
      await store(this.#path, position);
    } catch (error) {
      this.#log.warn({ path: this.#path, error: messageOf(error) }, 'position could not be saved');
    }
  }
}
