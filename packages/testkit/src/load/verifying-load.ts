import { setTimeout as pause } from 'node:timers/promises';
import { within } from '@salvor/local-stack';
import { TestkitError } from '../errors.ts';
import { NbdClient } from '../nbd/client.ts';
import { NbdConnectionLostError, NbdTimeoutError } from '../nbd/errors.ts';
import type { NbdTarget } from '../nbd/target.ts';
import { SeededRandom } from '../seed.ts';
import { type Ack, AckWatch } from './ack-watch.ts';
import { blockContent, identifyBlock, MIN_BLOCK_BYTES } from './block-content.ts';
import { LoadModel, type LostBlock } from './load-model.ts';
import type { LoadOptions, LoadStats } from './load-options.ts';

export interface Verification {
  blocksCompared: number;
  blocksLost: number;
  /** The first `MAX_DETAILS` of them; reads during the load that were wrong count too. */
  details: LostBlock[];
}

export type ReadBack = (offset: number, length: number) => Promise<Buffer>;

const MAX_DETAILS = 100;
const READ_BACK_BYTES = 256 << 10;
const TICK_MS = 5;

/** Random writes (and reads) over NBD with an exact account of what must be there, over crashes and reconnects. */
export class VerifyingLoad {
  readonly model: LoadModel;
  readonly blockSize: number;
  readonly #options: LoadOptions;
  readonly #targets: readonly (string | NbdTarget)[];
  readonly #random: SeededRandom;
  readonly #busy = new Set<number>();
  /** Blocks with a request that timed out on this connection; they stay busy. */
  readonly #unanswered = new Set<number>();
  readonly #inFlight = new Set<Promise<void>>();
  readonly #acks = new AckWatch();
  readonly #badReads = new Map<number, LostBlock>();
  readonly #stopping = new AbortController();
  #client: NbdClient | null = null;
  #running: Promise<void> | null = null;
  #gaveUp = false;
  #wake: () => void = () => undefined;
  #stats: LoadStats = {
    writesSubmitted: 0,
    writesAcknowledged: 0,
    readsCompared: 0,
    ioErrors: 0,
    connectionsLost: 0,
    writesInDoubt: 0,
    longestWriteMs: 0,
  };

  constructor(options: LoadOptions) {
    const { targets } = options;
    this.blockSize = options.blockSize ?? 4096;
    if (this.blockSize < MIN_BLOCK_BYTES)
      throw new RangeError(`blockSize must be at least ${MIN_BLOCK_BYTES}`);
    this.#options = options;
    this.#targets = Array.isArray(targets) ? targets : [targets as string | NbdTarget];
    this.#random = new SeededRandom(options.seed);
    this.model = new LoadModel(options.firstBlock ?? 0, options.blockCount);
  }

  /** True when the load ended by itself because the server stayed away; `stop` then rejects. */
  get gaveUp(): boolean {
    return this.#gaveUp;
  }

  get stats(): LoadStats {
    return { ...this.#stats };
  }

  /** Connects and begins. Errors of the first connection reject here. */
  async start(): Promise<void> {
    this.#client = await this.#connect(this.#targets[0] ?? '');
    const running = this.#run();
    // Its error is handed out by stop(); until then it must not count as unhandled.
    running.catch(() => {
      this.#gaveUp = true;
    });
    this.#running = running;
  }

  /** Ends when all in flight is answered. Error `load-gave-up`: the server was away for too long. */
  async stop(timeoutMs = 60_000): Promise<LoadStats> {
    this.#stopping.abort();
    this.#wake();
    try {
      await within(this.#running ?? Promise.resolve(), timeoutMs, 'the last answers of the load');
    } finally {
      this.#client?.destroy();
    }
    return this.stats;
  }

  /**
   * The first acknowledged write that was submitted at or after `submittedAfter` (performance.now() milliseconds), on
   * one shard (block mod `shards`) if given. Call it before or after the fact: recent acknowledgements are kept.
   */
  firstAck(wanted: {
    submittedAfter: number;
    shard?: { index: number; shards: number };
    timeoutMs: number;
  }): Promise<Ack> {
    const { shard, timeoutMs, submittedAfter } = wanted;
    const where = shard === undefined ? '' : ` on shard ${shard.index}`;
    const first = this.#acks.first(
      (ack) =>
        ack.submittedAt >= submittedAfter &&
        (shard === undefined || ack.block % shard.shards === shard.index),
    );
    return within(first.ack, timeoutMs, `a newly submitted write${where} to be acknowledged`).finally(
      first.forget,
    );
  }

  /** Compares every block of the region with the model. Call it after `stop`, on whatever way of reading. */
  async verify(readBack: ReadBack): Promise<Verification> {
    const { firstBlock, blockCount } = this.model;
    const lost = new Map(this.#badReads);
    const step = Math.max(1, Math.floor(READ_BACK_BYTES / this.blockSize));
    for (let block = firstBlock; block < firstBlock + blockCount; block += step) {
      const count = Math.min(step, firstBlock + blockCount - block);
      const bytes = await readBack(block * this.blockSize, count * this.blockSize);
      for (let index = 0; index < count; index++) {
        const one = bytes.subarray(index * this.blockSize, (index + 1) * this.blockSize);
        const bad = this.#judge(block + index, one);
        if (bad !== null && !lost.has(block + index)) lost.set(block + index, bad);
      }
    }
    return {
      blocksCompared: blockCount,
      blocksLost: lost.size,
      details: [...lost.values()].slice(0, MAX_DETAILS),
    };
  }

  /** `verify` over a fresh NBD connection. */
  async verifyOverNbd(target: string | NbdTarget = this.#targets[0] ?? ''): Promise<Verification> {
    await using client = await NbdClient.connect(target);
    return await this.verify((offset, length) => client.read(offset, length));
  }

  async #run(): Promise<void> {
    const { queueDepth = 16, requestsPerSecond = Number.POSITIVE_INFINITY } = this.#options;
    const startedAt = performance.now();
    let sent = 0;
    while (!this.#stopping.signal.aborted) {
      if (this.#client === null || this.#client.lost !== null) {
        await this.#reconnect();
        continue;
      }
      const depth = Math.min(queueDepth, this.model.blockCount - this.#unanswered.size);
      const allowed = ((performance.now() - startedAt) / 1_000) * requestsPerSecond + 1;
      if (this.#inFlight.size < depth && sent < allowed) {
        sent++;
        this.#send(this.#client);
      } else {
        await this.#nextChange(sent >= allowed);
      }
    }
    await Promise.all(this.#inFlight);
  }

  /** Until an answer comes; when only the rate holds us back, until the next tick. */
  #nextChange(rateLimited: boolean): Promise<void> {
    return new Promise((resolve) => {
      const timer = rateLimited ? setTimeout(resolve, TICK_MS) : undefined;
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #send(client: NbdClient): void {
    const block = this.#pickBlock();
    const reads = this.#random.fraction() < (this.#options.readShare ?? 0);
    this.#busy.add(block);
    const request = (reads ? this.#read(client, block) : this.#write(client, block))
      .catch((error: unknown) => this.#note(block, error))
      .finally(() => {
        if (!this.#unanswered.has(block)) this.#busy.delete(block);
        this.#inFlight.delete(request);
        this.#wake();
      });
    this.#inFlight.add(request);
  }

  #pickBlock(): number {
    for (;;) {
      const block = this.model.firstBlock + this.#random.below(this.model.blockCount);
      if (!this.#busy.has(block)) return block;
    }
  }

  async #write(client: NbdClient, block: number): Promise<void> {
    const version = this.model.submit(block);
    const bytes = blockContent(this.#options.seed, block, version, this.blockSize);
    const fua = this.#random.fraction() < (this.#options.fuaShare ?? 0);
    this.#stats.writesSubmitted++;
    const submittedAt = performance.now();
    try {
      await client.write(block * this.blockSize, bytes, { fua });
    } catch (error) {
      if (error instanceof NbdConnectionLostError) this.#stats.writesInDoubt++;
      throw error;
    }
    const ackedAt = performance.now();
    this.model.acknowledge(block, version);
    this.#stats.writesAcknowledged++;
    this.#stats.longestWriteMs = Math.max(this.#stats.longestWriteMs, ackedAt - submittedAt);
    this.#acks.add({ block, submittedAt, ackedAt });
    this.#options.onAck?.(block, submittedAt, ackedAt);
  }

  async #read(client: NbdClient, block: number): Promise<void> {
    const bytes = await client.read(block * this.blockSize, this.blockSize);
    this.#stats.readsCompared++;
    const bad = this.#judge(block, bytes);
    if (bad !== null && this.#badReads.size < MAX_DETAILS) this.#badReads.set(block, bad);
  }

  #judge(block: number, bytes: Buffer): LostBlock | null {
    return this.model.judge(block, identifyBlock(bytes, this.#options.seed, block));
  }

  #note(block: number, error: unknown): void {
    if (error instanceof NbdConnectionLostError) return;
    // Still at work in the server, which may order it after a later write of the same block: leave that block alone.
    if (error instanceof NbdTimeoutError) this.#unanswered.add(block);
    this.#stats.ioErrors++;
    this.#options.onIoError?.(block, error instanceof Error ? error : new Error(String(error)));
  }

  async #reconnect(): Promise<void> {
    const { reconnectDelayMs = 50, reconnectTimeoutMs = 60_000, onConnectionLost } = this.#options;
    this.#stats.connectionsLost++;
    if (this.#client?.lost) onConnectionLost?.(this.#client.lost);
    const endsAt = performance.now() + reconnectTimeoutMs;
    for (let tries = 0; !this.#stopping.signal.aborted; tries++) {
      try {
        this.#client = await this.#connect(this.#targets[tries % this.#targets.length] ?? '');
        for (const block of this.#unanswered) this.#busy.delete(block);
        this.#unanswered.clear();
        return;
      } catch (error) {
        if (performance.now() > endsAt) {
          const text = `the load could not reconnect within ${reconnectTimeoutMs} ms; last: ${String(error)}`;
          throw new TestkitError('load-gave-up', text, { cause: error });
        }
      }
      await pause(reconnectDelayMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
  }

  #connect(target: string | NbdTarget): Promise<NbdClient> {
    return NbdClient.connect(target, {
      connectTimeoutMs: 2_000,
      requestTimeoutMs: this.#options.requestTimeoutMs ?? 30_000,
    });
  }
}
