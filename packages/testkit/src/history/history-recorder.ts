import {
  type BlockWrite,
  type Contradiction,
  DAMAGED,
  NEVER,
  SECTORS_PER_BLOCK,
  ZEROES,
} from './block-history.ts';
import type { StoryEvent } from './block-story.ts';
import { RecordedBlock } from './recorded-block.ts';
import type { Violation, ViolationKind, WriteFacts } from './violation.ts';
import { WriteLog } from './write-log.ts';

/** A write, or zeroes, from when it is sent. */
export interface RecordedWrite {
  readonly device: number;
  readonly client: number;
  readonly value: number;
  readonly firstSector: number;
  readonly sectors: number;
  readonly sentAt: number;
  readonly parts: readonly BlockWrite[];
}

export interface RecordedRead {
  readonly device: number;
  readonly client: number;
  readonly firstSector: number;
  readonly sectors: number;
  readonly sentAt: number;
}

export interface RecorderCounts {
  /** Sectors of answered reads that were judged. */
  sectorsJudged: number;
  readsJudged: number;
  writesAnswered: number;
  /** Writes that were answered with an error or not at all: each may be there, now or later. */
  indeterminate: number;
  /** Of those: writes whose server is known to be gone, so that they cannot come later. */
  fenced: number;
  /** Blocks that are no longer judged since they were found wrong. */
  blocksGivenUp: number;
}

interface RecordedDevice {
  readonly name: string;
  readonly blocks: Map<number, RecordedBlock>;
  readonly flushes: Flushes;
}

const VIOLATIONS_KEPT = 100;
const FLUSHES_KEPT = 4096;

/**
 * Takes down what clients send and are answered, in one order, and judges every read by the history of its blocks.
 * Requests are of whole sectors; those of several blocks are one step for each block, as the protocol promises no more.
 */
export class HistoryRecorder {
  readonly counts: RecorderCounts = {
    sectorsJudged: 0,
    readsJudged: 0,
    writesAnswered: 0,
    indeterminate: 0,
    fenced: 0,
    blocksGivenUp: 0,
  };
  /** The first of them, in full. */
  readonly violations: Violation[] = [];
  violationCount = 0;
  flushedLost = 0;
  readonly #devices: RecordedDevice[];
  readonly #log = new WriteLog();
  #tick = 0;

  constructor(devices: readonly string[]) {
    this.#devices = devices.map((name) => ({ name, blocks: new Map(), flushes: new Flushes() }));
  }

  /** The next place in the order of events. */
  tick(): number {
    if (++this.#tick >= NEVER) throw new RangeError('too many events for one history');
    return this.#tick;
  }

  get now(): number {
    return this.#tick;
  }

  writeSent(
    device: number,
    client: number,
    firstSector: number,
    sectors: number,
    zeroes: boolean,
  ): RecordedWrite {
    const sentAt = this.tick();
    const value = zeroes ? ZEROES : this.#log.add(device, client, firstSector, sectors, sentAt);
    const parts: BlockWrite[] = [];
    const atMs = performance.now();
    forBlocks(firstSector, sectors, (block, first, count) => {
      const mask = ((1 << count) - 1) << first;
      const recorded = this.#block(device, block);
      parts.push(recorded.history.writeSent(value, mask, sentAt));
      recorded.story.writeEvent('write-sent', sentAt, sentAt, atMs, client, value, mask);
    });
    return { device, client, value, firstSector, sectors, sentAt, parts };
  }

  writeAnswered(write: RecordedWrite, fua: boolean): void {
    const at = this.tick();
    this.counts.writesAnswered++;
    this.#eachPart(write, 'write-answered', at, (part, block) => {
      part.fua = fua;
      block.history.writeAnswered(part, at);
    });
  }

  /** Answered with an error. It may take effect at any time from when it was sent, or never. */
  writeFailed(write: RecordedWrite): void {
    this.counts.indeterminate++;
    this.#eachPart(write, 'write-failed', this.tick(), () => undefined);
  }

  /** Its connection ended, or its answer is no longer waited for; as with {@link writeFailed}. */
  writeUnanswered(write: RecordedWrite): void {
    this.counts.indeterminate++;
    this.#eachPart(write, 'write-unanswered', this.tick(), () => undefined);
  }

  /** Whoever might have carried it out is gone: what has not taken effect by now never will. */
  fence(write: RecordedWrite): void {
    const at = this.tick();
    this.counts.fenced++;
    this.#eachPart(write, 'write-fenced', at, (part) => {
      part.fencedAt = at;
    });
  }

  readSent(device: number, client: number, firstSector: number, sectors: number): RecordedRead {
    const sentAt = this.tick();
    forBlocks(firstSector, sectors, (block) => this.#block(device, block).history.readSent(sentAt));
    return { device, client, firstSector, sectors, sentAt };
  }

  readForgotten(read: RecordedRead): void {
    forBlocks(read.firstSector, read.sectors, (block) =>
      this.#block(read.device, block).history.readForgotten(read.sentAt),
    );
  }

  /** `values` by sector; `describe` tells of a sector of the read whose bytes are DAMAGED. */
  readAnswered(read: RecordedRead, values: Int32Array, describe: (sector: number) => string): void {
    const at = this.tick();
    const atMs = performance.now();
    this.counts.readsJudged++;
    this.counts.sectorsJudged += read.sectors;
    forBlocks(read.firstSector, read.sectors, (index, first, count, from) => {
      const block = this.#block(read.device, index);
      block.story.readAnswered(at, read.sentAt, atMs, read.client, first, values, from, count);
      if (block.givenUp) return block.history.readForgotten(read.sentAt);
      const fault = block.history.readAnswered(read.sentAt, at, first, values, from, count);
      if (fault !== null)
        this.#report(read, at, index, block, fault, () => describe(from + fault.sector - first));
    });
  }

  /** The time to hand to {@link flushAnswered}. */
  flushSent(): number {
    return this.tick();
  }

  flushAnswered(device: number, sentAt: number): void {
    this.#device(device).flushes.add(sentAt, this.tick());
  }

  /** For what is found outside of the history, as when two copies are compared. */
  reportCopies(device: string, block: number, reason: string): void {
    const index = this.#devices.findIndex(({ name }) => name === device);
    const recorded = this.#block(index, block);
    const now = this.tick();
    this.#add({
      kind: 'copies-differ',
      device,
      block,
      sector: 0,
      reason,
      promised: 'answered',
      client: -1,
      readSentAt: now,
      readAnsweredAt: now,
      found: DAMAGED,
      missing: null,
      candidates: recorded.history.candidates.map(toFacts),
      story: recorded.story.lines(),
    });
  }

  /** How many writes of a block may still be read: what its history takes of memory. */
  candidates(device: number, block: number): number {
    return this.#block(device, block).history.candidates.length;
  }

  /** Blocks that were touched, by device. */
  touchedBlocks(device: number): number[] {
    return [...this.#device(device).blocks.keys()].sort((a, b) => a - b);
  }

  #report(
    read: RecordedRead,
    at: number,
    index: number,
    block: RecordedBlock,
    fault: Contradiction,
    describe: () => string,
  ): void {
    block.givenUp = true;
    this.counts.blocksGivenUp++;
    const { name, flushes } = this.#device(read.device);
    const { missing } = fault;
    const answered = missing !== null && missing.answeredAt < read.sentAt;
    const flushed =
      answered && missing !== null && (missing.fua || flushes.cover(missing.answeredAt, read.sentAt));
    if (flushed) this.flushedLost++;
    const [kind, more] = this.#classify(read, index, fault, describe);
    this.#add({
      kind,
      device: name,
      block: index,
      sector: fault.sector,
      reason: more === '' ? fault.reason : `${fault.reason}: ${more}`,
      promised: flushed ? 'flushed' : answered ? 'answered' : 'nothing',
      client: read.client,
      readSentAt: read.sentAt,
      readAnsweredAt: at,
      found: fault.found,
      missing: missing === null ? null : toFacts(missing),
      candidates: block.history.candidates.map(toFacts),
      story: block.story.lines(),
    });
  }

  #classify(
    { device }: RecordedRead,
    block: number,
    { kind, found, sector, missing }: Contradiction,
    describe: () => string,
  ): [ViolationKind, string] {
    if (kind === 'torn-block') return ['torn-block', ''];
    if (kind === 'overwritten-value') {
      const seen = missing !== null && missing.effectiveBy < missing.answeredAt;
      return [seen ? 'stale-read' : 'lost-write', ''];
    }
    if (found === DAMAGED) return ['damaged-sector', describe()];
    const written = this.#log.find(found);
    const place = block * SECTORS_PER_BLOCK + sector;
    if (
      written === null ||
      written.device !== device ||
      place < written.firstSector ||
      place >= written.firstSector + written.sectors
    ) {
      return ['never-written', `nobody ever wrote ${found} there`];
    }
    return [
      'resurrected-value',
      `client ${written.client} sent it at ${written.sentAt}, and it is long overwritten`,
    ];
  }

  #add(violation: Violation): void {
    this.violationCount++;
    if (this.violations.length < VIOLATIONS_KEPT) this.violations.push(violation);
  }

  #eachPart(
    write: RecordedWrite,
    event: StoryEvent,
    at: number,
    use: (part: BlockWrite, block: RecordedBlock) => void,
  ): void {
    const atMs = performance.now();
    let index = 0;
    forBlocks(write.firstSector, write.sectors, (number) => {
      const part = write.parts[index++];
      const block = this.#block(write.device, number);
      if (part === undefined) throw new Error('a write has a part for each of its blocks');
      use(part, block);
      block.story.writeEvent(event, at, write.sentAt, atMs, write.client, write.value, part.mask);
    });
  }

  #device(index: number): RecordedDevice {
    const device = this.#devices[index];
    if (device === undefined) throw new RangeError(`device ${index} of ${this.#devices.length}`);
    return device;
  }

  #block(device: number, index: number): RecordedBlock {
    const { blocks } = this.#device(device);
    let block = blocks.get(index);
    if (block === undefined) {
      block = new RecordedBlock();
      blocks.set(index, block);
    }
    return block;
  }
}

/** Flushes that were answered, the recent ones. */
class Flushes {
  readonly #sentAt: number[] = [];
  readonly #answeredAt: number[] = [];
  #next = 0;

  add(sentAt: number, answeredAt: number): void {
    this.#sentAt[this.#next] = sentAt;
    this.#answeredAt[this.#next] = answeredAt;
    this.#next = (this.#next + 1) % FLUSHES_KEPT;
  }

  /** Whether one was sent after `answeredAt`, and answered before `readSentAt`. */
  cover(answeredAt: number, readSentAt: number): boolean {
    return this.#sentAt.some(
      (sentAt, i) => sentAt > answeredAt && (this.#answeredAt[i] ?? NEVER) < readSentAt,
    );
  }
}

/** Calls `use` with each block, its first sector in the range, how many there are, and their place in the request. */
function forBlocks(
  firstSector: number,
  sectors: number,
  use: (block: number, first: number, count: number, from: number) => void,
): void {
  const end = firstSector + sectors;
  for (let at = firstSector; at < end; ) {
    const block = Math.floor(at / SECTORS_PER_BLOCK);
    const first = at - block * SECTORS_PER_BLOCK;
    const count = Math.min(SECTORS_PER_BLOCK - first, end - at);
    use(block, first, count, at - firstSector);
    at += count;
  }
}

function toFacts({ value, mask, invokedAt, answeredAt, effectiveBy, fencedAt, fua }: BlockWrite): WriteFacts {
  const known = (at: number): number | null => (at === NEVER ? null : at);
  return {
    value,
    mask,
    sentAt: invokedAt,
    answeredAt: known(answeredAt),
    effectiveBy: known(effectiveBy),
    fencedAt: known(fencedAt),
    fua,
  };
}
