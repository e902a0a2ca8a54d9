import type { Socket } from 'node:net';
import type { ReplyForm } from './replies.ts';
import type { Request } from './requests.ts';
import { type Slab, type SlabPool, smallSlabBytes } from './slabs.ts';
import { flushAfterTurn } from './turn.ts';

/** Data up to this size is copied behind its head, which is cheaper than one more piece in the system call. */
const maxCopiedBytes = 16 * 1024;

/** What is sent for a READ of which nothing is stored, as often as it takes. */
const zeroes = Buffer.alloc(1024 * 1024);

interface Batch {
  pieces: Buffer[];
  slabs: Slab[];
  /** Buffers of the device, to be given back. */
  borrowed: Buffer[];
  replies: number;
  heldBytes: number;
}

export interface ReplyQueueOwner {
  /** The kernel took these replies, or the connection is gone; `heldBytes` are what was said of them when they were queued. */
  sent(replies: number, heldBytes: number): void;
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

  done(to: Request): void {
    const slab = this.#slabFor(this.#form.maxHeadBytes);
    this.#fillAt += this.#form.putDone(slab.bytes, this.#fillAt, to);
    this.#added(0);
  }

  error(to: Request, errorNumber: number, message: string): void {
    const slab = this.#slabFor(this.#form.maxErrorBytes);
    this.#fillAt += this.#form.putError(slab.bytes, this.#fillAt, to, errorNumber, message);
    this.#added(0);
  }

  /** The data of a READ, given back to the device once it is sent. */
  data(to: Request, data: Buffer): void {
    const copied = data.length <= maxCopiedBytes;
    const slab = this.#slabFor(this.#form.maxHeadBytes + (copied ? data.length : 0));
    this.#fillAt += this.#form.putDataHead(slab.bytes, this.#fillAt, to, data.length);
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

  /** A READ of which nothing is stored; it holds `to.lengthBytes` until it is sent, whatever is sent for it. */
  hole(to: Request): void {
    const { putHole } = this.#form;
    if (putHole === undefined) this.#zeroes(to);
    else {
      const slab = this.#slabFor(this.#form.maxHeadBytes);
      this.#fillAt += putHole(slab.bytes, this.#fillAt, to);
    }
    this.#added(to.lengthBytes);
  }

  /** The payload of a BLOCK_STATUS, for which `heldBytes` are held until it is sent. */
  status(to: Request, payload: Buffer, heldBytes: number): void {
    const slab = this.#slabFor(this.#form.maxHeadBytes + payload.length);
    this.#fillAt += this.#form.putDataHead(slab.bytes, this.#fillAt, to, payload.length);
    this.#fillAt += payload.copy(slab.bytes, this.#fillAt);
    this.#added(heldBytes);
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

  #zeroes(to: Request): void {
    const copied = to.lengthBytes <= maxCopiedBytes;
    const slab = this.#slabFor(this.#form.maxHeadBytes + (copied ? to.lengthBytes : 0));
    this.#fillAt += this.#form.putDataHead(slab.bytes, this.#fillAt, to, to.lengthBytes);
    if (copied) {
      slab.bytes.fill(0, this.#fillAt, this.#fillAt + to.lengthBytes);
      this.#fillAt += to.lengthBytes;
      return;
    }
    this.#cut();
    for (let left = to.lengthBytes; left > 0; left -= zeroes.length) {
      this.#batch.pieces.push(zeroes.subarray(0, Math.min(left, zeroes.length)));
    }
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
    if (batch.replies > 0) this.#owner.sent(batch.replies, batch.heldBytes);
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

  #added(heldBytes: number): void {
    this.#batch.replies += 1;
    this.#batch.heldBytes += heldBytes;
    if (this.#sendingSinceMs === undefined) this.#askFlush();
  }

  #askFlush(): void {
    if (this.#flushAsked) return;
    this.#flushAsked = true;
    flushAfterTurn(this);
  }
}

function emptyBatch(): Batch {
  return { pieces: [], slabs: [], borrowed: [], replies: 0, heldBytes: 0 };
}
