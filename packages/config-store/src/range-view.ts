import type { ByteRange } from './ranges.ts';
import type { Change, Listing, StoreEntry } from './types.ts';

/** An event of a watched range: `entry` null = deleted. */
export interface RangeEvent {
  readonly key: string;
  readonly revision: string;
  readonly entry: StoreEntry | null;
}

/** What a watch knows about one range: turns lists and events into real changes, each delivered once and in order. */
export class RangeView {
  readonly range: ByteRange;
  readonly #known = new Map<string, StoreEntry>();
  #seen = 0n;

  constructor(range: ByteRange) {
    this.range = range;
  }

  /** Revision of the newest change that this view reflects. */
  get seen(): bigint {
    return this.#seen;
  }

  get entries(): ReadonlyMap<string, StoreEntry> {
    return this.#known;
  }

  /** A list says everything about its revision, also when the store was set back to an older state. */
  reconcile(listing: Listing): Change[] {
    const listed = new Map(listing.entries.map((entry) => [entry.key, entry]));
    const changes: Change[] = [];
    for (const [key, previous] of this.#known) {
      if (!listed.has(key)) changes.push({ key, entry: null, previous });
    }
    for (const [key, entry] of listed) {
      const previous = this.#known.get(key) ?? null;
      if (previous?.revision !== entry.revision || previous.createRevision !== entry.createRevision) {
        changes.push({ key, entry, previous });
      }
    }
    for (const change of changes) this.#remember(change);
    this.#seen = BigInt(listing.revision);
    return changes;
  }

  /** Events at or below what is already reflected are repetitions and answer nothing. */
  apply(events: readonly RangeEvent[]): Change[] {
    const changes: Change[] = [];
    const reflected = this.#seen;
    for (const { key, revision, entry } of events) {
      if (BigInt(revision) <= reflected) continue;
      const previous = this.#known.get(key) ?? null;
      if (BigInt(revision) > this.#seen) this.#seen = BigInt(revision);
      if (entry === null && previous === null) continue;
      const change = { key, entry, previous };
      this.#remember(change);
      changes.push(change);
    }
    return changes;
  }

  #remember({ key, entry }: Change): void {
    if (entry === null) this.#known.delete(key);
    else this.#known.set(key, entry);
  }
}
