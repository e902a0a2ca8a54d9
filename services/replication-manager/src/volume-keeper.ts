import {
  applyVolume,
  type ConfigStore,
  decideVolumePeer,
  decideVolumeProgress,
  decideVolumePromoted,
  decideVolumeSettled,
  type Generation,
  readVolume,
  type SyncNews,
  type VolumeClaim,
  type VolumeDecision,
  type VolumeFacts,
  type VolumeRecord,
  type VolumeResult,
} from '@salvor/config-store';
import { codeOf, type Logger, messageOf, pause, SalvorError } from '@salvor/service-kit';
import { toldBy } from './peer-told.ts';
import type { PeerZones } from './peer-zones.ts';
import { Secondary, type SecondaryOptions } from './secondary.ts';
import type { Announce } from './volume-announcer.ts';
import { type Contact, sightOf } from './volume-sight.ts';

export interface VolumeKeeperOptions extends Omit<SecondaryOptions, 'volume' | 'progress'> {
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

/** What the other zone is asked at least this often. */
const CONTACT_EVERY_MS = 500;
const IDLE_MS = 40;
const RETRY_MS = 500;
const TELL_EVERY_MS = 1_000;

const NOBODY: Contact = { told: null, description: null, reason: '' };

/** Keeps one volume in step with its other zone, as long as this process has the claim. */
export class VolumeKeeper {
  readonly volume: string;
  readonly #options: VolumeKeeperOptions;
  readonly #secondary: Secondary;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #isOver = false;
  #peerSeenAt: number | null = null;
  #askedAt = Number.NEGATIVE_INFINITY;
  #contact: Contact = NOBODY;
  #toldAt = Number.NEGATIVE_INFINITY;
  readonly #startedAt = performance.now();
  /** The other zone was heard since this process keeps the volume. */
  #wasHeard = false;
  #toldCleared = false;

  constructor(options: VolumeKeeperOptions) {
    this.#options = options;
    this.volume = options.volume;
    this.#secondary = new Secondary({
      ...options,
      progress: (generation, news) => this.#progress(generation, news),
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** How old the last write is that is applied here, milliseconds; 0: nothing is missing, or it is no secondary. */
  get lagMs(): number {
    const { level, writtenAt } = this.#secondary.sight;
    return level || writtenAt === 0 ? 0 : Math.max(0, Date.now() - writtenAt);
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { log, claim } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted && !this.#isOver) {
      try {
        await this.#round();
      } catch (error) {
        if (signal.aborted) break;
        log.warn(
          { volume: this.volume, code: codeOf(error), error: messageOf(error) },
          'a volume is not in step, trying again',
        );
        await this.#failed(error);
        await pause(RETRY_MS, signal);
      }
    }
    await this.#secondary
      .release()
      .catch((error: unknown) =>
        log.warn(
          { volume: this.volume, error: messageOf(error) },
          'the vdisk of a volume was not given up in order',
        ),
      );
    await claim
      .release()
      .catch((error: unknown) =>
        log.warn(
          { volume: this.volume, error: messageOf(error) },
          'the claim of a volume was not given back',
        ),
      );
    this.#isOver = true;
  }

  async #round(): Promise<void> {
    const { store } = this.#options;
    const { signal } = this.#stopping;
    const before = await readVolume(store, this.volume);
    if (before === null) {
      this.#isOver = true;
      return;
    }
    await this.#ask(before, false);
    const record = await readVolume(store, this.volume);
    await this.#tell(record);
    if (record === null) return;
    if (record.role === 'primary') {
      await this.#secondary.release();
      return pause(Math.min(CONTACT_EVERY_MS, TELL_EVERY_MS), signal);
    }
    const isIdle = await this.#keepSecondary(record);
    if (isIdle) await pause(IDLE_MS, signal);
  }

  /** @returns whether there is nothing to do at the moment */
  async #keepSecondary(record: VolumeRecord): Promise<boolean> {
    const { signal } = this.#stopping;
    const { phase, generation } = record;
    if (phase === 'settling') {
      const head = await this.#secondary.settledHead(record, signal);
      await this.#apply(({ record: found }, now) =>
        decideVolumeSettled(found, { volume: this.volume, head }, now),
      );
      return false;
    }
    const { description, told } = this.#contact;
    if (record.promotion?.force === true) return this.#promote(record);
    const isSource =
      told?.role === 'primary' &&
      told.generation.number === generation.number &&
      told.generation.zone === generation.zone;
    if (phase === 'copying' || phase === 'resyncing') {
      if (!isSource || description === null) return true;
      await this.#secondary.copy(record, description, () => this.#confirmed(record, generation), signal);
      return false;
    }
    if (phase !== 'following') {
      if (record.promotion !== null) return this.#promote(record);
      await this.#secondary.hold(record, signal);
      return true;
    }
    const isReachable = description !== null && told !== null;
    const moved = await this.#secondary.follow(
      record,
      isReachable ? description : null,
      () => this.#confirmed(record, generation),
      signal,
    );
    if (!moved && record.promotion !== null) return this.#promote(record);
    return !moved;
  }

  /** All that arrived is applied; then the vdisk is given up, so that nobody writes to it while it changes its role. */
  async #promote(record: VolumeRecord): Promise<boolean> {
    const head = await this.#secondary.drain(record, this.#stopping.signal);
    const { zone } = this.#options;
    await this.#ask(record, true);
    const { told } = this.#contact;
    const preview = await readVolume(this.#options.store, this.volume);
    const decided = decideVolumePromoted(preview, { volume: this.volume, zone, head }, told, Date.now());
    if (decided.outcome !== 'applied') return true;
    await this.#secondary.release();
    await this.#apply(({ record: found }, now) =>
      decideVolumePromoted(found, { volume: this.volume, zone, head }, told, now),
    );
    return false;
  }

  /**
   * Up to which record what was read from the other zone belongs to a generation, asked after it was read; null: none of it.
   */
  async #confirmed(record: VolumeRecord, generation: Generation): Promise<number | null> {
    await this.#ask(record, true);
    const { told } = this.#contact;
    if (
      told === null ||
      told.generation.number !== generation.number ||
      told.generation.zone !== generation.zone
    )
      return null;
    return told.role === 'primary' ? Number.POSITIVE_INFINITY : told.sequence;
  }

  /** Asks the other zone, when that was not done just now, and does what follows from its answer. */
  async #ask(record: VolumeRecord, now: boolean): Promise<void> {
    const { peers, zone } = this.#options;
    if (record.peer === null || record.mode === 'none') {
      this.#contact = NOBODY;
      return;
    }
    if (!now && performance.now() - this.#askedAt < CONTACT_EVERY_MS) return;
    this.#askedAt = performance.now();
    try {
      const description = await peers.status(record.peer, this.volume);
      this.#peerSeenAt = Date.now();
      if (description === null) {
        const reason = `zone ${record.peer} has no volume ${this.volume}`;
        this.#wasHeard = true;
        this.#contact = { told: null, description: null, reason };
        return;
      }
      const told = toldBy(record.peer, description);
      this.#contact = { told, description, reason: '' };
      const { outcome } = await this.#apply(({ record: found }, at) =>
        decideVolumePeer(found, { volume: this.volume, zone }, told, at),
      );
      // A zone that must step down and cannot yet is not to be served.
      if (outcome === 'applied' || outcome === 'already') this.#wasHeard = true;
    } catch (error) {
      if (!(error instanceof SalvorError) || !['peer-unreachable', 'bad-peer'].includes(error.code))
        throw error;
      this.#contact = { told: null, description: null, reason: error.message };
    }
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

  #lost(): never {
    this.#isOver = true;
    throw new SalvorError('claim-lost', `volume ${this.volume} is kept by another process now`);
  }

  async #failed(error: unknown): Promise<void> {
    if (this.#isOver || ['claim-lost', 'peer-unreachable'].includes(codeOf(error))) return;
    try {
      const record = await readVolume(this.#options.store, this.volume);
      if (record === null || record.role === 'primary') return;
      await this.#secondary.release();
      await this.#progress(record.generation, {
        kind: 'trouble',
        code: codeOf(error),
        reason: messageOf(error),
      });
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
    const cleared = this.#wasHeard || performance.now() - this.#startedAt >= this.#options.returnHoldMs;
    if (cleared === this.#toldCleared && performance.now() - this.#toldAt < TELL_EVERY_MS) return;
    this.#toldAt = performance.now();
    const view = sightOf(record, this.#contact, this.#secondary.sight, {
      cleared,
      peerSeenAt: this.#peerSeenAt,
    });
    if (!(await this.#options.claim.tell(view))) this.#lost();
    this.#toldCleared = cleared;
  }
}
