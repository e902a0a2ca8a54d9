import { FencedLane } from '../fenced-lane.ts';
import type { Pair } from '../pair.ts';
import type { PairMember } from '../pair-member.ts';
import { Frame, type RespValue } from '../resp.ts';
import { RespLink } from '../resp-link.ts';
import { addObjects, garbageKey } from './content-objects.ts';
import { hashesIn, SECTOR_BYTES, sectorsKey } from './sector.ts';

/** A member that is under repair, and who has what it lacks. */
export interface ContentRepairTask {
  readonly pair: Pair;
  readonly source: PairMember;
  readonly target: PairMember;
  /** Throws when the repair is no longer wanted. */
  assertWanted(): void;
  /** Runs work whose errors are the target's. */
  onTarget<T>(work: () => Promise<T>): Promise<T>;
}

/** What a content repair needs to know of its vdisk. */
export interface BlockMapView {
  readonly vdisk: string;
  readonly sectors: number;
  readonly pairs: readonly Pair[];
  /** The shard of a sector, and of content by the first byte of its hash. */
  shardOf(index: number): number;
  /** Content that may be stored while no sector names it yet. */
  underWay(): Buffer[];
}

export interface ContentRepairCounts {
  readonly checked: number;
  readonly copied: number;
  /** Named, but on neither member: still in the template, or lost before. */
  readonly absent: number;
}

/** Sectors looked at in one step: up to 1024 contents asked about. */
const STEP_SECTORS = 8;
/** Contents copied with one transaction. */
const COPY_RUN = 64;
/** A shard lists its sectors when there are at most so many; else all that could be there are asked for. */
const LISTED_SECTORS_MAX = 65_536;

/**
 * Gives the target all content of this shard that the block map names and the target lacks. It has taken every new write
 * since it was prepared, so what is missing was named before, or is under way now. Content never changes, so a copy that
 * was interrupted goes on where content is missing.
 */
export async function repairContent(
  task: ContentRepairTask,
  map: BlockMapView,
): Promise<ContentRepairCounts> {
  const { vdisk, epoch, settings, shard } = task.pair.context;
  const { address, db } = task.target.record;
  const { login, connectTimeoutMs, commandTimeoutMs } = settings;
  const clientName = `salvor:owner:${vdisk}:${epoch}`;
  const link = await task.onTarget(() =>
    RespLink.connect({ address, db, login, connectTimeoutMs, commandTimeoutMs, clientName }),
  );
  try {
    const copy = new ContentCopy(task, new FencedLane(link, vdisk, epoch));
    // What a collection of garbage found here before this member missed writes says nothing about it now.
    await copy.forgetGarbage();
    const isHere = (hash: Buffer): boolean => map.shardOf(hash[0] ?? 0) === shard;
    await copy.give(map.underWay().filter(isHere));
    for (const pair of map.pairs) {
      for await (const sectors of storedSectors(pair, map)) {
        task.assertWanted();
        await copy.give(sectors.flatMap((sector) => [...hashesIn(sector)].filter(isHere)));
      }
    }
    return copy.counts;
  } finally {
    link.close();
  }
}

class ContentCopy {
  readonly #task: ContentRepairTask;
  readonly #lane: FencedLane;
  counts: ContentRepairCounts = { checked: 0, copied: 0, absent: 0 };

  constructor(task: ContentRepairTask, lane: FencedLane) {
    this.#task = task;
    this.#lane = lane;
  }

  async forgetGarbage(): Promise<void> {
    await this.#task.onTarget(() => this.#lane.transact(new Frame().command('DEL', garbageKey)));
  }

  async give(hashes: readonly Buffer[]): Promise<void> {
    const unique = [...new Map(hashes.map((hash) => [hash.toString('latin1'), hash])).values()];
    const missing = await this.#missing(unique);
    for (let from = 0; from < missing.length; from += COPY_RUN) {
      await this.#copy(missing.slice(from, from + COPY_RUN));
    }
    const { checked, copied, absent } = this.counts;
    this.counts = { checked: checked + unique.length, copied, absent };
  }

  async #missing(hashes: readonly Buffer[]): Promise<Buffer[]> {
    if (hashes.length === 0) return [];
    const frame = new Frame();
    for (const hash of hashes) frame.command('EXISTS', hash);
    const { target } = this.#task;
    const replies = await this.#task.onTarget(async () => (await target.open()).request(frame));
    return hashes.filter((_, i) => replies[i] === 0);
  }

  async #copy(hashes: readonly Buffer[]): Promise<void> {
    const session = await this.#task.source.open();
    const [values] = await session.request(new Frame().command('MGET', ...hashes));
    const found = hashes.flatMap((key, i) => {
      const value = Array.isArray(values) ? values[i] : null;
      return Buffer.isBuffer(value) ? [{ key, value }] : [];
    });
    if (found.length > 0) {
      const frame = new Frame();
      addObjects(frame, found);
      await this.#task.onTarget(() => this.#lane.transact(frame));
    }
    const { checked, copied, absent } = this.counts;
    this.counts = {
      checked,
      copied: copied + found.length,
      absent: absent + hashes.length - found.length,
    };
  }
}

/** The sectors that lie on a pair, a few at a time. What is not a sector names nothing: reading its blocks says so. */
async function* storedSectors(pair: Pair, map: BlockMapView): AsyncGenerator<Buffer[]> {
  const { shard } = pair.context;
  if (pair.members.every(({ record }) => record.status === 'rip')) return;
  const listed = await pair.storedAtMost(LISTED_SECTORS_MAX);
  const all = listed ?? Array.from({ length: map.sectors }, (_, sector) => sector);
  const numbers = all.filter((sector) => sector < map.sectors && map.shardOf(sector) === shard);
  for (let from = 0; from < numbers.length; from += STEP_SECTORS) {
    const step = numbers.slice(from, from + STEP_SECTORS);
    const [values] = await pair.query((frame) => frame.command('HMGET', sectorsKey(map.vdisk), ...step));
    yield (Array.isArray(values) ? values : []).filter(isSector);
  }
}

function isSector(value: RespValue): value is Buffer {
  return Buffer.isBuffer(value) && value.length === SECTOR_BYTES;
}
