import type { ExportDescription } from './block-device.ts';
import {
  allocationContext,
  clientFlag,
  clientFlagBytes,
  option,
  optionHeaderBytes,
  optionMagic,
  optionReply,
} from './constants.ts';
import type { NbdLimits } from './limits.ts';
import { contextRequest, informationRequest, stringOf } from './option-data.ts';
import {
  allowedBeforeTls,
  codeOf,
  contextAnswer,
  isAllocationListed,
  maxDataBytes,
  nameOf,
  type Question,
  refusal,
} from './option-questions.ts';
import {
  exportInformation,
  exportNameAnswer,
  listedExport,
  optionError,
  optionReplyBytes,
} from './option-replies.ts';
import type { Session } from './session.ts';
import type { TlsMode } from './tls-settings.ts';

/**
 * What the owner of the connection does next. After `list`, `describe` or `open` the handshake stands still until
 * `listed`, `described`, `opened` or `refused` is called, after `start-tls` until `secured` is. `transmit` and `close`
 * are final.
 */
export type HandshakeAction =
  | { kind: 'send'; bytes: Buffer }
  | { kind: 'list' }
  | { kind: 'describe'; name: string }
  | { kind: 'open'; name: string }
  | { kind: 'start-tls' }
  | { kind: 'transmit'; rest: Buffer; session: Session }
  | { kind: 'close'; reason: string; isFailure: boolean };

type State =
  | { step: 'client-flags' }
  | { step: 'option' }
  | { step: 'skip'; option: number; leftBytes: number; reply: number; message: string }
  | { step: 'asking'; question: Question }
  | { step: 'securing' }
  | { step: 'over' };

type HandshakeLimits = Pick<NbdLimits, 'maxOptions' | 'maxOptionBytes' | 'maxListedExports'>;

/** The server's side of the fixed newstyle handshake: bytes in, actions out, no I/O. Send `greeting()` first. */
export class Handshake {
  #state: State = { step: 'client-flags' };
  #input: Buffer = Buffer.alloc(0);
  #options = 0;
  #fixedNewstyle = false;
  #noZeroes = false;
  #structuredReplies = false;
  /** The export whose allocation the client wants to ask for. */
  #allocationOf: string | undefined;
  #isSecured = false;
  readonly #limits: HandshakeLimits;
  readonly #tls: TlsMode;

  constructor(limits: HandshakeLimits, tls: TlsMode = 'off') {
    this.#limits = limits;
    this.#tls = tls;
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
    switch (question.kind) {
      case 'info':
        return this.#reply(
          exportInformation(option.info, question.name, question.wanted, about, this.#session(question.name)),
        );
      case 'list-contexts':
        return this.#reply(contextAnswer(option.listMetaContext, isAllocationListed(question.queries)));
      case 'set-contexts': {
        const isWanted = question.queries.includes(allocationContext.name);
        if (isWanted) this.#allocationOf = question.name;
        return this.#reply(contextAnswer(option.setMetaContext, isWanted));
      }
      default:
        throw new Error(`handshake: described() does not answer ${question.kind}`);
    }
  }

  opened(about: ExportDescription): HandshakeAction[] {
    const question = this.#answered();
    this.#state = { step: 'over' };
    return [
      { kind: 'send', bytes: this.#openAnswer(question, about) },
      { kind: 'transmit', rest: this.#input, session: this.#session(nameOf(question)) },
    ];
  }

  /** TLS has started: the client begins again, but for its flags. */
  secured(): void {
    if (this.#state.step !== 'securing') throw new Error('handshake: TLS was not asked for');
    this.#isSecured = true;
    this.#state = { step: 'option' };
  }

  /** The question could not be answered. The session goes on, except after EXPORT_NAME, which knows no error reply. */
  refused(error: unknown): HandshakeAction[] {
    const question = this.#answered();
    const { type, message } = refusal(error);
    if (question.kind === 'export-name') return this.#close(message);
    return this.#reply(optionError(codeOf[question.kind], type, message));
  }

  #openAnswer(question: Question, about: ExportDescription): Buffer {
    switch (question.kind) {
      case 'go':
        return exportInformation(
          option.go,
          question.name,
          question.wanted,
          about,
          this.#session(question.name),
        );
      case 'export-name':
        return exportNameAnswer(about, this.#session(question.name), this.#noZeroes);
      default:
        throw new Error(`handshake: opened() answers GO or EXPORT_NAME, not ${question.kind}`);
    }
  }

  /** Contexts are agreed on for one export, and hold for no other (proto.md, NBD_OPT_SET_META_CONTEXT). */
  #session(name: string | undefined): Session {
    const structuredReplies = this.#structuredReplies;
    return { structuredReplies, allocation: structuredReplies && this.#allocationOf === name };
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
      case 'securing':
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
    const isBarred = this.#tls === 'required' && !this.#isSecured && !allowedBeforeTls.has(code);
    const maxBytes = isBarred ? undefined : maxDataBytes.get(code);
    const isWhole = this.#input.length >= optionHeaderBytes + lengthBytes;
    if (maxBytes !== undefined && lengthBytes <= maxBytes && !isWhole) return undefined;
    this.#options += 1;
    if (this.#options > this.#limits.maxOptions) return this.#close('too many options');
    this.#take(optionHeaderBytes);
    // Whatever comes of it, an earlier choice is gone.
    if (code === option.setMetaContext) this.#allocationOf = undefined;
    if (maxBytes !== undefined && lengthBytes <= maxBytes) {
      return this.#understood(code, this.#take(lengthBytes));
    }
    // EXPORT_NAME knows no error reply.
    if (isBarred && code === option.exportName)
      return this.#close('TLS is required before an export is named');
    if (code === option.exportName) return this.#close('export name too long');
    const [reply, message] = isBarred
      ? [optionReply.errTlsRequired, 'TLS is required: send STARTTLS first']
      : maxBytes !== undefined
        ? [optionReply.errTooBig, `option ${code} is too long`]
        : [optionReply.errUnsupported, `option ${code} is not supported`];
    return this.#skip(code, lengthBytes, reply, message);
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
      case option.startTls:
        return this.#startTls(data);
      case option.structuredReply:
        if (data.length > 0) return [invalid(code, 'STRUCTURED_REPLY carries no data')];
        this.#structuredReplies = true;
        return [{ kind: 'send', bytes: optionReplyBytes(code, optionReply.ack) }];
      case option.listMetaContext:
      case option.setMetaContext:
        return this.#contexts(code, data);
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

  /** What was agreed on in the clear, where anybody might have meddled, is void (proto.md, NBD_OPT_STARTTLS). */
  #startTls(data: Buffer): HandshakeAction[] {
    const code = option.startTls;
    if (this.#tls === 'off') {
      return [
        { kind: 'send', bytes: optionError(code, optionReply.errPolicy, 'TLS is not configured here') },
      ];
    }
    if (data.length > 0) return [invalid(code, 'STARTTLS carries no data')];
    if (this.#isSecured) return [invalid(code, 'TLS has started already')];
    // Anything sent ahead of the answer could be slipped into the secured session.
    if (this.#input.length > 0) return this.#close('bytes after STARTTLS that are not under TLS');
    this.#structuredReplies = false;
    this.#allocationOf = undefined;
    this.#state = { step: 'securing' };
    return [{ kind: 'send', bytes: optionReplyBytes(code, optionReply.ack) }, { kind: 'start-tls' }];
  }

  #contexts(code: number, data: Buffer): HandshakeAction[] {
    const isSet = code === option.setMetaContext;
    if (!this.#structuredReplies) return [invalid(code, 'structured replies must be agreed on first')];
    const asked = contextRequest(data);
    if (asked === undefined)
      return [invalid(code, 'malformed: name length, name, count and queries with their lengths expected')];
    const { name } = asked;
    return this.#ask(
      { kind: isSet ? 'set-contexts' : 'list-contexts', ...asked },
      { kind: 'describe', name },
    );
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

function invalid(code: number, message: string): HandshakeAction {
  return { kind: 'send', bytes: optionError(code, optionReply.errInvalid, message) };
}
