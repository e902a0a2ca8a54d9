import {
  type Generation,
  type LogEnd,
  type LogSegment,
  type PeerTold,
  type ReachedCut,
  type ReplicationPoint,
  type SyncNews,
  sameGeneration,
  sameSegment,
  type VolumeCut,
  type VolumeLink,
  type VolumeRecord,
  type VolumeResult,
  withArrivedCuts,
} from '@salvor/config-store';
import type { VolumeDescription } from '@salvor/contracts';
import { codeOf, messageOf, SalvorError } from '@salvor/service-kit';
import { decodeSegment, lastSequence, logStream, logSubject, type ReplayWindow } from '@salvor/tlog';
import { applySegments } from './applying.ts';
import { endedBy } from './ended-by.ts';
import { EndedGenerations } from './ended-generations.ts';
import { assertGapless } from './gapless.ts';
import { decideHeld } from './groups/decide-held.ts';
import { restoreKept } from './kept-state.ts';
import { comparedOver } from './linked-compare.ts';
import { toldCuts } from './peer-told.ts';
import { type Confirm, ReadAhead } from './read-ahead.ts';
import { ReceivedLog } from './received-log.ts';
import { nextPoint } from './replication-points.ts';
import {
  headOf,
  mountSecondary,
  ownEnd,
  type SecondaryMount,
  type SecondaryMountOptions,
} from './secondary-mount.ts';
import { assertExact, LostPlaceError, SourceLog, type SourceSegment } from './source-log.ts';
import { copyVolume } from './volume-copy.ts';
import { VolumeLogs, type VolumeLogsOptions } from './volume-logs.ts';
import { holdsSegment, logSegmentOf } from './zone-log.ts';

export interface SecondaryOptions extends SecondaryMountOptions, VolumeLogsOptions {
  readonly volume: string;
  /** Ends everything. */
  readonly ending: AbortSignal;
  readonly window: ReplayWindow;
  /** Of a consistency group: how much of a volume may wait for a cut, and how long one that cannot come is waited for. */
  readonly groupLimits: { readonly heldMaxBytes: number; readonly hinderedMs: number };
  /** Told, in milliseconds, of each window of segments that was applied: how old its last write was. */
  readonly applied: (lagMs: number) => void;
  /** Puts on record how far it is. */
  readonly progress: (generation: Generation, news: SyncNews) => Promise<VolumeResult>;
}

/** How far a secondary is, as it sees it. */
export interface Sight {
  readonly level: boolean;
  /** Of the primary's log, not applied here. */
  readonly bytes: number;
  readonly writtenAt: number;
}

/** Progress is put on record this often, points this often. */
const RECORD_EVERY_MS = 200;
const POINT_EVERY_MS = 5_000;
/** Between runs the other zone is asked how long its log is this often. */
const REST_LOOK_MS = 1_000;

/** Ends of segments that are remembered; a cut before them is not found, a later one will be. */
const ENDS_MAX = 65_536;

const UNSEEN: Sight = { level: false, bytes: 0, writtenAt: 0 };

interface Following {
  readonly generation: Generation;
  readonly received: ReceivedLog;
  readonly source: ReadAhead | null;
  /** Ends of the segments that were taken of the other log and are not applied, and of the last before: a cut is at one of them. */
  readonly ends: LogSegment[];
}

interface Position {
  readonly sequence: number;
  readonly segment: LogSegment | null;
  readonly writtenAt: number;
  readonly ownSequence: number;
}

/** The copy of a volume in this zone: its vdisk, which it owns, and what arrived for it. */
export class Secondary {
  readonly #options: SecondaryOptions;
  readonly #logs: VolumeLogs;
  readonly #ended: EndedGenerations;
  #mount: SecondaryMount | null = null;
  #following: Following | null = null;
  /** Up to here it is on the vdisk and in its log; on record perhaps a little less. */
  #applied: Position = { sequence: 0, segment: null, writtenAt: 0, ownSequence: 0 };
  #recordedAt = 0;
  #pointAt = 0;
  #sight: Sight = UNSEEN;
  /** Bytes of the primary's log that were not read yet, as of when it was last read. */
  #ahead = 0;
  /** Of modes with runs: the place in the stream of the primary up to which the last one went; 0: not known. */
  #levelAt = 0;
  #restedAt = Number.NEGATIVE_INFINITY;
  /** When the first segment came since the last point, and what had come over before it. */
  #begun: { readonly at: number; readonly carried: number } | null = null;

  constructor(options: SecondaryOptions) {
    this.#options = options;
    this.#logs = new VolumeLogs(options);
    this.#ended = new EndedGenerations(options);
  }

  /** From now on, whatever is under way. */
  linked(link: VolumeLink): void {
    this.#logs.meter.set(link);
  }

  get sight(): Sight {
    return this.#sight;
  }

  /** Where a log ends whose vdisk was taken from whoever wrote it. */
  async settledEnd(record: VolumeRecord): Promise<LogEnd> {
    const mount = await this.#mounted(record);
    return this.#ownEnd(record, mount);
  }

  /** Nothing arrives: the vdisk stays taken, so that it is repaired, and nobody else writes to it. */
  async hold(record: VolumeRecord): Promise<void> {
    this.#sight = { ...this.#sight, level: false, bytes: 0 };
    await this.#mounted(record);
    await this.#relieved(record);
  }

  /** Whether this zone's own log has a segment; null: it does not tell any more. */
  async holds(record: VolumeRecord, segment: LogSegment): Promise<boolean | null> {
    return holdsSegment(await this.#logs.own(record.vdisk), segment);
  }

  /** Brings the vdisk to what the primary has now. What was there before stays in its own log, and can be brought back. */
  async copy(
    record: VolumeRecord,
    source: VolumeDescription,
    confirm: Confirm,
    signal: AbortSignal,
  ): Promise<void> {
    const { window, volume, progress, peers } = this.#options;
    this.#sight = UNSEEN;
    this.#logs.meter.set(record.link);
    this.#begun = { at: Date.now(), carried: this.#logs.meter.carried };
    await this.#endFollowing();
    const mount = await this.#mounted(record);
    const ending = AbortSignal.any([signal, mount.lost]);
    if (!(await this.#keep(record, mount))) return;
    const [log, own] = [await this.#logs.of(source), await this.#logs.own(record.vdisk)];
    const { number: generation, zone: generationZone, incarnation } = record.generation;
    const { sequence, segment, writtenAt, copy } = await copyVolume({
      ...{ record, source, log, own, mount, window, confirm, signal: ending },
      ask: async (question) => {
        const request = { volume, generation, generationZone, incarnation, ...question };
        return comparedOver(this.#logs.meter, request, ending, (each) => peers.compare(source.zone, each));
      },
      copying: async (state) => {
        await progress(record.generation, { kind: 'copying', copy: state });
      },
    });
    await mount.mounted.device.flush();
    const { log: received } = await this.#openReceived(record, record.generation);
    await received.clear();
    const reached = { sequence, writtenAt, ownSequence: headOf(mount), ...this.#since(copy.beganAt) };
    const point = await nextPoint(this.#options.store, record, reached);
    this.#begun = null;
    const { outcome } = await progress(record.generation, { kind: 'copied', sequence, segment, point, copy });
    if (outcome === 'applied')
      this.#options.log.info({ volume, sequence, copy }, 'a volume is complete in this zone');
  }

  /**
   * Takes what came since, stores it in this zone, then applies it. `source` is null while the other zone does not answer; `told` is
   * what it says of itself. `signal` ends the reading; what arrived is applied first. Of a run that goes up to a record, `upTo`,
   * no segment is taken that begins behind it.
   *
   * @returns whether there was anything
   */
  async follow(
    record: VolumeRecord,
    {
      description: source,
      told,
    }: { readonly description: VolumeDescription | null; readonly told: PeerTold | null },
    confirm: Confirm,
    signal: AbortSignal,
    upTo: number = Number.POSITIVE_INFINITY,
  ): Promise<boolean> {
    const mount = await this.#mounted(record);
    mount.lost.throwIfAborted();
    try {
      const following = await this.#follows(record, source);
      if (await this.#overran(record, following, told)) return true;
      const log = source === null ? null : following.source;
      this.#logs.meter.set(record.link);
      const window = log === null ? null : await endedBy(signal, log.take(confirm));
      const segments = window?.segments ?? [];
      const bound = window?.bound ?? null;
      if (window !== null && segments.length > 0) this.#begun ??= window.began;
      const usable =
        bound === null
          ? []
          : segments.filter(({ segment }) => segment.first <= upTo && lastSequence(segment) <= bound);
      // What was read and may not be used is read again, if ever: the place in the other log is behind it.
      if (usable.length < segments.length) await this.#endFollowing();
      // Of a run nothing is read that is behind its end.
      else if (window?.isLevel === false && upTo === Number.POSITIVE_INFINITY) log?.begin(confirm);
      assertExact(usable);
      if (window !== null) this.#ahead = window.bytesAhead;
      this.#sight = { ...this.#sight, level: false, bytes: bytesOf(usable) + this.#ahead };
      const { received, ends } = following;
      const taken = Math.max(this.#applied.sequence, received.head?.last ?? 0);
      // Segments without records say only how the log goes on.
      const news = usable.filter(({ segment }) => lastSequence(segment) > taken);
      await received.store(news);
      for (const { segment } of usable) ends.push(logSegmentOf(segment));
      if (ends.length > ENDS_MAX) ends.splice(0, ends.length - ENDS_MAX);
      const isAlone = record.group === null;
      // What was held for a cut, while it was in a group, comes first.
      if (isAlone && usable.length > 0 && taken === this.#applied.sequence) await this.#apply(usable);
      else {
        if (source !== null) await this.#arrived(record, following, source);
        await this.#catchUp(record, received);
      }
      if (isAlone) ends.splice(0, ends.length - 1);
      const held = isAlone ? 0 : await received.bytesBehind(this.#applied.sequence);
      this.#sight = {
        level:
          window?.isLevel === true && !window.isEarlier && usable.length === segments.length && held === 0,
        ...{ bytes: this.#ahead + held, writtenAt: this.#applied.writtenAt },
      };
      await this.#recorded(record, usable.length === 0 || this.#applied.sequence >= upTo, upTo);
      if (window !== null) await this.#relieved(record);
      await this.letGo(record, told);
      return usable.length > 0 || window?.isLevel === false || window?.isEarlier === true;
    } catch (error) {
      await this.#endFollowing();
      if (!(error instanceof LostPlaceError)) throw error;
      const news = { kind: 'lost-place', reason: error.message } as const;
      return (await this.#options.progress(record.generation, news)).outcome === 'applied';
    }
  }

  /** The last record of the primary's log, and its place in the stream is remembered, from which the lag counts. */
  async aim(record: VolumeRecord, source: VolumeDescription, signal: AbortSignal): Promise<number> {
    await this.#mounted(record);
    const { streams, container, vdisk } = await this.#logs.of(source);
    const newest = await endedBy(signal, streams.last(logStream(container), logSubject(container, vdisk)));
    this.#levelAt = newest?.sequence ?? 0;
    return newest === null ? 0 : lastSequence(decodeSegment(newest.data));
  }

  /** Up to which record it is applied. */
  get applied(): number {
    return this.#applied.sequence;
  }

  /** The state that a run has come to; null: there is a point of it already. */
  async reached(record: VolumeRecord): Promise<ReplicationPoint | null> {
    const { point, generation } = record;
    const { sequence } = this.#applied;
    if (point !== null && sameGeneration(point.generation, generation) && point.sequence >= sequence)
      return null;
    const made = await nextPoint(this.#options.store, record, { ...this.#applied, ...this.#since(null) });
    this.#begun = null;
    return made;
  }

  /** Between two runs: nothing is brought over, and what that amounts to is told now and then. */
  async rest(record: VolumeRecord, source: VolumeDescription | null, signal: AbortSignal): Promise<void> {
    const now = performance.now();
    if (source !== null && this.#levelAt > 0 && now - this.#restedAt >= REST_LOOK_MS) {
      this.#restedAt = now;
      const { streams, container } = await this.#logs.of(source);
      const facts = await endedBy(signal, streams.facts(logStream(container)));
      const ahead = Math.max(0, facts.lastSequence - this.#levelAt);
      const bytes = Math.round((ahead * facts.bytes) / Math.max(1, facts.messages));
      this.#sight = { ...this.#sight, bytes };
    }
    this.#sight = { ...this.#sight, level: true };
    await this.#mounted(record);
    await this.#relieved(record);
  }

  /**
   * Applies everything that arrived, or brings back what was there before an incomplete copy; its own log ends with what is
   * `head`. `applied`: up to which record of the log that it follows; that need not be on record yet.
   */
  async drain(record: VolumeRecord): Promise<{ readonly head: LogEnd; readonly applied: number | null }> {
    const mount = await this.#mounted(record);
    const isFollowing = record.phase === 'following';
    if (isFollowing) {
      const { received } = await this.#follows(record, null);
      await this.#catchUp(record, received);
      await this.#recorded(record, true);
    }
    if (record.phase === 'copying' || record.phase === 'resyncing') await this.#restore(record, mount);
    const head = await this.#ownEnd(record, mount);
    return { head, applied: isFollowing ? this.#applied.sequence : null };
  }

  /** Lets go of what arrived under generations that are over, once nothing needs it. */
  async letGo(record: VolumeRecord, told: PeerTold | null): Promise<void> {
    if (!this.#ended.isDue(record)) return;
    const { container } = await this.#logs.own(record.vdisk);
    await this.#ended.letGo(record, container, told);
  }

  /** Gives the vdisk up. */
  async release(): Promise<void> {
    this.#sight = UNSEEN;
    await this.#endFollowing();
    const mount = this.#mount;
    this.#mount = null;
    await mount?.mounted.unmount();
  }

  /** Puts on record where in its own log that is which is about to be written over. @returns false when that cannot be now */
  async #keep(record: VolumeRecord, mount: SecondaryMount): Promise<boolean> {
    const { kept, peer } = record;
    if (kept === null || kept.ownSequence !== null) return true;
    let { sequence, segment } = kept;
    // What arrived for it is applied, or half applied.
    if (kept.generation.zone === peer) {
      const { log: received } = await this.#openReceived(record, kept.generation);
      this.#applied = { sequence, segment, writtenAt: 0, ownSequence: 0 };
      await this.#applyKept(record, kept.generation, received);
      ({ sequence, segment } = this.#applied);
    }
    const own = await this.#ownEnd(record, mount);
    const news = { kind: 'kept', sequence, segment, own } as const;
    return (await this.#options.progress(record.generation, news)).outcome === 'applied';
  }

  /** Of what arrived and lost its end what is left counts: a copy writes over it, and waits for nothing that cannot come. */
  async #applyKept(record: VolumeRecord, generation: Generation, received: ReceivedLog): Promise<void> {
    const released = record.group?.released ?? null;
    try {
      if (released !== null && isOfLog(released, generation))
        await this.#applyCut(record, released, received);
      else await this.#applyAll(received);
    } catch (error) {
      if (!(error instanceof LostPlaceError) && codeOf(error) !== 'lost-received') throw error;
      const { volume, log } = this.#options;
      log.error(
        { volume, sequence: this.#applied.sequence, error: messageOf(error) },
        'what arrived is not whole',
      );
    }
  }

  async #restore(record: VolumeRecord, mount: SecondaryMount): Promise<void> {
    const { kept } = record;
    if (kept === null) throw new SalvorError('not-complete', 'nothing complete was here before');
    const { ownSequence } = kept;
    if (ownSequence === null) {
      if (await this.#keep(record, mount)) return;
      throw new SalvorError('conflict', `volume ${record.volume} was changed meanwhile`);
    }
    const ending = AbortSignal.any([this.#options.ending, mount.lost]);
    await restoreKept(
      { ...kept, ownSequence },
      mount,
      await this.#logs.own(record.vdisk),
      this.#options.window,
      ending,
    );
  }

  /** What arrived before and is not applied comes first, whether the other zone answers or not. */
  async #follows(record: VolumeRecord, source: VolumeDescription | null): Promise<Following> {
    const known = this.#following;
    const isSame = known !== null && sameGeneration(known.generation, record.generation);
    if (isSame && (known.source !== null || source === null)) return known;
    if (!isSame) {
      const { log: received } = await this.#openReceived(record, record.generation);
      const { sequence, segment, point } = record;
      this.#applied = {
        ...{ sequence: sequence ?? 0, segment, writtenAt: point?.writtenAt ?? 0 },
        ownSequence: this.#mount === null ? 0 : headOf(this.#mount),
      };
      if (record.group !== null && releasedOf(record) === null) {
        // No cut was ever gone up to: what was on the vdisk may be more than what is on record, and is all in here.
        const { outcome, reason } = await this.#options.progress(record.generation, { kind: 'unsettled' });
        if (outcome === 'refused' || outcome === 'conflict') throw new SalvorError('conflict', reason);
        await this.#applyAll(received);
      } else await this.#catchUp(record, received);
      const { head } = received;
      const last = head !== null && head.last > this.#applied.sequence ? head : this.#applied.segment;
      const ends = last === null ? [] : [last];
      this.#following = { generation: record.generation, received, source: null, ends };
      await this.#recorded(record, true);
    }
    const opened = this.#following;
    if (opened === null) throw new SalvorError('not-mounted', 'the vdisk was given up meanwhile');
    if (source === null) return opened;
    const segment = opened.ends.at(-1);
    if (segment === undefined)
      throw new LostPlaceError(`it is not known in which segment record ${this.#applied.sequence} was`);
    const log = new SourceLog(await this.#logs.of(source), segment);
    this.#following = { ...opened, source: new ReadAhead(log, () => this.#logs.meter.carried) };
    return this.#following;
  }

  /** Applies what may be applied of what arrived: all of it, or in a group what is before the cut that all volumes have. */
  async #catchUp(record: VolumeRecord, received: ReceivedLog): Promise<void> {
    const released = releasedOf(record);
    if (record.group === null) {
      if ((received.head?.last ?? 0) > this.#applied.sequence) await this.#applyAll(received);
    } else if (released !== null) await this.#applyCut(record, released, received);
  }

  async #applyAll(received: ReceivedLog): Promise<void> {
    for await (const segments of received.behind(this.#applied.sequence)) await this.#apply(segments);
  }

  /** Up to the cut and not one record further. @throws SalvorError `lost-received` */
  async #applyCut(
    record: VolumeRecord,
    { segment: end, generation }: VolumeCut,
    current: ReceivedLog,
  ): Promise<void> {
    if (this.#applied.sequence < end.last) {
      const isCurrent = sameGeneration(generation, record.generation);
      const received = isCurrent ? current : (await this.#openReceived(record, generation)).log;
      for await (const segments of received.behind(this.#applied.sequence)) {
        if (segments[0] !== undefined && segments[0].segment.first > end.last) break;
        await this.#apply(segments, end.last);
        if (this.#applied.sequence >= end.last) break;
      }
      if (this.#applied.sequence !== end.last)
        throw new SalvorError(
          'lost-received',
          `what arrived of volume ${record.volume} ends with record ${this.#applied.sequence}, and cut ${end.last} of its group was whole here: 'salvor volume resync ${record.volume}'`,
        );
    }
    if (this.#applied.sequence === end.last && (this.#applied.segment?.number ?? 0) < end.number)
      this.#applied = { ...this.#applied, segment: end };
    const ends = this.#following?.ends;
    const passed = ends?.findIndex(({ last }) => last >= this.#applied.sequence) ?? -1;
    if (passed > 0) ends?.splice(0, passed);
  }

  /** Puts on record which cuts of the other zone are whole here. */
  async #arrived(record: VolumeRecord, { ends }: Following, source: VolumeDescription): Promise<void> {
    const { group, generation } = record;
    if (group === null) return;
    const cuts = toldCuts(source).filter(
      ({ segment }) =>
        segment.last >= this.#applied.sequence &&
        ends.some((end) => sameSegment(end, segment) && end.base === segment.base),
    );
    if (withArrivedCuts(record, cuts) !== null)
      await this.#options.progress(generation, { kind: 'arrived', cuts });
  }

  /**
   * Whether the volume goes on without a cut: it is at no moment of the others then, which is on record first, until a later cut is
   * whole everywhere.
   */
  async #overran(
    record: VolumeRecord,
    { received, ends }: Following,
    told: PeerTold | null,
  ): Promise<boolean> {
    if (record.group === null) return false;
    const { heldMaxBytes: maxBytes, hinderedMs } = this.#options.groupLimits;
    const released = releasedOf(record);
    // What lies before a cut that all have waits for none.
    const bytes = await received.bytesBehind(Math.max(this.#applied.sequence, released?.segment.last ?? 0));
    const reason = decideHeld(record, { bytes, maxBytes, hinderedMs }, told, Date.now());
    if (reason === null) return false;
    const news = { kind: 'overran', reason, released: record.group.released?.id ?? null } as const;
    const { outcome } = await this.#options.progress(record.generation, news);
    if (outcome !== 'applied' && outcome !== 'already') return false;
    if (outcome === 'applied')
      this.#options.log.warn({ volume: record.volume, group: record.group.name, bytes }, reason);
    await this.#applyAll(received);
    const passed = ends.findIndex(({ last }) => last >= this.#applied.sequence);
    if (passed > 0) ends.splice(0, passed);
    await this.#recorded({ ...record, group: { ...record.group, released: null } }, true);
    return true;
  }

  async #endFollowing(): Promise<void> {
    const source = this.#following?.source;
    this.#following = null;
    await source?.close();
  }

  async #apply(segments: readonly SourceSegment[], upTo = Number.POSITIVE_INFINITY): Promise<void> {
    const mount = this.#mount;
    if (mount === null) throw new SalvorError('not-mounted', 'the vdisk was given up meanwhile');
    assertGapless(segments, this.#applied.sequence);
    const { sequence, writtenAt } = await applySegments(
      mount.mounted.wholeBlocks(),
      segments,
      this.#applied.sequence,
      upTo,
    );
    await mount.mounted.device.flush();
    const newest = segments.findLast(({ segment: each }) => lastSequence(each) <= upTo);
    const segment = newest === undefined ? this.#applied.segment : logSegmentOf(newest.segment);
    this.#applied = {
      ...{ sequence, segment, ownSequence: headOf(mount) },
      writtenAt: writtenAt === 0 ? this.#applied.writtenAt : writtenAt,
    };
    if (writtenAt > 0) this.#options.applied(Math.max(0, Date.now() - writtenAt));
  }

  /** Puts on record how far it is, when that is due, and lets go of what arrived and is not needed any more. */
  async #recorded(record: VolumeRecord, isPause: boolean, upTo = Number.POSITIVE_INFINITY): Promise<void> {
    const { sequence, segment } = this.#applied;
    const known = record.sequence ?? 0;
    if (sequence < known) return;
    const now = performance.now();
    const reachedCut = this.#reachedCut(record);
    const isFurther = sequence > known || (segment?.number ?? 0) > (record.segment?.number ?? 0);
    // The last writes get their point too, although nothing follows them. Of a run its end is the point.
    const isPointDue =
      upTo === Number.POSITIVE_INFINITY &&
      !hasPoint(record, sequence) &&
      (record.promotion !== null || now - this.#pointAt >= POINT_EVERY_MS);
    if (!isFurther && !isPointDue && reachedCut === null) return;
    if (reachedCut === null && !isPause && now - this.#recordedAt < RECORD_EVERY_MS) return;
    this.#recordedAt = now;
    const reached = { ...this.#applied, ...this.#since(null) };
    const point = isPointDue ? await nextPoint(this.#options.store, record, reached) : null;
    const news = { kind: 'applied', sequence, segment, point } as const;
    const { outcome } = await this.#options.progress(record.generation, {
      ...news,
      ...(reachedCut === null ? {} : { reached: reachedCut }),
    });
    if (outcome !== 'applied') return;
    if (point !== null) {
      this.#pointAt = now;
      this.#begun = null;
    }
    await this.#following?.received.letGo(sequence);
  }

  /** The cut that the vdisk stands at and that is not on record as that; null: none. */
  #reachedCut(record: VolumeRecord): ReachedCut | null {
    const cut = releasedOf(record);
    const isAt = cut !== null && cut.segment.last === this.#applied.sequence;
    if (!isAt || record.group?.reached.some(({ id }) => id === cut.id) === true) return null;
    const { id, number, at } = cut;
    return { id, number, at, ownSequence: this.#applied.ownSequence };
  }

  /** What came over since the last point, for the next one. */
  #since(beganAt: number | null): { readonly bytes: number; readonly beganAt: number | null } {
    const { carried } = this.#logs.meter;
    return {
      bytes: carried - (this.#begun?.carried ?? carried),
      beganAt: beganAt ?? this.#begun?.at ?? null,
    };
  }

  async #relieved(record: VolumeRecord): Promise<void> {
    if (record.trouble !== null) await this.#options.progress(record.generation, { kind: 'relief' });
  }

  async #openReceived(
    record: VolumeRecord,
    generation: Generation,
  ): Promise<{ log: ReceivedLog; last: number }> {
    const { streams } = this.#options;
    const { container, vdisk } = await this.#logs.own(record.vdisk);
    return ReceivedLog.open({ streams, container, vdisk, generation });
  }

  async #ownEnd(record: VolumeRecord, mount: SecondaryMount): Promise<LogEnd> {
    return ownEnd(this.#options, mount, await this.#logs.own(record.vdisk));
  }

  async #mounted({ volume, vdisk }: VolumeRecord): Promise<SecondaryMount> {
    if (this.#mount?.lost.aborted === true) await this.release();
    this.#mount ??= await mountSecondary(this.#options, { volume, vdisk }, this.#options.ending);
    return this.#mount;
  }
}

/** The cut of its group up to which it may go; null: there is none, or it is in no group. */
function releasedOf({ group, generation }: VolumeRecord): VolumeCut | null {
  const released = group?.released ?? null;
  return released !== null && isOfLog(released, generation) ? released : null;
}

/** Generations of one zone and one life of a volume number one log. */
function isOfLog({ generation: { zone, incarnation } }: VolumeCut, generation: Generation): boolean {
  return zone === generation.zone && incarnation === generation.incarnation;
}

function hasPoint({ point, generation }: VolumeRecord, sequence: number): boolean {
  return point !== null && sameGeneration(point.generation, generation) && point.sequence >= sequence;
}

function bytesOf(segments: readonly SourceSegment[]): number {
  return segments.reduce((sum, { bytes }) => sum + bytes.length, 0);
}
