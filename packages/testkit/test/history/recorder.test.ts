import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { DAMAGED, HistoryRecorder, type RecordedWrite, type Violation } from '@salvor/testkit';

const BLOCK = 5;
const FIRST = 8 * BLOCK;
const nothingToAdd = (): string => '';

let recorder: HistoryRecorder;
beforeEach(() => {
  recorder = new HistoryRecorder(['v1', 'v2']);
});

/** A write of whole blocks from `FIRST` on that is answered. */
function written({ sectors = 8, fua = false, zeroes = false, device = 0 } = {}): RecordedWrite {
  const write = sent({ sectors, zeroes, device });
  recorder.writeAnswered(write, fua);
  return write;
}

function sent({ sectors = 8, zeroes = false, device = 0 } = {}): RecordedWrite {
  return recorder.writeSent(device, 1, FIRST, sectors, zeroes);
}

/** A read that is answered at once; the values by sector. */
function reads(values: readonly number[], device = 0): void {
  const read = recorder.readSent(device, 2, FIRST, values.length);
  recorder.readAnswered(read, Int32Array.from(values), nothingToAdd);
}

function all(write: RecordedWrite, sectors = 8): number[] {
  return new Array<number>(sectors).fill(write.value);
}

function onlyViolation(): Violation {
  assert.equal(recorder.violationCount, 1, JSON.stringify(recorder.violations));
  const [violation] = recorder.violations;
  if (violation === undefined) throw new Error('counted and not kept');
  return violation;
}

describe('a recorder of a history', () => {
  it('accepts what a device that works answers', () => {
    reads(new Array<number>(8).fill(0));
    const [first, under] = [written(), sent()];
    reads(all(first));
    reads(all(under));
    recorder.writeAnswered(under, false);
    reads(all(under));
    written({ zeroes: true });
    reads(new Array<number>(8).fill(0));
    assert.equal(recorder.violationCount, 0, JSON.stringify(recorder.violations));
  });

  it('finds a lost write: it was answered, and the value before it is still there', () => {
    const before = written();
    const lost = written();
    reads(all(before));
    const { kind, promised, missing, block, device, story } = onlyViolation();
    assert.deepEqual(
      [kind, promised, missing?.value, block, device],
      ['lost-write', 'answered', lost.value, BLOCK, 'v1'],
    );
    assert.deepEqual(
      story.map(({ event }) => event),
      ['write-sent', 'write-answered', 'write-sent', 'write-answered', 'read-answered'],
    );
  });

  it('finds a lost write of zeroes, and zeroes where a write was', () => {
    const before = written();
    written({ zeroes: true });
    reads(all(before));
    assert.equal(onlyViolation().kind, 'lost-write');
    written({ device: 1 });
    reads(new Array<number>(8).fill(0), 1);
    assert.equal(recorder.violations[1]?.kind, 'lost-write');
  });

  it('finds a flushed write lost, and tells it from one that was only answered', () => {
    const before = written();
    written();
    recorder.flushAnswered(0, recorder.flushSent());
    reads(all(before));
    assert.equal(onlyViolation().promised, 'flushed');
    assert.equal(recorder.flushedLost, 1);
  });

  it('does not count a flush that was sent before the write was answered', () => {
    const before = written();
    const lost = sent();
    const flushSentAt = recorder.flushSent();
    recorder.writeAnswered(lost, false);
    recorder.flushAnswered(0, flushSentAt);
    reads(all(before));
    assert.equal(onlyViolation().promised, 'answered');
    assert.equal(recorder.flushedLost, 0);
  });

  it('counts a lost write with FUA as flushed', () => {
    const before = written();
    written({ fua: true });
    reads(all(before));
    assert.equal(onlyViolation().promised, 'flushed');
  });

  it('finds a stale read: an earlier read had returned the value of a write that nobody answered', () => {
    const before = written();
    const seen = sent();
    reads(all(seen));
    reads(all(before));
    const { kind, missing, promised } = onlyViolation();
    assert.deepEqual([kind, missing?.value, promised], ['stale-read', seen.value, 'nothing']);
  });

  it('lets a write that failed take effect late, but only once', () => {
    const failed = sent();
    recorder.writeFailed(failed);
    const [second] = [written()];
    reads(all(second));
    reads(all(failed));
    assert.equal(recorder.violationCount, 0);
    reads(all(second));
    assert.equal(onlyViolation().kind, 'stale-read');
  });

  it('finds a resurrected value: long overwritten, and there again', () => {
    const old = written();
    for (let i = 0; i < 50; i++) written();
    reads(all(old));
    assert.equal(onlyViolation().kind, 'resurrected-value');
  });

  it('finds a write that lands after its server is known to be gone', () => {
    const late = sent();
    recorder.writeUnanswered(late);
    recorder.fence(late);
    written();
    reads(all(late));
    assert.equal(onlyViolation().missing?.value, late.value + 1);
  });

  it('finds a torn block: two writes of all of it, each seen in part', () => {
    const [one, other] = [sent(), sent()];
    reads([...all(one, 3), ...all(other, 5)]);
    assert.equal(onlyViolation().kind, 'torn-block');
  });

  it('finds half of a write that is under way', () => {
    const before = written();
    const under = sent();
    reads([...all(under, 4), ...all(before, 4)]);
    assert.equal(onlyViolation().kind, 'torn-block');
  });

  it('allows a block to show a part of one write over another one, where they covered it so', () => {
    const whole = sent();
    const part = sent({ sectors: 3 });
    reads([...all(part, 3), ...all(whole, 5)]);
    assert.equal(recorder.violationCount, 0);
  });

  it('allows a request of several blocks to be there for some of them only', () => {
    const before = written({ sectors: 16 });
    const under = sent({ sectors: 16 });
    reads([...all(under), ...all(before)]);
    assert.equal(recorder.violationCount, 0);
  });

  it('finds a value that nobody wrote, one of another place, and bytes that are no value', () => {
    reads(new Array<number>(8).fill(77));
    assert.equal(onlyViolation().kind, 'never-written');
    const elsewhere = recorder.writeSent(1, 1, 0, 8, false);
    recorder.writeAnswered(elsewhere, false);
    reads(all(elsewhere), 1);
    assert.equal(recorder.violations[1]?.kind, 'never-written');
    const read = recorder.readSent(1, 2, 64, 8);
    recorder.readAnswered(read, new Int32Array(8).fill(DAMAGED), () => 'half of it');
    assert.deepEqual(
      [recorder.violations[2]?.kind, recorder.violations[2]?.reason.includes('half of it')],
      ['damaged-sector', true],
    );
  });

  it('tells of a block once, and goes on with the others', () => {
    const before = written();
    written();
    reads(all(before));
    reads(all(before));
    onlyViolation();
    assert.equal(recorder.counts.blocksGivenUp, 1);
  });

  it('remembers no more of a block than may still be read', () => {
    for (let i = 0; i < 10_000; i++) written();
    const last = written();
    reads(all(last));
    assert.equal(recorder.violationCount, 0);
    assert.ok(recorder.candidates(0, BLOCK) < 50);
  });
});
