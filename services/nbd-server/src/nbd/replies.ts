import {
  chunkFlag,
  chunkHeaderBytes,
  chunkType,
  command,
  simpleReplyBytes,
  simpleReplyMagic,
  structuredReplyMagic,
} from './constants.ts';
import type { Request } from './requests.ts';

export type Cookie = Pick<Request, 'cookieHigh' | 'cookieLow'>;

/** How a session answers: each function writes the bytes that go before the data and returns their number. */
export interface ReplyForm {
  /** Nothing but an error is longer. */
  readonly maxHeadBytes: number;
  readonly maxErrorBytes: number;
  /** Success of a request that returns no data. */
  putDone(into: Buffer, at: number, to: Request): number;
  putError(into: Buffer, at: number, to: Request, errorNumber: number, message: string): number;
  /** What precedes the data of a successful READ or BLOCK_STATUS. */
  putDataHead(into: Buffer, at: number, to: Request, dataBytes: number): number;
  /** Success of a READ of which nothing is stored. Without it the zeroes have to be sent. */
  putHole?(into: Buffer, at: number, to: Request): number;
}

/** proto.md, "Simple reply message": no data follows an error, and no error can follow data. */
export const simpleReplies: ReplyForm = {
  maxHeadBytes: simpleReplyBytes,
  maxErrorBytes: simpleReplyBytes,
  putDone: (into, at, to) => putSimpleReply(into, at, to, 0),
  putError: (into, at, to, errorNumber) => putSimpleReply(into, at, to, errorNumber),
  putDataHead: (into, at, to) => putSimpleReply(into, at, to, 0),
};

/** A message for a person in an error chunk is cut to this. */
const maxMessageBytes = 512;

/**
 * proto.md, "Structured reply chunk message": READ and BLOCK_STATUS are answered in chunks, failed or not, the others as
 * before. Every answer here is a single chunk, so a READ with DF is no different.
 */
export const structuredReplies: ReplyForm = {
  maxHeadBytes: chunkHeaderBytes + 12,
  maxErrorBytes: chunkHeaderBytes + 6 + maxMessageBytes,
  putDone: (into, at, to) =>
    isAnsweredInChunks(to)
      ? putChunkHeader(into, at, to, chunkType.none, 0)
      : putSimpleReply(into, at, to, 0),
  putError: (into, at, to, errorNumber, message) =>
    isAnsweredInChunks(to)
      ? putErrorChunk(into, at, to, errorNumber, message)
      : putSimpleReply(into, at, to, errorNumber),
  putDataHead(into, at, to, dataBytes) {
    if (to.type === command.blockStatus)
      return putChunkHeader(into, at, to, chunkType.blockStatus, dataBytes);
    putChunkHeader(into, at, to, chunkType.offsetData, 8 + dataBytes);
    putUInt64(into, at + chunkHeaderBytes, to.offsetBytes);
    return chunkHeaderBytes + 8;
  },
  putHole(into, at, to) {
    putChunkHeader(into, at, to, chunkType.offsetHole, 12);
    putUInt64(into, at + chunkHeaderBytes, to.offsetBytes);
    into.writeUInt32BE(to.lengthBytes, at + chunkHeaderBytes + 8);
    return chunkHeaderBytes + 12;
  },
};

function isAnsweredInChunks({ type }: Request): boolean {
  return type === command.read || type === command.blockStatus;
}

function putSimpleReply(into: Buffer, at: number, to: Cookie, errorNumber: number): number {
  into.writeUInt32BE(simpleReplyMagic, at);
  into.writeUInt32BE(errorNumber, at + 4);
  into.writeUInt32BE(to.cookieHigh, at + 8);
  into.writeUInt32BE(to.cookieLow, at + 12);
  return simpleReplyBytes;
}

/** The header of the last chunk of a reply. */
function putChunkHeader(into: Buffer, at: number, to: Cookie, type: number, payloadBytes: number): number {
  into.writeUInt32BE(structuredReplyMagic, at);
  into.writeUInt16BE(chunkFlag.done, at + 4);
  into.writeUInt16BE(type, at + 6);
  into.writeUInt32BE(to.cookieHigh, at + 8);
  into.writeUInt32BE(to.cookieLow, at + 12);
  into.writeUInt32BE(payloadBytes, at + 16);
  return chunkHeaderBytes;
}

function putErrorChunk(into: Buffer, at: number, to: Cookie, errorNumber: number, message: string): number {
  // Buffer.write never cuts a character in two.
  const messageBytes = into.write(message, at + chunkHeaderBytes + 6, maxMessageBytes, 'utf8');
  putChunkHeader(into, at, to, chunkType.error, 6 + messageBytes);
  into.writeUInt32BE(errorNumber, at + chunkHeaderBytes);
  into.writeUInt16BE(messageBytes, at + chunkHeaderBytes + 4);
  return chunkHeaderBytes + 6 + messageBytes;
}

/** Only for offsets inside an export, which are below 2^53. */
function putUInt64(into: Buffer, at: number, value: number): void {
  into.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  into.writeUInt32BE(value % 2 ** 32, at + 4);
}
