import {
  type ArchiveHold,
  type ArchiveNews,
  type ArchivePlace,
  type ArchiveRecord,
  applyArchive,
  type ConfigStore,
  decideArchive,
  readArchive,
} from '@salvor/config-store';
import { codeOf, type Logger, messageOf, pause, SalvorError } from '@salvor/service-kit';
import { ArchiveWriter, archiveEnd, type ReplayWindow, type VdiskChunks } from '@salvor/tlog';
import type { AnnounceArchive } from './archive-announcer.ts';
import { compactArchive } from './archive-compaction.ts';
import type { ArchiveSources } from './archive-source.ts';
import type { ArchiveStores } from './archive-stores.ts';
import type { ArchiveWork } from './archive-work.ts';
import { copyArchive } from './copy-following.ts';
import { heldContent } from './held-content.ts';
import { backUp } from './zone-backup.ts';
import { ZoneFollowing } from './zone-following.ts';

export interface ArchiveKeeperOptions {
  readonly store: ConfigStore;
  readonly stores: ArchiveStores;
  readonly sources: ArchiveSources;
  readonly window: ReplayWindow;
  readonly log: Logger;
  readonly announce: AnnounceArchive;
  readonly limits: {
    readonly chunkBytes: number;
    readonly maxAgeMs: number;
    readonly compactIntervalMs: number;
  };
}

const IDLE_MS = 200;
/** Between two tries of what does not work: twice as long each time. */
const RETRY_MS = 250;
const RETRY_MAX_MS = 5_000;
const KICK_LOOK_MS = 200;
/** What the archive holds is looked at this often, where nothing comes. */
const LOOK_EVERY_MS = 3_000;
/** Of the reader of a source: how the source is may have changed. */
const REOPEN_MS = 5_000;

/** Another process writes the archive now, or the record says otherwise. */
class ArchiveHoldLostError extends SalvorError {
  constructor(archive: string, volume: string) {
    super('hold-lost', `another process writes archive ${archive} of volume ${volume} now`);
  }
}

interface Opened {
  readonly lineage: number;
  readonly chunks: VdiskChunks;
  readonly writer: ArchiveWriter;
}

interface Following {
  readonly key: string;
  readonly following: ZoneFollowing;
  readonly openedAt: number;
}

/** Brings one archive of one volume up to date, as long as this process has the right to. */
export class ArchiveKeeper {
  readonly archive: string;
  readonly volume: string;
  readonly #options: ArchiveKeeperOptions;
  readonly #hold: ArchiveHold;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #isOver = false;
  #opened: Opened | null = null;
  #following: Following | null = null;
  #failures = 0;
  #lookedAt = 0;
  #compactedAt = performance.now();
  #trouble: string | null = null;

  constructor(options: ArchiveKeeperOptions, hold: ArchiveHold) {
    this.#options = options;
    this.#hold = hold;
    this.archive = hold.archive;
    this.volume = hold.volume;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get isInTrouble(): boolean {
    return this.#trouble !== null;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new SalvorError('stopped', 'this process stops'));
    await this.#running;
    await this.#hold.release().catch(() => undefined); // its lease ends with this process
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted && !this.#isOver) {
      let kicks = 0;
      try {
        const record = await readArchive(this.#options.store, this);
        if (record === null || !(await this.#hold.isHeld())) break;
        ({ kicks } = record);
        const isBusy = await this.#step(record);
        this.#failures = 0;
        if (record.trouble !== null || this.#trouble !== null) await this.#tell({ kind: 'relief' });
        this.#trouble = null;
        if (!isBusy) await pause(IDLE_MS, signal);
      } catch (error) {
        await this.#reset();
        if (signal.aborted || error instanceof ArchiveHoldLostError) break;
        await this.#failed(error, kicks);
      }
    }
    await this.#reset();
    this.#isOver = true;
  }

  /** @returns whether there may be more to do at once */
  async #step(record: ArchiveRecord): Promise<boolean> {
    if (record.phase === 'stopped') {
      await this.#reset();
      return false;
    }
    const { chunks, writer } = await this.#open(record);
    if (await this.#hasLost(record, chunks, writer)) return true;
    const work = this.#work(record, chunks, writer);
    if (record.source.kind === 'archive' && record.place === null && writer.end.number > 0) {
      await this.#tell({ kind: 'occupied' });
      return true;
    }
    if (record.source.kind === 'archive') return this.#copy(work, record, record.source.archive);
    const { zone } = record.source;
    if (record.phase === 'backup' && record.backup?.until == null) {
      await this.#endFollowing();
      await backUp(work, record, await this.#options.sources.open(zone, this.volume));
      return true;
    }
    const { place } = record;
    if (place === null)
      throw new SalvorError('no-place', `it is not known where the log of zone ${zone} goes on`);
    const isBusy = await (await this.#follow(work, { ...record, place }, zone)).step(record);
    if (record.phase === 'following') await this.#compact(chunks);
    return isBusy;
  }

  async #copy(work: ArchiveWork, record: ArchiveRecord, from: string): Promise<boolean> {
    const { store, stores } = this.#options;
    const there = { archive: from, volume: this.volume };
    const theirs = await readArchive(store, there);
    if (theirs === null)
      throw new SalvorError(
        'unknown-archive',
        `archive ${from} does not hold volume ${this.volume} any more`,
      );
    await this.#endFollowing();
    const again = (): Promise<ArchiveRecord | null> => readArchive(store, there);
    const isBusy = await copyArchive(work, record, theirs, await stores.chunksOf(theirs), again);
    await this.#compact(work.chunks);
    return isBusy;
  }

  async #follow(
    work: ArchiveWork,
    record: ArchiveRecord & { readonly place: ArchivePlace },
    zone: string,
  ): Promise<ZoneFollowing> {
    const key = `${zone} ${record.generation} ${record.backup?.beganAt ?? ''}`;
    const known = this.#following;
    if (known?.key === key && performance.now() - known.openedAt < REOPEN_MS) return known.following;
    if (known !== null) {
      if (known.key === key) await known.following.end(record);
      await this.#endFollowing();
      const now = await readArchive(this.#options.store, this);
      if (now?.place == null) throw new SalvorError('changed', 'the archive was changed meanwhile');
      const again = this.#work(now, work.chunks, work.writer);
      return this.#begin(again, { ...now, place: now.place }, zone, key);
    }
    return this.#begin(work, record, zone, key);
  }

  async #begin(
    work: ArchiveWork,
    record: ArchiveRecord & { readonly place: ArchivePlace },
    zone: string,
    key: string,
  ): Promise<ZoneFollowing> {
    const source = await this.#options.sources.open(zone, this.volume);
    const following = new ZoneFollowing(work, record, source);
    this.#following = { key, following, openedAt: performance.now() };
    return following;
  }

  #work({ source, lineage, backup }: ArchiveRecord, chunks: VdiskChunks, writer: ArchiveWriter): ArchiveWork {
    const { window, limits } = this.#options;
    const of = { source, lineage, beganAt: backup?.beganAt ?? null };
    return {
      ...{ chunks, writer, window, maxAgeMs: limits.maxAgeMs },
      tell: (news) => this.#tell({ ...news, of }),
      signal: this.#stopping.signal,
    };
  }

  async #open({ archive, volume, lineage }: ArchiveRecord): Promise<Opened> {
    if (this.#opened?.lineage === lineage) return this.#opened;
    const chunks = await this.#options.stores.chunksOf({ archive, volume, lineage });
    await chunks.store.tidy(chunks.folder);
    const found = (await chunks.list()).reduce((latest, { epoch }) => Math.max(latest, epoch), 0);
    const { epoch, phase } = await this.#tell({ kind: 'opened', found });
    if (phase === 'stopped') throw new SalvorError('changed', `archive ${archive} was stopped meanwhile`);
    const writer = new ArchiveWriter({
      ...{ chunks, end: await archiveEnd(chunks), chunkBytes: this.#options.limits.chunkBytes, epoch },
      mayGoOn: async () => {
        if (!(await this.#hold.isHeld())) throw new ArchiveHoldLostError(archive, volume);
      },
    });
    this.#lookedAt = 0;
    this.#opened = { lineage, chunks, writer };
    return this.#opened;
  }

  /** Looks now and then whether what was stored is still there, and puts on record when it is not. */
  async #hasLost(record: ArchiveRecord, chunks: VdiskChunks, writer: ArchiveWriter): Promise<boolean> {
    if (performance.now() - this.#lookedAt < LOOK_EVERY_MS && this.#lookedAt > 0) return false;
    this.#lookedAt = performance.now();
    if ((await heldContent(chunks, record, writer.stored)) === null) return false;
    // It may have been taken away while it was looked at: a store that is opened anew is there.
    await this.#options.stores.drop(this.archive);
    this.#opened = null;
    const again = await this.#options.stores.chunksOf(record);
    const found = await heldContent(again, record, writer.stored);
    if (found === null) {
      await this.#reset();
      return true;
    }
    this.#options.log.error(
      { archive: this.archive, volume: this.volume, ...found },
      'an archive lost what it held',
    );
    await this.#tell({ kind: 'content-lost', ...found });
    await this.#reset();
    return true;
  }

  async #compact(chunks: VdiskChunks): Promise<void> {
    const { store, limits, log } = this.#options;
    const { archive, volume } = this;
    if (performance.now() - this.#compactedAt < limits.compactIntervalMs) return;
    this.#compactedAt = performance.now();
    const done = await compactArchive({
      ...{ store, archive, volume, chunks, chunkBytes: limits.chunkBytes },
      mayGoOn: async () => {
        this.#stopping.signal.throwIfAborted();
        if (!(await this.#hold.isHeld())) throw new ArchiveHoldLostError(archive, volume);
      },
    });
    if (done !== null) log.info({ archive, volume, ...done }, 'an archive was compacted');
  }

  async #tell(news: ArchiveNews): Promise<ArchiveRecord> {
    const { store, announce } = this.#options;
    const { archive, volume } = this;
    const result = await applyArchive(
      store,
      { archive, volume, compare: [this.#hold.compare] },
      (record, others, now) => (record === null ? 'forget' : decideArchive(record, news, others, now)),
    );
    announce(result);
    if (result.outcome === 'conflict' || result.record === null)
      throw new ArchiveHoldLostError(archive, volume);
    return result.record;
  }

  async #failed(error: unknown, kicks: number): Promise<void> {
    const { log, store, stores } = this.#options;
    const [code, reason] = [codeOf(error), messageOf(error)];
    this.#failures += 1;
    if (this.#trouble !== code)
      log.warn({ archive: this.archive, volume: this.volume, code, error: reason }, 'an archive waits');
    this.#trouble = code;
    if (code === 'store') await stores.drop(this.archive).catch(() => undefined); // it is away
    await this.#tell({ kind: 'trouble', code, reason }).catch((failed: unknown) =>
      log.warn({ error: messageOf(failed) }, 'that an archive waits is not on record'),
    );
    const until = performance.now() + Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** Math.min(10, this.#failures));
    const { signal } = this.#stopping;
    while (!signal.aborted && performance.now() < until) {
      await pause(Math.min(KICK_LOOK_MS, Math.max(1, until - performance.now())), signal);
      const record = await readArchive(store, this).catch(() => null);
      if (record === null || record.kicks !== kicks) return;
    }
  }

  async #endFollowing(): Promise<void> {
    const following = this.#following?.following;
    this.#following = null;
    await following?.close();
  }

  /** What was read and not stored is read again. */
  async #reset(): Promise<void> {
    this.#opened = null;
    await this.#endFollowing().catch(() => undefined); // its reader may have failed
  }
}
