import assert from 'node:assert/strict';
import {
  decideVolumeDisable,
  decideVolumeEnable,
  decideVolumeReplicate,
} from '../../src/volumes/volume-admission.ts';
import { type SoughtSegment, sameGeneration, sameSegment } from '../../src/volumes/volume-lineage.ts';
import type { VolumeDecision } from '../../src/volumes/volume-outcome.ts';
import { decideVolumePeer, type PeerTold, segmentToSeek } from '../../src/volumes/volume-peer.ts';
import {
  type Generation,
  type LogEnd,
  type LogSegment,
  type ReplicationPoint,
  type VolumeRecord,
  volumeSchema,
} from '../../src/volumes/volume-records.ts';
import {
  decideVolumeDemote,
  decideVolumePromote,
  decideVolumePromoted,
  decideVolumeSettled,
  isIncomplete,
} from '../../src/volumes/volume-role.ts';
import { decideVolumeProgress, decideVolumeResync, type SyncNews } from '../../src/volumes/volume-sync.ts';

export const VOLUME = 'vol1';
export type ZoneName = 'north' | 'south';

/** In the content of a vdisk that is being written over. */
export const TORN = -1;

/** One record of a log, in a segment of its own: a write, or that the content became another one. */
interface Entry {
  readonly effect: { readonly write: number } | { readonly becomes: readonly number[] };
  readonly segment: LogSegment;
}

/** Segments on their way from one zone to the other. */
export interface Parcel {
  readonly to: ZoneName;
  readonly generation: Generation;
  readonly after: LogSegment;
  readonly entries: readonly Entry[];
}

/** A copy that is under way. */
interface Copy {
  readonly generation: Generation;
  readonly content: readonly number[];
  readonly end: LogEnd;
}

/** Segments are told from each other by it, whatever their numbers. */
let moment = 0;

/** One zone: its record, its own log, and what its vdisk holds, as the numbers of the writes in it. */
export class Zone {
  readonly name: ZoneName;
  readonly other: ZoneName;
  record: VolumeRecord | null = null;
  content: number[] = [];
  log: Entry[] = [];
  /** Every point that was ever put on record. */
  readonly points: ReplicationPoint[] = [];
  /** What it held before an operator made it a copy is given up. */
  isGivenUp = false;
  /** The log is read from its archive up to this record, where that is reached. */
  trimmedTo = 0;
  isArchiveReached = true;
  readonly #beginning: LogSegment;
  readonly #answers = new Map<string, string>();
  #epoch = 1;
  #base = 1;
  #copy: Copy | null = null;
  #now = 1;

  constructor(name: ZoneName) {
    this.name = name;
    this.other = name === 'north' ? 'south' : 'north';
    this.#beginning = { number: 1, epoch: 1, last: 0, at: ++moment, base: 1 };
  }

  get isPrimary(): boolean {
    return this.record?.role === 'primary';
  }

  get end(): LogEnd {
    return { sequence: this.log.length, segment: this.log.at(-1)?.segment ?? this.#beginning };
  }

  /** As the shell does: an operation that was carried out is not carried out again. */
  order(
    operation: string,
    decide: (record: VolumeRecord | null, now: number) => VolumeDecision,
  ): VolumeDecision {
    const known = this.#answers.get(operation);
    if (known !== undefined) return { outcome: 'already', code: 'same-operation', reason: known };
    const decision = this.#take(decide(this.record, this.#now++));
    if (decision.outcome !== 'refused') this.#answers.set(operation, decision.reason);
    return decision;
  }

  enable(operation: string, from: ZoneName | null): VolumeDecision {
    const facts = {
      ...{ zone: this.name, peers: [this.other], vdiskExists: true, hasLog: true },
      ...{ otherVolume: null, owner: null, busy: null },
    };
    const incarnation = `i${++moment}`;
    return this.order(operation, (record, now) => {
      const request = { volume: VOLUME, vdisk: 'v1', from, incarnation };
      const decision = decideVolumeEnable(record, request, facts, now);
      if (decision.outcome !== 'applied') return decision;
      this.isGivenUp = from !== null;
      this.#copy = null;
      // Who makes a copy that was given up halfway a primary has looked at what it holds.
      if (from === null && this.content.includes(TORN))
        this.#append({ becomes: this.content.filter((id) => id !== TORN) });
      return decision;
    });
  }

  disable(operation: string, force: boolean): VolumeDecision {
    return this.order(operation, (record) => decideVolumeDisable(record, { volume: VOLUME, force }));
  }

  replicate(operation: string): VolumeDecision {
    const facts = { zone: this.name, peers: [this.other] };
    return this.order(operation, (record, now) =>
      decideVolumeReplicate(
        record,
        {
          volume: VOLUME,
          to: this.other,
          mode: 'instant',
          bandwidthMib: null,
          compression: null,
          everyMs: null,
          startAt: null,
          missed: null,
        },
        facts,
        now,
      ),
    );
  }

  promote(operation: string, force: boolean, peer: PeerTold | null): VolumeDecision {
    return this.order(operation, (record, now) =>
      decideVolumePromote(record, { volume: VOLUME, force, operation }, peer, now),
    );
  }

  demote(operation: string): VolumeDecision {
    return this.order(operation, (record, now) => decideVolumeDemote(record, { volume: VOLUME }, null, now));
  }

  resync(operation: string, discard: ZoneName | null): VolumeDecision {
    return this.order(operation, (record, now) =>
      decideVolumeResync(record, { volume: VOLUME, zone: this.name, discard }, now),
    );
  }

  write(id: number): void {
    if (this.isPrimary || this.record === null) this.#append({ write: id });
  }

  /** Its JetStream loses the end of the log, not the engines what they hold: the next owner adds that anew. */
  rewind(lost: number, added: number): void {
    this.log = this.log.slice(0, Math.max(0, this.log.length - lost));
    this.#epoch++;
    for (let i = 0; i < added; i++) this.#append({ becomes: [...this.content] });
  }

  /** The log is begun anew, with a base: what was written before is not in it. */
  beginAnew(): void {
    this.#epoch++;
    this.#base = this.log.length + 1;
    this.#append({ becomes: [...this.content] });
  }

  settle(): void {
    this.#take(decideVolumeSettled(this.record, { volume: VOLUME, head: this.end }, this.#now++));
  }

  finishPromote(peer: PeerTold | null): void {
    const { record } = this;
    if (record?.promotion == null) return;
    const isRestored = isIncomplete(record);
    if (isRestored && !this.#restore(record)) return;
    const promoted = { volume: VOLUME, zone: this.name, head: this.end, isRestored };
    this.#take(decideVolumePromoted(this.record, promoted, peer, this.#now++));
  }

  tells(): PeerTold | null {
    if (this.record === null) return null;
    const {
      role,
      phase,
      generation,
      lineage,
      begins,
      begun,
      sequence,
      peer,
      mode,
      link,
      schedule,
      promotion,
    } = this.record;
    return structuredClone({
      ...{
        zone: this.name,
        role,
        phase,
        generation,
        lineage,
        begins,
        begun,
        sequence,
        peer,
        mode,
        link,
        schedule,
      },
      promotionAt: promotion?.at ?? null,
    });
  }

  /** @param isAsked the other zone answers; else it tells of its own accord, and nothing is looked for */
  hears(told: PeerTold, isAsked = true): void {
    const wanted = this.record === null ? null : segmentToSeek(this.record, told, this.name);
    const sought = isAsked && wanted !== null ? this.#seek(wanted) : null;
    const promotion = isAsked ? (this.record?.promotion?.operation ?? null) : null;
    const hearing = { volume: VOLUME, zone: this.name, sought, promotion };
    this.#take(decideVolumePeer(this.record, hearing, told, this.#now++));
  }

  holds(wanted: LogSegment): boolean {
    return [this.#beginning, ...this.log.map(({ segment }) => segment)].some((each) =>
      sameSegment(each, wanted),
    );
  }

  /** Takes what the log of the other zone has, while that zone says that it is what is followed. */
  fetch(source: Zone): Parcel | null {
    const { record } = this;
    if (record?.phase !== 'following' || record.segment === null) return null;
    const { generation, segment: after } = record;
    const told = source.record;
    if (told === null || !sameGeneration(told.generation, generation)) return null;
    if (generation.zone !== source.name) return null;
    if (after.last < source.trimmedTo && !source.isArchiveReached) return null;
    const entries = source.log.slice(after.last);
    if (!source.holds(after) || entries.some(({ segment }) => segment.base !== after.base)) {
      this.#progress({ kind: 'lost-place', reason: 'another log' }, generation);
      return null;
    }
    const upTo = told.role === 'primary' ? source.log.length : (told.sequence ?? 0);
    const usable = entries.filter(({ segment }) => segment.last <= upTo);
    return { to: this.name, generation, after, entries: usable };
  }

  /** @param isPointDue the state is remembered as well */
  applies({ generation, after, entries }: Parcel, isPointDue: boolean): void {
    const { record } = this;
    if (record?.phase !== 'following' || !sameGeneration(record.generation, generation)) return;
    const { segment: at } = record;
    const places = [after, ...entries.map(({ segment }) => segment)];
    const place = places.findIndex((each) => at !== null && sameSegment(each, at));
    const fresh = place < 0 ? [] : entries.slice(place);
    const newest = fresh.at(-1);
    if (newest === undefined) return;
    const { segment } = newest;
    for (const { effect } of fresh) this.#append(effect);
    const point = isPointDue ? this.#pointAt(generation, segment.last) : null;
    this.#progress({ kind: 'applied', sequence: segment.last, segment, point }, generation);
    if (point !== null && this.record?.phase === 'following')
      assert.deepEqual(this.record.point, point, 'a point that was reached is on record');
  }

  /** Begins a copy, or ends the one that was begun. Returns the writes that are gone by it. */
  copies(source: Zone): number[] {
    const { record } = this;
    if (record === null || !isIncomplete(record)) return [];
    const copy = this.#copy;
    if (copy === null || !sameGeneration(copy.generation, record.generation)) {
      this.#beginCopy(record, source);
      return [];
    }
    this.#copy = null;
    const before = this.#contentBefore(record);
    this.#append({ becomes: [...copy.content] });
    const point = this.#pointAt(copy.generation, copy.end.sequence);
    this.#progress({ kind: 'copied', ...copy.end, point }, copy.generation);
    if (this.record?.phase !== 'following') return [];
    const gone = this.isGivenUp ? [] : before.filter((id) => !copy.content.includes(id));
    this.isGivenUp = false;
    return gone;
  }

  #beginCopy(record: VolumeRecord, source: Zone): void {
    const { generation, kept } = record;
    if (source.record?.role !== 'primary' || !sameGeneration(generation, source.record.generation)) return;
    if (kept !== null && kept.ownSequence === null) {
      const { sequence, segment } = kept;
      this.#progress({ kind: 'kept', sequence, segment, own: this.end }, generation);
    }
    this.#append({ becomes: [...source.content.slice(0, source.content.length / 2), TORN] });
    this.#copy = { generation, content: [...source.content], end: source.end };
  }

  /** What it held before it was written over. */
  #contentBefore({ kept }: VolumeRecord): readonly number[] {
    if (kept?.ownSequence == null || kept.ownSegment === null) return [];
    // Its own log may have lost it since; what is gone then is not to be blamed on the copy.
    return this.holds(kept.ownSegment) ? contentAt(this, kept.ownSequence) : [];
  }

  /** @returns false when its own log does not tell */
  #restore({ kept }: VolumeRecord): boolean {
    if (kept === null) return false;
    this.#copy = null;
    const { ownSequence, ownSegment } = kept;
    if (ownSequence === null) {
      const { sequence, segment } = kept;
      this.#progress(
        { kind: 'kept', sequence, segment, own: this.end },
        this.record?.generation ?? kept.generation,
      );
      return true;
    }
    if (ownSegment === null || !this.holds(ownSegment)) return false;
    this.#append({ becomes: contentAt(this, ownSequence) });
    return true;
  }

  #seek(segment: LogSegment): SoughtSegment {
    const isUnknown = segment.last < this.trimmedTo && !this.isArchiveReached;
    return { segment, isHeld: isUnknown ? null : this.holds(segment) };
  }

  #pointAt(generation: Generation, sequence: number): ReplicationPoint {
    const same = this.points.filter((each) => sameGeneration(each.generation, generation));
    const number = 1 + Math.max(0, ...same.map((each) => each.number));
    const point = {
      generation,
      number,
      sequence,
      ownSequence: this.log.length,
      writtenAt: 0,
      at: ++moment,
      bytes: 0,
      beganAt: null,
    };
    this.points.push(point);
    return point;
  }

  #progress(news: SyncNews, generation: Generation): void {
    this.#take(decideVolumeProgress(this.record, { volume: VOLUME, generation }, news, this.#now++));
  }

  #append(effect: Entry['effect']): void {
    const last = this.log.length + 1;
    const segment = { number: last + 1, epoch: this.#epoch, last, at: ++moment, base: this.#base };
    this.log.push({ effect, segment });
    if ('write' in effect) this.content.push(effect.write);
    else this.content = [...effect.becomes];
  }

  #take(decision: VolumeDecision): VolumeDecision {
    if (decision.outcome !== 'applied') return decision;
    assert.ok(decision.next !== undefined);
    this.record = decision.next === null ? null : volumeSchema.parse(decision.next);
    return decision;
  }
}

/** What the log of a zone made of it up to a record. */
export function contentAt(zone: Zone, sequence: number): number[] {
  let content: number[] = [];
  for (const { effect } of zone.log.slice(0, sequence))
    content = 'write' in effect ? [...content, effect.write] : [...effect.becomes];
  return content;
}
