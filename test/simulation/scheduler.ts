/** Virtual time: a heap of events, and the processes they belong to. */

/** A process, or the engine of one: it may be killed, stopped for a while, and started again. */
export interface Process {
  readonly name: string;
  /** Rises when it dies: what was scheduled for an earlier life never happens. */
  life: number;
  up: boolean;
  /** Nothing happens in it before this time, in virtual milliseconds. */
  pausedUntil: number;
}

export function newProcess(name: string): Process {
  return { name, life: 0, up: true, pausedUntil: 0 };
}

interface Event {
  at: number;
  /** Order among events of one time. */
  readonly order: number;
  readonly process: Process | null;
  readonly life: number;
  readonly run: () => void;
}

/** Events of one moment beyond which time is taken to stand still: what asks again and again without a pause in between. */
const EVENTS_AT_ONCE_MAX = 20_000;

export class Scheduler {
  now = 0;
  #atOnce = 0;
  #order = 0;
  readonly #heap: Event[] = [];

  /** Runs `run` in `delayMs`, unless its process dies before; later when that process is stopped then. */
  after(delayMs: number, process: Process | null, run: () => void): void {
    this.at(this.now + delayMs, process, run);
  }

  at(at: number, process: Process | null, run: () => void): void {
    this.#push({ at, order: this.#order++, process, life: process === null ? 0 : process.life, run });
  }

  /** Carries out the next event that is due before `endMs`; false when there is none. */
  step(endMs: number): boolean {
    const next = this.#heap[0];
    if (next === undefined || next.at > endMs) return false;
    this.#pop();
    const { process } = next;
    if (next.at > this.now) {
      this.now = next.at;
      this.#atOnce = 0;
    } else if (++this.#atOnce > EVENTS_AT_ONCE_MAX)
      throw new Error(`time stands still at ${this.now} ms: ${EVENTS_AT_ONCE_MAX} events and no end`);
    if (process !== null) {
      if (process.life !== next.life) return true;
      if (process.pausedUntil > this.now) {
        next.at = process.pausedUntil;
        this.#push(next);
        return true;
      }
    }
    next.run();
    return true;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let place = heap.length;
    heap.push(event);
    while (place > 0) {
      const above = (place - 1) >> 1;
      const other = heap[above];
      if (other === undefined || !isBefore(event, other)) break;
      heap[place] = other;
      place = above;
    }
    heap[place] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    const size = heap.length;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= size) break;
      let child = heap[below] as Event;
      const right = heap[below + 1];
      if (right !== undefined && isBefore(right, child)) {
        below++;
        child = right;
      }
      if (!isBefore(child, last)) break;
      heap[place] = child;
      place = below;
    }
    heap[place] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
