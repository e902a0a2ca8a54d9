/** Brings one segment into Tier-1: its log first, then what etcd says of it. */
import {
  type Compare,
  type ConfigStore,
  formatRecord,
  parseRecord,
  type SegmentRecord,
  type StoreEntry,
  segmentKey,
  segmentSchema,
} from '@salvor/config-store';
import type { SegmentAccount, TreeReader } from '@salvor/pravega';
import {
  compareSegment,
  type LastOfLog,
  lastOfContent,
  SegmentLogWriter,
  type SegmentStreams,
} from '@salvor/segments';
import { SalvorError } from '@salvor/service-kit';
import { decideSegmentWrite, type SegmentWrite } from './decide-segment-write.ts';
import type { DescribedSegment } from './segment-description.ts';

export interface SegmentWritingOptions {
  readonly store: ConfigStore;
  readonly streams: SegmentStreams;
  readonly tree: TreeReader;
  readonly operation: string;
  readonly replace: boolean;
  /** Proof of the right to write; null when nothing is written. */
  readonly proof: Compare | null;
}

export interface WrittenSegment {
  readonly outcome: 'already' | 'written' | 'left';
  readonly why?: string;
  /** Keys of a table that are alive. */
  readonly entries: number;
}

const WRITE: SegmentWrite = { action: 'write' };
const PIECE_BYTES: number = 256 * 1024;

export class SegmentWriting {
  readonly #options: SegmentWritingOptions;

  constructor(options: SegmentWritingOptions) {
    this.#options = options;
  }

  /** Throws BusError, StoreError, and SalvorError `lease-lost`. */
  async bring(index: number, account: SegmentAccount, described: DescribedSegment): Promise<WrittenSegment> {
    const { store, streams, operation, replace, proof } = this.#options;
    const key = segmentKey(described.container, described.segment);
    const entry = await store.get(key);
    const record = entry === null ? null : parseRecord(segmentSchema, key, entry.value);
    const log = await this.#lastOf(streams, described);
    const decided = decideSegmentWrite(
      // A newest message that cannot be decoded is of nobody: its log is not whole.
      { record, log: log === null ? null : { digest: digestIn(log), operation: log.entry?.operation ?? '' } },
      { digest: described.digest, operation, replace },
    );
    const write = replace && !(await this.#isWhole(decided, index, account, described)) ? WRITE : decided;
    if (write.action === 'leave') return { outcome: 'left', why: write.why, entries: record?.entries ?? 0 };
    if (write.action === 'already' || write.action === 'written')
      return { outcome: write.action, entries: record?.entries ?? 0 };
    if (proof === null) return { outcome: 'written', entries: await this.#countEntries(index, account) };
    return {
      outcome: 'written',
      entries: await this.#write(index, account, described, { write, entry, log }),
    };
  }

  /** What is kept is read first where it may be replaced: its last message does not tell whether all others are there. */
  async #isWhole(
    { action }: SegmentWrite,
    index: number,
    account: SegmentAccount,
    described: DescribedSegment,
  ): Promise<boolean> {
    if (action === 'write' || action === 'leave') return true;
    const { tree, streams } = this.#options;
    return (await compareSegment({ tree, index, account, described, streams })).length === 0;
  }

  async #write(
    index: number,
    account: SegmentAccount,
    described: DescribedSegment,
    found: {
      readonly write: SegmentWrite;
      readonly entry: StoreEntry | null;
      readonly log: LastOfLog | null;
    },
  ): Promise<number> {
    const { streams, operation, tree } = this.#options;
    let messages = found.log?.entry?.number ?? 0;
    let entries: number;
    if (found.write.action === 'write') {
      const { segment, stream, subject } = described;
      const writer = await SegmentLogWriter.begin({
        ...{ streams, segment, stream, subject, operation, last: found.log },
      });
      await this.#writeContent(index, account, writer);
      const attributes = Object.entries(account.facts.extendedAttributes);
      await writer.attributes(attributes.map(([id, value]) => ({ id, value })));
      entries = await writer.entries(tree.entries(index));
      await writer.end(described.digest);
      messages = writer.messages;
    } else entries = await this.#countEntries(index, account);
    const counted = described.framing === 'entries' ? { entries } : {};
    await this.#register({ ...described, ...counted, messages, operation, at: Date.now() }, found.entry);
    return entries;
  }

  async #writeContent(index: number, account: SegmentAccount, writer: SegmentLogWriter): Promise<void> {
    const { startOffset, length } = account.facts;
    const holes = [...account.holes, { from: length, to: length }];
    let at = startOffset;
    for (const hole of holes) {
      while (at < hole.from) {
        const piece = await this.#options.tree.read(index, at, Math.min(PIECE_BYTES, hole.from - at));
        // A file that cannot be read: what it should hold is a hole like any other.
        if (piece.length === 0) {
          await writer.hole(at, hole.from);
          at = hole.from;
        } else {
          await writer.bytes(at, piece);
          at += piece.length;
        }
      }
      if (hole.to > hole.from) await writer.hole(hole.from, hole.to);
      at = Math.max(at, hole.to);
    }
  }

  async #register(record: SegmentRecord, before: StoreEntry | null): Promise<void> {
    const { store, proof } = this.#options;
    const key = segmentKey(record.container, record.segment);
    const stored = await store.transact({
      compare: [{ key, revision: before?.revision ?? 'absent' }, ...(proof === null ? [] : [proof])],
      puts: [{ key, value: formatRecord(segmentSchema, key, record) }],
    });
    if (stored.ok) return;
    if (proof !== null && stored.current.get(proof.key) == null)
      throw new SalvorError('lease-lost', 'the right to bring segments back ran out; it is taken again');
    throw new SalvorError('conflict', `${key} was changed by others`);
  }

  async #countEntries(index: number, { framing }: SegmentAccount): Promise<number> {
    let count = 0;
    if (framing.kind !== 'entries') return count;
    for await (const _ of this.#options.tree.entries(index)) count += 1;
    return count;
  }

  /** A dry run comes before there are streams. */
  async #lastOf(streams: SegmentStreams, place: DescribedSegment): Promise<LastOfLog | null> {
    try {
      return await lastOfContent(streams, place);
    } catch (error) {
      const isMissing = error instanceof SalvorError && error.code === 'no-stream';
      if (isMissing && this.#options.proof === null) return null;
      throw error;
    }
  }
}

function digestIn({ entry }: LastOfLog): string | null {
  return entry?.kind === 'end' ? entry.data.toString('hex') : null;
}
