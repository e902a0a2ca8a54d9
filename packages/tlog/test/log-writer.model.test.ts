import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type CutPlace, decodeSegment, LogWriter, lastSequence } from '../src/index.ts';
import { SegmentPool } from '../src/segment-pool.ts';
import { type Fault, FaultyStreams } from './faulty-streams.ts';

const BLOCK = 512;

type Step =
  | { readonly kind: 'append'; readonly blocks: readonly (readonly [block: number, fill: number | null])[] }
  | { readonly kind: 'flush' }
  | { readonly kind: 'snapshot' }
  | { readonly kind: 'turn' }
  /** Where the log is now is asked, and not waited for. */
  | { readonly kind: 'cut' }
  /** The policy overflow gives up, and begins a new base when Tier-1 takes again. */
  | { readonly kind: 'break' }
  /** Another owner takes over; the old one goes on for a while. */
  | { readonly kind: 'takeover' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      blocks: fc.uniqueArray(
        fc.tuple(fc.nat({ max: 20 }), fc.option(fc.integer({ min: 1, max: 255 }), { nil: null })),
        { minLength: 1, maxLength: 6, selector: ([block]) => block },
      ),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ kind: 'flush' } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'snapshot' } as const) },
  { weight: 3, arbitrary: fc.constant({ kind: 'turn' } as const) },
  { weight: 3, arbitrary: fc.constant({ kind: 'cut' } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'break' } as const) },
  { weight: 1, arbitrary: fc.constant({ kind: 'takeover' } as const) },
);

const fault: fc.Arbitrary<Fault> = fc.constantFrom<Fault>(
  'none',
  'none',
  'lost-ack',
  'lost-ack-and-ids',
  'not-sent',
  'full',
  'no-stream',
  'neighbour',
);

/** One change as the model knows it; `durable` when a flush that covered it was answered. */
interface Written {
  readonly batch: number;
  readonly block: number;
  readonly fill: number | null;
}

/** Of all owners, and of other vdisks, which fill what is given back with theirs. */
const pool = new SegmentPool(2);

function othersWrite(): void {
  const segments = [pool.take(1, 1), pool.take(1, 1)];
  for (const segment of segments) {
    while (segment.fits(BLOCK)) segment.add(1, Buffer.alloc(BLOCK, 0xee), 1);
    pool.give(segment);
  }
}

class Owner {
  readonly writer: LogWriter;
  readonly epoch: number;
  /** What was appended and not broken off, in order, with its batch. */
  readonly appended: Written[] = [];
  /** How much of it was answered as durable. */
  durable = 0;
  failure: string | null = null;
  batch = 0;
  /** Sequence of the last record before its own. */
  start = 0;
  /** Places that were told, once the log up to there was said to be durable. */
  readonly cuts: CutPlace[] = [];
  /** It began a new base: what is not in the log is in that. */
  hasBroken = false;

  constructor(streams: FaultyStreams, epoch: number) {
    this.epoch = epoch;
    this.writer = new LogWriter({
      ...{ streams, container: 0, vdisk: 'v1', epoch, blockSize: BLOCK, shards: 1 },
      segments: pool,
      limits: { pendingMaxBytes: 64 * BLOCK, sendAtBytes: 8 * BLOCK, lingerMs: 0, retryMs: [0] },
      failed: ({ code }) => {
        this.failure = code;
      },
    });
  }
}

describe('the writer of a log before a Tier-1 that loses, refuses and forgets', () => {
  it('has everything that a flush was answered for, in order, without a gap, from one owner at a time', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.array(fault, { maxLength: 60 }),
        fc.array(fc.boolean(), { maxLength: 8 }),
        run,
      ),
      { numRuns: 300 },
    );
  });
});

async function run(
  steps: readonly Step[],
  faults: readonly Fault[],
  lookFaults: readonly boolean[],
): Promise<void> {
  const streams = new FaultyStreams();
  let owner = new Owner(streams, 10);
  const owners = [owner];
  await owner.writer.begin(null, () => ({ base: 1 }));
  streams.faults.push(...faults);
  streams.lookFaults.push(...lookFaults);
  for (const each of steps) {
    const now = owner;
    othersWrite();
    switch (each.kind) {
      case 'append':
        await append(now, each.blocks);
        break;
      case 'flush':
        await flush(now);
        break;
      case 'snapshot':
        if (!now.writer.isBroken) await now.writer.mark('snapshot', now.writer.base, 's');
        now.durable = now.appended.length;
        break;
      case 'turn':
        await new Promise((resolve) => setImmediate(resolve));
        break;
      case 'cut': {
        const { place, durable } = now.writer.cut();
        assert.equal(place.last, now.writer.sequence, 'it ends with what was appended last');
        durable.then(
          () => now.cuts.push(place),
          () => undefined,
        );
        break;
      }
      case 'break':
        await breakOff(now);
        break;
      case 'takeover': {
        owner = new Owner(streams, now.epoch + 1);
        owners.push(owner);
        // What the old one had not sent comes in between, or not at all.
        const isOver = owner.writer.begin(null, (tail) => ({ base: tail?.base ?? 1 }));
        await append(now, [[1, 1]]);
        await isOver;
        owner.start = owner.writer.sequence;
        // From here on nothing of the old owner may be answered as durable.
        const before = now.durable;
        await append(now, [[2, 2]]).catch(() => undefined);
        await flush(now).catch(() => undefined);
        assert.equal(now.failure, 'fenced');
        assert.equal(now.durable, before);
      }
    }
  }
  await flush(owner);
  assert.equal(owner.writer.segmentsHeld, 0, 'a log that is idle takes no memory for a segment');
  for (const { writer } of owners) writer.close();
  assertLog(streams, owners);
}

async function append(owner: Owner, blocks: readonly (readonly [number, number | null])[]): Promise<void> {
  const batch = ++owner.batch;
  const room = owner.writer.append(
    new Map(blocks.map(([block, fill]) => [block, fill === null ? null : Buffer.alloc(BLOCK, fill)])),
  );
  owner.writer.advance(0, batch);
  for (const [block, fill] of blocks) owner.appended.push({ batch, block, fill });
  assert.ok(owner.writer.lag.bytes <= (64 + 6) * BLOCK, 'what is not durable is bounded');
  await room;
}

async function flush(owner: Owner): Promise<void> {
  const covered = owner.appended.length;
  await owner.writer.flush();
  owner.durable = Math.max(owner.durable, covered);
}

/** As the owner of a vdisk does it: the log ends, and begins anew with a base of what it would hold. */
async function breakOff(owner: Owner): Promise<void> {
  const { writer } = owner;
  owner.hasBroken = true;
  writer.breakOff();
  // What it has is a prefix of what was appended.
  owner.appended.length = Math.max(owner.durable, writer.sequence - owner.start);
  const before = writer.sequence;
  assert.equal(writer.append(new Map([[9, Buffer.alloc(BLOCK, 9)]])), null);
  assert.equal(writer.sequence, before);
  await writer.settled();
  const sequence = await writer.mark('baseBegin', 0);
  assert.equal(sequence, before + 1);
  await writer.mark('baseComplete', sequence);
  owner.durable = owner.appended.length;
}

function assertLog(streams: FaultyStreams, owners: readonly Owner[]): void {
  const segments = streams.messages.map(({ data }) => decodeSegment(data));
  let sequence = 0;
  for (const [i, segment] of segments.entries()) {
    assert.equal(segment.number, i + 1);
    assert.equal(segment.first, sequence + 1, `segment ${segment.number}`);
    assert.ok(segment.epoch >= (segments[i - 1]?.epoch ?? 0));
    sequence += segment.records.length;
  }
  for (const owner of owners) {
    const own = segments.filter(({ epoch }) => epoch === owner.epoch);
    for (const cut of owner.cuts) {
      const at = own.find(({ number }) => number === cut.number);
      assert.ok(at !== undefined, `segment ${cut.number} of a cut is in the log`);
      const { number, epoch, lastAt, base } = at;
      assert.deepEqual({ number, epoch, last: lastSequence(at), at: lastAt, base }, cut);
    }
    assert.equal(own[0]?.kind, 'begin');
    const found = own.flatMap(({ records, data }) => {
      let at = 0;
      return records.map(({ block, length }) => {
        const fill = length === 0 ? null : (data[at] ?? -1);
        at += length;
        return { block, fill };
      });
    });
    const expected = owner.appended.map(({ block, fill }) => ({ block, fill }));
    assert.ok(found.length >= owner.durable, `durable ${owner.durable}, found ${found.length}`);
    assert.deepEqual(found, expected.slice(0, found.length));
    if (owner.hasBroken) continue;
    // A position never says more than what the log has up to there.
    let records = 0;
    for (const { records: its, positions } of own) {
      records += its.length;
      const position = own[0]?.positions[0]?.batch === positions[0]?.batch ? null : positions[0]?.batch;
      const named = owner.appended.findLastIndex(({ batch }) => batch <= (position ?? 0)) + 1;
      assert.ok(
        position == null || records >= named,
        `position ${position} at ${records} of ${named} records`,
      );
    }
  }
}
