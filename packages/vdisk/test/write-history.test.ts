import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decideCatchUp } from '../src/catch-up.ts';
import { allDirty, bitsIn } from '../src/dirty-map.ts';
import { decidePreparation } from '../src/repair-preparation.ts';
import {
  decodeRingEntry,
  encodeRingEntry,
  parseRing,
  RING_SLOTS,
  type WriteHead,
} from '../src/write-history.ts';

test('ring entries keep their batch number and blocks', () => {
  const number = fc.integer({ min: 0, max: 2 ** 47 });
  fc.assert(
    fc.property(number, fc.array(number, { maxLength: 256 }), (seq, blocks) => {
      assert.deepEqual(decodeRingEntry(encodeRingEntry(seq, blocks)), { seq, blocks });
    }),
  );
  assert.equal(decodeRingEntry(Buffer.alloc(5)), null);
  assert.equal(decodeRingEntry(Buffer.alloc(13)), null);
});

test('a ring with a missing or overwritten entry does not count', () => {
  const good = [encodeRingEntry(6, [1, 2]), encodeRingEntry(7, [2, 9])];
  assert.deepEqual(parseRing(good, 5, 7), new Set([1, 2, 9]));
  assert.equal(parseRing([good[0] ?? null, null], 5, 7), null);
  assert.equal(parseRing([encodeRingEntry(6 + RING_SLOTS, [1]), good[1] ?? null], 5, 7), null);
  assert.equal(parseRing(good, 4, 7), null);
});

test('a full dirty map marks exactly the bits there are', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 64 }), (bits, step) => {
      const marked: number[] = [];
      for (let at = 0; at < Math.ceil(bits / 8); at += step)
        marked.push(...bitsIn(allDirty(bits, at, step), at));
      assert.deepEqual(
        marked,
        Array.from({ length: bits }, (_, i) => i),
      );
    }),
  );
});

const head = (seq: number, fork: number | null = null, ringFloor = 0, gapFloor = 0): WriteHead => ({
  seq,
  fork,
  ringFloor,
  gapFloor,
});

test('a member that kept everything lacks only the dirty map', () => {
  const plan = decideCatchUp(head(500, 100), head(100), false);
  assert.ok(plan.kind === 'maps' && plan.survivorRing === null && plan.returningRing === null);
});

test('a lost tail is filled from the ring of the survivor', () => {
  const plan = decideCatchUp(head(500, 100), head(90), false);
  assert.ok(plan.kind === 'maps');
  assert.deepEqual(plan.survivorRing, { after: 90, upTo: 100 });
});

test('a batch that only the returning member applied is undone from the survivor', () => {
  const plan = decideCatchUp(head(500, 100), head(101), false);
  assert.ok(plan.kind === 'maps');
  assert.deepEqual(plan.returningRing, { after: 100, upTo: 101 });
});

test('an empty spare lacks everything, even where the ring reaches back to the first batch', () => {
  assert.equal(decideCatchUp(head(20, 10), { ...head(0), blank: true }, true).kind, 'everything');
  assert.equal(
    decideCatchUp(head(20, 10, 8, 0), head(8), true).kind,
    'maps',
    'a rebuild that was interrupted goes on',
  );
});

test('a tail longer than the ring, or older than what the ring holds, means a compare of everything', () => {
  assert.equal(decideCatchUp(head(RING_SLOTS + 200, RING_SLOTS + 100), head(50), false).kind, 'everything');
  assert.equal(decideCatchUp(head(500, 400, 300, 200), head(150), false).kind, 'everything');
  assert.equal(decideCatchUp(head(500, 400), { ...head(300), fork: 250 }, false).kind, 'everything');
});

test('a member that falls back to before its own repair needs only what happened since that repair began', () => {
  const plan = decideCatchUp(head(500, 400, 300, 200), head(250), false);
  assert.ok(plan.kind === 'maps');
  assert.deepEqual(plan.survivorRing, { after: 300, upTo: 400 });
});

/**
 * The law of the write history, played through on a model: two members, batches, failures, repairs, and restarts that
 * forget a tail. Whatever happens, what the catch-up names covers every block in which the members differ.
 */
test('the catch-up covers every difference, whatever tail was lost', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('write' as const), block: fc.nat(5) }),
    fc.record({
      kind: fc.constant('write-one-sided' as const),
      block: fc.nat(5),
      on: fc.constantFrom('a' as const, 'b' as const),
    }),
    fc.record({
      kind: fc.constant('owner-dies' as const),
      block: fc.nat(5),
      sentTo: fc.constantFrom('a' as const, 'b' as const, null),
    }),
    fc.record({ kind: fc.constant('lose' as const), tail: fc.nat(6) }),
    fc.record({ kind: fc.constant('return' as const) }),
    fc.record({ kind: fc.constant('copy' as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const model = new HistoryModel();
      for (const s of steps) model.step(s);
      model.step({ kind: 'return' });
      while (model.dirty.size > 0) model.step({ kind: 'copy' });
      model.assertEqual();
    }),
    { numRuns: 3000 },
  );
});

type Step =
  | { kind: 'write'; block: number }
  | { kind: 'write-one-sided'; block: number; on: 'a' | 'b' }
  | { kind: 'owner-dies'; block: number; sentTo: 'a' | 'b' | null }
  | { kind: 'lose'; tail: number }
  | { kind: 'return' }
  | { kind: 'copy' };

interface Snapshot {
  head: WriteHead;
  blocks: Map<number, number>;
  ring: Map<number, number[]>;
}

/** `b` survives; `a` fails, loses tails and returns. Every applied step of `a` leaves a snapshot that a restart may fall back to. */
class HistoryModel {
  readonly dirty = new Set<number>();
  #mode: 'mirrored' | 'alone' | 'repairing' = 'mirrored';
  #version = 0;
  #a: Snapshot[] = [{ head: head(0), blocks: new Map(), ring: new Map() }];
  #b: Snapshot = { head: head(0), blocks: new Map(), ring: new Map() };
  #sent = 0;

  step(step: Step): void {
    switch (step.kind) {
      case 'write':
        if (this.#mode === 'alone') return this.#writeAlone(step.block);
        this.#sent++;
        this.#applyA(this.#sent, step.block, ++this.#version);
        this.#applyB(this.#sent, step.block, this.#version);
        return;
      case 'write-one-sided':
        if (this.#mode === 'alone') return;
        // The batch reached one member only; then `a` failed, and the owner repeats the write alone.
        this.#sent++;
        this.#version++;
        if (step.on === 'a') this.#applyA(this.#sent, step.block, this.#version);
        else this.#applyB(this.#sent, step.block, this.#version);
        this.#mode = 'alone';
        return this.#writeAlone(step.block);
      case 'owner-dies':
        // Its last batch may have reached one member only; the next owner knows the number of the survivor, and no other.
        if (this.#mode !== 'alone' && step.sentTo === 'a')
          this.#applyA(this.#sent + 1, step.block, ++this.#version);
        if (this.#mode !== 'alone' && step.sentTo === 'b')
          this.#applyB(this.#sent + 1, step.block, ++this.#version);
        this.#sent = this.#b.head.seq;
        this.#mode = 'alone';
        return;
      case 'lose':
        this.#a.splice(Math.max(1, this.#a.length - step.tail));
        this.#mode = 'alone';
        return;
      case 'return':
        return this.#mode === 'alone' ? this.#prepare() : undefined;
      case 'copy':
        return this.#copy();
    }
  }

  assertEqual(): void {
    assert.deepEqual(new Map([...this.#lastA().blocks].sort()), new Map([...this.#b.blocks].sort()));
  }

  #writeAlone(block: number): void {
    this.dirty.add(block);
    const { head: h } = this.#b;
    this.#b.blocks.set(block, ++this.#version);
    this.#b.head = { ...h, seq: ++this.#sent, fork: h.fork ?? h.seq };
  }

  #prepare(): void {
    const a = this.#lastA();
    const plan = decideCatchUp(this.#b.head, a.head, false);
    let missing: number[] | null = [];
    if (plan.kind === 'everything') missing = null;
    else {
      for (const [snapshot, range] of [
        [this.#b, plan.survivorRing],
        [a, plan.returningRing],
      ] as const) {
        for (let seq = (range?.after ?? 0) + 1; range !== null && seq <= range.upTo; seq++) {
          const entry = snapshot.ring.get(seq);
          if (entry === undefined) missing = null;
          else missing?.push(...entry);
        }
      }
    }
    for (const block of missing ?? [0, 1, 2, 3, 4, 5]) this.dirty.add(block);
    const about = { isMapped: missing !== null, isSpare: false };
    const { survivorHead, targetHead } = decidePreparation(this.#b.head, a.head, about);
    this.#b.head = survivorHead;
    this.#sent = Math.max(this.#sent, survivorHead.seq);
    this.#a.push({
      head: targetHead,
      blocks: new Map(a.blocks),
      ring: new Map(),
    });
    this.#mode = 'repairing';
  }

  #copy(): void {
    const [block] = this.dirty;
    if (this.#mode !== 'repairing' || block === undefined) {
      if (this.#mode === 'repairing') this.#mode = 'mirrored';
      return;
    }
    this.#sent++;
    this.#applyA(this.#sent, block, this.#b.blocks.get(block));
    this.#b.ring.set(this.#sent, [block]);
    this.#b.head = { ...this.#b.head, seq: this.#sent };
    this.dirty.delete(block);
  }

  #applyA(seq: number, block: number, version: number | undefined): void {
    const a = this.#lastA();
    const blocks = new Map(a.blocks);
    if (version === undefined) blocks.delete(block);
    else blocks.set(block, version);
    this.#a.push({ head: { ...a.head, seq }, blocks, ring: new Map(a.ring).set(seq, [block]) });
  }

  #applyB(seq: number, block: number, version: number): void {
    this.#b.blocks.set(block, version);
    this.#b.ring.set(seq, [block]);
    this.#b.head = { ...this.#b.head, seq };
  }

  #lastA(): Snapshot {
    const last = this.#a.at(-1);
    if (last === undefined) throw new Error('no snapshot');
    return last;
  }
}
