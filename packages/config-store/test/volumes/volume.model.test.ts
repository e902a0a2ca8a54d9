/** Random lives of a volume in two zones whose messages are lost, late, and repeated, and whose logs lose their end. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { sameGeneration } from '../../src/volumes/volume-lineage.ts';
import type { PeerTold } from '../../src/volumes/volume-peer.ts';
import { contentAt, type Parcel, TORN, Zone, type ZoneName } from './two-zones.ts';

const step = fc.record({
  kind: fc.constantFrom(
    ...(['write', 'write', 'write', 'tell', 'tell', 'hear', 'hear', 'hear', 'contact', 'contact'] as const),
    ...(['fetch', 'fetch', 'apply', 'apply', 'apply', 'copy', 'copy', 'settle', 'settle'] as const),
    ...([
      'promote',
      'force',
      'finish',
      'finish',
      'demote',
      'resync',
      'resync',
      'part',
      'meet',
      'meet',
      'repeat',
    ] as const),
    ...(['one-way', 'one-way', 'rewind', 'anew', 'trim', 'reach', 'follow', 'follow', 'give up'] as const),
    ...(['disable', 'enable', 'enable', 'replicate'] as const),
  ),
  zone: fc.constantFrom<ZoneName>('north', 'south'),
  pick: fc.nat(1_000),
});

class World {
  readonly north = new Zone('north');
  readonly south = new Zone('south');
  readonly seen = new Set<string>();
  /** Everything that was ever told, and every parcel: any of it may arrive at any time, or never, or twice. */
  readonly #told: PeerTold[] = [];
  readonly #parcels: Parcel[] = [];
  readonly #orders: (() => void)[] = [];
  #writes = 0;
  #operations = 0;

  constructor() {
    this.north.enable('enable-north', null);
    this.north.replicate('replicate-north');
    this.south.enable('enable-south', 'north');
  }

  zone(name: ZoneName): Zone {
    return this[name];
  }

  step(kind: string, zone: Zone, pick: number): void {
    const other = this.zone(zone.other);
    const before = [...zone.content];
    switch (kind) {
      case 'write':
        zone.write(++this.#writes);
        return;
      case 'tell': {
        const told = zone.tells();
        if (told !== null) this.#told.push(told);
        return;
      }
      case 'hear': {
        const told = this.#told[pick % Math.max(1, this.#told.length)];
        if (told !== undefined && told.zone !== zone.name) zone.hears(told, pick % 2 === 0);
        return;
      }
      case 'contact':
        return this.#contact(zone, other);
      case 'fetch': {
        const parcel = zone.fetch(other);
        if (parcel !== null) this.#parcels.push(parcel);
        return;
      }
      case 'apply': {
        const parcel = this.#parcels[pick % Math.max(1, this.#parcels.length)];
        if (parcel !== undefined) this.zone(parcel.to).applies(parcel, pick % 3 === 0);
        return;
      }
      case 'follow': {
        const parcel = zone.fetch(other);
        if (parcel !== null) zone.applies(parcel, pick % 2 === 0);
        return;
      }
      case 'one-way':
        return this.#oneWay(zone, other);
      case 'rewind':
        zone.rewind(1 + (pick % 6), 1 + (Math.floor(pick / 6) % 8));
        this.seen.add('rewound');
        return;
      case 'anew':
        return zone.beginAnew();
      case 'trim':
        zone.trimmedTo = Math.max(zone.trimmedTo, zone.log.length - (pick % 4));
        return;
      case 'reach':
        zone.isArchiveReached = pick % 2 === 0;
        return;
      case 'copy':
        return this.#copy(zone, other);
      case 'give up':
        this.#order('resync', zone, other, pick);
        this.#contact(zone, other);
        for (let i = 0; i < 2; i++) this.#copy(zone, other);
        return;
      case 'settle':
        zone.settle();
        assert.deepEqual(zone.content, before);
        return;
      case 'finish':
        return this.#finish(zone, pick % 2 === 0 ? other.tells() : null);
      case 'meet':
        this.#contact(zone, other);
        for (const each of [zone, other]) each.settle();
        return this.#contact(zone, other);
      case 'part':
        return this.#part(zone, other);
      case 'repeat':
        return this.#repeat(pick);
      default:
        return this.#order(kind, zone, other, pick);
    }
  }

  #order(kind: string, zone: Zone, other: Zone, pick: number): void {
    const operation = `op-${++this.#operations}`;
    const peer = other.tells();
    const orders: Record<string, () => unknown> = {
      promote: () => zone.promote(operation, false, peer),
      force: () => zone.promote(operation, true, null),
      demote: () => zone.demote(operation),
      resync: () => zone.resync(operation, zone.name),
      replicate: () => zone.replicate(operation),
      disable: () => zone.disable(operation, pick % 4 === 0),
      // Who is a primary is not made one here: two of them are what the rest is about.
      enable: () => zone.enable(operation, other.record === null ? null : zone.other),
    };
    const order = orders[kind];
    assert.ok(order);
    order();
    this.#orders.push(() => order());
  }

  #copy(zone: Zone, other: Zone): void {
    const phase = zone.record?.phase;
    const gone = zone.copies(other);
    if (gone.length === 0) return;
    assert.equal(phase, 'resyncing', `dropped writes ${gone.join(', ')} while ${phase}`);
    this.seen.add('discarded');
  }

  /** What is promoted is a state that it had, whole, and where it was being written over the one before that. */
  #finish(zone: Zone, told: PeerTold | null): void {
    const was = zone.record?.generation ?? null;
    const [before, kept] = [[...zone.content], zone.record?.kept ?? null];
    const wanted = kept?.ownSequence == null ? before : contentAt(zone, kept.ownSequence);
    zone.finishPromote(told);
    const isPromoted = zone.isPrimary && was !== null && zone.record?.generation.number !== was.number;
    if (!isPromoted) return;
    assert.deepEqual(zone.content, wanted);
    assert.ok(!zone.content.includes(TORN), 'a primary whose blocks are from several states');
    this.seen.add(kept?.ownSequence == null ? 'promoted' : 'restored');
  }

  /** One zone reaches the other, and is not reached: asking tells as well, and the answer may be lost. */
  #oneWay(zone: Zone, other: Zone): void {
    const told = zone.tells();
    if (told === null) return;
    const wereBoth = zone.isPrimary && other.isPrimary;
    other.hears(told, false);
    const answer = other.tells();
    if (answer !== null) zone.hears(answer);
    const { record } = other;
    const knowEachOther = zone.record?.peer === other.name && record?.peer === zone.name;
    if (!wereBoth || !knowEachOther) return;
    assert.ok(!(zone.isPrimary && other.isPrimary), 'two primaries after contact of one to the other');
  }

  /** The other zone is taken for lost, and both write: rarely met by chance. */
  #part(zone: Zone, other: Zone): void {
    if (zone.isPrimary || !other.isPrimary) return;
    zone.promote(`op-${++this.#operations}`, true, null);
    this.#finish(zone, null);
    for (const each of [zone, other]) each.write(++this.#writes);
  }

  /** An order that comes again changes nothing once it was carried out; one that was refused may be carried out now. */
  #repeat(pick: number): void {
    const order = this.#orders[pick % Math.max(1, this.#orders.length)];
    if (order === undefined) return;
    order();
    const [north, south] = [structuredClone(this.north.record), structuredClone(this.south.record)];
    order();
    assert.deepEqual([this.north.record, this.south.record], [north, south]);
  }

  /** Both hear each other as they are. */
  #contact(zone: Zone, other: Zone): void {
    const [one, two] = [zone.tells(), other.tells()];
    if (one === null || two === null) return;
    const wereBoth = zone.isPrimary && other.isPrimary;
    zone.hears(two);
    other.hears(one);
    const knowEachOther = zone.record?.peer === other.name && other.record?.peer === zone.name;
    if (knowEachOther) assert.ok(!(zone.isPrimary && other.isPrimary), 'two primaries after contact');
    if (wereBoth && knowEachOther) this.seen.add('two primaries');
    for (const each of [zone, other]) this.#assertReported(each, this.zone(each.other));
  }

  /** Writes that are nowhere else are told of, and what is followed is what is there. */
  #assertReported(each: Zone, peer: Zone): void {
    const { record } = each;
    if (record === null || !peer.isPrimary || peer.record === null) return;
    if (record.phase === 'following') this.#assertPrefix(each, peer);
    const isReplicated = peer.record.peer === each.name && peer.record.mode === 'instant';
    if (!isReplicated || (record.phase !== 'waiting' && record.phase !== 'split')) return;
    const lacks = each.content.filter((id) => !peer.content.includes(id));
    if (record.generation.number > peer.record.generation.number || lacks.length === 0) return;
    assert.equal(
      record.phase,
      'split',
      `writes ${lacks.join(', ')} are nowhere else, and it is not reported`,
    );
    this.seen.add('split');
  }

  /** What is followed is what is there. */
  #assertPrefix(follower: Zone, source: Zone): void {
    const { record } = follower;
    if (record?.segment == null || source.record === null) return;
    if (!sameGeneration(record.generation, source.record.generation)) return;
    // What the other log lost since is found out with the next look at it.
    if (!source.holds(record.segment)) return;
    assert.deepEqual(
      follower.content,
      contentAt(source, record.segment.last),
      'a secondary is exactly a state of its primary',
    );
    this.seen.add('level');
  }

  /** Numbers of points are given once, and each of them is a state that was there. */
  assertPoints(): void {
    for (const zone of [this.north, this.south]) {
      const names = zone.points.map(({ generation: { number, zone: held, incarnation }, number: nth }) =>
        [number, held, incarnation, nth].join(' '),
      );
      assert.equal(new Set(names).size, names.length);
      if (zone.points.length > 1) this.seen.add('points');
    }
  }
}

it('has one primary after contact, reports a split brain at once, and drops nothing before an operator says so', () => {
  const reached = new Set<string>();
  const property = fc.property(fc.array(step, { minLength: 40, maxLength: 160 }), (steps) => {
    const world = new World();
    for (const { kind, zone, pick } of steps) {
      world.step(kind, world.zone(zone), pick);
      for (const each of [world.north, world.south])
        assert.ok(!(each.isPrimary && each.content.includes(TORN)), `${each.name} serves a torn vdisk`);
    }
    world.assertPoints();
    for (const each of world.seen) reached.add(each);
  });
  fc.assert(property, { numRuns: 4_000, includeErrorInReport: true });
  assert.deepEqual([...reached].sort(), [
    ...['discarded', 'level', 'points', 'promoted', 'restored', 'rewound', 'split', 'two primaries'],
  ]);
});
