import type { Socket } from 'node:net';
import type { Cookie, ReplyForm } from './replies.ts';
import type { Request } from './requests.ts';
import { type Slab, type SlabPool, smallSlabBytes } from './slabs.ts';
import { flushAfterTurn } from './turn.ts';

/** Data up to this size is copied behind its head, which is cheaper than one more piece in the system call. */
const maxCopiedBytes = 16 * 1024;

interface Batch {
  pieces: Buffer[];
  slabs: Slab[];
  /** Buffers of the device, to be given back. */
  borrowed: Buffer[];
  replies: number;
  dataBytes: number;
}

export interface ReplyQueueOwner {
  /** The kernel took these replies, or the connection is gone. */
  sent(replies: number, dataBytes: number): void;
  recycle(data: Buffer): void;
}

/**
 * Gathers the replies of one connection and sends those of a turn with one system call. At most one batch is with the
 * socket, so a client that reads slowly makes replies wait here, where the bounds of the connection count them.
 */
export class ReplyQueue {
  readonly #socket: Socket;
  readonly #pool: SlabPool;
  readonly #form: ReplyForm;
  readonly #owner: ReplyQueueOwner;
  #batch = emptyBatch();
  #slab: Slab | undefined;
  #cutAt = 0;
  #fillAt = 0;
  #flushAsked = false;
  #sendingSinceMs: number | undefined;

  constructor(socket: Socket, pool: SlabPool, form: ReplyForm, owner: ReplyQueueOwner) {
    this.#socket = socket;
    this.#pool = pool;
    this.#form = form;
    this.#owner = owner;
  }

  get isEmpty(): boolean {
    return this.#batch.replies === 0 && this.#sendingSinceMs === undefined;
  }

  /** When the batch that the kernel has not taken yet was handed over (`performance.now()`), if there is one. */
  get sendingSinceMs(): number | undefined {
    return this.#sendingSinceMs;
  }

  done(to: Cookie): void {
    const slab = this.#slabFor(this.#form.maxHeadBytes);
    this.#fillAt += this.#form.putDone(slab.bytes, this.#fillAt, to);
    this.#added(0);
  }

  error(to: Cookie, errorNumber: number): void {
    const slab = this.#slabFor(this.#form.maxHeadBytes);
    this.#fillAt += this.#form.putError(slab.bytes, this.#fillAt, to, errorNumber);
    this.#added(0);
  }

  data(to: Request, data: Buffer): void {
    const copied = data.length <= maxCopiedBytes;
    const slab = this.#slabFor(this.#form.maxHeadBytes + (copied ? data.length : 0));
    this.#fillAt += this.#form.putDataHead(slab.bytes, this.#fillAt, to);
    if (copied) {
      this.#fillAt += data.copy(slab.bytes, this.#fillAt);
      this.#owner.recycle(data);
    } else {
      this.#cut();
      this.#batch.pieces.push(data);
      this.#batch.borrowed.push(data);
    }
    this.#added(data.length);
  }

  flush(): void {
    this.#flushAsked = false;
    if (this.#sendingSinceMs !== undefined || this.#batch.replies === 0) return;
    const batch = this.#takeBatch();
    this.#sendingSinceMs = performance.now();
    this.#send(batch.pieces, () => {
      this.#sendingSinceMs = undefined;
      if (this.#batch.replies > 0) this.#askFlush();
      this.#settle(batch);
    });
  }

  /** The socket is gone: drops what was never handed to it. */
  abandon(): void {
    this.#settle(this.#takeBatch());
  }

  #send(pieces: readonly Buffer[], sent: () => void): void {
    const last = pieces.length - 1;
    if (last > 0) this.#socket.cork();
    pieces.forEach((piece, i) => {
      if (i === last) this.#socket.write(piece, sent);
      else this.#socket.write(piece);
    });
    if (last > 0) this.#socket.uncork();
  }

  #settle(batch: Batch): void {
    for (const slab of batch.slabs) this.#pool.release(slab);
    for (const data of batch.borrowed) this.#owner.recycle(data);
    if (batch.replies > 0) this.#owner.sent(batch.replies, batch.dataBytes);
  }

  #takeBatch(): Batch {
    this.#cut();
    const batch = this.#batch;
    this.#batch = emptyBatch();
    this.#slab = undefined;
    return batch;
  }

  #slabFor(bytes: number): Slab {
    if (this.#slab !== undefined && this.#slab.bytes.length - this.#fillAt >= bytes) return this.#slab;
    this.#cut();
    const slab = this.#pool.take(smallSlabBytes);
    this.#batch.slabs.push(slab);
    this.#slab = slab;
    this.#cutAt = this.#fillAt = 0;
    return slab;
  }

  /** Ends the piece that was being filled. */
  #cut(): void {
    if (this.#slab !== undefined && this.#fillAt > this.#cutAt) {
      this.#batch.pieces.push(this.#slab.bytes.subarray(this.#cutAt, this.#fillAt));
      this.#cutAt = this.#fillAt;
    }
  }

  #added(dataBytes: number): void {
    this.#batch.replies += 1;
    this.#batch.dataBytes += dataBytes;
    if (this.#sendingSinceMs === undefined) this.#askFlush();
  }

  #askFlush(): void {
    if (this.#flushAsked) return;
    this.#flushAsked = true;
    flushAfterTurn(this);
  }
}

function emptyBatch(): Batch {
  return { pieces: [], slabs: [], borrowed: [], replies: 0, dataBytes: 0 };
}
