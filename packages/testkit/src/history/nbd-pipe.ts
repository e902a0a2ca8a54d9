import type { Socket } from 'node:net';
import { withHandshake } from '../nbd/client.ts';
import {
  command,
  commandFlag,
  REPLY_HEADER_BYTES,
  REQUEST_HEADER_BYTES,
  REQUEST_MAGIC,
  SIMPLE_REPLY_MAGIC,
} from '../nbd/protocol.ts';
import type { NbdTarget } from '../nbd/target.ts';
import { SECTOR_BYTES } from './block-history.ts';
import type { RecordedRead, RecordedWrite } from './history-recorder.ts';
import { SectorBytes } from './sector-values.ts';

/** The largest request of a history. */
export const MAX_SECTORS = 256;

export type RequestKind = 'read' | 'write' | 'zero' | 'trim' | 'flush';

/** A request with what it writes; used again when it was answered. */
export class RequestSlot {
  readonly data = new SectorBytes(REQUEST_HEADER_BYTES, MAX_SECTORS);
  kind: RequestKind = 'flush';
  firstSector = 0;
  sectors = 0;
  fua = false;
  read: RecordedRead | null = null;
  write: RecordedWrite | null = null;
  flushSentAt = 0;
  busy = false;
  sentAtMs = 0;
}

export interface PipeEvents {
  /** The reply is in; the bytes of a READ are `data` until this returns. `errno` 0 is success. */
  answered(slot: RequestSlot, errno: number, data: SectorBytes): void;
  /** All replies of one chunk were handed out: the time to send more. */
  drained(): void;
  /** Never after `destroy`. */
  lost(reason: string): void;
}

/** The transmission phase of one NBD connection, with as little work per request as possible: no promise, no new buffer. */
export class NbdPipe {
  readonly #socket: Socket;
  readonly #events: PipeEvents;
  readonly #slots: RequestSlot[] = [];
  readonly #free: number[] = [];
  readonly #header = Buffer.alloc(REPLY_HEADER_BYTES);
  #headerFilled = 0;
  readonly #data = new SectorBytes(0, MAX_SECTORS);
  #receiving: RequestSlot | null = null;
  #receivingIndex = 0;
  #filled = 0;
  #ended = false;

  private constructor(socket: Socket, events: PipeEvents, slots: RequestSlot[]) {
    this.#socket = socket;
    this.#events = events;
    for (const slot of slots) this.#free.push(this.#slots.push(slot) - 1);
    socket.on('data', (chunk) => this.#take(chunk));
    socket.once('error', (error) => this.#lose(error.message));
    socket.once('close', () => this.#lose('closed by the server'));
  }

  /** Errors: as of a connection and a handshake. `slots` belong to the pipe until {@link takeSlots}. */
  static async open(
    target: NbdTarget,
    connectTimeoutMs: number,
    slots: RequestSlot[],
    events: PipeEvents,
  ): Promise<NbdPipe> {
    return withHandshake(target, { connectTimeoutMs }, async (handshake, socket, source) => {
      await handshake.go(target.exportName);
      socket.removeAllListeners('error');
      socket.removeAllListeners('close');
      source.end(new Error('transmission has begun'));
      return new NbdPipe(socket, events, slots);
    });
  }

  get outstanding(): number {
    return this.#slots.length - this.#free.length;
  }

  /** When the oldest request that waits was sent, in `performance.now()` milliseconds; null when none waits. */
  get oldestSentAtMs(): number | null {
    let oldest: number | null = null;
    for (const slot of this.#slots) {
      if (slot.busy && (oldest === null || slot.sentAtMs < oldest)) oldest = slot.sentAtMs;
    }
    return oldest;
  }

  get waiting(): RequestSlot[] {
    return this.#slots.filter((slot) => slot.busy);
  }

  /** Null when all are under way. */
  freeSlot(): RequestSlot | null {
    const index = this.#free[this.#free.length - 1];
    return index === undefined ? null : (this.#slots[index] ?? null);
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  /** Sends the slot that {@link freeSlot} gave, as it is filled in. */
  send(slot: RequestSlot, nowMs: number): void {
    const index = this.#free.pop();
    if (index === undefined || this.#slots[index] !== slot)
      throw new Error('send the slot that is free next');
    slot.busy = true;
    slot.sentAtMs = nowMs;
    const { bytes } = slot.data;
    bytes.writeUInt32BE(REQUEST_MAGIC, 0);
    bytes.writeUInt16BE(slot.fua ? commandFlag.fua : 0, 4);
    bytes.writeUInt16BE(slot.kind === 'zero' ? command.writeZeroes : command[slot.kind], 6);
    bytes.writeUInt32BE(0, 8);
    bytes.writeUInt32BE(index, 12);
    const offset = slot.firstSector * SECTOR_BYTES;
    bytes.writeUInt32BE(Math.floor(offset / 0x1_0000_0000), 16);
    bytes.writeUInt32BE(offset >>> 0, 20);
    bytes.writeUInt32BE(slot.sectors * SECTOR_BYTES, 24);
    // The bytes stay as they are until the answer comes, and the server answers after it has read all of them.
    const end = REQUEST_HEADER_BYTES + (slot.kind === 'write' ? slot.sectors * SECTOR_BYTES : 0);
    this.#socket.write(bytes.subarray(0, end));
  }

  destroy(): void {
    this.#ended = true;
    this.#socket.removeAllListeners('data');
    this.#socket.on('error', () => undefined);
    this.#socket.destroy();
  }

  /** The slots, for another pipe to use; only when this one has ended. */
  takeSlots(): RequestSlot[] {
    for (const slot of this.#slots) {
      slot.busy = false;
      slot.read = null;
      slot.write = null;
    }
    return this.#slots.splice(0);
  }

  #take(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.#ended) {
      const slot = this.#receiving;
      if (slot !== null) {
        const end = slot.sectors * SECTOR_BYTES;
        const copied = chunk.copy(this.#data.bytes, this.#filled, at, at + end - this.#filled);
        at += copied;
        this.#filled += copied;
        if (this.#filled === end) this.#finish(slot, 0);
        continue;
      }
      const copied = chunk.copy(
        this.#header,
        this.#headerFilled,
        at,
        at + REPLY_HEADER_BYTES - this.#headerFilled,
      );
      at += copied;
      this.#headerFilled += copied;
      if (this.#headerFilled < REPLY_HEADER_BYTES) break;
      this.#headerFilled = 0;
      this.#begin();
    }
    if (!this.#ended) this.#events.drained();
  }

  #begin(): void {
    const header = this.#header;
    const index = header.readUInt32BE(12);
    const slot = this.#slots[index];
    if (header.readUInt32BE(0) !== SIMPLE_REPLY_MAGIC || slot === undefined || !slot.busy) {
      return this.#lose(`expected a simple reply to a request, found ${header.toString('hex')}`);
    }
    this.#receivingIndex = index;
    const errno = header.readUInt32BE(4);
    if (errno !== 0 || slot.kind !== 'read') return this.#finish(slot, errno);
    this.#receiving = slot;
    this.#filled = 0;
  }

  #finish(slot: RequestSlot, errno: number): void {
    this.#receiving = null;
    slot.busy = false;
    this.#events.answered(slot, errno, this.#data);
    slot.read = null;
    slot.write = null;
    this.#free.push(this.#receivingIndex);
  }

  #lose(reason: string): void {
    if (this.#ended) return;
    this.destroy();
    this.#events.lost(reason);
  }
}
