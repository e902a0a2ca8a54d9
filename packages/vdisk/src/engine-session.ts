import { identityFault } from './engine-control.ts';
import { type EngineIdentity, epochKey, identityKey, identityText, writesKey } from './engine-keys.ts';
import type { EngineError } from './errors.ts';
import { checkEpoch, FencedLane } from './fenced-lane.ts';
import { type EpochQuestion, GatheredReads, type PartRead } from './gathered-reads.ts';
import type { BlockLayout } from './layout/block-layout.ts';
import { ReadPart } from './read-part.ts';
import { Frame, type RespValue } from './resp.ts';
import { type LinkOptions, RespLink, throwIfError } from './resp-link.ts';
import { HEAD_FIELDS, parseHead, type WriteHead } from './write-history.ts';

export interface SessionOptions {
  readonly identity: EngineIdentity;
  readonly vdisk: string;
  /** Decimal epoch of the owner. */
  readonly epoch: string;
  readonly layout: BlockLayout;
  readonly link: Omit<LinkOptions, 'clientName'>;
}

/**
 * Reads who the engine is, its epoch, and the head, in one step; and, where both are right, sets the epoch to what it is: a
 * transaction of an earlier link of ours, which its host may still deliver after the link was given up, is aborted by that.
 * So what the head shows is all that comes from earlier links.
 */
const VERIFY = `
local identity, epoch = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
if identity == ARGV[1] and epoch == ARGV[2] then redis.call('SET', KEYS[2], ARGV[2]) end
return {identity, epoch, redis.call('HMGET', KEYS[3], unpack(ARGV, 3))}`;

/** Blocks asked about in one go; reads that come meanwhile are served in between. */
const STORED_RUN = 1024;

/**
 * Verified links of one owner to one engine for one vdisk: one for reads, one fenced lane for writes.
 * Identity and epoch were checked after connecting, before first use; `head` is what the engine said then.
 */
export class EngineSession {
  static #openCount = 0;
  readonly address: string;
  /** The engine's place in the write history; the pair keeps it current as batches are applied. */
  head: WriteHead;
  /** Called once when a link breaks. */
  onBroken: (error: EngineError) => void = () => {};
  readonly #reader: RespLink;
  readonly #writer: RespLink;
  readonly #lane: FencedLane;
  readonly #options: SessionOptions;
  readonly #reads: GatheredReads;
  #closed = false;
  #isBroken = false;

  private constructor(options: SessionOptions, reader: RespLink, writer: RespLink, head: WriteHead) {
    this.#options = options;
    this.address = options.link.address;
    this.#reader = reader;
    this.#writer = writer;
    this.#lane = new FencedLane(writer, options.vdisk, options.epoch);
    this.#reads = new GatheredReads(reader, options.layout, epochQuestion(options));
    this.head = head;
    EngineSession.#openCount++;
    for (const link of [reader, writer]) link.onClose = (error) => this.#break(error);
  }

  /** Sessions that are open in this process, of all vdisks. */
  static get openCount(): number {
    return EngineSession.#openCount;
  }

  /** Connects and checks. Rejects with EngineError or FencedError. */
  static async open(options: SessionOptions): Promise<EngineSession> {
    const clientName = `salvor:owner:${options.vdisk}:${options.epoch}`;
    const links = await Promise.allSettled([
      RespLink.connect({ ...options.link, clientName }),
      RespLink.connect({ ...options.link, clientName }),
    ]);
    const [reader, writer] = links.map((result) => (result.status === 'fulfilled' ? result.value : null));
    try {
      for (const result of links) if (result.status === 'rejected') throw result.reason;
      if (!reader || !writer) throw new Error('unreachable');
      const head = await verify(reader, options);
      return new EngineSession(options, reader, writer, head);
    } catch (error) {
      reader?.close();
      writer?.close();
      throw error;
    }
  }

  get broken(): boolean {
    return this.#closed;
  }

  /** Requests sent so far over both links. */
  get requests(): number {
    return this.#reader.begun + this.#writer.begun;
  }

  /** Whether the engine owes replies. */
  get isWaiting(): boolean {
    return this.#reader.isWaiting || this.#writer.isWaiting;
  }

  /** Raw blocks, null where the engine stores none (zeros). Rejects unless the epoch was still ours behind the reads. */
  readBlocks(blocks: readonly number[]): Promise<(Buffer | null)[]> {
    const { blockSizeBytes } = this.#options.layout;
    const into = Buffer.allocUnsafeSlow(blocks.length * blockSizeBytes);
    const part = new ReadPart(blocks, into, blockSizeBytes, null, true);
    return new Promise((resolve, reject) => {
      this.readPart(part, (error) => {
        if (error !== null) return reject(error);
        resolve(
          blocks.map((_, i) =>
            part.isStored(i) ? into.subarray(i * blockSizeBytes, (i + 1) * blockSizeBytes) : null,
          ),
        );
      });
    });
  }

  /** Puts blocks where the part wants them; `told` gets null, or what {@link readBlocks} rejects with. */
  readPart(part: ReadPart, told: PartRead): void {
    if (part.blocks.length === 0) return told(null);
    this.#reads.read(part, told);
  }

  /** Which of the blocks the engine stores. Rejects like {@link readBlocks}. */
  async storedBlocks(blocks: readonly number[]): Promise<boolean[]> {
    const { layout } = this.#options;
    const stored: boolean[] = [];
    for (let from = 0; from < blocks.length; from += STORED_RUN) {
      const part = blocks.slice(from, from + STORED_RUN);
      const frame = new Frame();
      layout.addAskStored(frame, part);
      for (const answer of layout.areStored(await this.request(frame), part)) stored.push(answer);
    }
    return stored;
  }

  /** Every block that the engine stores; null when there are more than `most`. Rejects like {@link readBlocks}. */
  storedAtMost(most: number, bits: number): Promise<number[] | null> {
    return this.#options.layout.listStored((frame) => this.request(frame), most, bits);
  }

  /** Sends reading commands and answers only when the epoch, read behind them, is ours. Error replies reject. */
  async request(frame: Frame): Promise<RespValue[]> {
    const { vdisk, epoch } = this.#options;
    const replies = await this.#reader.request(frame.command('GET', epochKey(vdisk)));
    const found = replies.pop() ?? null;
    for (const reply of replies) throwIfError(this.address, reply);
    checkEpoch(this.address, vdisk, epoch, found);
    return replies;
  }

  /** The lane for writes. */
  get lane(): FencedLane {
    return this.#lane;
  }

  /** One fenced transaction. */
  transact(commands: Frame): Promise<void> {
    return this.#lane.transact(commands);
  }

  close(): void {
    if (!this.#closed) EngineSession.#openCount--;
    this.#closed = true;
    this.#reader.close();
    this.#writer.close();
  }

  #break(error: EngineError): void {
    if (this.#closed || this.#isBroken) return;
    this.#isBroken = true;
    // First the owner of the session: those who wait on the other link ask it what to do next.
    this.onBroken(error);
    this.close();
  }
}

async function verify(link: RespLink, { identity, vdisk, epoch }: SessionOptions): Promise<WriteHead> {
  const wanted = identityText(identity);
  const keys = [identityKey, epochKey(vdisk), writesKey(vdisk)];
  const frame = new Frame().command('EVAL', VERIFY, keys.length, ...keys, wanted, epoch, ...HEAD_FIELDS);
  const [reply] = await link.request(frame);
  throwIfError(link.address, reply ?? null);
  const [found, foundEpoch, head] = Array.isArray(reply) ? reply : [];
  const text = Buffer.isBuffer(found) ? found.toString('utf8') : null;
  if (text !== wanted) throw identityFault(link.address, wanted, text);
  checkEpoch(link.address, vdisk, epoch, foundEpoch ?? null);
  return parseHead(head);
}

function epochQuestion({ vdisk, epoch, link: { address } }: SessionOptions): EpochQuestion {
  return {
    address,
    command: Buffer.concat([...new Frame().command('GET', epochKey(vdisk)).end()]),
    expected: Buffer.from(epoch, 'latin1'),
    check: (found) => checkEpoch(address, vdisk, epoch, found),
  };
}
