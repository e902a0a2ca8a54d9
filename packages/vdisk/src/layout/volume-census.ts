import { CHECKSUM_BYTES, hasChecksum } from '../checksum.ts';
import { Frame } from '../resp.ts';
import { type AskEngine, type LayoutCensus, SCAN_START, type ScanPage } from './block-layout.ts';
import { blockOfSum, PAGE_SUMS, type SumPlace, type VolumeShape } from './volume-shape.ts';

/** The map of checksums of one vdisk on one engine. */
export interface VolumePages {
  readonly shape: VolumeShape;
  readonly shards: number;
  /** Pages for each home shard. */
  readonly pagesOfHome: number;
  key(place: SumPlace): string;
  chunkKey(chunk: number): string;
}

/** Pages asked about in one request. */
const ASKED_AT_ONCE = 1024;
/** Pages read to learn how much is stored; with more of them the rest is estimated. */
const READ_PAGES_MAX = 256;
/** Keys of chunks whose memory stands for that of the others. */
const SAMPLED_CHUNKS = 64;

/** The cursor counts checksums through all pages of all homes. */
export async function scanVolume(
  pages: VolumePages,
  ask: AskEngine,
  cursor: string,
  count: number,
): Promise<ScanPage> {
  const end = pages.shards * pages.pagesOfHome;
  const from = Number(cursor);
  const blocks: number[] = [];
  let at = from % PAGE_SUMS;
  for (let page = Math.floor(from / PAGE_SUMS); page < end; page++, at = 0) {
    const existing = at > 0 ? page : await nextPage(pages, ask, page, end);
    if (existing === null) break;
    page = existing;
    const place = placeOf(pages, page);
    const [sums] = await ask(new Frame().command('GET', pages.key(place)));
    for (; Buffer.isBuffer(sums) && at < PAGE_SUMS; at++) {
      if (blocks.length >= count) return { cursor: String(page * PAGE_SUMS + at), blocks };
      if (isStoredAt(sums, at)) blocks.push(blockOfSum(pages.shape, { ...place, at }, pages.shards));
    }
  }
  return { cursor: SCAN_START, blocks };
}

export async function takeVolumeCensus(pages: VolumePages, ask: AskEngine): Promise<LayoutCensus> {
  const end = pages.shards * pages.pagesOfHome;
  const existing: number[] = [];
  let besidesBytes = 0;
  for (let from = 0; from < end; from += ASKED_AT_ONCE) {
    for (const [i, length] of (await lengths(pages, ask, from, end)).entries()) {
      if (length === 0) continue;
      existing.push(from + i);
      besidesBytes += length;
    }
  }
  // Evenly, so that the parts of a vdisk that are full and those that are not both count.
  const step = Math.max(1, Math.ceil(existing.length / READ_PAGES_MAX));
  const read = existing.filter((_, i) => i % step === 0);
  const chunks = new Set<number>();
  let blocks = 0;
  for (const page of read) {
    const place = placeOf(pages, page);
    const [sums] = await ask(new Frame().command('GET', pages.key(place)));
    for (let at = 0; Buffer.isBuffer(sums) && at < PAGE_SUMS; at++) {
      if (!isStoredAt(sums, at)) continue;
      blocks++;
      const block = blockOfSum(pages.shape, { ...place, at }, pages.shards);
      chunks.add(Math.floor(block / pages.shape.chunkBlocks));
    }
  }
  const share = read.length === 0 ? 1 : existing.length / read.length;
  const every = Math.max(1, Math.floor(chunks.size / SAMPLED_CHUNKS));
  const some = [...chunks].filter((_, i) => i % every === 0).slice(0, SAMPLED_CHUNKS);
  return {
    blocks: Math.round(blocks * share),
    exact: read.length === existing.length,
    keyCount: Math.round(chunks.size * share),
    someKeys: some.map((chunk) => pages.chunkKey(chunk)),
    besidesBytes,
  };
}

/** A page ends behind its last checksum that was ever written. */
export function isStoredAt(sums: Buffer, at: number): boolean {
  return (at + 1) * CHECKSUM_BYTES <= sums.length && hasChecksum(sums, at * CHECKSUM_BYTES);
}

/** The first page from `from` on that the engine has. */
async function nextPage(
  pages: VolumePages,
  ask: AskEngine,
  from: number,
  end: number,
): Promise<number | null> {
  for (let page = from; page < end; page += ASKED_AT_ONCE) {
    const found = (await lengths(pages, ask, page, end)).findIndex((length) => length > 0);
    if (found >= 0) return page + found;
  }
  return null;
}

async function lengths(pages: VolumePages, ask: AskEngine, from: number, end: number): Promise<number[]> {
  const frame = new Frame();
  for (let page = from; page < Math.min(end, from + ASKED_AT_ONCE); page++)
    frame.command('STRLEN', pages.key(placeOf(pages, page)));
  return (await ask(frame)).map((length) => (typeof length === 'number' ? length : 0));
}

function placeOf({ pagesOfHome }: VolumePages, page: number): SumPlace {
  return { home: Math.floor(page / pagesOfHome), page: page % pagesOfHome, at: 0 };
}
