import assert from 'node:assert/strict';
import {
  decideVolumeDisable,
  decideVolumeEnable,
  decideVolumeReplicate,
} from '../../src/volumes/volume-admission.ts';
import { sameGeneration } from '../../src/volumes/volume-lineage.ts';
import type { VolumeDecision } from '../../src/volumes/volume-outcome.ts';
import { decideVolumePeer, type PeerTold } from '../../src/volumes/volume-peer.ts';
import { type Generation, type VolumeRecord, volumeSchema } from '../../src/volumes/volume-records.ts';
import {
  decideVolumeDemote,
  decideVolumePromote,
  decideVolumePromoted,
  decideVolumeSettled,
} from '../../src/volumes/volume-role.ts';
import { decideVolumeProgress, decideVolumeResync } from '../../src/volumes/volume-sync.ts';

export const VOLUME = 'vol1';
export type ZoneName = 'north' | 'south';

/** What one record of a log did: a write, or that the content became another one. */
type Entry = { readonly write: number } | { readonly becomes: readonly number[] };

/** Segments on their way from one zone to the other. */
export interface Parcel {
  readonly to: ZoneName;
  readonly generation: Generation;
  readonly after: number;
  readonly entries: readonly Entry[];
}

/** One zone: its record, its own log, and what its vdisk holds, as the numbers of the writes in it. */
export class Zone {
  readonly name: ZoneName;
  readonly other: ZoneName;
  record: VolumeRecord | null = null;
  content: number[] = [];
  readonly log: Entry[] = [];
  readonly #answers = new Map<string, string>();
  #now = 1;

  constructor(name: ZoneName) {
    this.name = name;
    this.other = name === 'north' ? 'south' : 'north';
  }

  get isPrimary(): boolean {
    return this.record?.role === 'primary';
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
    return this.order(operation, (record, now) =>
      decideVolumeEnable(record, { volume: VOLUME, vdisk: 'v1', from }, facts, now),
    );
  }

  disable(operation: string): VolumeDecision {
    return this.order(operation, (record) => decideVolumeDisable(record, { volume: VOLUME, force: false }));
  }

  replicate(operation: string): VolumeDecision {
    const facts = { zone: this.name, peers: [this.other] };
    return this.order(operation, (record, now) =>
      decideVolumeReplicate(record, { volume: VOLUME, to: this.other, mode: 'instant' }, facts, now),
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
    if (!this.isPrimary) return;
    this.#append({ write: id });
  }

  settle(): void {
    this.#take(decideVolumeSettled(this.record, { volume: VOLUME, head: this.log.length }, this.#now++));
  }

  finishPromote(peer: PeerTold | null): void {
    this.#take(
      decideVolumePromoted(
        this.record,
        { volume: VOLUME, zone: this.name, head: this.log.length },
        peer,
        this.#now++,
      ),
    );
  }

  tells(): PeerTold | null {
    if (this.record === null) return null;
    const { role, phase, generation, lineage, begins, sequence, peer, mode } = this.record;
    return structuredClone({
      zone: this.name,
      role,
      phase,
      generation,
      lineage,
      begins,
      sequence,
      peer,
      mode,
    });
  }

  hears(told: PeerTold): void {
    this.#take(decideVolumePeer(this.record, { volume: VOLUME, zone: this.name }, told, this.#now++));
  }

  /** Takes what the log of the other zone has, while that zone says that it is what is followed. */
  fetch(source: Zone): Parcel | null {
    const { record } = this;
    if (record?.phase !== 'following' || record.sequence === null) return null;
    const { generation, sequence } = record;
    const told = source.record;
    if (told === null || !sameGeneration(told.generation, generation)) return null;
    if (generation.zone !== source.name) return null;
    const upTo = told.role === 'primary' ? source.log.length : (told.sequence ?? sequence);
    return {
      to: this.name,
      generation,
      after: sequence,
      entries: source.log.slice(sequence, Math.max(sequence, upTo)),
    };
  }

  applies({ generation, after, entries }: Parcel): void {
    const at = this.record?.sequence;
    if (
      at == null ||
      this.record?.phase !== 'following' ||
      !sameGeneration(this.record.generation, generation)
    )
      return;
    const fresh = entries.slice(at - after);
    if (at < after || fresh.length === 0) return;
    const news = { kind: 'applied' as const, sequence: after + entries.length, point: null };
    const decision = decideVolumeProgress(this.record, { volume: VOLUME, generation }, news, this.#now++);
    if (decision.outcome !== 'applied') return;
    for (const entry of fresh) this.#append(entry);
    this.#take(decision);
  }

  /** A whole copy, or what differs since the fork. Returns the writes that are gone by it. */
  copies(source: Zone): number[] {
    const { record } = this;
    if (record === null || source.record?.role !== 'primary') return [];
    if (!sameGeneration(record.generation, source.record.generation)) return [];
    const { generation } = record;
    const sequence = source.log.length;
    const point = { generation, number: 1, sequence, ownSequence: this.log.length + 1, writtenAt: 0, at: 0 };
    const decision = decideVolumeProgress(
      record,
      { volume: VOLUME, generation },
      { kind: 'copied', sequence, point },
      this.#now++,
    );
    if (decision.outcome !== 'applied') return [];
    const gone = this.content.filter((id) => !source.content.includes(id));
    this.#append({ becomes: [...source.content] });
    this.#take(decision);
    return gone;
  }

  #append(entry: Entry): void {
    this.log.push(entry);
    if ('write' in entry) this.content.push(entry.write);
    else this.content = [...entry.becomes];
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
  for (const entry of zone.log.slice(0, sequence))
    content = 'write' in entry ? [...content, entry.write] : [...entry.becomes];
  return content;
}
