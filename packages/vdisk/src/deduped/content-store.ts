import { errno, VdiskIoError } from '../errors.ts';
import type { Pair } from '../pair.ts';
import { contentHash } from './content-hash.ts';
import { GatheredContent } from './gathered-content.ts';

/** Where content is looked for that a vdisk names and its own cluster does not have (yet). */
export interface TemplateContent {
  /** Null = it has none. Rejects with VdiskIoError `template-unavailable` when it cannot tell. */
  read(hash: Buffer): Promise<Buffer | null>;
}

export interface ContentStoreOptions {
  readonly vdisk: string;
  readonly blockSizeBytes: number;
  /** The pair on which content lies: placed by the first byte of its hash. */
  readonly pairOf: (hash: Buffer) => Pair;
  readonly template: TemplateContent | null;
}

/** Blocks read from a template that are being copied in at once; more are copied when they are read again. */
const COPIES_IN_FLIGHT_MAX = 64;

/**
 * The blocks of deduped vdisks by the hash of their content (0-Disk: STRING, key = the 32 bytes of the hash), shared by
 * all vdisks of the cluster. What is read is compared with its name.
 */
export class ContentStore {
  readonly #options: ContentStoreOptions;
  readonly #gathered = new GatheredContent();
  readonly #copies = new Map<string, Promise<void>>();

  constructor(options: ContentStoreOptions) {
    this.#options = options;
  }

  /** Resolves when the content is on every member that must have it. Sent whether it is there or not: see `garbage.ts`. */
  put(hash: Buffer, content: Buffer): Promise<void> {
    return this.#options.pairOf(hash).store([{ key: hash, value: content }]);
  }

  /**
   * Null = neither the cluster nor the template has it.
   *
   * @throws VdiskIoError `content-corrupt`, `template-unavailable`, or as a read of the pair does
   */
  async get(hash: Buffer): Promise<Buffer | null> {
    const { pairOf, template } = this.#options;
    const found = await this.#gathered.read(pairOf(hash), hash);
    if (found !== null) return this.#checked(hash, found, 'the engines');
    const original = (await template?.read(hash)) ?? null;
    if (original === null) return null;
    this.#checked(hash, original, 'the template');
    this.#copyIn(hash, original);
    return original;
  }

  /** Resolves when nothing is being copied in from the template. */
  async copied(): Promise<void> {
    while (this.#copies.size > 0) await Promise.all(this.#copies.values());
  }

  /** In the background; what does not get through is read from the template again. */
  #copyIn(hash: Buffer, content: Buffer): void {
    const key = hash.toString('latin1');
    if (this.#copies.has(key) || this.#copies.size >= COPIES_IN_FLIGHT_MAX) return;
    const copy = this.put(Buffer.from(hash), content)
      .catch(() => undefined)
      .finally(() => this.#copies.delete(key));
    this.#copies.set(key, copy);
  }

  #checked(hash: Buffer, content: Buffer, where: string): Buffer {
    const { vdisk, blockSizeBytes } = this.#options;
    if (content.length === blockSizeBytes && contentHash(content).equals(hash)) return content;
    throw new VdiskIoError(
      'content-corrupt',
      `vdisk ${vdisk}: what ${where} hold under the content hash ${hash.toString('hex')} is not that content (${content.length} bytes); writing the block anew stores it again`,
      errno.io,
    );
  }
}
