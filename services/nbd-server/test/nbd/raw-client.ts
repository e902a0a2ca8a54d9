import net from 'node:net';
import tls from 'node:tls';

const waitTimeoutMs = 5_000;

/** A socket that sends exactly what it is told and waits, with a deadline, for exactly what is asked. */
export class RawClient {
  #socket: net.Socket;
  #received = Buffer.alloc(0);
  #isOver = false;
  #wake: () => void = () => undefined;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    this.#listen();
  }

  get socket(): net.Socket {
    return this.#socket;
  }

  /** Goes on under TLS, after STARTTLS was acknowledged. */
  async secure(options: tls.ConnectionOptions): Promise<void> {
    const plain = this.#socket;
    plain.removeAllListeners('data');
    const secured = tls.connect({ ...options, socket: plain });
    await new Promise<void>((resolve, reject) => {
      secured.once('secureConnect', resolve).once('error', reject);
    });
    this.#socket = secured;
    this.#listen();
  }

  #listen(): void {
    this.#socket.on('data', (data: Buffer) => {
      this.#received = Buffer.concat([this.#received, data]);
      this.#wake();
    });
    for (const event of ['end', 'close', 'error']) {
      this.#socket.on(event, () => {
        this.#isOver = true;
        this.#wake();
      });
    }
  }

  static async connect(endpoint: string): Promise<RawClient> {
    const options = endpoint.startsWith('unix:')
      ? { path: endpoint.slice(5) }
      : { host: endpoint.split(':')[1] ?? '', port: Number(endpoint.split(':')[2]) };
    const socket = net.connect({ ...options, allowHalfOpen: true });
    const client = new RawClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', () => resolve());
      socket.once('error', reject);
    });
    return client;
  }

  /** Past the greeting, in the transmission phase of an export. */
  static async onExport(endpoint: string, name: string): Promise<RawClient> {
    const client = await RawClient.connect(endpoint);
    await client.take(18);
    client.send(hex('00000003'), goOption(name));
    await client.#acknowledged();
    return client;
  }

  /** The same with structured replies and the context `base:allocation`. */
  static async onStructuredExport(endpoint: string, name: string): Promise<RawClient> {
    const client = await RawClient.connect(endpoint);
    await client.take(18);
    client.send(hex('00000003'), option(8), option(10, contextData(name, 'base:allocation')), goOption(name));
    for (let acknowledged = 0; acknowledged < 3; acknowledged++) await client.#acknowledged();
    return client;
  }

  async #acknowledged(): Promise<void> {
    for (;;) {
      const { option, type } = await this.takeOptionReply();
      if (type === 1) return;
      if (type >= 2 ** 31) throw new Error(`option ${option} was answered with ${type.toString(16)}`);
    }
  }

  send(...parts: Uint8Array[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  async take(bytes: number): Promise<Buffer> {
    await this.#until(() => this.#received.length >= bytes, `${bytes} bytes`);
    const taken = this.#received.subarray(0, bytes);
    this.#received = this.#received.subarray(bytes);
    return taken;
  }

  async takeOptionReply(): Promise<{ option: number; type: number; data: Buffer }> {
    const head = await this.take(20);
    const data = await this.take(head.readUInt32BE(16));
    return { option: head.readUInt32BE(8), type: head.readUInt32BE(12), data };
  }

  /** One simple reply: its cookie and error number; `dataBytes` are read if it is a success. */
  async takeReply(dataBytes = 0): Promise<{ cookie: number; error: number; data: Buffer }> {
    const head = await this.take(16);
    if (head.readUInt32BE(0) !== 0x67446698) throw new Error(`not a simple reply: ${head.toString('hex')}`);
    const error = head.readUInt32BE(4);
    const data = await this.take(error === 0 ? dataBytes : 0);
    return { cookie: head.readUInt32BE(12), error, data };
  }

  /** One chunk of a structured reply. */
  async takeChunk(): Promise<{ cookie: number; flags: number; type: number; payload: Buffer }> {
    const head = await this.take(20);
    if (head.readUInt32BE(0) !== 0x668e33ef) throw new Error(`not a chunk: ${head.toString('hex')}`);
    const payload = await this.take(head.readUInt32BE(16));
    const [flags, type] = [head.readUInt16BE(4), head.readUInt16BE(6)];
    return { cookie: head.readUInt32BE(12), flags, type, payload };
  }

  /** Everything until the server ends the stream. */
  async rest(): Promise<Buffer> {
    const end = Date.now() + waitTimeoutMs;
    while (!this.#isOver) await this.#event(end, 'the end of the stream');
    return this.#received;
  }

  get receivedBytes(): number {
    return this.#received.length;
  }

  close(): void {
    this.socket.destroy();
  }

  async #until(isThere: () => boolean, what: string): Promise<void> {
    const end = Date.now() + waitTimeoutMs;
    while (!isThere()) {
      if (this.#isOver) throw new Error(`stream ended, waiting for ${what}, have ${this.#received.length}`);
      await this.#event(end, what);
    }
  }

  async #event(endMs: number, what: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no ${what} in time, have ${this.#received.length} bytes`)),
        Math.max(1, endMs - Date.now()),
      );
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
}

export function option(code: number, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.from('IHAVEOPT\0\0\0\0\0\0\0\0', 'latin1');
  head.writeUInt32BE(code, 8);
  head.writeUInt32BE(data.length, 12);
  return Buffer.concat([head, data]);
}

export function infoData(name: string, ...wanted: number[]): Buffer {
  const text = Buffer.from(name);
  const data = Buffer.alloc(6 + text.length + 2 * wanted.length);
  data.writeUInt32BE(text.length, 0);
  text.copy(data, 4);
  data.writeUInt16BE(wanted.length, 4 + text.length);
  wanted.forEach((type, i) => {
    data.writeUInt16BE(type, 6 + text.length + 2 * i);
  });
  return data;
}

/** Data of LIST_META_CONTEXT and SET_META_CONTEXT. */
export function contextData(name: string, ...queries: string[]): Buffer {
  const string = (text: string) => Buffer.concat([number(Buffer.byteLength(text)), Buffer.from(text)]);
  return Buffer.concat([string(name), number(queries.length), ...queries.map(string)]);
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function goOption(name: string): Buffer {
  return option(7, infoData(name));
}

export interface RequestFields {
  flags?: number;
  type: number;
  cookie?: number;
  offset?: number | bigint;
  length?: number;
  payload?: Uint8Array;
}

export function request(fields: RequestFields): Buffer {
  const { flags = 0, type, cookie = 1, offset = 0, payload } = fields;
  const head = Buffer.alloc(28);
  head.writeUInt32BE(0x25609513, 0);
  head.writeUInt16BE(flags, 4);
  head.writeUInt16BE(type, 6);
  head.writeUInt32BE(cookie, 12);
  head.writeBigUInt64BE(BigInt(offset), 16);
  head.writeUInt32BE(fields.length ?? payload?.length ?? 0, 24);
  return payload === undefined ? head : Buffer.concat([head, payload]);
}

/** Waits for a condition that no event announces. */
export async function until(what: string, isTrue: () => boolean, timeoutMs = waitTimeoutMs): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!isTrue()) {
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
