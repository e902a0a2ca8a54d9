/**
 * A watch that never ends by itself: list at revision R, watch from R + 1, and on any doubt start over with a list, whose
 * differences are delivered as changes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '@salvor/service-kit';
import { StoreError } from './errors.ts';
import type { EtcdCalls } from './etcd-calls.ts';
import { type RangeEvent, RangeView } from './range-view.ts';
import { type ByteRange, readRanges, selectedRanges } from './ranges.ts';
import type { Change, ChangeBatch, Listing, StoreEntry, StoreLog, Watch, WatchSelection } from './types.ts';
import { followChanges } from './watch-session.ts';

export interface WatchOptions {
  readonly auditIntervalMs: number;
  /** Bound of the wait for the initial batch. */
  readonly startTimeoutMs: number;
  readonly log: StoreLog;
}

const LIST_TIMEOUT_MS = 2_000;
const RESTART_DELAY_MS = 100;
/** A session that lived this long is restarted at once. */
const STEADY_SESSION_MS = 2_000;

/** Resolves once the initial batch was delivered; rejects with `store-unavailable` if that is not possible in time. */
export async function startWatch(
  etcd: EtcdCalls,
  selection: WatchSelection,
  onChange: (batch: ChangeBatch) => void,
  options: WatchOptions,
): Promise<Watch> {
  const ranges = selectedRanges(selection);
  if (ranges.length === 0)
    throw new StoreError('invalid-key', 'watch: expected a key or a prefix, found none');
  const watch = new LastingWatch(etcd, ranges, onChange, options);
  const timeout = new AbortController();
  const tooLate = delay(options.startTimeoutMs, 'too late', { signal: timeout.signal }).catch(() => null);
  const first = await Promise.race([watch.start(), tooLate]);
  timeout.abort();
  if (first !== 'too late') return watch;
  watch.close();
  throw new StoreError(
    'store-unavailable',
    `watch: no first list from etcd within ${options.startTimeoutMs} ms (${watch.lastReason}); is etcd up and reachable?`,
  );
}

class LastingWatch implements Watch {
  lastReason = 'no answer yet';
  readonly #etcd: EtcdCalls;
  readonly #onChange: (batch: ChangeBatch) => void;
  readonly #options: WatchOptions;
  readonly #views: readonly RangeView[];
  readonly #closing = new AbortController();
  #confirmedAtMs = Number.NEGATIVE_INFINITY;
  /** What all views know, until they know more. */
  #entries: ReadonlyMap<string, StoreEntry> | null = null;
  #onFirstList: (() => void) | null = null;

  constructor(
    etcd: EtcdCalls,
    ranges: readonly ByteRange[],
    onChange: (batch: ChangeBatch) => void,
    options: WatchOptions,
  ) {
    this.#etcd = etcd;
    this.#onChange = onChange;
    this.#options = options;
    this.#views = ranges.map((range) => new RangeView(range));
  }

  start(): Promise<void> {
    return new Promise((resolve) => {
      this.#onFirstList = resolve;
      void this.#run();
    });
  }

  entries(): ReadonlyMap<string, StoreEntry> {
    if (this.#entries !== null) return this.#entries;
    const entries = new Map<string, StoreEntry>();
    for (const view of this.#views) for (const [key, entry] of view.entries) entries.set(key, entry);
    this.#entries = entries;
    return entries;
  }

  confirmedAtMs(): number {
    return this.#confirmedAtMs;
  }

  close(): void {
    this.#closing.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const begunAtMs = performance.now();
      this.lastReason = await this.#session().catch(messageOf);
      if (signal.aborted) return;
      this.#options.log.warn({ reason: this.lastReason }, 'watch starts over');
      if (performance.now() - begunAtMs < STEADY_SESSION_MS) {
        await delay(RESTART_DELAY_MS, undefined, { signal }).catch(() => {}); // aborted: the loop ends
      }
    }
  }

  async #session(): Promise<string> {
    const { signal } = this.#closing;
    const askedAtMs = performance.now();
    const ranges = this.#views.map(({ range }) => range);
    const listings = await readRanges(this.#etcd, 'list of a watch', ranges, LIST_TIMEOUT_MS);
    if (signal.aborted) return 'closed';
    const changes = this.#views.flatMap((view, index) => view.reconcile(listings[index] ?? noListing));
    this.#confirmedAtMs = askedAtMs;
    this.#deliver(this.#onFirstList === null ? 'change' : 'initial', changes, listings[0]?.revision ?? '0');
    this.#onFirstList?.();
    this.#onFirstList = null;
    return await followChanges(
      this.#etcd,
      this.#views,
      {
        onEvents: (view, events, at) => this.#onEvents(view, events, at),
        onConfirmed: (atMs) => {
          this.#confirmedAtMs = atMs;
        },
      },
      { auditIntervalMs: this.#options.auditIntervalMs, signal },
    );
  }

  #onEvents(view: RangeView, events: readonly RangeEvent[], revision: string): void {
    this.#confirmedAtMs = performance.now();
    this.#deliver('change', view.apply(events), revision);
  }

  #deliver(kind: ChangeBatch['kind'], changes: readonly Change[], revision: string): void {
    if (kind === 'change' && changes.length === 0) return;
    this.#entries = null;
    try {
      this.#onChange({ kind, revision, changes });
    } catch (error) {
      // A listener's defect must not stop the watch for everyone who relies on it.
      this.#options.log.warn({ error: String(error) }, 'watch listener failed');
    }
  }
}

const noListing: Listing = { revision: '0', entries: [] };
