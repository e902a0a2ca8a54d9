import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { messageOf } from '@salvor/service-kit';
import { LogError } from '../log-error.ts';
import type { AppendableStore, StoreWriter } from './appendable-store.ts';
import type { ByteRange } from './range-reading.ts';
import { discardUpload, S3Writer, type S3WriterOptions } from './s3-writer.ts';
import { isStoreName, requirePath, requirePrefix } from './store-path.ts';
import type { StoredFile } from './tier2-store.ts';

export interface S3StoreOptions {
  readonly bucket: string;
  /** In front of every key, without `/` at its ends; default none. */
  readonly prefix?: string;
  /** Of a service other than Amazon's: `http://10.0.0.1:9000`. */
  readonly endpoint?: string;
  readonly region?: string;
  /** Default: the SDK's own chain (environment, files, instance roles). */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Bound of each call, its repetitions included; default 60 s. */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const MAX_ATTEMPTS = 3;
const LIST_PAGE_KEYS = 1_000;

/** Tier-2 in a bucket of an S3-compatible service. An object comes to be whole or not at all; its bytes are checked by the service against their MD5. */
export async function openS3Store(options: S3StoreOptions): Promise<AppendableStore> {
  const store = new S3Store(options);
  try {
    await store.check();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Requests for parts of one object that are under way at once. */
const RANGES_AT_ONCE = 8;

class S3Store implements AppendableStore {
  readonly name: string;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #timeoutMs: number;

  constructor({ bucket, prefix = '', endpoint, region, credentials, timeoutMs }: S3StoreOptions) {
    if (prefix !== '') requirePath(prefix);
    this.name = `s3://${bucket}/${prefix}${endpoint === undefined ? '' : ` at ${endpoint}`}`;
    this.#bucket = bucket;
    this.#prefix = prefix === '' ? '' : `${prefix}/`;
    this.#timeoutMs = timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const settings: S3ClientConfig = {
      region: region ?? 'us-east-1',
      maxAttempts: MAX_ATTEMPTS,
      // Services other than Amazon's know neither the newer checksums nor host names made of bucket names.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    };
    if (endpoint !== undefined) Object.assign(settings, { endpoint, forcePathStyle: true });
    if (credentials !== undefined) settings.credentials = { ...credentials };
    this.#client = new S3Client(settings);
  }

  check(): Promise<void> {
    return this.#call('look at the bucket', async (abortSignal) => {
      await this.#client.send(new HeadBucketCommand({ Bucket: this.#bucket }), { abortSignal });
    });
  }

  put(path: string, parts: readonly Uint8Array[]): Promise<void> {
    const Key = this.#keyOf(path);
    return this.#call(`write of ${path}`, async (abortSignal) => {
      const Body = Buffer.concat(parts);
      // The one checksum that every S3-compatible service verifies.
      const ContentMD5 = createHash('md5').update(Body).digest('base64');
      const input = { Bucket: this.#bucket, Key, Body, ContentMD5, ContentLength: Body.length };
      await this.#client.send(new PutObjectCommand(input), { abortSignal });
    });
  }

  create(path: string): Promise<StoreWriter> {
    return S3Writer.open(this.#writerOptions(path));
  }

  discard(path: string, id: string): Promise<void> {
    return discardUpload(this.#writerOptions(path), id);
  }

  read(path: string, offset: number, length: number): Promise<Buffer> {
    const Key = this.#keyOf(path);
    return this.#call(`read of ${path}`, async (abortSignal) => {
      if (length === 0) {
        const found = await this.#head(path, abortSignal);
        if (found === null) throw new LogError('bad-chunk', `${path} is not there`);
        if (offset > found.sizeBytes) throw shortError(path, offset, length);
        return Buffer.alloc(0);
      }
      try {
        const Range = `bytes=${offset}-${offset + length - 1}`;
        const answer = await this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key, Range }), {
          abortSignal,
        });
        return await bytesOf(answer.Body as Readable | undefined, answer.ContentLength, length, () =>
          shortError(path, offset, length),
        );
      } catch (error) {
        if (statusOf(error) === 416) throw shortError(path, offset, length);
        if (isAbsent(error)) throw new LogError('bad-chunk', `${path} is not there`);
        throw error;
      }
    });
  }

  async readRanges(path: string, ranges: readonly ByteRange[]): Promise<Buffer[]> {
    const found: Buffer[] = [];
    for (let at = 0; at < ranges.length; at += RANGES_AT_ONCE) {
      const some = ranges.slice(at, at + RANGES_AT_ONCE);
      // All of them: nothing is under way any more when a failure is told.
      for (const result of await Promise.allSettled(
        some.map(({ offset, length }) => this.read(path, offset, length)),
      )) {
        if (result.status === 'rejected') throw result.reason;
        found.push(result.value);
      }
    }
    return found;
  }

  async *list(prefix: string): AsyncIterable<StoredFile> {
    requirePrefix(prefix);
    let token: string | undefined;
    do {
      const page = await this.#call(`list of ${prefix}`, (abortSignal) =>
        this.#client.send(
          new ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: this.#prefix + prefix,
            MaxKeys: LIST_PAGE_KEYS,
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
          { abortSignal },
        ),
      );
      for (const { Key = '', Size = 0 } of page.Contents ?? []) {
        const path = Key.slice(this.#prefix.length);
        if (path.split('/').every(isStoreName)) yield { path, sizeBytes: Size };
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  stat(path: string): Promise<StoredFile | null> {
    requirePath(path);
    return this.#call(`look at ${path}`, (abortSignal) => this.#head(path, abortSignal));
  }

  delete(path: string): Promise<void> {
    const Key = this.#keyOf(path);
    return this.#call(`removal of ${path}`, async (abortSignal) => {
      await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key }), { abortSignal });
    });
  }

  /** An object that was not sent to its end never came to be. */
  async tidy(prefix: string): Promise<void> {
    requirePrefix(prefix);
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }

  async #head(path: string, abortSignal: AbortSignal): Promise<StoredFile | null> {
    try {
      const command = new HeadObjectCommand({ Bucket: this.#bucket, Key: this.#keyOf(path) });
      const { ContentLength = 0 } = await this.#client.send(command, { abortSignal });
      return { path, sizeBytes: ContentLength };
    } catch (error) {
      if (isAbsent(error)) return null;
      throw error;
    }
  }

  #writerOptions(path: string): S3WriterOptions {
    const call: S3WriterOptions['call'] = (work) => this.#call(`write of ${path}`, work);
    return { client: this.#client, bucket: this.#bucket, key: this.#keyOf(path), call };
  }

  #keyOf(path: string): string {
    return this.#prefix + requirePath(path);
  }

  async #call<T>(what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await work(AbortSignal.timeout(this.#timeoutMs));
    } catch (error) {
      if (error instanceof LogError) throw error;
      const status = statusOf(error);
      const name = error instanceof Error ? error.name : 'error';
      const told = status === undefined ? messageOf(error) : `${name} (HTTP ${status}): ${messageOf(error)}`;
      throw new LogError('store', `${this.name}: ${what}: ${told}`);
    }
  }
}

/** The whole body, if it is as long as was asked for: a service that ignores the range would send all of the object. */
async function bytesOf(
  body: Readable | undefined,
  told: number | undefined,
  length: number,
  short: () => LogError,
): Promise<Buffer> {
  if (body === undefined) throw short();
  const parts: Buffer[] = [];
  let got = 0;
  try {
    if (told !== undefined && told !== length) throw short();
    for await (const part of body) {
      got += (part as Buffer).length;
      if (got > length) throw short();
      parts.push(part as Buffer);
    }
  } finally {
    body.destroy();
  }
  if (got !== length) throw short();
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
}

function shortError(path: string, offset: number, length: number): LogError {
  return new LogError('bad-chunk', `${path}: expected ${length} bytes at ${offset}, the object has fewer`);
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return undefined;
  return (error.$metadata as { httpStatusCode?: number }).httpStatusCode;
}

/** The object; a bucket that is not there is a failure of the store. */
function isAbsent(error: unknown): boolean {
  return error instanceof Error && (error.name === 'NoSuchKey' || error.name === 'NotFound');
}
