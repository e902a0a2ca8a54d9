/** A volume and its archives in memory: what whoever writes them would do, one step at a time, and dying anywhere. */
import assert from 'node:assert/strict';
import {
  type ArchiveDecision,
  type ArchiveNews,
  type ArchiveOrder,
  type ArchiveRecord,
  archiveSchema,
  copiedFrom,
  decideArchive,
  decideArchiveOrder,
  decideCopy,
  type LogSegment,
} from '../../src/index.ts';

export type Image = ReadonlyMap<number, number>;
const NO_HISTORY: readonly Image[] = [];

/** Of the log of the volume: one record a segment. */
interface Write {
  readonly block: number;
  readonly value: number;
}

/** The store of an archive: one record a segment here as well. */
class Store {
  /** By record, from 1 on: the image after it, and whether it may be restored. */
  states: { readonly image: Image; readonly isClean: boolean }[] = [];

  get end(): number {
    return this.states.length;
  }

  get image(): Image {
    return this.states.at(-1)?.image ?? new Map();
  }

  add({ block, value }: Write, isClean: boolean): void {
    this.states.push({ image: new Map(this.image).set(block, value), isClean });
  }
}

export class ArchiveWorld {
  readonly records = new Map<string, ArchiveRecord>();
  readonly stores = new Map<string, Store>();
  readonly writes: Write[] = [];
  /** The volume after each record of its log, from 0 on. */
  readonly images: Image[] = [new Map(), ...NO_HISTORY];
  /** Records of the log up to here are nowhere any more. */
  trimmed = 0;
  #now = 1;

  write(block: number, value: number): void {
    this.writes.push({ block, value });
    this.images.push(new Map(this.images.at(-1)).set(block, value));
  }

  /** A retention that lets go of what no archive has. The newest record stays. */
  trim(upTo: number): void {
    this.trimmed = Math.max(this.trimmed, Math.min(upTo, this.writes.length - 1));
  }

  order(archive: string, order: ArchiveOrder): ArchiveDecision {
    const decision = decideArchiveOrder(
      { archive, volume: 'vol1' },
      this.records.get(archive) ?? null,
      order,
      this.#others(archive),
      ++this.#now,
    );
    this.#apply(decision);
    return decision;
  }

  /** What is stored is lost, from a record on. */
  lose(archive: string, keep: number): void {
    const store = this.storeOf(archive);
    store.states = store.states.slice(0, keep);
  }

  forget(archive: string): void {
    this.records.delete(archive);
  }

  /** Whether it holds a history that its source does not go on with. */
  hasParted({ archive, source, base, history }: ArchiveRecord): boolean {
    const theirs = source.kind === 'archive' ? this.records.get(source.archive) : undefined;
    if (theirs === undefined) return false;
    return decideCopy({ base, history }, this.storeOf(archive).end, theirs) === 'parted';
  }

  /** The folder that it writes now. */
  storeOf(archive: string): Store {
    const name = `${archive} ${this.records.get(archive)?.lineage ?? 0}`;
    const store = this.stores.get(name) ?? new Store();
    this.stores.set(name, store);
    return store;
  }

  /** One step of whoever writes the archive; it may die before what it stored is on record. */
  step(archive: string, dies: boolean): void {
    const record = this.records.get(archive);
    if (record === undefined || record.phase === 'stopped') return;
    const store = this.storeOf(archive);
    const tell = (news: ArchiveNews): ArchiveRecord => {
      if (!dies)
        this.#apply(decideArchive(this.#recordOf(archive), news, this.#others(archive), ++this.#now));
      return this.#recordOf(archive);
    };
    const number = record.place?.number ?? 0;
    if (store.end < number || (record.base > 0 && store.end < record.base)) {
      tell({ kind: 'content-lost', sequence: store.end, number: store.end, reason: 'it is gone' });
      return;
    }
    if (record.source.kind === 'archive' && record.place === null && store.end > 0)
      tell({ kind: 'occupied' });
    else if (record.source.kind === 'archive') this.#copy(record, record.source.archive, store, tell);
    else if (record.backup !== null && record.backup.until === null) this.#compare(record, store, tell);
    else this.#follow(record, store, tell);
  }

  #copy(record: ArchiveRecord, from: string, store: Store, tell: (news: ArchiveNews) => ArchiveRecord): void {
    const theirs = this.records.get(from);
    if (theirs === undefined) return;
    const next = decideCopy(record, store.end, theirs);
    if (next === 'begins-anew') tell({ kind: 'begins-anew' });
    if (next !== 'goes-on') return;
    store.states.push(...this.storeOf(from).states.slice(store.end));
    if (store.end === 0) return;
    const isWhole = theirs.base > 0 && theirs.backup === null && theirs.place !== null;
    const isLevel = isWhole && store.end >= (theirs.place?.number ?? 0);
    const place = { segment: segmentOf(store.end), number: store.end, sequence: store.end };
    tell({
      ...{ kind: 'archived', place, writtenAt: this.#now, isLevel },
      copied: copiedFrom(record, theirs, { isLevel, sequence: store.end }),
    });
  }

  #compare(record: ArchiveRecord, store: Store, tell: (news: ArchiveNews) => ArchiveRecord): void {
    const last = this.writes.length;
    if (record.backup === null || last === 0) return;
    if (record.backup.behind === null) {
      const behind = { segment: segmentOf(last), positions: [], image: 'i' };
      tell({
        ...{ kind: 'compare-begun', behind, blocks: 8, sizeBytes: 8, blockSize: 1 },
        first: store.end + 1,
      });
      return;
    }
    const { behind, way } = record.backup;
    const now = this.images[last] ?? new Map<number, number>();
    const held = way === 'full' ? new Map<number, number>() : store.image;
    for (const [block, value] of now) if (held.get(block) !== value) store.add({ block, value }, false);
    const until = [{ shard: 0, batch: last }];
    const isClean = behind.segment.last >= last;
    // A segment without records cannot be told from one with a record here.
    if (isClean) store.states.push({ image: store.image, isClean: true });
    const place = { segment: behind.segment, number: store.end, sequence: store.end };
    tell({ kind: 'compare-ended', until, place });
    if (isClean) tell({ kind: 'clean', place });
  }

  #follow(record: ArchiveRecord, store: Store, tell: (news: ArchiveNews) => ArchiveRecord): void {
    const { place, backup } = record;
    assert.ok(place !== null, `${record.archive} follows from nowhere: ${record.reason}`);
    const until = backup?.until?.[0]?.batch ?? 0;
    if (backup !== null && place.segment.last >= until) {
      tell({ kind: 'clean', place });
      return;
    }
    const next = place.segment.last + 1;
    if (place.segment.last < this.trimmed) {
      tell({ kind: 'source-lost', reason: 'it was let go' });
      return;
    }
    const write = this.writes[next - 1];
    if (write === undefined) {
      tell({ kind: 'archived', place, writtenAt: this.#now, isLevel: true });
      return;
    }
    const number = place.number + 1;
    if (number > store.end) store.add(write, backup === null || next >= until);
    const there = { segment: segmentOf(next), number, sequence: number };
    tell({ kind: 'archived', place: there, writtenAt: this.#now, isLevel: next === this.writes.length });
  }

  #recordOf(archive: string): ArchiveRecord {
    const record = this.records.get(archive);
    assert.ok(record !== undefined);
    return record;
  }

  #others(archive: string): ArchiveRecord[] {
    return [...this.records.values()].filter((each) => each.archive !== archive);
  }

  #apply({ outcome, next, others = [] }: ArchiveDecision): void {
    if (outcome !== 'applied') return;
    for (const record of next === undefined ? [] : [next, ...others])
      this.records.set(record.archive, archiveSchema.parse(record));
  }
}

export function segmentOf(number: number): LogSegment {
  return { number: Math.max(1, number), epoch: 1, last: number, at: number, base: 1 };
}
