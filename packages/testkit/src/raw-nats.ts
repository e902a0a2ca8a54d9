import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { within } from '@salvor/local-stack';
import { TestkitError } from './errors.ts';

export interface RawMessage {
  subject: string;
  /** Where the answer is to go; empty: nobody waits for one. */
  reply: string;
  /** Of the status line of the headers, as in 'NATS/1.0 503'. */
  status: { code: number; description: string } | null;
  /** Names as sent; each may occur more than once. */
  headers: Record<string, string[]>;
  body: Buffer;
}

interface Subscription {
  deliver(message: RawMessage): void;
  reject(error: Error): void;
}

/**
 * The NATS protocol over a socket, with no client library: what a person with the `nats` CLI sends and sees.
 * Errors: code `nats-connection` (with the server's -ERR text).
 */
export class RawNats {
  readonly #socket: Socket;
  readonly #subscriptions = new Map<string, Subscription>();
  #received: Buffer = Buffer.alloc(0);
  #nextSid = 1;
  #onPong: (() => void)[] = [];
  #fail: (error: Error) => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async connect(url: string, timeoutMs = 5_000): Promise<RawNats> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: port === '' ? 4222 : Number(port), noDelay: true });
    const nats = new RawNats(socket);
    const failed = new Promise<never>((_, reject) => {
      nats.#fail = (error) => {
        reject(error);
        for (const subscription of nats.#subscriptions.values()) subscription.reject(error);
        nats.#subscriptions.clear();
      };
    });
    // Once connected nobody waits for it any more; requests are rejected through their subscriptions.
    failed.catch(() => undefined);
    socket.on('data', (bytes) => nats.#receive(bytes));
    socket.on('error', (error) =>
      nats.#fail(new TestkitError('nats-connection', `${url}: ${error.message}`)),
    );
    socket.on('close', () => nats.#fail(new TestkitError('nats-connection', `${url}: connection closed`)));
    // The options of the Go client behind `nats req`.
    const options = {
      verbose: false,
      pedantic: false,
      tls_required: false,
      name: 'NATS CLI Version 0.1.1',
      lang: 'go',
      version: '1.31.0',
      protocol: 1,
      echo: true,
      headers: true,
      no_responders: true,
    };
    socket.write(`CONNECT ${JSON.stringify(options)}\r\n`);
    try {
      await within(Promise.race([nats.ping(), failed]), timeoutMs, `NATS handshake with ${url}`);
    } catch (error) {
      nats.close();
      throw error;
    }
    return nats;
  }

  ping(): Promise<void> {
    return new Promise((resolve) => {
      this.#onPong.push(resolve);
      this.#socket.write('PING\r\n');
    });
  }

  publish(subject: string, body: string | Buffer, headers: Record<string, string> = {}, reply = ''): void {
    const bytes = Buffer.from(body);
    const to = reply === '' ? subject : `${subject} ${reply}`;
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = lines.length === 0 ? '' : `NATS/1.0\r\n${lines.join('')}\r\n`;
    const headBytes = Buffer.byteLength(head);
    const verb =
      head === '' ? `PUB ${to} ${bytes.length}` : `HPUB ${to} ${headBytes} ${headBytes + bytes.length}`;
    this.#socket.write(Buffer.concat([Buffer.from(`${verb}\r\n${head}`), bytes, Buffer.from('\r\n')]));
  }

  /** Returns the way to unsubscribe. */
  subscribe(subject: string, deliver: (message: RawMessage) => void): () => void {
    return this.#subscribe(subject, { deliver, reject: () => undefined });
  }

  /** As `nats req SUBJECT BODY -H K:V`. No responder is an answer with status 503, as on the wire. */
  async request(
    subject: string,
    body: string | Buffer = '',
    headers: Record<string, string> = {},
    timeoutMs = 5_000,
  ): Promise<RawMessage> {
    const inbox = `_INBOX.${randomBytes(11).toString('hex')}`;
    let unsubscribe = (): void => undefined;
    const answered = new Promise<RawMessage>((resolve, reject) => {
      unsubscribe = this.#subscribe(inbox, { deliver: resolve, reject });
    });
    this.publish(subject, body, headers, inbox);
    return within(answered, timeoutMs, `reply to ${subject}`).finally(unsubscribe);
  }

  close(): void {
    this.#socket.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #subscribe(subject: string, subscription: Subscription): () => void {
    const sid = String(this.#nextSid++);
    this.#subscriptions.set(sid, subscription);
    this.#socket.write(`SUB ${subject} ${sid}\r\n`);
    return () => {
      if (this.#subscriptions.delete(sid)) this.#socket.write(`UNSUB ${sid}\r\n`);
    };
  }

  #receive(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    for (;;) {
      const lineEnd = this.#received.indexOf('\r\n');
      if (lineEnd < 0) return;
      const [verb = '', ...args] = this.#received.toString('utf8', 0, lineEnd).split(/\s+/);
      const payloadBytes = /^H?MSG$/i.test(verb) ? Number(args.at(-1)) + 2 : 0;
      const next = lineEnd + 2 + payloadBytes;
      if (this.#received.length < next) return;
      this.#take(
        verb.toUpperCase(),
        args,
        this.#received.subarray(lineEnd + 2, Math.max(next - 2, lineEnd + 2)),
      );
      this.#received = this.#received.subarray(next);
    }
  }

  #take(verb: string, args: string[], payload: Buffer): void {
    if (verb === 'PING') this.#socket.write('PONG\r\n');
    if (verb === 'PONG') this.#onPong.shift()?.();
    if (verb === '-ERR') this.#fail(new TestkitError('nats-connection', args.join(' ')));
    if (verb !== 'MSG' && verb !== 'HMSG') return;
    const [subject = '', sid = ''] = args;
    const headBytes = verb === 'HMSG' ? Number(args.at(-2)) : 0;
    this.#subscriptions.get(sid)?.deliver({
      subject,
      reply: args.length === (verb === 'HMSG' ? 5 : 4) ? (args[2] ?? '') : '',
      ...parseHead(payload.toString('utf8', 0, headBytes)),
      body: Buffer.from(payload.subarray(headBytes)),
    });
  }
}

function parseHead(head: string): Pick<RawMessage, 'status' | 'headers'> {
  const [first = '', ...lines] = head.split('\r\n');
  const line = /^NATS\/1\.0\s+(\d{3})\s*(.*)$/.exec(first);
  const headers: Record<string, string[]> = {};
  for (const text of lines) {
    const colon = text.indexOf(':');
    if (colon < 0) continue;
    const name = text.slice(0, colon);
    headers[name] = [...(headers[name] ?? []), text.slice(colon + 1).trim()];
  }
  return { status: line === null ? null : { code: Number(line[1]), description: line[2] ?? '' }, headers };
}
