import type { ArchiveBackup, ArchivePlace, ArchiveRecord } from '@salvor/config-store';
import { messageOf, SalvorError } from '@salvor/service-kit';
import { lastSequence, renumbered } from '@salvor/tlog';
import { decideLevelLog } from '../decide-level-log.ts';
import { endedBy } from '../ended-by.ts';
import { LostPlaceError, SourceLog, type SourceSegment } from '../source-log.ts';
import { positionsAt } from '../volume-comparison.ts';
import { logSegmentOf } from '../zone-log.ts';
import type { SourceVolume } from './archive-source.ts';
import { type ArchiveWork, covers } from './archive-work.ts';
import { reasonNotToStore, reasonNotToTake } from './source-standing.ts';

/** The zone is asked whether more comes of a log that is level for this long, although its engines are beyond it. */
const LEVEL_MAX_MS = 5_000;

/** What was read tells no states that the volume had: nothing of it is stored. */
class NoPrimaryError extends Error {}

/** Takes the log of a volume as it is written, renumbered behind what the archive holds. */
export class ZoneFollowing {
  readonly #work: ArchiveWork;
  readonly #source: SourceVolume;
  readonly #reader: SourceLog;
  readonly #numberBy: number;
  readonly #sequenceBy: number;
  readonly #base: number;
  /** The last segment that was added. */
  #place: ArchivePlace;
  #writtenAt = 0;
  /** Since when something waits to be stored. */
  #pendingSince: number | null = null;
  #levelSince: number | null = null;
  #isReached: boolean;
  #positions: readonly { readonly shard: number; readonly batch: number }[];

  constructor(
    work: ArchiveWork,
    record: ArchiveRecord & { readonly place: ArchivePlace },
    source: SourceVolume,
  ) {
    const { place, backup } = record;
    this.#work = work;
    this.#source = source;
    this.#reader = new SourceLog(source.log, place.segment);
    this.#numberBy = place.number - place.segment.number;
    this.#sequenceBy = place.sequence - place.segment.last;
    this.#base = backup?.base ?? record.base;
    this.#place = place;
    this.#positions = backup?.behind?.positions ?? [];
    this.#isReached = backup?.until == null || covers(this.#positions, backup.until);
  }

  close(): Promise<void> {
    return this.#reader.close();
  }

  /**
   * Takes what came since.
   *
   * @returns whether there may be more at once
   * @throws BusError; LogError `store`, `bad-segment`; SalvorError
   */
  async step(record: ArchiveRecord): Promise<boolean> {
    const { tell } = this.#work;
    const mark = record.backup?.mark;
    if (mark != null) return this.#finishMark(record, mark);
    if (record.backup !== null && this.#isReached && this.#pendingSince === null) {
      await tell({ kind: 'clean', place: this.#place });
      return true;
    }
    const reason = reasonNotToTake(this.#source.description, this.#place.segment.last);
    if (reason !== null) {
      await this.#lose(reason);
      return true;
    }
    try {
      return await this.#next(record);
    } catch (error) {
      if (!(error instanceof NoPrimaryError)) throw error;
      await this.#lose(error.message);
      return true;
    }
  }

  /** What was taken is stored now. */
  async end(record: ArchiveRecord): Promise<void> {
    try {
      await this.#store(record, false);
    } catch (error) {
      if (!(error instanceof NoPrimaryError)) throw error;
      await this.#lose(error.message);
    }
  }

  async #next(record: ArchiveRecord): Promise<boolean> {
    const { tell, signal } = this.#work;
    let window: Awaited<ReturnType<SourceLog['next']>>;
    try {
      window = await endedBy(signal, this.#reader.next());
    } catch (error) {
      if (!isLost(error)) throw error;
      await this.#store(record, false);
      await tell({ kind: 'source-lost', reason: messageOf(error) });
      return true;
    }
    for (const segment of window.segments) await this.#take(record, segment);
    if (this.#isDue(record, window.isLevel)) await this.#store(record, window.isLevel);
    await this.#waitForEngines(record, window.isLevel && window.segments.length === 0);
    return !window.isLevel || window.segments.length > 0;
  }

  async #lose(reason: string): Promise<void> {
    const { writer, tell } = this.#work;
    writer.forget();
    await tell({ kind: 'source-lost', reason });
  }

  async #take(record: ArchiveRecord, { segment }: SourceSegment): Promise<void> {
    const { writer, chunks } = this.#work;
    const number = segment.number + this.#numberBy;
    const last = lastSequence(segment) + this.#sequenceBy;
    if (segment.positions.length > 0) this.#positions = segment.positions;
    const wasReached = this.#isReached;
    const until = record.backup?.until;
    if (!wasReached && until != null) this.#isReached = covers(this.#positions, until);
    this.#writtenAt = segment.lastAt;
    const place = { segment: logSegmentOf(segment), number, sequence: last };
    // Stored by whoever wrote the archive before, and not put on record.
    if (number > writer.end.number) {
      const exactFrom = this.#isReached ? last : last + 1;
      writer.add(
        renumbered(segment, {
          ...{ vdisk: chunks.vdisk, numberBy: this.#numberBy, sequenceBy: this.#sequenceBy },
          base: this.#base,
          ...(wasReached ? {} : { exactFrom }),
        }),
      );
    }
    this.#place = place;
    this.#pendingSince ??= performance.now();
    if (writer.isDue) await this.#store(record, false);
  }

  #isDue(record: ArchiveRecord, isLevel: boolean): boolean {
    if (this.#pendingSince === null) return isLevel !== (record.levelAt !== null) && record.backup === null;
    if (!isLevel && record.levelAt !== null && record.backup === null) return true;
    const { last } = this.#place.segment;
    const isWanted = record.snapshots.some(({ state, source }) => state === 'promised' && source <= last);
    const isBackupEnd = record.backup !== null && this.#isReached;
    return isWanted || isBackupEnd || performance.now() - this.#pendingSince >= this.#work.maxAgeMs;
  }

  async #store(record: ArchiveRecord, isLevel: boolean): Promise<void> {
    const { writer, tell, signal } = this.#work;
    const { description, look } = this.#source;
    if (writer.end.number > writer.stored.number) {
      // Asked behind what was read: a zone that is demoted puts that on record before anything else is written there.
      const reason = reasonNotToStore(description, await endedBy(signal, look()));
      if (reason !== null) throw new NoPrimaryError(reason);
    }
    await writer.flush();
    const { sizeBytes } = this.#source.description;
    const grown = sizeBytes > record.sizeBytes ? { sizeBytes } : {};
    await tell({ kind: 'archived', place: this.#place, writtenAt: this.#writtenAt, isLevel, ...grown });
    this.#pendingSince = null;
  }

  async #waitForEngines(record: ArchiveRecord, isIdle: boolean): Promise<void> {
    const { writer, tell } = this.#work;
    if (!isIdle || this.#isReached || record.backup === null) {
      this.#levelSince = null;
      return;
    }
    const next = await this.#standing(record.backup);
    if (next === 'wait') return;
    await this.#store(record, false);
    if (next === 'broken') {
      await tell({ kind: 'source-lost', reason: 'the log does not have all that was written' });
      return;
    }
    await tell({ kind: 'mark', number: writer.end.number + 1 });
  }

  /** Whether more is to come of a log that is level. */
  async #standing({ until }: ArchiveBackup): Promise<'complete' | 'wait' | 'broken'> {
    const { signal } = this.#work;
    const { log, ask } = this.#source;
    if (this.#levelSince === null) {
      this.#levelSince = performance.now();
      // What came from the archive of the zone, or was stored before this began, does not tell of engines.
      const positions = await endedBy(signal, positionsAt(log, this.#place.segment));
      if (positions !== null && until !== null && covers(positions, until)) return 'complete';
    }
    if (performance.now() - this.#levelSince < LEVEL_MAX_MS) return 'wait';
    this.#levelSince = null;
    return decideLevelLog(await endedBy(signal, ask({ count: 0 })));
  }

  /** A mark has a number of its own: what follows is numbered behind it. */
  async #finishMark(record: ArchiveRecord, number: number): Promise<boolean> {
    const { writer, tell } = this.#work;
    const { segment } = this.#place;
    if (writer.stored.number < number) {
      const { blockSize } = record;
      writer.addMark({ epoch: segment.epoch, at: segment.at, base: this.#base, blockSize });
      await writer.flush();
    }
    const place = { segment, number, sequence: writer.stored.sequence };
    await tell({ kind: 'clean', place });
    return true;
  }
}

function isLost(error: unknown): boolean {
  return (
    error instanceof LostPlaceError || (error instanceof SalvorError && error.code === 'archive-unreachable')
  );
}
