import { identityFault } from '../engine-control.ts';
import { type EngineIdentity, identityKey, identityText } from '../engine-keys.ts';
import type { EngineLogin } from '../engine-login.ts';
import { type EpochQuestion, GatheredReads } from '../gathered-reads.ts';
import type { AskEngine, BlockLayout } from '../layout/block-layout.ts';
import { ReadPart } from '../read-part.ts';
import { Frame, RespError, type RespValue } from '../resp.ts';
import { errorReply, RespLink, throwIfError } from '../resp-link.ts';
import { addReadHead, parseHead, type WriteHead } from '../write-history.ts';

export interface EnginePlaceOptions {
  readonly address: string;
  readonly db: number;
  readonly login?: EngineLogin | undefined;
  readonly timeoutMs: number;
}

/**
 * Looks at an engine without owning anything on it: for questions, and for reading a vdisk that does not change. Every call
 * rejects with EngineError; none waits longer than the timeout.
 */
export class EngineReader implements Disposable {
  readonly address: string;
  /** Another one after every restart of the engine. */
  readonly runId: string;
  readonly #link: RespLink;
  readonly #identity: EpochQuestion;

  private constructor(link: RespLink, runId: string, identity: string) {
    this.#link = link;
    this.#identity = {
      address: link.address,
      command: new Frame().command('GET', identityKey).end()[0] ?? Buffer.alloc(0),
      expected: Buffer.from(identity),
      check: (found) => {
        const text = Buffer.isBuffer(found) ? found.toString('utf8') : null;
        if (found instanceof RespError) throw errorReply(link.address, found);
        if (text !== identity) throw identityFault(link.address, identity, text);
      },
    };
    this.address = link.address;
    this.runId = runId;
  }

  /** @throws EngineError `identity-lost` or `identity-mismatch` when the engine is not who it should be */
  static async open(
    { address, db, login, timeoutMs }: EnginePlaceOptions,
    identity: EngineIdentity | null,
  ): Promise<EngineReader> {
    const link = await RespLink.connect({
      ...{ address, db, login, clientName: 'salvor:census' },
      connectTimeoutMs: timeoutMs,
      commandTimeoutMs: timeoutMs,
    });
    try {
      const [found, info] = await link.request(
        new Frame().command('GET', identityKey).command('INFO', 'server'),
      );
      for (const reply of [found, info]) throwIfError(address, reply ?? null);
      const text = Buffer.isBuffer(found) ? found.toString('utf8') : null;
      if (identity !== null && text !== identityText(identity)) {
        throw identityFault(address, identityText(identity), text);
      }
      return new EngineReader(link, infoField(info, 'run_id') ?? '', text ?? '');
    } catch (error) {
      link.close();
      throw error;
    }
  }

  readonly ask: AskEngine = async (frame) => {
    const replies = await this.#link.request(frame);
    for (const reply of replies) throwIfError(this.address, reply);
    return replies;
  };

  /** The content of blocks, in their order; null = a hole. Rejects unless the engine was still the same behind them. */
  read(layout: BlockLayout, blocks: readonly number[]): Promise<(Buffer | null)[]> {
    if (blocks.length === 0) return Promise.resolve([]);
    const { blockSizeBytes } = layout;
    const into = Buffer.allocUnsafeSlow(blocks.length * blockSizeBytes);
    const part = new ReadPart(blocks, into, blockSizeBytes, null, true);
    const reads = new GatheredReads(this.#link, layout, this.#identity);
    return new Promise((resolve, reject) => {
      reads.read(part, (error) => {
        if (error !== null) return reject(error);
        const of = (i: number): Buffer => into.subarray(i * blockSizeBytes, (i + 1) * blockSizeBytes);
        resolve(blocks.map((_, i) => (part.isStored(i) ? of(i) : null)));
      });
    });
  }

  async areStored(layout: BlockLayout, blocks: readonly number[]): Promise<boolean[]> {
    const frame = new Frame();
    layout.addAskStored(frame, blocks);
    return layout.areStored(await this.ask(frame), blocks);
  }

  /** The engine's place in the write history of a vdisk. */
  async head(vdisk: string): Promise<WriteHead> {
    const [reply] = await this.ask(addReadHead(new Frame(), vdisk));
    return parseHead(reply);
  }

  close(): void {
    this.#link.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A field of INFO; undefined where the engine does not have it. */
export function infoField(info: RespValue | undefined, name: string): string | undefined {
  const text = Buffer.isBuffer(info) ? info.toString('latin1') : '';
  return new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(text)?.[1];
}
