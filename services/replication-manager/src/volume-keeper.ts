import {
  aimOf,
  applyVolume,
  type ConfigStore,
  decideSchedule,
  decideVolumeProgress,
  decideVolumePromoted,
  decideVolumePromoteWaits,
  decideVolumeSettled,
  type Generation,
  isIncomplete,
  noSync,
  type PeerTold,
  readVolume,
  type SyncNews,
  sameGeneration,
  type VolumeClaim,
  type VolumeDecision,
  type VolumeFacts,
  type VolumeRecord,
  type VolumeResult,
} from '@salvor/config-store';
import type { VolumeDescription } from '@salvor/contracts';
import { codeOf, type Logger, messageOf, pause, SalvorError } from '@salvor/service-kit';
import type { PeerGroup } from './groups/group-loop.ts';
import { OwnerWatch } from './owner-watch.ts';
import type { PeerZones } from './peer-zones.ts';
import type { Confirm } from './read-ahead.ts';
import { Secondary, type SecondaryOptions } from './secondary.ts';
import type { Announce } from './volume-announcer.ts';
import { CONTACT_EVERY_MS, VolumeContact } from './volume-contact.ts';
import { sightOf } from './volume-sight.ts';

export interface VolumeKeeperOptions extends Omit<SecondaryOptions, 'volume' | 'progress' | 'ending'> {
  readonly store: ConfigStore;
  readonly zone: string;
  readonly peers: PeerZones;
  readonly log: Logger;
  readonly announce: Announce;
  readonly claim: VolumeClaim;
  readonly volume: string;
  /** Without an answer of the other zone a primary may be served after this long. */
  readonly returnHoldMs: number;
}

const IDLE_MS = 40;
const RETRY_MS = 500;
/** Whoever mounts a primary waits for the next word; after a promote, and at the start, somebody is likely to. */
const TELL_EVERY_MS = 1_000;
const TELL_SOON_EVERY_MS = 100;
const TELL_MOUNTING_EVERY_MS = 20;
const SOON_MS = 10_000;
/** After so many failures in a row the vdisk is mounted anew. */
const FAILURES_MAX = 20;

/** Ends what is under way where the record says that it is void. */
class VolumeChangedError extends SalvorError {
  constructor(volume: string) {
    super('volume-changed', `volume ${volume} is not what it was when this began`);
  }
}

/** Keeps one volume in step with its other zone, as long as this process has the claim. */
export class VolumeKeeper {
  readonly volume: string;
  readonly #options: VolumeKeeperOptions;
  readonly #secondary: Secondary;
  readonly #contact: VolumeContact;
  readonly #stopping = new AbortController();
  /** What is under way, and for which record. */
  #work: { readonly ended: AbortController; readonly record: VolumeRecord } | null = null;
  #running: Promise<unknown> = Promise.resolve();
  #isOver = false;
  #failures = 0;
  #incompleteSince: number | null = null;
  #soonUntil = performance.now() + SOON_MS;
  #toldAt = Number.NEGATIVE_INFINITY;
  readonly #startedAt = performance.now();
  #toldCleared = false;
  #asking: Promise<void> | null = null;
  readonly #owner: OwnerWatch;
  #aloneUntil = Number.NEGATIVE_INFINITY;

  constructor(options: VolumeKeeperOptions) {
    this.#options = options;
    this.volume = options.volume;
    this.#secondary = new Secondary({
      ...options,
      ending: this.#stopping.signal,
      progress: (generation, news) => this.#progress(generation, news),
    });
    this.#owner = new OwnerWatch(options.store);
    this.#contact = new VolumeContact({
      ...options,
      apply: (decide) => this.#apply(decide),
      holds: (record, segment) => this.#secondary.holds(record, segment),
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * How old the last write is that is applied here, milliseconds, or for how long there is no complete copy; 0: nothing is
   * missing, or it is no secondary.
   */
  get lagMs(): number {
    if (this.#incompleteSince !== null) return performance.now() - this.#incompleteSince;
    const { level, writtenAt } = this.#secondary.sight;
    return level || writtenAt === 0 ? 0 : Math.max(0, Date.now() - writtenAt);
  }

  /** What keeps the other zone from newer cuts of the group of this volume. */
  get peerGroup(): PeerGroup {
    const { reason = '', hinderedAt = null } = this.#contact.now.description?.group ?? {};
    return { reason, isLasting: hinderedAt !== null };
  }

  start(): void {
    this.#running = Promise.all([this.#run(), this.#stayInContact().finally(() => this.#owner.close())]);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#work?.ended.abort(new VolumeChangedError(this.volume));
    await this.#running;
  }

  /** The record was changed, by whomever: what is under way may be void, or have to wait. */
  noticed(record: VolumeRecord | null): void {
    if (record !== null) this.#secondary.linked(record.link);
    const work = this.#work;
    if (work === null) return;
    const isSame =
      record !== null &&
      record.role === work.record.role &&
      sameGeneration(record.generation, work.record.generation) &&
      (record.promotion?.force === true) === (work.record.promotion?.force === true);
    if (!isSame) work.ended.abort(new VolumeChangedError(this.volume));
  }

  /** Beside the work, which may take hours. */
  async #stayInContact(): Promise<void> {
    const { log, store } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted && !this.#isOver) {
      try {
        const before = await readVolume(store, this.volume);
        await this.#owner.watch(before?.role === 'primary' && before.peer !== null ? before.vdisk : null);
        if (before !== null) await this.#ask(before);
        await this.#tell(await readVolume(store, this.volume));
      } catch (error) {
        if (signal.aborted || this.#isOver) return;
        log.warn(
          { volume: this.volume, code: codeOf(error), error: messageOf(error) },
          'no word of a volume',
        );
      }
      await this.#owner.pause(Math.min(this.#tellEveryMs(), CONTACT_EVERY_MS), signal);
    }
  }

  /**
   * Whoever mounts the vdisk is told after the other zone was asked. Right after a promote by force it is not waited for: it was
   * given up, and one that is silent would take seconds.
   */
  async #ask(record: VolumeRecord): Promise<void> {
    this.#asking ??= this.#contact.ask(record, false).finally(() => {
      this.#asking = null;
    });
    const asked = this.#asking;
    if (performance.now() >= this.#aloneUntil) return asked;
    asked.catch((error: unknown) =>
      this.#options.log.warn({ volume: this.volume, error: messageOf(error) }, 'no word of a volume'),
    );
  }

  async #run(): Promise<void> {
    const { log, claim } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted && !this.#isOver) {
      try {
        await this.#round();
        this.#failures = 0;
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof VolumeChangedError) continue;
        log.warn(
          { volume: this.volume, code: codeOf(error), error: messageOf(error) },
          'a volume is not in step, trying again',
        );
        await this.#failed(error);
        await pause(RETRY_MS, signal);
      }
    }
    const noting = (what: string) => (error: unknown) =>
      log.warn({ volume: this.volume, error: messageOf(error) }, what);
    await this.#secondary.release().catch(noting('the vdisk of a volume was not given up in order'));
    await claim.release().catch(noting('the claim of a volume was not given back'));
    this.#isOver = true;
  }

  async #round(): Promise<void> {
    const { signal } = this.#stopping;
    const ended = new AbortController();
    const record = await readVolume(this.#options.store, this.volume);
    if (record === null) {
      this.#isOver = true;
      return;
    }
    if (!isIncomplete(record)) this.#incompleteSince = null;
    else this.#incompleteSince ??= performance.now();
    if (record.role === 'primary') {
      await this.#secondary.release();
      await this.#secondary.letGo(record, this.#contact.now.told);
      return pause(CONTACT_EVERY_MS, signal);
    }
    this.#work = { ended, record };
    try {
      // What changed between the two may not have been noticed.
      this.noticed(await readVolume(this.#options.store, this.volume));
      const isIdle = await this.#keepSecondary(record, ended.signal);
      if (isIdle && !signal.aborted) await pause(IDLE_MS, ended.signal);
    } finally {
      this.#work = null;
    }
  }

  /** @returns whether there is nothing to do at the moment */
  async #keepSecondary(record: VolumeRecord, signal: AbortSignal): Promise<boolean> {
    const { phase, generation } = record;
    if (phase === 'settling') {
      const head = await this.#secondary.settledEnd(record);
      await this.#apply(({ record: found }, now) =>
        decideVolumeSettled(found, { volume: this.volume, head }, now),
      );
      return false;
    }
    if (record.promotion?.force === true) return this.#promote(record);
    const { description, told } = this.#contact.now;
    const isAllowed = told !== null && record.trouble?.code !== 'not-replicated';
    const confirm = (): Promise<number | null> => this.#confirmed(record, generation);
    if (isIncomplete(record)) {
      const isSource = isAllowed && told.role === 'primary' && sameGeneration(told.generation, generation);
      if (!isSource || description === null) return true;
      await this.#secondary.copy(record, description, confirm, signal);
      return false;
    }
    if (phase !== 'following') {
      if (record.promotion !== null) return this.#promote(record);
      await this.#secondary.hold(record);
      return true;
    }
    const source = { description: isAllowed ? description : null, told };
    // A promote takes all there is, whatever the schedule says.
    if (record.schedule !== null && record.promotion === null)
      return this.#runs(record, source, confirm, signal);
    const moved = await this.#secondary.follow(record, source, confirm, signal);
    if (!moved && record.promotion !== null) return this.#promote(record);
    return !moved;
  }

  /** One step of a volume that is brought to what its primary has now and then. @returns whether there is nothing to do */
  async #runs(
    record: VolumeRecord,
    source: { readonly description: VolumeDescription | null; readonly told: PeerTold | null },
    confirm: Confirm,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { generation, schedule, sync } = record;
    const { description } = source;
    if (schedule !== null && decideSchedule(schedule, sync ?? noSync, Date.now()).kind !== 'wait') {
      await this.#progress(generation, { kind: 'due' });
      return false;
    }
    const aim = aimOf(record);
    if (aim === 'none' || (aim === 'unknown' && description === null)) {
      await this.#secondary.rest(record, description, signal);
      return true;
    }
    if (aim === 'unknown') {
      if (description === null) return true;
      const sequence = await this.#secondary.aim(record, description, signal);
      await this.#progress(generation, { kind: 'aimed', sequence });
      return false;
    }
    const moved = await this.#secondary.follow(record, source, confirm, signal, aim);
    if (this.#secondary.applied < aim) return !moved;
    const point = await this.#secondary.reached(record);
    await this.#progress(generation, { kind: 'synced', sequence: this.#secondary.applied, point });
    return false;
  }

  /** All that arrived is applied; then the vdisk is given up, so that nobody writes to it while it changes its role. */
  async #promote(record: VolumeRecord): Promise<boolean> {
    const { zone, store } = this.#options;
    const { head, applied } = await this.#secondary.drain(record);
    const isForced = record.promotion?.force === true;
    // Who promotes by force has given the other zone up: nobody waits for it.
    if (!isForced) await this.#contact.ask(record, true);
    const { told } = this.#contact.now;
    const isRestored = isIncomplete(record);
    const promoted = { volume: this.volume, zone, head, applied, isRestored };
    const preview = await readVolume(store, this.volume);
    const decided = decideVolumePromoted(preview, promoted, told, Date.now());
    if (decided.outcome !== 'applied') {
      const { reason } = decided;
      await this.#apply(({ record: found }, now) =>
        decideVolumePromoteWaits(found, { volume: this.volume, reason }, now),
      );
      return true;
    }
    await this.#secondary.release();
    const { outcome } = await this.#apply(({ record: found }, now) =>
      decideVolumePromoted(found, promoted, told, now),
    );
    if (outcome !== 'applied') return false;
    this.#soonUntil = performance.now() + SOON_MS;
    if (isForced) {
      this.#contact.overruled();
      this.#aloneUntil = this.#soonUntil;
    }
    await this.#tell(await readVolume(store, this.volume));
    // Whoever takes the vdisk is watched from here on, and not from the next look.
    this.#owner.wake();
    return false;
  }

  /**
   * Up to which record what was read from the other zone belongs to a generation, asked after it was read; null: none of it.
   */
  async #confirmed(record: VolumeRecord, generation: Generation): Promise<number | null> {
    const told = await this.#contact.look(record);
    if (told === null || !sameGeneration(told.generation, generation)) {
      await this.#contact.ask(record, true);
      return null;
    }
    return told.role === 'primary' ? Number.POSITIVE_INFINITY : told.sequence;
  }

  async #progress(generation: Generation, news: SyncNews): Promise<VolumeResult> {
    return this.#apply(({ record }, now) =>
      decideVolumeProgress(record, { volume: this.volume, generation }, news, now),
    );
  }

  /** @throws SalvorError `claim-lost` */
  async #apply(decide: (facts: VolumeFacts, now: number) => VolumeDecision): Promise<VolumeResult> {
    const { store, claim, announce } = this.#options;
    const result = await applyVolume(store, { volume: this.volume, compare: [claim.compare] }, decide);
    if (result.outcome === 'conflict' && !(await claim.isHeld())) this.#lost();
    announce(result);
    return result;
  }

  #tellEveryMs(): number {
    if (this.#owner.isMounting) return TELL_MOUNTING_EVERY_MS;
    return performance.now() < this.#soonUntil ? TELL_SOON_EVERY_MS : TELL_EVERY_MS;
  }

  #lost(): never {
    this.#isOver = true;
    this.#work?.ended.abort(new VolumeChangedError(this.volume));
    throw new SalvorError('claim-lost', `volume ${this.volume} is kept by another process now`);
  }

  async #failed(error: unknown): Promise<void> {
    if (this.#isOver || ['claim-lost', 'peer-unreachable'].includes(codeOf(error))) return;
    try {
      const record = await readVolume(this.#options.store, this.volume);
      if (record === null || record.role === 'primary') return;
      if (++this.#failures % FAILURES_MAX === 0) await this.#secondary.release();
      const news = { kind: 'trouble', code: codeOf(error), reason: messageOf(error) } as const;
      await this.#progress(record.generation, news);
    } catch (failed) {
      this.#options.log.warn(
        { volume: this.volume, error: messageOf(failed) },
        'the trouble of a volume is not on record',
      );
    }
  }

  /** Puts on record what is seen, now and then. */
  async #tell(record: VolumeRecord | null): Promise<void> {
    if (record === null) return;
    const { wasHeard, now: contact, seenAt: peerSeenAt } = this.#contact;
    const cleared = wasHeard || performance.now() - this.#startedAt >= this.#options.returnHoldMs;
    const now = performance.now();
    // Timers are not exact.
    if (cleared === this.#toldCleared && now - this.#toldAt < 0.8 * this.#tellEveryMs()) return;
    this.#toldAt = now;
    const view = sightOf(record, contact, this.#secondary.sight, { cleared, peerSeenAt });
    if (!(await this.#options.claim.tell(view))) this.#lost();
    this.#toldCleared = cleared;
  }
}
