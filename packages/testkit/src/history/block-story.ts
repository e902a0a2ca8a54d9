import { SECTORS_PER_BLOCK } from './block-history.ts';

export type StoryEvent =
  | 'write-sent'
  | 'write-answered'
  | 'write-failed'
  | 'write-unanswered'
  | 'write-fenced'
  | 'read-answered';

const NAMES: readonly StoryEvent[] = [
  'write-sent',
  'write-answered',
  'write-failed',
  'write-unanswered',
  'write-fenced',
  'read-answered',
];
const FIELDS = 6 + SECTORS_PER_BLOCK;
/** Stories begin small: most blocks are seldom touched. */
const FIRST_ROOM = 8;
export const STORY_EVENTS_MAX = 96;

/** One line of what happened to a block. */
export interface StoryLine {
  readonly event: StoryEvent;
  /** Tick at which it happened, tick at which the request was sent. */
  readonly at: number;
  readonly sentAt: number;
  /** `performance.now()` milliseconds. */
  readonly atMs: number;
  readonly client: number;
  /** Values by sector; -2 for sectors outside of the request. */
  readonly sectors: readonly number[];
}

const OUTSIDE = -2;

/** The last things that happened to one block. */
export class BlockStory {
  #ring = new Float64Array(FIRST_ROOM * FIELDS);
  #count = 0;

  writeEvent(
    event: StoryEvent,
    at: number,
    sentAt: number,
    atMs: number,
    client: number,
    value: number,
    mask: number,
  ): void {
    const ring = this.#head(event, at, sentAt, atMs, client);
    const from = this.#place() + 6;
    for (let sector = 0; sector < SECTORS_PER_BLOCK; sector++) {
      ring[from + sector] = (mask >> sector) & 1 ? value : OUTSIDE;
    }
    this.#count++;
  }

  readAnswered(
    at: number,
    sentAt: number,
    atMs: number,
    client: number,
    first: number,
    values: Int32Array,
    valuesFrom: number,
    count: number,
  ): void {
    const ring = this.#head('read-answered', at, sentAt, atMs, client);
    const from = this.#place() + 6;
    for (let sector = 0; sector < SECTORS_PER_BLOCK; sector++) {
      const inside = sector >= first && sector < first + count;
      ring[from + sector] = inside ? (values[valuesFrom + sector - first] ?? 0) : OUTSIDE;
    }
    this.#count++;
  }

  /** Oldest first. */
  lines(): StoryLine[] {
    const lines: StoryLine[] = [];
    const room = this.#ring.length / FIELDS;
    for (let index = Math.max(0, this.#count - room); index < this.#count; index++) {
      const from = (index % room) * FIELDS;
      const field = (i: number): number => this.#ring[from + i] ?? 0;
      lines.push({
        event: NAMES[field(0)] ?? 'write-sent',
        at: field(1),
        sentAt: field(2),
        atMs: field(3),
        client: field(4),
        sectors: [...this.#ring.subarray(from + 6, from + FIELDS)],
      });
    }
    return lines;
  }

  #place(): number {
    return (this.#count % (this.#ring.length / FIELDS)) * FIELDS;
  }

  #head(event: StoryEvent, at: number, sentAt: number, atMs: number, client: number): Float64Array {
    const room = this.#ring.length / FIELDS;
    if (this.#count === room && room < STORY_EVENTS_MAX) {
      const larger = new Float64Array(Math.min(STORY_EVENTS_MAX, room * 2) * FIELDS);
      larger.set(this.#ring);
      this.#ring = larger;
    }
    const ring = this.#ring;
    const from = this.#place();
    ring[from] = NAMES.indexOf(event);
    ring[from + 1] = at;
    ring[from + 2] = sentAt;
    ring[from + 3] = atMs;
    ring[from + 4] = client;
    return ring;
  }
}
