import { type ExportDescription, ExportError } from './block-device.ts';
import {
  clientFlag,
  clientFlagBytes,
  maxStringBytes,
  option,
  optionHeaderBytes,
  optionMagic,
  optionReply,
} from './constants.ts';
import type { NbdLimits } from './limits.ts';
import {
  exportInformation,
  exportNameAnswer,
  listedExport,
  optionError,
  optionReplyBytes,
} from './option-replies.ts';

/**
 * What the owner of the connection does next. After `list`, `describe` or `open` the handshake stands still until
 * `listed`, `described`, `opened` or `refused` is called. `transmit` and `close` are final.
 */
export type HandshakeAction =
  | { kind: 'send'; bytes: Buffer }
  | { kind: 'list' }
  | { kind: 'describe'; name: string }
  | { kind: 'open'; name: string }
  | { kind: 'transmit'; rest: Buffer }
  | { kind: 'close'; reason: string; isFailure: boolean };

type Question =
  | { kind: 'list' }
  | { kind: 'info' | 'go'; name: string; wanted: number[] }
  | { kind: 'export-name'; name: string };

type State =
  | { step: 'client-flags' }
  | { step: 'option' }
  | { step: 'skip'; option: number; leftBytes: number; reply: number; message: string }
  | { step: 'asking'; question: Question }
  | { step: 'over' };

type HandshakeLimits = Pick<NbdLimits, 'maxOptions' | 'maxOptionBytes' | 'maxListedExports'>;

/** Data of the options understood here: a name, its length, and a list of information types. */
const maxUnderstoodBytes = maxStringBytes + 6 + 2 * 64;

/** The server's side of the fixed newstyle handshake: bytes in, actions out, no I/O. Send `greeting()` first. */
export class Handshake {
  #state: State = { step: 'client-flags' };
  #input: Buffer = Buffer.alloc(0);
  #options = 0;
  #fixedNewstyle = false;
  #noZeroes = false;
  readonly #limits: HandshakeLimits;

  constructor(limits: HandshakeLimits) {
    this.#limits = limits;
  }

  /** Takes what the client sent; keeps at most one option's data besides what arrives while a question is open. */
  receive(bytes: Buffer): HandshakeAction[] {
    this.#input = this.#input.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#input, bytes]);
    return this.#advance();
  }

  listed(names: readonly string[]): HandshakeAction[] {
    this.#answered();
    if (names.length > this.#limits.maxListedExports) {
      const message = `${names.length} exports are more than a list can hold`;
      return this.#reply(optionError(option.list, optionReply.errTooBig, message));
    }
    const replies = names.map((name) => listedExport(option.list, name));
    return this.#reply(Buffer.concat([...replies, optionReplyBytes(option.list, optionReply.ack)]));
  }

  described(about: ExportDescription): HandshakeAction[] {
    const question = this.#answered();
    if (question.kind !== 'info')
      throw new Error(`handshake: described() answers INFO, not ${question.kind}`);
    return this.#reply(exportInformation(option.info, question.name, question.wanted, about));
  }

  opened(about: ExportDescription): HandshakeAction[] {
    const question = this.#answered();
    this.#state = { step: 'over' };
    return [
      { kind: 'send', bytes: this.#openAnswer(question, about) },
      { kind: 'transmit', rest: this.#input },
    ];
  }

  /** The question could not be answered. The session goes on, except after EXPORT_NAME, which knows no error reply. */
  refused(error: unknown): HandshakeAction[] {
    const question = this.#answered();
    const { type, message } = refusal(error);
    if (question.kind === 'export-name') return this.#close(message);
    return this.#reply(optionError(option[question.kind], type, message));
  }

  #openAnswer(question: Question, about: ExportDescription): Buffer {
    switch (question.kind) {
      case 'go':
        return exportInformation(option.go, question.name, question.wanted, about);
      case 'export-name':
        return exportNameAnswer(about, this.#noZeroes);
      case 'list':
      case 'info':
        throw new Error(`handshake: opened() answers GO or EXPORT_NAME, not ${question.kind}`);
    }
  }

  #advance(): HandshakeAction[] {
    const actions: HandshakeAction[] = [];
    for (;;) {
      const next = this.#step();
      if (next === undefined) return actions;
      actions.push(...next);
    }
  }

  /** One step, or undefined when more input or an answer is needed first. */
  #step(): HandshakeAction[] | undefined {
    const state = this.#state;
    switch (state.step) {
      case 'client-flags':
        return this.#input.length < clientFlagBytes
          ? undefined
          : this.#clientFlags(this.#take(clientFlagBytes));
      case 'option':
        return this.#option();
      case 'skip': {
        if (state.leftBytes > 0 && this.#input.length === 0) return undefined;
        state.leftBytes -= this.#take(Math.min(state.leftBytes, this.#input.length)).length;
        if (state.leftBytes > 0) return undefined;
        this.#state = { step: 'option' };
        return [{ kind: 'send', bytes: optionError(state.option, state.reply, state.message) }];
      }
      case 'asking':
      case 'over':
        return undefined;
    }
  }

  #clientFlags(bytes: Buffer): HandshakeAction[] {
    const flags = bytes.readUInt32BE(0);
    if ((flags & ~(clientFlag.fixedNewstyle | clientFlag.noZeroes)) !== 0) {
      return this.#close(`unknown client flags 0x${flags.toString(16)}`);
    }
    this.#fixedNewstyle = (flags & clientFlag.fixedNewstyle) !== 0;
    this.#noZeroes = (flags & clientFlag.noZeroes) !== 0;
    this.#state = { step: 'option' };
    return [];
  }

  #option(): HandshakeAction[] | undefined {
    if (this.#input.length < optionHeaderBytes) return undefined;
    const [high, low] = [this.#input.readUInt32BE(0), this.#input.readUInt32BE(4)];
    if (high !== optionMagic.high || low !== optionMagic.low)
      return this.#close('not an option: wrong magic');
    const code = this.#input.readUInt32BE(8);
    const lengthBytes = this.#input.readUInt32BE(12);
    if (lengthBytes > this.#limits.maxOptionBytes) {
      return this.#close(`option ${code} announces ${lengthBytes} bytes`);
    }
    if (!this.#fixedNewstyle && code !== option.exportName) {
      return this.#close(`option ${code} from a client that does not speak fixed newstyle`);
    }
    const understood = understoodOptions.has(code);
    if (
      understood &&
      lengthBytes <= maxUnderstoodBytes &&
      this.#input.length < optionHeaderBytes + lengthBytes
    ) {
      return undefined;
    }
    this.#options += 1;
    if (this.#options > this.#limits.maxOptions) return this.#close('too many options');
    this.#take(optionHeaderBytes);
    if (!understood) {
      return this.#skip(code, lengthBytes, optionReply.errUnsupported, `option ${code} is not supported`);
    }
    if (lengthBytes > maxUnderstoodBytes) {
      if (code === option.exportName) return this.#close('export name too long');
      return this.#skip(code, lengthBytes, optionReply.errTooBig, `option ${code} is too long`);
    }
    return this.#understood(code, this.#take(lengthBytes));
  }

  #understood(code: number, data: Buffer): HandshakeAction[] {
    switch (code) {
      case option.exportName: {
        const name = stringOf(data);
        if (name === undefined) return this.#close('export name is not a string of at most 4096 bytes');
        return this.#ask({ kind: 'export-name', name }, { kind: 'open', name });
      }
      case option.abort:
        this.#state = { step: 'over' };
        return [
          { kind: 'send', bytes: optionReplyBytes(option.abort, optionReply.ack) },
          { kind: 'close', reason: 'client aborted the handshake', isFailure: false },
        ];
      case option.list:
        if (data.length > 0) return [invalid(code, 'LIST carries no data')];
        return this.#ask({ kind: 'list' }, { kind: 'list' });
      default: {
        const asked = informationRequest(data);
        if (asked === undefined)
          return [invalid(code, 'malformed: name length, name, count and types expected')];
        const { name, wanted } = asked;
        return code === option.go
          ? this.#ask({ kind: 'go', name, wanted }, { kind: 'open', name })
          : this.#ask({ kind: 'info', name, wanted }, { kind: 'describe', name });
      }
    }
  }

  #ask(question: Question, action: HandshakeAction): HandshakeAction[] {
    this.#state = { step: 'asking', question };
    return [action];
  }

  #answered(): Question {
    if (this.#state.step !== 'asking') throw new Error('handshake: an answer without an open question');
    const { question } = this.#state;
    this.#state = { step: 'option' };
    return question;
  }

  #reply(bytes: Buffer): HandshakeAction[] {
    return [{ kind: 'send', bytes }, ...this.#advance()];
  }

  #skip(code: number, leftBytes: number, reply: number, message: string): HandshakeAction[] {
    this.#state = { step: 'skip', option: code, leftBytes, reply, message };
    return [];
  }

  #close(reason: string): HandshakeAction[] {
    this.#state = { step: 'over' };
    return [{ kind: 'close', reason, isFailure: true }];
  }

  #take(bytes: number): Buffer {
    const taken = this.#input.subarray(0, bytes);
    this.#input = this.#input.subarray(bytes);
    return taken;
  }
}

const understoodOptions: ReadonlySet<number> = new Set(Object.values(option));

function invalid(code: number, message: string): HandshakeAction {
  return { kind: 'send', bytes: optionError(code, optionReply.errInvalid, message) };
}

/** INFO and GO: u32 name length, name, u16 count, u16 each. Undefined when the parts do not fill the data exactly. */
function informationRequest(data: Buffer): { name: string; wanted: number[] } | undefined {
  if (data.length < 6) return undefined;
  const nameBytes = data.readUInt32BE(0);
  if (nameBytes > data.length - 6) return undefined;
  const name = stringOf(data.subarray(4, 4 + nameBytes));
  const count = data.readUInt16BE(4 + nameBytes);
  if (name === undefined || data.length !== 6 + nameBytes + 2 * count) return undefined;
  const wanted = Array.from({ length: count }, (_, i) => data.readUInt16BE(6 + nameBytes + 2 * i));
  return { name, wanted };
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function stringOf(bytes: Buffer): string | undefined {
  if (bytes.length > maxStringBytes || bytes.includes(0)) return undefined;
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined; // not UTF-8: proto.md, "Strings"
  }
}

function refusal(error: unknown): { type: number; message: string } {
  if (!(error instanceof ExportError)) {
    return {
      type: optionReply.errUnknown,
      message: 'the export is not available now; see the log of the server',
    };
  }
  const types = {
    unknown: optionReply.errUnknown,
    policy: optionReply.errPolicy,
    shutdown: optionReply.errShutdown,
  };
  return { type: types[error.code], message: error.message };
}
