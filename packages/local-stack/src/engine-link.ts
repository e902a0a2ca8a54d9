import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls';
import { StackError } from './errors.ts';
import { within } from './waiting.ts';

export type EngineReply = string | number | null | Buffer | EngineReply[] | EngineReplyError;

export class EngineReplyError extends StackError {
  constructor(message: string) {
    super('engine-reply', message);
    this.name = 'EngineReplyError';
  }
}

interface Waiting {
  resolve(reply: EngineReply): void;
  reject(error: Error): void;
}

/** A plain RESP2 connection for readiness checks and fault injection. Data paths have their own, with fencing. */
export class EngineLink {
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #received: Buffer = Buffer.alloc(0);
  /** Arrays of which parts are still to come, each within the one before it. */
  readonly #open: { readonly items: EngineReply[]; left: number }[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('connection closed')));
  }

  static async open(
    port: number,
    host = '127.0.0.1',
    timeoutMs = 1_000,
    tls?: ConnectionOptions,
  ): Promise<EngineLink> {
    const socket =
      tls === undefined ? connect({ port, host, noDelay: true }) : tlsConnect({ ...tls, port, host });
    const opened = new Promise<EngineLink>((resolve, reject) => {
      socket.once('error', reject);
      socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
        socket.removeListener('error', reject);
        resolve(new EngineLink(socket));
      });
    });
    return within(opened, timeoutMs, `connection to engine ${host}:${port}`).catch((error: unknown) => {
      socket.destroy();
      throw error;
    });
  }

  /** Bulk strings come back as text; use `sendRaw` for block bytes. Error replies reject with `EngineReplyError`. */
  async send(...args: (string | number | Buffer)[]): Promise<EngineReply> {
    return toText(await this.sendRaw(...args));
  }

  async sendRaw(...args: (string | number | Buffer)[]): Promise<EngineReply> {
    const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)];
    for (const arg of args) {
      const bytes = Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg));
      parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
    }
    const answered = new Promise<EngineReply>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#socket.write(Buffer.concat(parts));
    const reply = await within(answered, 10_000, `engine reply to ${String(args[0])}`);
    if (reply instanceof EngineReplyError) throw reply;
    return reply;
  }

  close(): void {
    this.#socket.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #receive(bytes: Buffer): void {
    const received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    let at = 0;
    for (let part = parsePart(received, at); part !== null; part = parsePart(received, at)) {
      at = part.next;
      this.#take(part);
    }
    this.#received = received.subarray(at);
  }

  /** A reply of many parts comes over many packets: what is complete of it is kept, and not read again with each. */
  #take(part: Part): void {
    if ('items' in part && part.items > 0) {
      this.#open.push({ items: [], left: part.items });
      return;
    }
    let reply: EngineReply = 'items' in part ? [] : part.reply;
    for (let array = this.#open.at(-1); array !== undefined; array = this.#open.at(-1)) {
      array.items.push(reply);
      if (--array.left > 0) return;
      reply = array.items;
      this.#open.pop();
    }
    this.#waiting.shift()?.resolve(reply);
  }

  #fail(error: Error): void {
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }
}

/** A reply, or the beginning of an array of so many of them. */
type Part = { readonly next: number } & ({ readonly reply: EngineReply } | { readonly items: number });

function parsePart(bytes: Buffer, at: number): Part | null {
  const lineEnd = bytes.indexOf('\r\n', at);
  if (lineEnd < 0) return null;
  const text = bytes.toString('utf8', at + 1, lineEnd);
  const next = lineEnd + 2;
  switch (bytes[at]) {
    case 0x2b: // +
      return { reply: text, next };
    case 0x2d: // -
      return { reply: new EngineReplyError(text), next };
    case 0x3a: // :
      return { reply: Number(text), next };
    case 0x24: // $
      return parseBulk(bytes, next, Number(text));
    case 0x2a: // *
      return Number(text) < 0 ? { reply: null, next } : { items: Number(text), next };
    default:
      throw new StackError('engine-reply', `expected a RESP2 reply, found byte ${bytes[at]}`);
  }
}

function parseBulk(bytes: Buffer, at: number, length: number): Part | null {
  if (length < 0) return { reply: null, next: at };
  if (bytes.length < at + length + 2) return null;
  return { reply: Buffer.from(bytes.subarray(at, at + length)), next: at + length + 2 };
}

function toText(reply: EngineReply): EngineReply {
  if (Buffer.isBuffer(reply)) return reply.toString('utf8');
  return Array.isArray(reply) ? reply.map(toText) : reply;
}
