import { type FSWatcher, watch } from 'node:fs';
import { type Logger, messageOf, pause } from '@salvor/service-kit';
import type { Announcement, Publisher } from './announcement.ts';
import { Bell } from './bell.ts';
import { Deliveries, MAX_UNACKNOWLEDGED } from './deliveries.ts';
import type { Line } from './line-splitter.ts';
import { LogFile } from './log-file.ts';
import type { PositionFile } from './position-file.ts';
import { findRotated, nextFile } from './rotated-files.ts';

/** Makes events of the lines of one stream, in their order. Never throws. */
export interface LineReader {
  read(line: Line): Announcement[];
  /** The stream ended, or its content begins anew. */
  end(): Announcement[];
  /** Whether the last line belongs to a record whose end is still to come. */
  readonly midRecord: boolean;
}

export interface TailOptions {
  /** Begins the ids of the events. */
  readonly id: string;
  readonly path: string;
  /** Where to begin in a file that was never read before. */
  readonly from: 'start' | 'end';
  readonly positions: PositionFile;
  readonly reader: LineReader;
  readonly publisher: Publisher;
  readonly log: Logger;
  /** For a file of our own: what is read and acknowledged is thrown away when it is more than this. */
  readonly bound?: SpoolBound;
}

export interface SpoolBound {
  readonly maxBytes: number;
  /** Empties the file if it holds exactly `sizeBytes`, without losing what is written meanwhile. */
  readonly truncate: (fd: number, sizeBytes: number) => boolean;
}

/** Change notices come at once; this finds what they missed. */
const POLL_MS = 250;
const CHUNK_BYTES = 64 * 1024;
const RETRY_MS = 1_000;
const TRUNCATE_INTERVAL_MS = 1_000;

/** Follows a file through growth, rotation by rename, truncation, and restarts of this process. */
export class FileTail {
  readonly #options: TailOptions;
  readonly #bell = new Bell();
  readonly #abort = new AbortController();
  readonly #buffer: Buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  #file: LogFile | null = null;
  #watcher: FSWatcher | null = null;
  #deliveries: Deliveries;
  #from: 'start' | 'end';
  #finishing = false;
  #following: Promise<void> = Promise.resolve();
  #truncateTriedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: TailOptions) {
    this.#options = options;
    this.#from = options.from;
    this.#deliveries = new Deliveries(options.publisher, 0, () => {});
  }

  start(): void {
    this.#following = this.#follow();
  }

  /** Byte offset in the file up to which all is announced; empty before the file is there. */
  get position(): string {
    return this.#file === null ? '' : String(this.#deliveries.doneTo);
  }

  get unacknowledged(): number {
    return this.#deliveries.unacknowledged;
  }

  /** Reads what is there, waits for its acknowledgements no longer than `drainMs`, saves the position. */
  async stop(drainMs: number): Promise<void> {
    this.#finishing = true;
    this.#bell.ring();
    const giveUp = AbortSignal.timeout(drainMs);
    giveUp.addEventListener('abort', () => this.#abort.abort(), { once: true });
    await this.#following;
    await this.#deliveries.atMost(0, giveUp);
    this.#abort.abort();
    await this.#options.positions.flush();
    await this.#close();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        if (await this.#step()) continue;
        if (this.#finishing) return;
        await this.#bell.wait(POLL_MS, signal);
      } catch (error) {
        const { log, path, reader, positions } = this.#options;
        log.warn({ path, error: messageOf(error) }, 'log file cannot be read, trying again');
        // From the saved position: what is announced twice has the same id.
        reader.end();
        await this.#close().catch(() => {});
        await positions.flush();
        if (this.#finishing) return;
        await pause(RETRY_MS, signal);
      }
    }
  }

  /** @returns whether there may be more to do at once */
  async #step(): Promise<boolean> {
    const file = this.#file ?? (await this.#openFirst());
    if (file === null) return false;
    const chunk = await file.read(this.#buffer);
    if (chunk === 'truncated') return this.#beginAnew(file);
    if (chunk.length > 0) return this.#take(file, chunk);
    if (this.#options.bound !== undefined) return this.#shorten(file, this.#options.bound);
    return this.#moveOn(file);
  }

  async #openFirst(): Promise<LogFile | null> {
    const { path, positions, log } = this.#options;
    const position = positions.load();
    const file = await LogFile.open(path);
    if (position === null) {
      if (file !== null && this.#from === 'end') await file.skipToEnd();
      // A file that appears later is new: all of it counts.
      this.#from = 'start';
      return file === null ? null : this.#begin(file);
    }
    if (file !== null && (await file.resume(position))) return this.#begin(file);
    const rotated = await findRotated(path, position.inode);
    const earlier = rotated === null ? null : await LogFile.open(rotated);
    if (earlier !== null && (await earlier.resume(position))) {
      await file?.close();
      return this.#begin(earlier);
    }
    await earlier?.close();
    if (file === null) return null;
    log.warn({ path, position }, 'the file read last is gone; lines written to it since may be missed');
    return this.#begin(file);
  }

  /** The generation of the file is on the disk before any event carries it. */
  async #begin(file: LogFile): Promise<LogFile> {
    const { publisher, positions } = this.#options;
    const { readTo } = file.splitter;
    await positions.saveNow(file.position(readTo));
    const deliveries = new Deliveries(publisher, readTo, (doneTo) => {
      if (this.#deliveries === deliveries) positions.save(file.position(doneTo));
    });
    this.#deliveries = deliveries;
    if (this.#file !== file) this.#watch(file);
    this.#file = file;
    return file;
  }

  async #take(file: LogFile, chunk: Buffer): Promise<boolean> {
    for (const line of file.splitter.push(chunk)) {
      this.#announce(file, line, this.#options.reader.read(line));
      if (!(await this.#deliveries.atMost(MAX_UNACKNOWLEDGED, this.#abort.signal))) return false;
    }
    return true;
  }

  #announce(file: LogFile, line: { start: number; end: number }, announcements: Announcement[]): void {
    const { id, reader } = this.#options;
    this.#deliveries.add(
      announcements,
      (index) => `${id}:${file.inode}-${file.generation}:${line.start}.${index}`,
      reader.midRecord ? null : line.end,
    );
  }

  /** What is left of an unfinished line or record, when nothing can follow; then waits until all is acknowledged. */
  async #finish(file: LogFile): Promise<boolean> {
    const { reader } = this.#options;
    const rest = file.splitter.rest();
    const end = file.splitter.readTo;
    if (rest !== null) this.#announce(file, rest, reader.read(rest));
    this.#announce(file, { start: end, end }, reader.end());
    return this.#deliveries.atMost(0, this.#abort.signal);
  }

  async #beginAnew(file: LogFile): Promise<boolean> {
    const { log, path } = this.#options;
    if (!(await this.#finish(file))) return false;
    log.info({ path }, 'log file was truncated, reading from its beginning');
    file.beginAnew();
    await this.#begin(file);
    return true;
  }

  async #moveOn(file: LogFile): Promise<boolean> {
    const { path, log } = this.#options;
    const next = await nextFile(path, { inode: file.inode, modifiedAtNs: await file.modifiedAtNs() });
    if (next === null) return false;
    // The writer has left this file for the next one, so what is read now is all there is.
    for (;;) {
      const chunk = await file.read(this.#buffer);
      if (chunk === 'truncated' || chunk.length === 0) break;
      if (!(await this.#take(file, chunk))) return false;
    }
    if (!(await this.#finish(file))) return false;
    const opened = await LogFile.open(next);
    if (opened === null || opened.inode === file.inode) {
      await opened?.close();
      return false;
    }
    log.info({ path: next }, 'log file was rotated, reading the next one');
    await this.#close();
    await this.#begin(opened);
    return true;
  }

  async #shorten(file: LogFile, { maxBytes, truncate }: SpoolBound): Promise<boolean> {
    const { readTo, midLine } = file.splitter;
    const now = performance.now();
    if (readTo <= maxBytes || midLine || this.#options.reader.midRecord) return false;
    if (this.#deliveries.doneTo !== readTo || now - this.#truncateTriedAtMs < TRUNCATE_INTERVAL_MS)
      return false;
    this.#truncateTriedAtMs = now;
    if (!truncate(file.fd, readTo)) return true;
    file.beginAnew();
    await this.#begin(file);
    return true;
  }

  #watch(file: LogFile): void {
    const { log } = this.#options;
    try {
      this.#watcher = watch(file.path, { persistent: false }, () => this.#bell.ring());
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch (error) {
      log.warn(
        { path: file.path, error: messageOf(error) },
        `no change notices, looking every ${POLL_MS} ms`,
      );
    }
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#watcher?.close();
    this.#watcher = null;
    this.#file = null;
    await file?.close();
  }
}
