import { type ContractMessage, readContractMessage } from './contract-message.ts';

/**
 * What a line (or a block of lines) of an NBD server's output means. Pure: no clock, no I/O, and no input makes it throw.
 *
 * Two dialects, told apart line by line: Salvor's contract, one JSON object a line, and 0-Disk's 0-log records,
 * `<level>::<payload>` or `<level>:::`, payload lines, `:::`.
 */
export type LogRecord =
  | { readonly kind: 'contract'; readonly message: ContractMessage }
  /** 0-log level 20. */
  | { readonly kind: 'json'; readonly level: number; readonly value: unknown }
  /** 0-log level 10: `key:value|aggregation|tag=value,…`. */
  | {
      readonly kind: 'statistic';
      readonly level: number;
      readonly key: string;
      readonly value: number;
      readonly aggregation: string;
      readonly tags: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'text'; readonly level: number; readonly value: string }
  /** A line that is no record: human text. */
  | { readonly kind: 'other'; readonly value: string }
  /** Meant to be a record, but broken. `level` only where it is a 0-log record. */
  | { readonly kind: 'invalid'; readonly level?: number; readonly value: string; readonly reason: string };

/** A 0-log block that has not ended after so much is given up; what follows it is read as lines again. */
export const MAX_BLOCK_CHARS: number = 64 * 1024;
const MAX_BLOCK_LINES = 4_096;

const STATISTIC_LEVEL = 10;
const JSON_LEVEL = 20;
const RECORD = /^(\d{1,3})::(.*)$/s;
const BLOCK_END = ':::';

interface Block {
  readonly level: number;
  readonly lines: string[];
  chars: number;
}

/** Reads the lines of one stream in their order; remembers only the block it is in. */
export class LogLineParser {
  #block: Block | null = null;

  /** Whether the last line belongs to a record whose end is still to come. */
  get insideBlock(): boolean {
    return this.#block !== null;
  }

  /** @param cut the line was longer than the reader's bound and this is only its beginning */
  read(line: string, cut = false): LogRecord | null {
    const text = line.endsWith('\r') ? line.slice(0, -1) : line;
    if (cut) return this.#tooLong(text);
    if (this.#block !== null) return this.#readInBlock(this.#block, text);
    if (text.trim() === '') return null;
    if (text.startsWith('{')) return contractRecord(text);
    const [, level, payload = ''] = RECORD.exec(text) ?? [];
    if (level === undefined) return { kind: 'other', value: text };
    if (payload !== ':') return zeroLogRecord(Number(level), payload);
    this.#block = { level: Number(level), lines: [], chars: 0 };
    return null;
  }

  /** The stream has ended: what is left of an open block. */
  end(): LogRecord | null {
    return this.#giveUpBlock('the stream ended inside a block, expected :::');
  }

  #readInBlock(block: Block, text: string): LogRecord | null {
    if (text === BLOCK_END) {
      this.#block = null;
      return zeroLogRecord(block.level, block.lines.join('\n'));
    }
    block.lines.push(text);
    block.chars += text.length + 1;
    if (block.chars <= MAX_BLOCK_CHARS && block.lines.length <= MAX_BLOCK_LINES) return null;
    return this.#giveUpBlock(
      `the block is longer than ${MAX_BLOCK_CHARS} characters or ${MAX_BLOCK_LINES} lines, expected :::`,
    );
  }

  #tooLong(text: string): LogRecord {
    const level = this.#block?.level ?? RECORD.exec(text)?.[1];
    this.#block = null;
    const reason = 'the line is longer than the bound, only its beginning was kept';
    return { kind: 'invalid', ...(level === undefined ? {} : { level: Number(level) }), value: text, reason };
  }

  #giveUpBlock(reason: string): LogRecord | null {
    if (this.#block === null) return null;
    const { level, lines } = this.#block;
    this.#block = null;
    return { kind: 'invalid', level, value: lines.join('\n'), reason };
  }
}

function contractRecord(text: string): LogRecord {
  const read = readContractMessage(text);
  return typeof read === 'string'
    ? { kind: 'invalid', value: text, reason: read }
    : { kind: 'contract', message: read };
}

function zeroLogRecord(level: number, payload: string): LogRecord {
  if (level === JSON_LEVEL) return zeroLogJson(level, payload);
  if (level === STATISTIC_LEVEL) return zeroLogStatistic(level, payload);
  return { kind: 'text', level, value: payload };
}

function zeroLogJson(level: number, payload: string): LogRecord {
  try {
    return { kind: 'json', level, value: JSON.parse(payload) };
  } catch {
    return { kind: 'invalid', level, value: payload, reason: `expected JSON after ${level}::` };
  }
}

/** The key may hold colons: the value starts after the last colon before the first `|`. */
function zeroLogStatistic(level: number, payload: string): LogRecord {
  const [sample = '', aggregation = '', ...tags] = payload.split('|');
  const colon = sample.lastIndexOf(':');
  const [key, value] = [sample.slice(0, Math.max(colon, 0)), sample.slice(colon + 1)];
  if (key === '' || aggregation === '' || !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value)) {
    return { kind: 'invalid', level, value: payload, reason: 'expected key:number|aggregation|tags' };
  }
  return { kind: 'statistic', level, key, value: Number(value), aggregation, tags: readTags(tags.join('|')) };
}

function readTags(text: string): Record<string, string> {
  const tags = text.split(',').filter((tag) => tag !== '');
  return Object.fromEntries(
    tags.map((tag) => {
      const equals = tag.indexOf('=');
      return equals < 0 ? [tag, ''] : [tag.slice(0, equals), tag.slice(equals + 1)];
    }),
  );
}
