import { ReadMemory, SlabPool } from '../store/read-memory.ts';
import { ReplayPace } from './replay-pace.ts';

/** Bytes of blocks on their way from the log to the engines, of all replays of a process. */
export const WINDOW_BYTES: number = 64 << 20;
/** Bytes of all bitmaps of replays that run at once. */
export const BITMAP_BYTES: number = 160 << 20;
/** Replays that run at once; more wait. */
export const REPLAYS_MAX = 64;

export interface WindowLimits {
  readonly bytes?: number;
  readonly bitmapBytes?: number;
  readonly replays?: number;
  /** What is brought back, or read again, in a second at most. Default: no limit. */
  readonly bytesPerSecond?: number;
}

interface Waiting {
  readonly bytes: number;
  readonly grant: () => void;
}

/**
 * Bounds the memory of all replays of a process, and shares what it bounds: those that wait for bytes get them in turns, so
 * that none of many vdisks stands still behind another one.
 */
export class ReplayWindow {
  readonly #bytes: number;
  readonly #bitmapBytes: number;
  readonly #replays: number;
  #usedBytes = 0;
  #usedBitmapBytes = 0;
  #joined = 0;
  #peakBytes = 0;
  readonly #slabs = new SlabPool();
  readonly #pace: ReplayPace | null;
  /** Seats that were granted, in the order of their turns. */
  readonly #turns: ReplaySeat[] = [];
  readonly #atTheDoor: Waiting[] = [];

  constructor({
    bytes = WINDOW_BYTES,
    bitmapBytes = BITMAP_BYTES,
    replays = REPLAYS_MAX,
    bytesPerSecond,
  }: WindowLimits = {}) {
    this.#pace = bytesPerSecond === undefined ? null : new ReplayPace(bytesPerSecond);
    this.#bytes = bytes;
    this.#bitmapBytes = bitmapBytes;
    this.#replays = replays;
  }

  /** Most bytes that were on their way at once. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** Waits until there is room for one more replay with bitmaps of so many bytes. */
  async join(bitmapBytes: number, signal: AbortSignal): Promise<ReplaySeat> {
    await waitFor(this.#atTheDoor, bitmapBytes, signal, () => this.#openDoor());
    const seat = new ReplaySeat({
      pace: this.#pace,
      memory: () => new ReadMemory(this.#slabs),
      grant: () => this.#grant(),
      give: (bytes) => {
        this.#usedBytes -= bytes;
        this.#grant();
      },
      leave: () => {
        this.#turns.splice(this.#turns.indexOf(seat), 1);
        this.#usedBitmapBytes -= bitmapBytes;
        this.#joined--;
        this.#openDoor();
      },
    });
    this.#turns.push(seat);
    return seat;
  }

  #openDoor(): void {
    for (;;) {
      const [next] = this.#atTheDoor;
      if (next === undefined) return;
      const isAlone = this.#usedBitmapBytes === 0;
      if (!isAlone && this.#usedBitmapBytes + next.bytes > this.#bitmapBytes) return;
      if (this.#joined >= this.#replays) return;
      this.#atTheDoor.shift();
      this.#joined++;
      this.#usedBitmapBytes += next.bytes;
      next.grant();
    }
  }

  #grant(): void {
    for (let refused = 0; refused < this.#turns.length; ) {
      const seat = this.#turns[0];
      if (seat === undefined) return;
      const [next] = seat.waiting;
      if (next !== undefined) {
        // What is larger than the window passes alone. Nobody overtakes who has the turn.
        if (this.#usedBytes > 0 && this.#usedBytes + next.bytes > this.#bytes) return;
        seat.waiting.shift();
        this.#usedBytes += next.bytes;
        this.#peakBytes = Math.max(this.#peakBytes, this.#usedBytes);
        next.grant();
        refused = 0;
      } else refused++;
      this.#turns.push(...this.#turns.splice(0, 1));
    }
  }
}

interface SeatCalls {
  readonly pace: ReplayPace | null;
  readonly memory: () => ReadMemory;
  readonly grant: () => void;
  readonly give: (bytes: number) => void;
  readonly leave: () => void;
}

/** The place of one replay among those of the process. */
export class ReplaySeat {
  /** For the window: what it has asked for. */
  readonly waiting: Waiting[] = [];
  readonly #calls: SeatCalls;

  constructor(calls: SeatCalls) {
    this.#calls = calls;
  }

  /** Waits until so many bytes may be on their way. Rejects when the signal is aborted. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    await this.#calls.pace?.wait(bytes, signal);
    await waitFor(this.waiting, bytes, signal, this.#calls.grant);
  }

  give(bytes: number): void {
    this.#calls.give(bytes);
  }

  /** For what one step reads. */
  memory(): ReadMemory {
    return this.#calls.memory();
  }

  leave(): void {
    this.#calls.leave();
  }
}

function waitFor(queue: Waiting[], bytes: number, signal: AbortSignal, serve: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const waiting: Waiting = {
      bytes,
      grant: () => {
        signal.removeEventListener('abort', aborted);
        resolve();
      },
    };
    const aborted = (): void => {
      queue.splice(queue.indexOf(waiting), 1);
      reject(signal.reason);
      serve();
    };
    signal.addEventListener('abort', aborted, { once: true });
    queue.push(waiting);
    serve();
  });
}
