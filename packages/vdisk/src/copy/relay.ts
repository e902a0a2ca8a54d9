import { blocksKey, epochKey } from '../engine-keys.ts';
import { CorruptBlocksError } from '../errors.ts';
import { checkEpoch } from '../fenced-lane.ts';
import { type EpochQuestion, GatheredReads } from '../gathered-reads.ts';
import { type BlockLayout, UNREADABLE } from '../layout/block-layout.ts';
import type { LayoutSpec } from '../layout/layout-spec.ts';
import { VolumeLayout } from '../layout/volume.ts';
import { ReadPart } from '../read-part.ts';
import { Frame } from '../resp.ts';
import { type RespLink, throwIfError } from '../resp-link.ts';
import { BlockExchange, type BlockTaker } from './block-exchange.ts';
import { Digests } from './digests.ts';
import { RelayFrame, type Skip } from './relay-frame.ts';

/** Blocks read on one side, on their way to the other. */
export interface Relayed {
  /** The i-th of the blocks, null for a hole. */
  value(i: number): Buffer | null;
  /** Adds what stores the blocks that are stored here; returns how many. */
  addStore(frame: Frame, skip: Skip | null): number;
  /** Adds what removes the blocks that are holes here; returns how many. */
  addRemove(frame: Frame, skip: Skip | null): number;
}

/** How the blocks of one layout are read for a copy or a comparison. Each read is followed by a check of the epoch. */
export interface Relay {
  read(link: RespLink, blocks: readonly number[]): Promise<Relayed>;
  /** The memory of what was read may be used again. */
  release(relayed: Relayed): void;
  /** A digest of each block, comparable between two engines only. */
  digests(link: RespLink, blocks: readonly number[]): Promise<{ isSame(other: unknown, i: number): boolean }>;
  /** Where the engines keep checksums beside the blocks: those, which are far less to read. */
  sums?(link: RespLink, blocks: readonly number[]): Promise<Buffer>;
}

export function relayFor(layout: LayoutSpec, epoch: string): Relay {
  switch (layout.kind) {
    case 'nondeduped':
      return new NondedupedRelay(layout, epoch);
    case 'volume':
      return new VolumeRelay(
        new VolumeLayout(layout.vdisk, layout.blockSizeBytes, layout.shards),
        layout.vdisk,
        epoch,
      );
  }
}

/** Frames kept for the next reads. */
const FRAMES_KEPT = 8;

/** 0-Disk's nondeduped layout, byte for byte from socket to socket. */
class NondedupedRelay implements Relay {
  readonly #layout: LayoutSpec;
  readonly #key: string;
  readonly #epoch: string;
  readonly #frames: RelayFrame[] = [];

  constructor(layout: LayoutSpec, epoch: string) {
    this.#layout = layout;
    this.#key = layout.key ?? blocksKey(layout.vdisk);
    this.#epoch = epoch;
  }

  async read(link: RespLink, blocks: readonly number[]): Promise<RelayFrame> {
    const frame = this.#frames.pop() ?? new RelayFrame(this.#key, blocks.length, this.#layout.blockSizeBytes);
    await this.#exchange(link, frame.begin(blocks), frame);
    return frame;
  }

  release(relayed: Relayed): void {
    if (relayed instanceof RelayFrame && this.#frames.length < FRAMES_KEPT) this.#frames.push(relayed);
  }

  async digests(link: RespLink, blocks: readonly number[]): Promise<Digests> {
    const digests = new Digests(blocks.length, this.#layout.blockSizeBytes);
    await this.#exchange(link, new RelayFrame(this.#key, 0, 0).begin(blocks), digests);
    return digests;
  }

  async #exchange(link: RespLink, frame: Frame, taker: BlockTaker): Promise<void> {
    const { vdisk } = this.#layout;
    frame.command('GET', epochKey(vdisk));
    const found = await new Promise<Parameters<typeof checkEpoch>[3]>((resolve, reject) =>
      link.exchange(frame, new BlockExchange(taker, link.address, resolve, reject)),
    );
    checkEpoch(link.address, vdisk, this.#epoch, found);
  }
}

/** Any layout, by its own commands: the bytes of a block are copied once more. */
class LayoutRelay implements Relay {
  readonly #layout: BlockLayout;
  readonly #vdisk: string;
  readonly #epoch: string;
  readonly #reads = new WeakMap<RespLink, GatheredReads>();

  constructor(layout: BlockLayout, vdisk: string, epoch: string) {
    this.#layout = layout;
    this.#vdisk = vdisk;
    this.#epoch = epoch;
  }

  async read(link: RespLink, blocks: readonly number[]): Promise<RelayedBlocks> {
    const { blockSizeBytes } = this.#layout;
    const into = Buffer.allocUnsafeSlow(blocks.length * blockSizeBytes);
    const part = new ReadPart(blocks, into, blockSizeBytes, null, true);
    await new Promise<void>((resolve, reject) =>
      // What is corrupt is known by the part, and goes on its way as such.
      this.#readsOf(link).read(part, (error) =>
        error === null || error instanceof CorruptBlocksError ? resolve() : reject(error),
      ),
    );
    return new RelayedBlocks(this.#layout, part);
  }

  release(): void {}

  digests(link: RespLink, blocks: readonly number[]): Promise<RelayedBlocks> {
    return this.read(link, blocks);
  }

  #readsOf(link: RespLink): GatheredReads {
    const known = this.#reads.get(link);
    if (known !== undefined) return known;
    const reads = new GatheredReads(link, this.#layout, this.#question(link.address));
    this.#reads.set(link, reads);
    return reads;
  }

  #question(address: string): EpochQuestion {
    const command = Buffer.concat([...new Frame().command('GET', epochKey(this.#vdisk)).end()]);
    return {
      address,
      command,
      expected: Buffer.from(this.#epoch, 'latin1'),
      check: (found) => checkEpoch(address, this.#vdisk, this.#epoch, found),
    };
  }
}

/** The native layout: a map of checksums beside the blocks. */
class VolumeRelay extends LayoutRelay {
  readonly #layout: VolumeLayout;
  readonly #vdisk: string;
  readonly #epoch: string;

  constructor(layout: VolumeLayout, vdisk: string, epoch: string) {
    super(layout, vdisk, epoch);
    this.#layout = layout;
    this.#vdisk = vdisk;
    this.#epoch = epoch;
  }

  async sums(link: RespLink, blocks: readonly number[]): Promise<Buffer> {
    const frame = new Frame();
    this.#layout.addAskStored(frame, blocks);
    const replies = await link.request(frame.command('GET', epochKey(this.#vdisk)));
    for (const reply of replies) throwIfError(link.address, reply);
    checkEpoch(link.address, this.#vdisk, this.#epoch, replies.pop() ?? null);
    return this.#layout.sumsIn(replies, blocks);
  }
}

class RelayedBlocks implements Relayed {
  readonly #layout: BlockLayout;
  readonly #part: ReadPart;

  constructor(layout: BlockLayout, part: ReadPart) {
    this.#layout = layout;
    this.#part = part;
  }

  value(i: number): Buffer | null {
    if (this.#part.corrupt.includes(i)) return UNREADABLE;
    if (!this.#part.isStored(i)) return null;
    const from = this.#part.placeOf(i);
    return this.#part.into.subarray(from, from + this.#layout.blockSizeBytes);
  }

  addStore(frame: Frame, skip: Skip | null): number {
    return this.#add(frame, (i) => this.value(i) !== null && skip?.(i) !== true);
  }

  addRemove(frame: Frame, skip: Skip | null): number {
    return this.#add(frame, (i) => this.value(i) === null && skip?.(i) !== true);
  }

  isSame(other: unknown, i: number): boolean {
    return other instanceof RelayedBlocks && isSameBlock(this.value(i), other.value(i));
  }

  #add(frame: Frame, isWanted: (i: number) => boolean): number {
    const blocks = new Map<number, Buffer | null>();
    for (const [i, block] of this.#part.blocks.entries()) if (isWanted(i)) blocks.set(block, this.value(i));
    if (blocks.size > 0) this.#layout.addStore(frame, blocks, true);
    return blocks.size;
  }
}

export function isSameBlock(a: Buffer | null, b: Buffer | null): boolean {
  return a === null || b === null ? a === b : a.equals(b);
}
