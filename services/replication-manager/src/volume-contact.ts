import {
  type ConfigStore,
  decideVolumePeer,
  type LogSegment,
  type PeerTold,
  readVolume,
  type SoughtSegment,
  sameSegment,
  segmentToSeek,
  type VolumeDecision,
  type VolumeFacts,
  type VolumeRecord,
  type VolumeResult,
} from '@salvor/config-store';
import type { VolumeDescription } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import { toldBy } from './peer-told.ts';
import type { PeerZones } from './peer-zones.ts';
import { describeVolume } from './volume-description.ts';

/** The other zone as it was last seen. */
export interface Contact {
  readonly told: PeerTold | null;
  readonly description: VolumeDescription | null;
  /** Why not; empty: it answers. */
  readonly reason: string;
}

export interface VolumeContactOptions {
  readonly store: ConfigStore;
  readonly zone: string;
  readonly volume: string;
  readonly peers: PeerZones;
  /** Puts on record what follows from what was heard. */
  readonly apply: (decide: (facts: VolumeFacts, now: number) => VolumeDecision) => Promise<VolumeResult>;
  /** Whether this zone's own log has a segment; null: it does not tell. */
  readonly holds: (record: VolumeRecord, segment: LogSegment) => Promise<boolean | null>;
}

/** What the other zone is asked at least this often. */
export const CONTACT_EVERY_MS = 500;

const NOBODY: Contact = { told: null, description: null, reason: '' };

/** What is heard of the other zone of one volume, and told to it. */
export class VolumeContact {
  readonly #options: VolumeContactOptions;
  #now: Contact = NOBODY;
  #askedAt = Number.NEGATIVE_INFINITY;
  #seenAt: number | null = null;
  #wasHeard = false;
  #sought: SoughtSegment | null = null;

  constructor(options: VolumeContactOptions) {
    this.#options = options;
  }

  get now(): Contact {
    return this.#now;
  }

  get seenAt(): number | null {
    return this.#seenAt;
  }

  /** It was heard, and what had to follow is on record. */
  get wasHeard(): boolean {
    return this.#wasHeard;
  }

  /** An operator has said what the other zone is worth. */
  overruled(): void {
    this.#wasHeard = true;
  }

  /** Asks the other zone, when that was not done just now, tells it of this one, and does what follows from its answer. */
  async ask(record: VolumeRecord, isWanted: boolean): Promise<void> {
    const { store, zone, peers, volume } = this.#options;
    if (record.peer === null) {
      this.#now = NOBODY;
      return;
    }
    if (!isWanted && performance.now() - this.#askedAt < CONTACT_EVERY_MS) return;
    this.#askedAt = performance.now();
    try {
      const own = await describeVolume(store, zone, record);
      const description = await peers.tell(record.peer, own);
      this.#seenAt = Date.now();
      if (description === null) {
        this.#wasHeard = true;
        this.#now = {
          ...{ told: null, description: null },
          reason: `zone ${record.peer} has no volume ${volume}`,
        };
        return;
      }
      const told = toldBy(record.peer, description);
      this.#now = { told, description, reason: '' };
      await this.#hear(record, told);
    } catch (error) {
      if (!(error instanceof SalvorError) || !['peer-unreachable', 'bad-peer'].includes(error.code))
        throw error;
      this.#now = { told: null, description: null, reason: error.message };
    }
  }

  /**
   * What the other zone is at this moment; null: it does not say. Nothing is told to it, and nothing follows here: that is done
   * by {@link ask}, and this is asked far more often.
   */
  async look({ peer }: VolumeRecord): Promise<PeerTold | null> {
    const { peers, volume } = this.#options;
    if (peer === null) return null;
    try {
      const description = await peers.status(peer, volume);
      return description === null ? null : toldBy(peer, description);
    } catch (error) {
      if (error instanceof SalvorError && ['peer-unreachable', 'bad-peer'].includes(error.code)) return null;
      throw error;
    }
  }

  async #hear({ promotion }: VolumeRecord, told: PeerTold): Promise<void> {
    const { store, zone, volume, apply } = this.#options;
    const record = await readVolume(store, volume);
    const wanted = record === null ? null : segmentToSeek(record, told, zone);
    const sought = record === null || wanted === null ? null : await this.#seek(record, wanted);
    const hearing = { volume, zone, sought, promotion: promotion?.operation ?? null };
    const { outcome } = await apply(({ record: found }, at) => decideVolumePeer(found, hearing, told, at));
    // A zone that must step down and cannot yet is not to be served.
    if (outcome === 'applied' || outcome === 'already') this.#wasHeard = true;
  }

  /** Once for each segment: what the log of a zone that writes nothing has does not change. */
  async #seek(record: VolumeRecord, segment: LogSegment): Promise<SoughtSegment> {
    const known = this.#sought;
    if (known !== null && known.isHeld !== null && sameSegment(known.segment, segment)) return known;
    this.#sought = { segment, isHeld: await this.#options.holds(record, segment) };
    return this.#sought;
  }
}
