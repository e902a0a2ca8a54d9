import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { LogError } from '../log-error.ts';
import type { StoreWriter } from './appendable-store.ts';

export interface S3WriterOptions {
  readonly client: S3Client;
  readonly bucket: string;
  readonly key: string;
  /** Bounds a call, and says what it was for. */
  readonly call: <T>(work: (signal: AbortSignal) => Promise<T>) => Promise<T>;
}

const MIB = 1024 * 1024;
const FIRST_PART_BYTES: number = 8 * MIB;
const LARGEST_PART_BYTES: number = 512 * MIB;
/** An object has 10,000 parts at most: those of a large one become larger, so that 2 TiB fit. */
const PARTS_OF_ONE_SIZE = 1_000;
const MAX_PARTS = 10_000;

/** Bytes of the part with this number, the first being 1. */
export function partBytes(number: number): number {
  return Math.min(LARGEST_PART_BYTES, FIRST_PART_BYTES * 2 ** Math.floor((number - 1) / PARTS_OF_ONE_SIZE));
}

/** Writes an object in parts; it holds one part in memory. */
export class S3Writer implements StoreWriter {
  readonly id: string;
  readonly #options: S3WriterOptions;
  readonly #sent: { readonly ETag: string | undefined; readonly PartNumber: number }[] = [];
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #isOver = false;

  private constructor(options: S3WriterOptions, id: string) {
    this.#options = options;
    this.id = id;
  }

  static async open(options: S3WriterOptions): Promise<S3Writer> {
    const { client, bucket, key, call } = options;
    const command = new CreateMultipartUploadCommand({ Bucket: bucket, Key: key });
    const { UploadId } = await call((abortSignal) => client.send(command, { abortSignal }));
    if (UploadId === undefined) throw new LogError('store', `${key}: the upload has no id`);
    return new S3Writer(options, UploadId);
  }

  async append(parts: readonly Uint8Array[]): Promise<void> {
    for (const part of parts) {
      this.#waiting.push(Buffer.from(part));
      this.#waitingBytes += part.length;
      if (this.#waitingBytes >= partBytes(this.#sent.length + 1)) await this.#send();
    }
  }

  async finish(): Promise<void> {
    // An object has one part at least.
    if (this.#waitingBytes > 0 || this.#sent.length === 0) await this.#send();
    const { client, bucket, key, call } = this.#options;
    const command = new CompleteMultipartUploadCommand({
      ...{ Bucket: bucket, Key: key, UploadId: this.id },
      MultipartUpload: { Parts: this.#sent },
    });
    await call((abortSignal) => client.send(command, { abortSignal }));
    this.#isOver = true;
  }

  async abandon(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await discardUpload(this.#options, this.id);
  }

  async #send(): Promise<void> {
    const { client, bucket, key, call } = this.#options;
    const PartNumber = this.#sent.length + 1;
    if (PartNumber > MAX_PARTS)
      throw new LogError('store', `${key}: it is too large for an object of ${MAX_PARTS} parts`);
    const Body = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    const ContentMD5 = createHash('md5').update(Body).digest('base64');
    const command = new UploadPartCommand({
      ...{ Bucket: bucket, Key: key, UploadId: this.id },
      ...{ PartNumber, Body, ContentMD5, ContentLength: Body.length },
    });
    const { ETag } = await call((abortSignal) => client.send(command, { abortSignal }));
    this.#sent.push({ ETag, PartNumber });
  }
}

/** Names of errors of services that know no way to give an upload up; their own rules remove it. */
const CANNOT: ReadonlySet<string> = new Set(['MethodNotAllowed', 'NotImplemented']);

/** Gives up an upload; one that is not there any more, or was completed, is none. */
export async function discardUpload(
  { client, bucket, key, call }: S3WriterOptions,
  id: string,
): Promise<void> {
  const command = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: id });
  await call(async (abortSignal) => {
    try {
      await client.send(command, { abortSignal });
    } catch (error) {
      const name = error instanceof Error ? error.name : '';
      if (name !== 'NoSuchUpload' && !CANNOT.has(name)) throw error;
    }
  });
}
