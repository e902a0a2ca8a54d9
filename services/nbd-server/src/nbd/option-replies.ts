import type { ExportDescription } from './block-device.ts';
import {
  exportNamePaddingBytes,
  handshakeFlag,
  infoType,
  maxPayloadBytes,
  minimumBlockSizeBytes,
  nbdMagic,
  optionMagic,
  optionReply,
  optionReplyHeaderBytes,
  optionReplyMagic,
  transmissionFlag,
} from './constants.ts';
import type { Session } from './session.ts';

/** What the server says first: NBDMAGIC, IHAVEOPT, handshake flags. */
export function greeting(): Buffer {
  const bytes = Buffer.alloc(18);
  bytes.writeUInt32BE(nbdMagic.high, 0);
  bytes.writeUInt32BE(nbdMagic.low, 4);
  bytes.writeUInt32BE(optionMagic.high, 8);
  bytes.writeUInt32BE(optionMagic.low, 12);
  bytes.writeUInt16BE(handshakeFlag.fixedNewstyle | handshakeFlag.noZeroes, 16);
  return bytes;
}

export function optionReplyBytes(option: number, type: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(optionReplyHeaderBytes + data.length);
  bytes.writeUInt32BE(optionReplyMagic.high, 0);
  bytes.writeUInt32BE(optionReplyMagic.low, 4);
  bytes.writeUInt32BE(option, 8);
  bytes.writeUInt32BE(type, 12);
  bytes.writeUInt32BE(data.length, 16);
  data.copy(bytes, optionReplyHeaderBytes);
  return bytes;
}

/** A refusal; its data is a message for a person (proto.md, "Option reply types"). */
export function optionError(option: number, type: number, message: string): Buffer {
  return optionReplyBytes(option, type, Buffer.from(message.slice(0, 1000), 'utf8'));
}

/** NBD_REP_SERVER: u32 length, name. */
export function listedExport(option: number, name: string): Buffer {
  const text = Buffer.from(name, 'utf8');
  const data = Buffer.alloc(4 + text.length);
  data.writeUInt32BE(text.length, 0);
  text.copy(data, 4);
  return optionReplyBytes(option, optionReply.server, data);
}

/** Every NBD_REP_INFO of an answer to INFO or GO, and the final ACK. `wanted` are the information types asked for. */
export function exportInformation(
  option: number,
  name: string,
  wanted: readonly number[],
  about: ExportDescription,
  session: Pick<Session, 'structuredReplies'>,
): Buffer {
  const replies = [information(option, infoType.export, exportSizeAndFlags(about, session))];
  if (wanted.includes(infoType.name)) {
    replies.push(information(option, infoType.name, Buffer.from(name, 'utf8')));
  }
  if (wanted.includes(infoType.description) && about.description !== undefined) {
    replies.push(information(option, infoType.description, Buffer.from(about.description, 'utf8')));
  }
  const sizes = Buffer.alloc(12);
  sizes.writeUInt32BE(minimumBlockSizeBytes, 0);
  sizes.writeUInt32BE(about.blockSizeBytes, 4);
  sizes.writeUInt32BE(maxPayloadBytes, 8);
  replies.push(information(option, infoType.blockSize, sizes), optionReplyBytes(option, optionReply.ack));
  return Buffer.concat(replies);
}

/** The answer to EXPORT_NAME: u64 size, u16 flags, and zeroes for clients that did not agree to go without. */
export function exportNameAnswer(
  about: ExportDescription,
  session: Pick<Session, 'structuredReplies'>,
  withoutZeroes: boolean,
): Buffer {
  const padding = Buffer.alloc(withoutZeroes ? 0 : exportNamePaddingBytes);
  return Buffer.concat([exportSizeAndFlags(about, session), padding]);
}

/** NBD_REP_META_CONTEXT: u32 context id, name. */
export function metaContext(option: number, id: number, name: string): Buffer {
  const text = Buffer.from(name, 'utf8');
  const data = Buffer.alloc(4 + text.length);
  data.writeUInt32BE(id, 0);
  text.copy(data, 4);
  return optionReplyBytes(option, optionReply.metaContext, data);
}

function transmissionFlags(readOnly: boolean, structuredReplies: boolean): number {
  const flag = transmissionFlag;
  const always = flag.hasFlags | flag.sendFlush | flag.sendFua | flag.canMultiConn | flag.sendCache;
  const access = readOnly ? flag.readOnly : flag.sendTrim | flag.sendWriteZeroes | flag.sendFastZero;
  return always | access | (structuredReplies ? flag.sendDf : 0);
}

function information(option: number, type: number, payload: Buffer): Buffer {
  const data = Buffer.alloc(2 + payload.length);
  data.writeUInt16BE(type, 0);
  payload.copy(data, 2);
  return optionReplyBytes(option, optionReply.info, data);
}

function exportSizeAndFlags(
  about: ExportDescription,
  { structuredReplies }: Pick<Session, 'structuredReplies'>,
): Buffer {
  const bytes = Buffer.alloc(10);
  bytes.writeBigUInt64BE(BigInt(about.sizeBytes), 0);
  bytes.writeUInt16BE(transmissionFlags(about.readOnly, structuredReplies), 8);
  return bytes;
}
