import {
  parseTlogState,
  type RecordedTlog,
  type StoreEntry,
  type TlogState,
  TlogStateChangedError,
} from '@salvor/config-store';

/** The state of a log in etcd as its owner knows it: what it has put there itself, and what somebody else did. */
export class RecordedState {
  readonly #vdisk: string;
  #state: TlogState | null;
  #revision: bigint;
  #seen: StoreEntry | null = null;
  /** The last one that was to be put: a put may be done although its answer was lost. */
  #offered: TlogState | null = null;
  #putsUnderWay = 0;

  constructor(vdisk: string, { state, stateRevision }: Pick<RecordedTlog, 'state' | 'stateRevision'>) {
    this.#vdisk = vdisk;
    this.#state = state;
    this.#revision = BigInt(stateRevision ?? 0);
  }

  get state(): TlogState | null {
    return this.#state;
  }

  /** What a watch shows; it may be older than what was put. */
  notice(entry: StoreEntry | null): void {
    this.#seen = entry;
  }

  /** A state that somebody else has put on record since. Told once. @throws ConfigValueError */
  takeNews(): TlogState | null {
    const seen = this.#seen;
    // Until a put is answered it is not known which of the two came later.
    if (seen === null || this.#putsUnderWay > 0 || BigInt(seen.revision) <= this.#revision) return null;
    this.#take(seen);
    return this.#isOwn ? null : this.#state;
  }

  /**
   * Puts a state on record; a state that somebody else has put there is not replaced by `whole`.
   *
   * @param put gives the revision, null when it could not be put
   * @returns false when it could not be put
   * @throws TlogStateChangedError; what was put by the other one is the state then
   */
  async put(state: TlogState, put: (after: string | null) => Promise<string | null>): Promise<boolean> {
    this.#putsUnderWay++;
    this.#offered = state;
    try {
      const revision = await put(
        state.status === 'whole' && this.#revision > 0n ? String(this.#revision) : null,
      );
      if (revision === null) return false;
      this.#state = state;
      this.#revision = BigInt(revision);
      return true;
    } catch (error) {
      if (!(error instanceof TlogStateChangedError) || error.entry === null) throw error;
      this.#take(error.entry);
      if (this.#isOwn) return true;
      throw error;
    } finally {
      this.#putsUnderWay--;
    }
  }

  get #isOwn(): boolean {
    const [found, own] = [this.#state, this.#offered];
    return found?.status === own?.status && found?.since === own?.since && found?.reason === own?.reason;
  }

  #take({ value, revision }: StoreEntry): void {
    this.#revision = BigInt(revision);
    this.#state = parseTlogState(this.#vdisk, value);
  }
}
