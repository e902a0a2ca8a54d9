import { setTimeout as pause } from 'node:timers/promises';
import { type NbdTarget, parseNbdUri } from '../nbd/target.ts';
import { SeededRandom } from '../seed.ts';
import { HistoryClient } from './history-client.ts';
import { HistoryRecorder, type RecordedWrite } from './history-recorder.ts';
import { type Regions, RequestMix } from './request-mix.ts';

/** An NBD server of the run, and what it calls each device. */
export interface HistoryServer {
  readonly name: string;
  readonly uri: (device: string) => string;
}

export interface HistoryLoadOptions {
  readonly devices: readonly string[];
  /** A client that loses one goes to the next. */
  readonly servers: readonly HistoryServer[];
  readonly clientsPerDevice: number;
  /** Requests that each client keeps under way. */
  readonly depth: number;
  /** Requests after which no more is sent. */
  readonly operations: number;
  /** More is sent all the same for as long as this says so. */
  readonly goesOn?: () => boolean;
  /** Requests that all clients together send in a second; default: as many as are answered. */
  readonly perSecondMax?: number;
  readonly seed: number;
  readonly regions: Regions;
  /** A client whose request is not answered for so long goes to another server; the old connection stays open. */
  readonly impatientAfterMs: number;
}

export interface HistoryProgress {
  /** Requests that came to an end: answered, refused or given up. */
  operations: number;
  reads: number;
  writes: number;
  zeroes: number;
  trims: number;
  flushes: number;
  /** Requests answered with an error, by error number. */
  errors: Record<string, number>;
  connections: number;
  connectionsLost: number;
  /** Connections that were left open, with requests sent on them, when their client had gone elsewhere. */
  abandoned: number;
  /** Answers on such connections. */
  lateAnswers: number;
  /** The longest that a client which had something to ask was without an answer that is no error, in milliseconds. */
  longestStallMs: number;
}

interface Orphan {
  readonly write: RecordedWrite;
  /** When the process that had it was gone for certain. */
  readonly goneAt: number;
}

const WATCH_INTERVAL_MS = 200;

/** Many clients that read and write the same few blocks, and a recorder that judges what they are told. */
export class HistoryLoad {
  readonly options: HistoryLoadOptions;
  readonly recorder: HistoryRecorder;
  readonly mix: RequestMix;
  readonly progress: HistoryProgress = {
    operations: 0,
    reads: 0,
    writes: 0,
    zeroes: 0,
    trims: 0,
    flushes: 0,
    errors: {},
    connections: 0,
    connectionsLost: 0,
    abandoned: 0,
    lateAnswers: 0,
    longestStallMs: 0,
  };
  readonly #clients: HistoryClient[] = [];
  /** Writes whose answers are not waited for, by the server that may still carry them out. */
  #unanswered: { write: RecordedWrite; server: string; connectedAt: number }[] = [];
  #orphans: Orphan[] = [];
  readonly #goneAt = new Map<string, number>();
  #sent = 0;
  #startedAtMs = 0;
  #endsEarly = false;
  #finished: () => void = () => undefined;
  #failed: (error: Error) => void = () => undefined;

  constructor(options: HistoryLoadOptions) {
    this.options = options;
    this.recorder = new HistoryRecorder(options.devices);
    this.mix = new RequestMix(options.regions, new SeededRandom(options.seed));
    for (const [device] of options.devices.entries()) {
      for (let i = 0; i < options.clientsPerDevice; i++) {
        this.#clients.push(new HistoryClient(this, device, this.#clients.length));
      }
    }
  }

  /** Runs until all is answered. Rejects when a client cannot connect to any server for too long. */
  async run(): Promise<void> {
    const finished = new Promise<void>((resolve, reject) => {
      this.#finished = resolve;
      this.#failed = reject;
    });
    const watch = setInterval(() => {
      const now = performance.now();
      for (const client of this.#clients) client.watch(now);
      this.#finishWhenDone();
    }, WATCH_INTERVAL_MS);
    try {
      this.#startedAtMs = performance.now();
      for (const client of this.#clients) client.start();
      await finished;
    } finally {
      clearInterval(watch);
      for (const client of this.#clients) client.close();
    }
  }

  /** Reads everything that was touched once more, over connections of its own. Rejects when it is not done in time. */
  async sweep(timeoutMs: number): Promise<void> {
    const endsAt = performance.now() + timeoutMs;
    for (const [device] of this.options.devices.entries()) {
      const blocks = this.recorder.touchedBlocks(device);
      const client = new HistoryClient(this, device, this.#clients.length);
      try {
        await client.readAll(blocks, endsAt, (ms) => pause(ms));
      } finally {
        client.close();
      }
    }
  }

  target(device: number, server: number): { server: HistoryServer; target: NbdTarget } {
    const { servers, devices } = this.options;
    const one = servers[server % servers.length];
    const name = devices[device];
    if (one === undefined || name === undefined) throw new RangeError(`server ${server}, device ${device}`);
    return { server: one, target: parseNbdUri(one.uri(name)) };
  }

  /** The process of this server has ended: what it had and did not answer cannot take effect once another one serves. */
  serverGone(name: string): void {
    const goneAt = this.recorder.tick();
    this.#goneAt.set(name, goneAt);
    this.#unanswered = this.#unanswered.filter(({ write, server, connectedAt }) => {
      const gone = server === name && connectedAt < goneAt;
      if (gone) this.#orphans.push({ write, goneAt });
      return !gone;
    });
  }

  writeUnanswered(write: RecordedWrite, server: string, connectedAt: number): void {
    this.recorder.writeUnanswered(write);
    const goneAt = this.#goneAt.get(server) ?? 0;
    if (connectedAt < goneAt) this.#orphans.push({ write, goneAt });
    else this.#unanswered.push({ write, server, connectedAt });
  }

  /** A read on a connection that was begun at `connectedAt` was answered: whoever serves the device now has fenced the earlier ones. */
  served(device: number, connectedAt: number): void {
    if (this.#orphans.length === 0) return;
    this.#orphans = this.#orphans.filter(({ write, goneAt }) => {
      const fenced = write.device === device && goneAt < connectedAt;
      if (fenced) this.recorder.fence(write);
      return !fenced;
    });
  }

  /** No more is sent; {@link run} resolves when all is answered. */
  endEarly(): void {
    this.#endsEarly = true;
  }

  mayRequest(): boolean {
    if (this.#endsEarly) return false;
    return this.#sent < this.options.operations || this.options.goesOn?.() === true;
  }

  /** Whether the next request is due by now. */
  isDue(): boolean {
    const { perSecondMax } = this.options;
    if (perSecondMax === undefined) return true;
    return this.#sent < ((performance.now() - this.#startedAtMs) * perSecondMax) / 1_000;
  }

  requested(): void {
    this.#sent++;
  }

  /** A counted request came to its end. */
  ended(): void {
    this.progress.operations++;
    if (this.progress.operations === this.#sent) this.#finishWhenDone();
  }

  #finishWhenDone(): void {
    if (this.progress.operations === this.#sent && !this.mayRequest()) this.#finished();
  }

  fail(error: Error): void {
    this.#failed(error);
  }
}
