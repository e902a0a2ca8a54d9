/** What the records of a system journal make of the containers' own segments: pure, one record at a time. */
import { FormatError } from '../format/format-error.ts';
import type {
  AppendRecord,
  ChunkAddedRecord,
  JournalRecord,
  JournalSnapshot,
  TruncationRecord,
} from '../records/journal-records.ts';
import type { ChainLink } from './chain.ts';

export interface SystemChain {
  readonly links: ChainLink[];
  /** Paths of the links. */
  readonly chunks: Set<string>;
  startOffset: number;
  length: number;
  /** False: the metadata does not have every append, and the last file's size is the length. */
  readonly atomicWrites: boolean;
}

export class JournalState {
  readonly chains = new Map<string, SystemChain>();
  #truncations = new Map<string, TruncationRecord>();

  /** Throws FormatError for a record that does not fit what was before it. */
  apply(record: JournalRecord): void {
    switch (record.kind) {
      case 'snapshot':
        this.begin(record.snapshot);
        break;
      case 'chunk-added':
        this.#addChunk(record);
        break;
      case 'append':
        this.#append(record);
        break;
      case 'truncation':
        this.#truncations.set(record.segment, record);
        break;
    }
  }

  /** A snapshot replaces everything, what a fenced owner appended after it included. */
  begin({ segments }: JournalSnapshot): void {
    this.chains.clear();
    this.#truncations = new Map();
    for (const { segment, chunks } of segments) {
      const links: ChainLink[] = [];
      let start = segment.firstChunkStart;
      for (const { name, length } of chunks) {
        links.push({ path: name, start, length });
        start += length;
      }
      if (start !== segment.length)
        throw new FormatError(
          `expected chunks of ${segment.name} up to ${segment.length}, found them up to ${start}`,
        );
      const { startOffset, length, atomicWrites } = segment;
      const paths = new Set(links.map(({ path }) => path));
      this.chains.set(segment.name, { links, chunks: paths, startOffset, length, atomicWrites });
    }
  }

  /** To be called at the end: truncations are applied when everything else was. */
  finish(): void {
    for (const { segment, offset, firstChunkStart } of this.#truncations.values()) {
      const chain = this.chains.get(segment);
      if (chain === undefined) continue;
      const kept = chain.links.filter(({ start, length }) => start + length > offset);
      if (kept.length > 0 && kept[0]?.start !== firstChunkStart) continue;
      chain.links.splice(0, chain.links.length, ...kept);
      chain.startOffset = Math.max(chain.startOffset, offset);
    }
  }

  #addChunk({ segment, newChunk, oldChunk, offset }: ChunkAddedRecord): void {
    const chain = this.#chainOf(segment);
    const { links } = chain;
    // A record that was not acknowledged in time is written again.
    if (chain.chunks.has(newChunk)) return;
    // Nearly always the last one.
    const oldAt = oldChunk === null ? -1 : links.findLastIndex(({ path }) => path === oldChunk);
    const old = links[oldAt];
    if (oldChunk !== null && (old === undefined || offset < old.start))
      throw new FormatError(`expected a chunk of ${segment} behind ${oldChunk}, which is not in its chain`);
    for (const { path } of links.splice(oldAt + 1)) chain.chunks.delete(path);
    if (old !== undefined) links[oldAt] = { ...old, length: offset - old.start };
    else if (chain.startOffset > offset)
      throw new FormatError(`expected ${segment} to begin at ${chain.startOffset}`);
    links.push({ path: newChunk, start: offset, length: 0 });
    chain.chunks.add(newChunk);
    chain.length = offset;
  }

  #append({ segment, chunk, offset, length }: AppendRecord): void {
    const chain = this.#chainOf(segment);
    const last = chain.links.at(-1);
    const known = last?.path === chunk ? last : chain.links.findLast(({ path }) => path === chunk);
    if (known !== undefined && offset + length <= known.length) return;
    if (last?.path !== chunk || last.length !== offset)
      throw new FormatError(
        `expected an append at the end of ${segment}, found one at ${offset} of ${chunk}`,
      );
    chain.links[chain.links.length - 1] = { ...last, length: last.length + length };
    chain.length += length;
  }

  #chainOf(segment: string): SystemChain {
    let chain = this.chains.get(segment);
    if (chain === undefined) {
      chain = { links: [], chunks: new Set(), startOffset: 0, length: 0, atomicWrites: true };
      this.chains.set(segment, chain);
    }
    return chain;
  }
}
