import { simpleReplyBytes, simpleReplyMagic } from './constants.ts';
import type { Request } from './requests.ts';

export type Cookie = Pick<Request, 'cookieHigh' | 'cookieLow'>;

/** How a session answers: each form writes the bytes that go before the data and returns their number. */
export interface ReplyForm {
  /** No head is longer. */
  readonly maxHeadBytes: number;
  /** Success of a request that returns no data. */
  putDone(into: Buffer, at: number, to: Cookie): number;
  putError(into: Buffer, at: number, to: Cookie, errorNumber: number): number;
  /** What precedes the data of a successful READ. */
  putDataHead(into: Buffer, at: number, to: Request): number;
}

/** proto.md, "Simple reply message": no data follows an error, and no error can follow data. */
export const simpleReplies: ReplyForm = {
  maxHeadBytes: simpleReplyBytes,
  putDone: (into, at, to) => putSimpleReply(into, at, to, 0),
  putError: (into, at, to, errorNumber) => putSimpleReply(into, at, to, errorNumber),
  putDataHead: (into, at, to) => putSimpleReply(into, at, to, 0),
};

function putSimpleReply(into: Buffer, at: number, to: Cookie, errorNumber: number): number {
  into.writeUInt32BE(simpleReplyMagic, at);
  into.writeUInt32BE(errorNumber, at + 4);
  into.writeUInt32BE(to.cookieHigh, at + 8);
  into.writeUInt32BE(to.cookieLow, at + 12);
  return simpleReplyBytes;
}
