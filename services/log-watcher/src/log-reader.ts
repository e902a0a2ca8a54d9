import type { Logger } from '@salvor/service-kit';
import type { Announcement } from './announcement.ts';
import type { LineReader } from './file-tail.ts';
import { decideMeaning } from './line-meaning.ts';
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

/** Reads the output of an NBD server. */
export class LogReader implements LineReader {
  readonly #options: LogReaderOptions;
  readonly #parser = new LogLineParser();

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
    return this.#announce(this.#parser.read(line.bytes.toString('utf8'), line.cut), line.bytes);
  }

  end(): Announcement[] {
    const record = this.#parser.end();
    return this.#announce(record, Buffer.from(record?.kind === 'invalid' ? record.value : ''));
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
