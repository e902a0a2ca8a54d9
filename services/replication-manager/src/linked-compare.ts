import type { VolumeCompareReply, VolumeCompareRequestInit } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import { endedBy } from './ended-by.ts';
import type { LinkMeter } from './link-meter.ts';
import { unpacked } from './packed-data.ts';

/** More than one answer holds. */
const CONTENT_BYTES_MAX: number = 4 * 1024 * 1024;

/**
 * Asks a primary for hashes or blocks over the link of the volume; the content is as it was before it was compressed.
 *
 * @throws SalvorError `bad-answer`; CommandError
 */
export async function comparedOver(
  meter: LinkMeter,
  request: VolumeCompareRequestInit,
  signal: AbortSignal,
  ask: (request: VolumeCompareRequestInit) => Promise<VolumeCompareReply>,
): Promise<VolumeCompareReply> {
  const { compression } = meter.link;
  const reply = await endedBy(signal, ask({ ...request, compression }));
  const { hashes, data, blocks, blockSize } = reply;
  await meter.take(hashes.length + data.length + (request.tags?.length ?? 0), signal);
  const bytes = blocks.length * blockSize;
  if (!(bytes >= 0 && bytes <= CONTENT_BYTES_MAX))
    throw new SalvorError(
      'bad-answer',
      `the other zone answered ${blocks.length} blocks of ${blockSize} bytes at once; run the same version in both zones`,
    );
  return { ...reply, compression: 'none', data: await unpacked(reply, bytes) };
}
