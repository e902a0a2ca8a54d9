import type { EngineSession } from './engine-session.ts';
import { CorruptBlocksError, errno, VdiskIoError } from './errors.ts';
import type { Pair } from './pair.ts';
import type { PairMember } from './pair-member.ts';
import type { ReadPart } from './read-part.ts';

/** What could be read of some blocks, null = zeros, and which of them nobody holds intact. */
export interface SoundBlocks {
  readonly found: Map<number, Buffer | null>;
  readonly corrupt: readonly number[];
}

/** What an engine holds of the blocks; those that do not match their checksums are named, and the others are read. */
export async function readSound(session: EngineSession, blocks: readonly number[]): Promise<SoundBlocks> {
  const corrupt = new Set<number>();
  for (;;) {
    const left = blocks.filter((block) => !corrupt.has(block));
    try {
      const found = left.length === 0 ? [] : await session.readBlocks(left);
      return { found: new Map(left.map((block, i) => [block, found[i] ?? null])), corrupt: [...corrupt] };
    } catch (error) {
      if (!(error instanceof CorruptBlocksError)) throw error;
      for (const block of error.blocks) corrupt.add(block);
    }
  }
}

/** Corrupt blocks that are remembered as reported. */
const KNOWN_MAX = 10_000;

/**
 * What a pair does about blocks that do not match their checksums: they are read from the partner, where that holds every
 * write, and put right by a batch like any other. Where nobody holds them intact, the request fails, and nothing else.
 */
export class CorruptBlocks {
  readonly #pair: Pair;
  /** Blocks of members that are being put right, or cannot be: those are reported once. */
  readonly #known = new Set<string>();

  constructor(pair: Pair) {
    this.#pair = pair;
  }

  /** The blocks as `source` holds them, or its partner. Rejects with the errors of `source`. */
  async read(source: PairMember, blocks: readonly number[]): Promise<SoundBlocks> {
    const first = await readSound(await source.open(), blocks);
    if (first.corrupt.length === 0) return first;
    const partner = this.#partnerOf(source);
    if (partner === null) return this.#report(source, first, first.corrupt);
    let second: SoundBlocks;
    try {
      second = await readSound(await partner.open(), first.corrupt);
    } catch (error) {
      this.#pair.noteError(partner, error);
      return this.read(source, blocks);
    }
    const both = { found: new Map([...first.found, ...second.found]), corrupt: second.corrupt };
    this.#report(source, both, first.corrupt);
    return this.#report(partner, both, second.corrupt);
  }

  /** Puts in place what a part lacks since `source` holds it corrupt. Rejects like {@link read}, or with VdiskIoError. */
  async complete(part: ReadPart, source: PairMember): Promise<void> {
    const blocks = part.corrupt.map((index) => part.blocks[index] ?? 0);
    const { found, corrupt } = await this.read(source, blocks);
    if (corrupt.length > 0) throw this.error(corrupt);
    for (const index of part.corrupt) part.put(index, found.get(part.blocks[index] ?? 0) ?? null);
  }

  error(blocks: readonly number[]): VdiskIoError {
    const { vdisk, shard } = this.#pair.context;
    const where = `vdisk ${vdisk}, shard ${shard}`;
    return new VdiskIoError(
      'corrupt-block',
      `${where}: no current copy of block ${blocks.join(', ')} matches its checksum; writing it whole puts it right`,
      errno.io,
    );
  }

  /** The other member, while it too holds every write. */
  #partnerOf(source: PairMember): PairMember | null {
    if (this.#pair.mode.kind !== 'mirrored') return null;
    return this.#pair.members.find((member) => member !== source) ?? null;
  }

  /** Tells of what `member` holds corrupt, and puts right what somebody else holds intact. */
  #report(member: PairMember, sound: SoundBlocks, corrupt: readonly number[]): SoundBlocks {
    const lost = new Set(sound.corrupt);
    const fresh = corrupt.filter((block) => !this.#known.has(nameOf(member, block)));
    if (fresh.length === 0) return sound;
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    for (const block of fresh) this.#known.add(nameOf(member, block));
    this.#pair.context.blocksCorrupt(
      member.record,
      fresh,
      fresh.filter((block) => lost.has(block)),
    );
    void this.#rewrite(member, fresh, lost);
    return sound;
  }

  /** A change of no bytes: the batch reads what the block is, from whom it can, and writes it to both members. */
  async #rewrite(member: PairMember, blocks: readonly number[], lost: ReadonlySet<number>): Promise<void> {
    const changes = blocks
      .filter((block) => !lost.has(block))
      .map((block) => ({ block, data: null, part: { at: 0, length: 0 } }));
    try {
      if (changes.length > 0) await this.#pair.write(changes);
    } catch {
      // Whoever reads it next meets it again.
    }
    for (const { block } of changes) this.#known.delete(nameOf(member, block));
  }
}

function nameOf({ name }: PairMember, block: number): string {
  return `${name} ${block}`;
}
