/** Bytes between the managers of two zones, compressed when both want that. */
import { promisify } from 'node:util';
import { brotliCompress, brotliDecompress, constants } from 'node:zlib';
import { type LinkCompression, linkCompressions } from '@salvor/config-store';
import { messageOf, SalvorError } from '@salvor/service-kit';

const compress = promisify(brotliCompress);
const decompress = promisify(brotliDecompress);

export interface PackedData {
  readonly compression: LinkCompression;
  readonly data: Buffer;
}

/** What does not become smaller stays as it is. */
export async function packed(data: Buffer, compression: LinkCompression): Promise<PackedData> {
  if (compression === 'none' || data.length === 0) return { compression: 'none', data };
  // The fastest that finds more than repeated bytes.
  const params = { [constants.BROTLI_PARAM_QUALITY]: 1, [constants.BROTLI_PARAM_SIZE_HINT]: data.length };
  const smaller = await compress(data, { params });
  return smaller.length < data.length ? { compression, data: smaller } : { compression: 'none', data };
}

/** The bytes that were packed. @throws SalvorError `bad-answer`: they are not exactly so many */
export async function unpacked(
  { compression, data }: { readonly compression: string; readonly data: Buffer },
  bytes: number,
): Promise<Buffer> {
  const found = compression === 'none' ? data : await inflated(compressionOf(compression), data, bytes);
  if (found.length !== bytes)
    throw new SalvorError(
      'bad-answer',
      `the other zone answered ${found.length} bytes, and said that they are ${bytes}; run the same version in both zones`,
    );
  return found;
}

/** @throws SalvorError `invalid-link` */
export function compressionOf(text: string): LinkCompression {
  const known = linkCompressions.find((each) => each === text);
  if (known !== undefined) return known;
  throw new SalvorError('invalid-link', `expected one of ${linkCompressions.join(', ')}, found ${text}`);
}

async function inflated(compression: LinkCompression, data: Buffer, bytes: number): Promise<Buffer> {
  try {
    // One byte more, so that what is too long is told from what fits.
    return await decompress(data, { maxOutputLength: bytes + 1 });
  } catch (error) {
    throw new SalvorError(
      'bad-answer',
      `the other zone answered what is not ${compression} of ${bytes} bytes (${messageOf(error)}); run the same version in both zones`,
    );
  }
}
