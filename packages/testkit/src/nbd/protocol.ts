/** Numbers and codecs of the NBD protocol (doc/proto.md of the NetworkBlockDevice project). No I/O here. */

export const NBDMAGIC = 0x4e42444d41474943n;
export const IHAVEOPT = 0x49484156454f5054n;
export const OPTION_REPLY_MAGIC = 0x0003e889045565a9n;
export const REQUEST_MAGIC = 0x25609513;
export const SIMPLE_REPLY_MAGIC = 0x67446698;

export const handshakeFlag = { fixedNewstyle: 1, noZeroes: 2 } as const;

export const option = { exportName: 1, abort: 2, list: 3, startTls: 5, info: 6, go: 7 } as const;

export const optionReply = { ack: 1, server: 2, info: 3, errorBit: 0x80000000 } as const;

export const infoType = { export: 0, blockSize: 3 } as const;

export const command = { read: 0, write: 1, disc: 2, flush: 3, trim: 4, writeZeroes: 6 } as const;
export type CommandName = keyof typeof command;

export const commandFlag = { fua: 1, noHole: 2 } as const;

export const transmissionFlag = {
  hasFlags: 1 << 0,
  readOnly: 1 << 1,
  sendFlush: 1 << 2,
  sendFua: 1 << 3,
  rotational: 1 << 4,
  sendTrim: 1 << 5,
  sendWriteZeroes: 1 << 6,
  sendDf: 1 << 7,
  canMultiConn: 1 << 8,
  sendCache: 1 << 10,
  sendFastZero: 1 << 11,
} as const;

export const errnoNames: Readonly<Record<number, string>> = {
  1: 'EPERM (1)',
  5: 'EIO (5)',
  12: 'ENOMEM (12)',
  22: 'EINVAL (22)',
  28: 'ENOSPC (28)',
  75: 'EOVERFLOW (75)',
  95: 'ENOTSUP (95)',
  108: 'ESHUTDOWN (108)',
};

export const optionErrorNames: Readonly<Record<number, string>> = {
  2147483649: 'NBD_REP_ERR_UNSUP',
  2147483650: 'NBD_REP_ERR_POLICY',
  2147483651: 'NBD_REP_ERR_INVALID',
  2147483652: 'NBD_REP_ERR_PLATFORM',
  2147483653: 'NBD_REP_ERR_TLS_REQD',
  2147483654: 'NBD_REP_ERR_UNKNOWN',
  2147483655: 'NBD_REP_ERR_SHUTDOWN',
  2147483656: 'NBD_REP_ERR_BLOCK_SIZE_REQD',
};

export const REQUEST_HEADER_BYTES = 28;
export const REPLY_HEADER_BYTES = 16;
export const EXPORT_NAME_ZEROES_BYTES = 124;

export interface ExportInfo {
  sizeBytes: number;
  /** Bits of `transmissionFlag`. */
  flags: number;
  blockSizes: { minimum: number; preferred: number; maximum: number } | null;
}

export function encodeOption(number: number, data: Buffer): Buffer {
  const header = Buffer.alloc(16);
  header.writeBigUInt64BE(IHAVEOPT, 0);
  header.writeUInt32BE(number, 8);
  header.writeUInt32BE(data.length, 12);
  return Buffer.concat([header, data]);
}

/** Data of NBD_OPT_GO and NBD_OPT_INFO, asking for the block sizes as well. */
export function encodeGoData(exportName: string): Buffer {
  const name = Buffer.from(exportName, 'utf8');
  const data = Buffer.alloc(4 + name.length + 4);
  data.writeUInt32BE(name.length, 0);
  name.copy(data, 4);
  data.writeUInt16BE(1, 4 + name.length);
  data.writeUInt16BE(infoType.blockSize, 6 + name.length);
  return data;
}

/** Takes one NBD_REP_INFO reply into account; unknown kinds of information are ignored, as the protocol asks. */
export function applyInfo(info: ExportInfo, data: Buffer): ExportInfo {
  const type = data.readUInt16BE(0);
  if (type === infoType.export) {
    return { ...info, sizeBytes: Number(data.readBigUInt64BE(2)), flags: data.readUInt16BE(10) };
  }
  if (type === infoType.blockSize) {
    const blockSizes = {
      minimum: data.readUInt32BE(2),
      preferred: data.readUInt32BE(6),
      maximum: data.readUInt32BE(10),
    };
    return { ...info, blockSizes };
  }
  return info;
}

export interface RequestHeader {
  flags: number;
  type: number;
  cookie: bigint;
  offset: number;
  length: number;
}

export function encodeRequest(request: RequestHeader): Buffer {
  const header = Buffer.allocUnsafe(REQUEST_HEADER_BYTES);
  header.writeUInt32BE(REQUEST_MAGIC, 0);
  header.writeUInt16BE(request.flags, 4);
  header.writeUInt16BE(request.type, 6);
  header.writeBigUInt64BE(request.cookie, 8);
  header.writeBigUInt64BE(BigInt(request.offset), 16);
  header.writeUInt32BE(request.length, 24);
  return header;
}
