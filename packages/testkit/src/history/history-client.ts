import { TestkitError } from '../errors.ts';
import { DAMAGED, SECTORS_PER_BLOCK } from './block-history.ts';
import type { HistoryLoad } from './history-load.ts';
import { MAX_SECTORS, NbdPipe, RequestSlot } from './nbd-pipe.ts';
import type { SectorBytes } from './sector-values.ts';

const CONNECT_TIMEOUT_MS = 4_000;
const RECONNECT_DELAY_MS = 100;
/** Where requests are refused at once, asking on and on would be all that happens. */
const REFUSED_PAUSE_MS = 20;
/** No server for so long means that the run is over. */
const AWAY_MAX_MS = 90_000;
/** How long a connection that was left behind is kept, and how many requests wait on it at most. */
const LATE_KEPT_MS = 30_000;
const LATE_DEPTH = 4;

interface Connection {
  readonly pipe: NbdPipe;
  readonly server: string;
  /** Tick at which it was begun. */
  readonly connectedAt: number;
  /** Left behind at this time, in milliseconds; null while it is in use. */
  leftAtMs: number | null;
}

/** A client that keeps requests under way on one device, and moves on when its server is lost or silent. */
export class HistoryClient {
  readonly #load: HistoryLoad;
  readonly #device: number;
  readonly #id: number;
  readonly #values = new Int32Array(MAX_SECTORS);
  #connection: Connection | null = null;
  readonly #left = new Set<Connection>();
  #server = 0;
  #awaySinceMs = 0;
  /** Since when it waits for a good answer; null while it has nothing to ask. */
  #waitsSinceMs: number | null = null;
  #closed = false;
  #pausing = false;
  #sweep: { todo: BlockRun[]; answered: number } | null = null;

  constructor(load: HistoryLoad, device: number, id: number) {
    this.#load = load;
    this.#device = device;
    this.#id = id;
    // So that every server has a device to serve.
    this.#server = device;
  }

  start(): void {
    this.#awaySinceMs = performance.now();
    this.#connect();
  }

  close(): void {
    this.#closed = true;
    this.#connection?.pipe.destroy();
    this.#connection = null;
    for (const { pipe } of this.#left) pipe.destroy();
    this.#left.clear();
  }

  /** Looks after requests that nobody answers. */
  watch(nowMs: number): void {
    const connection = this.#connection;
    const { impatientAfterMs } = this.#load.options;
    if (connection !== null) {
      const oldest = connection.pipe.oldestSentAtMs;
      if (oldest !== null && nowMs - oldest > impatientAfterMs) this.#leave(connection, nowMs);
      // What was not due when the last answer came may be now.
      else this.#pump(connection);
    }
    for (const left of this.#left) {
      if (nowMs - (left.leftAtMs ?? nowMs) > LATE_KEPT_MS) this.#end(left);
      else this.#askLate(left, nowMs);
    }
  }

  /** Reads the given blocks, each run of neighbours in few requests, until all are answered with data. */
  async readAll(
    blocks: readonly number[],
    endsAtMs: number,
    wait: (ms: number) => Promise<void>,
  ): Promise<void> {
    const runs = toRuns(blocks);
    this.#sweep = { todo: [...runs], answered: 0 };
    this.start();
    while (this.#sweep.answered < runs.length) {
      if (performance.now() > endsAtMs) {
        const what = `${this.#sweep.answered} of ${runs.length} reads of the last sweep were answered in time`;
        throw new TestkitError('history-sweep', what);
      }
      await wait(5);
      const connection = this.#connection;
      if (connection !== null) this.#pump(connection);
    }
  }

  #connect(): void {
    if (this.#closed) return;
    const load = this.#load;
    const { server, target } = load.target(this.#device, this.#server);
    const connectedAt = load.recorder.tick();
    const room = load.options.depth + LATE_DEPTH;
    const slots = Array.from({ length: room }, () => spareSlots.pop() ?? new RequestSlot());
    let connection: Connection | null = null;
    const opening = NbdPipe.open(target, CONNECT_TIMEOUT_MS, slots, {
      answered: (slot, errno, data) => connection !== null && this.#answered(connection, slot, errno, data),
      drained: () => connection !== null && this.#pump(connection),
      lost: () => connection !== null && this.#lost(connection),
    });
    opening.then(
      (pipe) => {
        if (this.#closed) return pipe.destroy();
        connection = { pipe, server: server.name, connectedAt, leftAtMs: null };
        load.progress.connections++;
        this.#connection = connection;
        this.#pump(connection);
      },
      (error: unknown) => {
        spareSlots.push(...slots);
        this.#server++;
        if (performance.now() - this.#awaySinceMs > AWAY_MAX_MS) {
          const what = `client ${this.#id} found no server for ${AWAY_MAX_MS} ms; last: ${String(error)}`;
          return load.fail(new TestkitError('history-load-gave-up', what, { cause: error }));
        }
        setTimeout(() => this.#connect(), RECONNECT_DELAY_MS);
      },
    );
  }

  #pump(connection: Connection): void {
    if (connection.leftAtMs !== null || this.#closed || this.#pausing) return;
    const { pipe } = connection;
    const { depth } = this.#load.options;
    const nowMs = performance.now();
    pipe.cork();
    for (let slot = pipe.freeSlot(); slot !== null && pipe.outstanding < depth; slot = pipe.freeSlot()) {
      if (!this.#fill(slot)) break;
      this.#send(connection, slot, nowMs);
    }
    pipe.uncork();
  }

  /** False when there is nothing more to ask. */
  #fill(slot: RequestSlot): boolean {
    if (this.#sweep === null) {
      if (!this.#load.mayRequest() || !this.#load.isDue()) return false;
      this.#load.mix.fill(slot);
      this.#load.requested();
      return true;
    }
    const run = this.#sweep.todo.pop();
    if (run === undefined) return false;
    slot.kind = 'read';
    slot.fua = false;
    slot.firstSector = run.first * SECTORS_PER_BLOCK;
    slot.sectors = run.count * SECTORS_PER_BLOCK;
    return true;
  }

  #send(connection: Connection, slot: RequestSlot, nowMs: number): void {
    const { recorder } = this.#load;
    const { firstSector, sectors } = slot;
    switch (slot.kind) {
      case 'read':
        slot.read = recorder.readSent(this.#device, this.#id, firstSector, sectors);
        break;
      case 'flush':
        slot.flushSentAt = recorder.flushSent();
        break;
      case 'write': {
        const write = recorder.writeSent(this.#device, this.#id, firstSector, sectors, false);
        slot.data.set(write.value, this.#place(firstSector), sectors);
        slot.write = write;
        break;
      }
      case 'zero':
      case 'trim':
        slot.write = recorder.writeSent(this.#device, this.#id, firstSector, sectors, true);
        break;
    }
    if (connection.leftAtMs === null) this.#waitsSinceMs ??= nowMs;
    connection.pipe.send(slot, nowMs);
  }

  /** A stall begins with the first request without a good answer, and goes on from server to server. */
  #heard(connection: Connection): void {
    if (this.#waitsSinceMs === null) return;
    const { progress } = this.#load;
    const nowMs = performance.now();
    progress.longestStallMs = Math.max(progress.longestStallMs, Math.round(nowMs - this.#waitsSinceMs));
    this.#waitsSinceMs = connection.pipe.outstanding > 0 ? nowMs : null;
  }

  #answered(connection: Connection, slot: RequestSlot, errno: number, data: SectorBytes): void {
    const { recorder, progress } = this.#load;
    const late = connection.leftAtMs !== null;
    if (late) progress.lateAnswers++;
    if (errno !== 0) {
      progress.errors[errno] = (progress.errors[errno] ?? 0) + 1;
      if (slot.read !== null) recorder.readForgotten(slot.read);
      if (slot.write !== null && !late) recorder.writeFailed(slot.write);
    } else {
      this.#succeeded(connection, slot, data);
    }
    if (late) return;
    if (errno === 0) {
      this.#heard(connection);
      return this.#count(slot);
    }
    this.#again(slot);
    this.#pause();
  }

  #pause(): void {
    if (this.#pausing) return;
    this.#pausing = true;
    setTimeout(() => {
      this.#pausing = false;
      if (this.#connection !== null) this.#pump(this.#connection);
    }, REFUSED_PAUSE_MS);
  }

  /** A sweep asks again for what was refused; else the refusal is the end of the request. */
  #again(slot: RequestSlot): void {
    if (this.#sweep === null) this.#count(slot);
    else this.#sweep.todo.push(toRun(slot));
  }

  #succeeded(connection: Connection, slot: RequestSlot, data: SectorBytes): void {
    const { recorder } = this.#load;
    const { read, write } = slot;
    if (read !== null) {
      data.values(this.#place(read.firstSector), read.sectors, this.#values);
      recorder.readAnswered(read, this.#values, (sector) =>
        this.#values[sector] === DAMAGED ? data.describe(sector) : '',
      );
      this.#load.served(this.#device, connection.connectedAt);
    } else if (write !== null) {
      recorder.writeAnswered(write, slot.fua);
    } else if (slot.kind === 'flush') {
      recorder.flushAnswered(this.#device, slot.flushSentAt);
    }
  }

  #count(slot: RequestSlot): void {
    if (this.#sweep !== null) {
      this.#sweep.answered++;
      return;
    }
    const { progress } = this.#load;
    switch (slot.kind) {
      case 'read':
        progress.reads++;
        break;
      case 'write':
        progress.writes++;
        break;
      case 'zero':
        progress.zeroes++;
        break;
      case 'trim':
        progress.trims++;
        break;
      case 'flush':
        progress.flushes++;
        break;
    }
    this.#load.ended();
  }

  /** Nobody answers: another server may have taken over. What waits here may still be carried out, and be answered. */
  #leave(connection: Connection, nowMs: number): void {
    connection.leftAtMs = nowMs;
    this.#load.progress.abandoned++;
    this.#giveUp(connection);
    this.#left.add(connection);
    this.#connection = null;
    this.#goOn();
  }

  #lost(connection: Connection): void {
    this.#load.progress.connectionsLost++;
    if (connection.leftAtMs !== null) return this.#end(connection);
    this.#giveUp(connection);
    this.#recycle(connection);
    this.#connection = null;
    this.#goOn();
  }

  #goOn(): void {
    this.#awaySinceMs = performance.now();
    this.#server++;
    this.#connect();
  }

  /** Reads are not waited for any more; writes may or may not take effect. */
  #giveUp(connection: Connection): void {
    for (const slot of connection.pipe.waiting) {
      if (slot.read !== null) this.#load.recorder.readForgotten(slot.read);
      if (slot.write !== null)
        this.#load.writeUnanswered(slot.write, connection.server, connection.connectedAt);
      slot.read = null;
      this.#again(slot);
    }
  }

  /** Asks a server that was left behind for what another one may have changed by now. */
  #askLate(connection: Connection, nowMs: number): void {
    const { pipe, server, connectedAt } = connection;
    const slot = pipe.freeSlot();
    if (slot === null) return;
    this.#load.mix.fillLate(slot);
    this.#send(connection, slot, nowMs);
    if (slot.write !== null) this.#load.writeUnanswered(slot.write, server, connectedAt);
  }

  #end(connection: Connection): void {
    this.#left.delete(connection);
    connection.pipe.destroy();
    for (const slot of connection.pipe.waiting) {
      if (slot.read !== null) this.#load.recorder.readForgotten(slot.read);
    }
    this.#recycle(connection);
  }

  #recycle(connection: Connection): void {
    spareSlots.push(...connection.pipe.takeSlots());
  }

  /** Number of a sector over all devices. */
  #place(firstSector: number): number {
    return this.#device * 0x0100_0000 + firstSector;
  }
}

interface BlockRun {
  readonly first: number;
  count: number;
}

function toRun({ firstSector, sectors }: RequestSlot): BlockRun {
  return { first: firstSector / SECTORS_PER_BLOCK, count: sectors / SECTORS_PER_BLOCK };
}

/** Buffers of connections that have ended. */
const spareSlots: RequestSlot[] = [];

/** Neighbouring blocks, together up to the largest request. */
function toRuns(blocks: readonly number[]): BlockRun[] {
  const runs: BlockRun[] = [];
  const most = MAX_SECTORS / SECTORS_PER_BLOCK;
  for (const block of blocks) {
    const last = runs[runs.length - 1];
    if (last !== undefined && block === last.first + last.count && last.count < most) last.count++;
    else runs.push({ first: block, count: 1 });
  }
  return runs;
}
