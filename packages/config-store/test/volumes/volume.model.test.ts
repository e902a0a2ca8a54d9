/** Random lives of a volume in two zones whose messages are lost, late, and repeated. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import type { PeerTold } from '../../src/volumes/volume-peer.ts';
import { contentAt, type Parcel, Zone, type ZoneName } from './two-zones.ts';

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
        if (told !== undefined && told.zone !== zone.name) zone.hears(told);
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
        if (parcel !== undefined) this.zone(parcel.to).applies(parcel);
        return;
      }
      case 'copy': {
        const phase = zone.record?.phase;
        const gone = zone.copies(other);
        if (gone.length > 0)
          assert.equal(phase, 'resyncing', `dropped writes ${gone.join(', ')} while ${phase}`);
        if (gone.length > 0) this.seen.add('discarded');
        return;
      }
      case 'settle':
        zone.settle();
        assert.deepEqual(zone.content, before);
        return;
      case 'finish': {
        const was = zone.record?.generation.number ?? 0;
        zone.finishPromote(pick % 2 === 0 ? other.tells() : null);
        if (zone.isPrimary && (zone.record?.generation.number ?? 0) !== was) this.seen.add('promoted');
        assert.deepEqual(zone.content, before);
        return;
      }
      case 'meet':
        this.#contact(zone, other);
        for (const each of [zone, other]) each.settle();
        return this.#contact(zone, other);
      case 'part':
        return this.#part(zone, other);
      case 'repeat':
        return this.#repeat(pick);
      default:
        return this.#order(kind, zone, other);
    }
  }

  #order(kind: string, zone: Zone, other: Zone): void {
    const operation = `op-${++this.#operations}`;
    const peer = other.tells();
    const orders: Record<string, () => unknown> = {
      promote: () => zone.promote(operation, false, peer),
      force: () => zone.promote(operation, true, null),
      demote: () => zone.demote(operation),
      resync: () => zone.resync(operation, zone.name),
    };
    const order = orders[kind];
    assert.ok(order);
    order();
    this.#orders.push(() => order());
  }

  /** The other zone is taken for lost, and both write: rarely met by chance. */
  #part(zone: Zone, other: Zone): void {
    if (zone.isPrimary || !other.isPrimary) return;
    zone.promote(`op-${++this.#operations}`, true, null);
    zone.finishPromote(null);
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
    assert.ok(!(zone.isPrimary && other.isPrimary), 'two primaries after contact');
    if (wereBoth) this.seen.add('two primaries');
    for (const each of [zone, other]) {
      const peer = this.zone(each.other);
      if (each.record?.phase === 'following' && peer.isPrimary) this.#assertPrefix(each, peer);
      if (each.record?.phase !== 'waiting' && each.record?.phase !== 'split') continue;
      if (!peer.isPrimary || peer.record === null) continue;
      const lacks = each.content.filter((id) => !peer.content.includes(id));
      const isLower = (each.record?.generation.number ?? 0) <= peer.record.generation.number;
      if (isLower && lacks.length > 0) {
        assert.equal(
          each.record?.phase,
          'split',
          `writes ${lacks.join(', ')} are nowhere else, and it is not reported`,
        );
        this.seen.add('split');
      }
    }
  }

  /** What is followed is what is there. */
  #assertPrefix(follower: Zone, source: Zone): void {
    const { record } = follower;
    if (record?.sequence == null || record.generation.zone !== source.name) return;
    if (record.generation.number !== source.record?.generation.number) return;
    assert.deepEqual(
      follower.content,
      contentAt(source, record.sequence),
      'a secondary is exactly a state of its primary',
    );
    this.seen.add('level');
  }
}

it('has one primary after contact, reports a split brain at once, and drops nothing before an operator says so', () => {
  const reached = new Set<string>();
  const property = fc.property(fc.array(step, { minLength: 40, maxLength: 160 }), (steps) => {
    const world = new World();
    for (const { kind, zone, pick } of steps) world.step(kind, world.zone(zone), pick);
    for (const each of world.seen) reached.add(each);
  });
  fc.assert(property, { numRuns: 4_000, includeErrorInReport: true });
  assert.deepEqual([...reached].sort(), ['discarded', 'level', 'promoted', 'split', 'two primaries']);
});
