/** What a primary answers to who compares itself with it. */
import type { VolumeCompareReplyInit, VolumeCompareRequest } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import type { EnginePosition, LiveImage } from '@salvor/vdisk';
import { BlockDigests, bulkBlocksOf, LONG_TAG_BYTES, SHORT_TAG_BYTES } from './block-digests.ts';
import { compressionOf, packed } from './packed-data.ts';

/** Blocks that are read for one answer. */
const RANGE_BYTES_MAX: number = 16 << 20;
/** Content in one answer; NATS takes 1 MiB by default. */
const ANSWER_BYTES_MAX: number = 512 << 10;

/** A vdisk as its engines have it; {@link LiveImage} is. */
export interface ComparedImage extends Pick<LiveImage, 'name' | 'read' | 'positions'> {
  readonly map: {
    readonly vdisk: string;
    readonly blocks: number;
    readonly static: { readonly blockSize: number };
  };
}

/** @throws SalvorError `invalid-range`, `source-stale`; EngineError */
export async function answerOf(
  image: ComparedImage,
  request: VolumeCompareRequest,
): Promise<VolumeCompareReplyInit> {
  const { blockSize } = image.map.static;
  const bulkBlocks = bulkBlocksOf(blockSize);
  const found =
    request.bulks.length === 0
      ? { hashes: await hashesOf(image, request, bulkBlocks) }
      : await differencesOf(image, request, bulkBlocks);
  const { data } = 'data' in found ? found : {};
  const sent = data === undefined ? {} : await packed(data, compressionOf(request.compression));
  const positions = await image.positions();
  assertReached(image, positions, request.positions);
  return { volume: request.volume, image: image.name, blockSize, bulkBlocks, ...found, ...sent, positions };
}

async function hashesOf(
  image: ComparedImage,
  { first, count }: VolumeCompareRequest,
  bulkBlocks: number,
): Promise<Buffer> {
  const { blocks, static: fixed } = image.map;
  const isRange = first >= 0 && count >= 0 && first % bulkBlocks === 0 && first + count <= blocks;
  const most = Math.max(bulkBlocks, Math.floor(RANGE_BYTES_MAX / fixed.blockSize));
  if (!isRange || count > most)
    throw new SalvorError(
      'invalid-range',
      `expected up to ${most} of ${blocks} blocks, from the beginning of a bulk of ${bulkBlocks} on, found ${count} from block ${first} on`,
    );
  const digests = new BlockDigests(fixed.blockSize);
  const content = await image.read(blocksFrom(first, count));
  const hashes: Buffer[] = [];
  for (let at = 0; at < count; at += bulkBlocks)
    hashes.push(digests.hashOf(content.slice(at, at + bulkBlocks)));
  return Buffer.concat(hashes);
}

async function differencesOf(
  image: ComparedImage,
  { bulks, tagBytes, tags }: VolumeCompareRequest,
  bulkBlocks: number,
): Promise<Pick<VolumeCompareReplyInit, 'hashes' | 'answered' | 'zeros' | 'blocks' | 'data'>> {
  const { blocks: end, static: fixed } = image.map;
  const lengths = bulks.map((first) => Math.min(bulkBlocks, end - first));
  const wanted = lengths.reduce((sum, length) => sum + length, 0) * tagBytes;
  const areBulks = bulks.every((first) => first >= 0 && first % bulkBlocks === 0 && first < end);
  const most = Math.max(1, Math.floor(RANGE_BYTES_MAX / (bulkBlocks * fixed.blockSize)));
  const areTags = (tagBytes === SHORT_TAG_BYTES || tagBytes === LONG_TAG_BYTES) && tags.length === wanted;
  if (!areBulks || !areTags || bulks.length > most)
    throw new SalvorError(
      'invalid-range',
      `expected up to ${most} bulks of ${bulkBlocks} blocks of ${end}, and a tag of ${SHORT_TAG_BYTES} or ${LONG_TAG_BYTES} bytes of each block, found ${bulks.length} bulks and ${tags.length} bytes of tags`,
    );
  const digests = new BlockDigests(fixed.blockSize);
  const [hashes, zeros, blocks, data]: [Buffer[], number[], number[], Buffer[]] = [[], [], [], []];
  const read = await image.read(bulks.flatMap((first, i) => blocksFrom(first, lengths[i] ?? 0)));
  let at = 0;
  let from = 0;
  for (const [i, first] of bulks.entries()) {
    const length = lengths[i] ?? 0;
    const content = read.slice(from, from + length);
    from += length;
    const differing = digests.differing(content, tags.subarray(at, at + length * tagBytes), tagBytes);
    const stored = differing.filter((place) => !digests.isZeros(content[place] ?? null));
    if (i > 0 && (data.length + stored.length) * fixed.blockSize > ANSWER_BYTES_MAX) break;
    at += length * tagBytes;
    hashes.push(digests.hashOf(content));
    for (const place of differing) {
      const block = content[place] ?? null;
      if (block === null || digests.isZeros(block)) zeros.push(first + place);
      else {
        blocks.push(first + place);
        data.push(block);
      }
    }
  }
  return { hashes: Buffer.concat(hashes), answered: hashes.length, zeros, blocks, data: Buffer.concat(data) };
}

/** An engine that lost the end of its writes tells an older state than the log that whoever asks goes on with. */
function assertReached(
  image: ComparedImage,
  found: readonly EnginePosition[],
  wanted: readonly EnginePosition[],
): void {
  for (const { shard, batch } of wanted) {
    const position = found.find((each) => each.shard === shard);
    if (position === undefined || position.batch >= batch) continue;
    throw new SalvorError(
      'source-stale',
      `shard ${shard} of vdisk ${image.map.vdisk} has writes up to batch ${position.batch}, its log up to batch ${batch}: its engine lost its last writes; they come back when a server mounts the vdisk`,
    );
  }
}

function blocksFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}
