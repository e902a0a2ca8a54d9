import type { SourceLog, SourceWindow } from './source-log.ts';

/** Asked after something was read: up to which record it may be used; null: not at all. */
export type Confirm = () => Promise<number | null>;

/** What was read of the log of another zone. */
export interface SourceRead extends SourceWindow {
  /** Up to this record it may be used; null: not at all. */
  readonly bound: number | null;
  /** It was read while the one before was applied: whether more came since is not known. */
  readonly isEarlier: boolean;
  /** When the reading of it began, milliseconds, and what had been carried over for the volume until then, in bytes. */
  readonly began: { readonly at: number; readonly carried: number };
}

/**
 * Reads the log of another zone a window at a time. The next one can be begun while the last one is stored and applied here: it is
 * confirmed after it was read, as every other, and what a generation wrote stays what it wrote.
 */
export class ReadAhead {
  readonly #source: Pick<SourceLog, 'next' | 'close'>;
  readonly #carried: () => number;
  #begun: Promise<SourceRead> | null = null;

  /** @param carried bytes that came over for the volume so far */
  constructor(source: Pick<SourceLog, 'next' | 'close'>, carried: () => number) {
    this.#source = source;
    this.#carried = carried;
  }

  /** The next window: the one that was begun, or what there is now. Errors are those of {@link SourceLog.next}. */
  take(confirm: Confirm): Promise<SourceRead> {
    const read = this.#begun ?? this.#read(confirm, false);
    this.#begun = null;
    return read;
  }

  /** Begins the next window; whoever takes it learns of its failure. */
  begin(confirm: Confirm): void {
    if (this.#begun !== null) return;
    this.#begun = this.#read(confirm, true);
    this.#begun.catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#begun = null;
    await this.#source.close();
  }

  async #read(confirm: Confirm, isEarlier: boolean): Promise<SourceRead> {
    const began = { at: Date.now(), carried: this.#carried() };
    const window = await this.#source.next();
    return { ...window, bound: window.segments.length === 0 ? null : await confirm(), isEarlier, began };
  }
}
