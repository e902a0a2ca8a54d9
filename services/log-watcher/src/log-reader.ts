import type { Logger } from '@salvor/service-kit';
import type { Announcement } from './announcement.ts';
import type { LineReader } from './file-tail.ts';
import { decideMeaning, MAX_REJECTED_BYTES } from './line-meaning.ts';
import type { Line } from './line-splitter.ts';
import { LogLineParser, type LogRecord } from './log-line.ts';
import type { RepeatFilter } from './repeat-filter.ts';
import type { SourceTally } from './source.ts';

export interface LogReaderOptions {
  readonly source: string;
  /** `zero-log`: a stream where only 0-log records matter and JSON is somebody else's. */
  readonly dialect: 'all' | 'zero-log';
  readonly repeats: RepeatFilter;
  readonly tally: SourceTally;
  readonly log: Logger;
}

const NEWLINE = Buffer.from('\n');

/** Reads the output of an NBD server. */
export class LogReader implements LineReader {
  readonly #options: LogReaderOptions;
  readonly #parser = new LogLineParser();
  /** Lines of the block that is open, as read: so much of it as is ever announced. */
  #block: Buffer[] = [];
  #blockBytes = 0;

  constructor(options: LogReaderOptions) {
    this.#options = options;
  }

  get midRecord(): boolean {
    return this.#parser.insideBlock;
  }

  read(line: Line): Announcement[] {
    const { dialect, tally } = this.#options;
    tally.linesRead += 1;
    if (dialect === 'zero-log' && !this.midRecord && !beginsWithDigit(line.bytes)) return [];
    const record = this.#parser.read(line.bytes.toString('utf8'), line.cut);
    if (!this.midRecord && this.#block.length === 0) return this.#announce(record, line.bytes);
    this.#hold(line.bytes);
    return this.midRecord ? [] : this.#announce(record, this.#takeBlock());
  }

  end(): Announcement[] {
    return this.#announce(this.#parser.end(), this.#takeBlock());
  }

  #hold(bytes: Buffer): void {
    if (this.#blockBytes >= MAX_REJECTED_BYTES) return;
    this.#block.push(Buffer.from(bytes.subarray(0, MAX_REJECTED_BYTES)), NEWLINE);
    this.#blockBytes += bytes.length + 1;
  }

  #takeBlock(): Buffer {
    const raw = Buffer.concat(this.#block);
    this.#block = [];
    this.#blockBytes = 0;
    return raw;
  }

  #announce(record: LogRecord | null, raw: Buffer): Announcement[] {
    const { source, dialect, repeats, tally, log } = this.#options;
    if (record === null) return [];
    if (dialect === 'zero-log' && record.kind === 'invalid' && record.level === undefined) return [];
    const now = Date.now();
    const { announcement, repeatKey, note } = decideMeaning(record, { source, now, raw });
    if (note !== undefined) log.warn(note.fields, note.message);
    if (announcement === undefined) return [];
    if (announcement.type === 'log.line-rejected') {
      tally.linesRejected += 1;
      log.warn({ reason: announcement.payload.reason }, 'log line rejected');
    }
    if (repeatKey !== undefined && repeats.isRepeat(repeatKey, now)) {
      log.debug({ failure: repeatKey, line: raw.toString('utf8', 0, 512) }, 'repeated failure not published');
      return [];
    }
    return [announcement];
  }
}

function beginsWithDigit(bytes: Buffer): boolean {
  const first = bytes[0] ?? 0;
  return first >= 0x30 && first <= 0x39;
}
