import type { Socket } from 'node:net';
import type { ByteSource } from './byte-source.ts';
import { NbdOptionError, NbdProtocolError } from './errors.ts';
import {
  applyInfo,
  EXPORT_NAME_ZEROES_BYTES,
  type ExportInfo,
  encodeGoData,
  encodeOption,
  handshakeFlag,
  IHAVEOPT,
  NBDMAGIC,
  OPTION_REPLY_MAGIC,
  option,
  optionReply,
} from './protocol.ts';

interface OptionReply {
  type: number;
  data: Buffer;
}

const NO_INFO: ExportInfo = { sizeBytes: -1, flags: 0, blockSizes: null };

/** The option haggling of the fixed newstyle handshake, from the client's side. */
export class Handshake {
  readonly #socket: Socket;
  readonly #source: ByteSource;
  readonly #noZeroes: boolean;

  private constructor(socket: Socket, source: ByteSource, noZeroes: boolean) {
    this.#socket = socket;
    this.#source = source;
    this.#noZeroes = noZeroes;
  }

  /** Reads the greeting and answers it. `noZeroes: false` is what very old clients say. */
  static async greet(socket: Socket, source: ByteSource, noZeroes = true): Promise<Handshake> {
    const greeting = await source.take(18);
    if (greeting.readBigUInt64BE(0) !== NBDMAGIC || greeting.readBigUInt64BE(8) !== IHAVEOPT) {
      throw new NbdProtocolError(`expected a newstyle greeting, found ${greeting.toString('hex')}`);
    }
    const flags = greeting.readUInt16BE(16);
    if ((flags & handshakeFlag.fixedNewstyle) === 0) {
      throw new NbdProtocolError('expected a server that speaks fixed newstyle; it does not announce it');
    }
    const agreed = noZeroes && (flags & handshakeFlag.noZeroes) !== 0;
    const answer = Buffer.alloc(4);
    answer.writeUInt32BE(handshakeFlag.fixedNewstyle | (agreed ? handshakeFlag.noZeroes : 0), 0);
    socket.write(answer);
    return new Handshake(socket, source, agreed);
  }

  /** NBD_OPT_STARTTLS: the server expects TLS next. Error: `NbdOptionError`. */
  async startTls(): Promise<void> {
    this.#socket.write(encodeOption(option.startTls, Buffer.alloc(0)));
    const reply = await this.#reply(option.startTls, 'NBD_OPT_STARTTLS');
    if (reply.type !== optionReply.ack) throw unexpected('NBD_OPT_STARTTLS', reply);
  }

  /** The same haggling, from here on over another socket. */
  over(socket: Socket, source: ByteSource): Handshake {
    return new Handshake(socket, source, this.#noZeroes);
  }

  /** NBD_OPT_GO: transmission follows. Error: `NbdOptionError` (the handshake goes on). */
  go(exportName: string): Promise<ExportInfo> {
    return this.#askForExport(option.go, exportName);
  }

  /** NBD_OPT_INFO: as `go`, without starting transmission. */
  info(exportName: string): Promise<ExportInfo> {
    return this.#askForExport(option.info, exportName);
  }

  /** NBD_OPT_EXPORT_NAME: transmission follows; a refusal is a closed connection. */
  async exportName(exportName: string): Promise<ExportInfo> {
    this.#socket.write(encodeOption(option.exportName, Buffer.from(exportName, 'utf8')));
    const answer = await this.#source.take(10 + (this.#noZeroes ? 0 : EXPORT_NAME_ZEROES_BYTES));
    return { sizeBytes: Number(answer.readBigUInt64BE(0)), flags: answer.readUInt16BE(8), blockSizes: null };
  }

  /** NBD_OPT_LIST: the names of the exports. */
  async list(): Promise<string[]> {
    this.#socket.write(encodeOption(option.list, Buffer.alloc(0)));
    const names: string[] = [];
    for (;;) {
      const reply = await this.#reply(option.list, 'NBD_OPT_LIST');
      if (reply.type === optionReply.ack) return names;
      if (reply.type !== optionReply.server) throw unexpected('NBD_OPT_LIST', reply);
      names.push(reply.data.toString('utf8', 4, 4 + reply.data.readUInt32BE(0)));
    }
  }

  /** NBD_OPT_ABORT: ends the handshake politely. */
  async abort(): Promise<void> {
    this.#socket.write(encodeOption(option.abort, Buffer.alloc(0)));
    const reply = await this.#reply(option.abort, 'NBD_OPT_ABORT');
    if (reply.type !== optionReply.ack) throw unexpected('NBD_OPT_ABORT', reply);
  }

  /** Any option with any data; the last reply, error replies included. For tests of the haggling itself. */
  async raw(number: number, data: Buffer): Promise<OptionReply> {
    this.#socket.write(encodeOption(number, data));
    return this.#read(number);
  }

  async #askForExport(number: number, exportName: string): Promise<ExportInfo> {
    const what = `export '${exportName}'`;
    this.#socket.write(encodeOption(number, encodeGoData(exportName)));
    let info = NO_INFO;
    for (;;) {
      const reply = await this.#reply(number, what);
      if (reply.type === optionReply.info) {
        info = applyInfo(info, reply.data);
        continue;
      }
      if (reply.type !== optionReply.ack) throw unexpected(what, reply);
      if (info.sizeBytes < 0) throw new NbdProtocolError(`${what}: acknowledged without NBD_INFO_EXPORT`);
      return info;
    }
  }

  async #reply(number: number, what: string): Promise<OptionReply> {
    const reply = await this.#read(number);
    if (reply.type >= optionReply.errorBit) {
      throw new NbdOptionError(what, reply.type, reply.data.toString('utf8'));
    }
    return reply;
  }

  async #read(number: number): Promise<OptionReply> {
    const header = await this.#source.take(20);
    if (header.readBigUInt64BE(0) !== OPTION_REPLY_MAGIC || header.readUInt32BE(8) !== number) {
      throw new NbdProtocolError(`expected a reply to option ${number}, found ${header.toString('hex')}`);
    }
    return { type: header.readUInt32BE(12), data: await this.#source.take(header.readUInt32BE(16)) };
  }
}

function unexpected(what: string, reply: OptionReply): NbdProtocolError {
  return new NbdProtocolError(`${what}: unexpected option reply of type ${reply.type}`);
}
