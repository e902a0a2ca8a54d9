/**
 * Numbers of the NBD protocol, named as in its specification (`doc/proto.md`, fixed newstyle).
 * 64-bit magics are kept as two 32-bit halves: the hot path never touches BigInt.
 */

/** Largest READ or WRITE payload; also the advertised maximum block size. */
export const maxPayloadBytes = 32 * 1024 * 1024;
export const minimumBlockSizeBytes = 1;
/** proto.md "Strings": a string is at most 4096 bytes. */
export const maxStringBytes = 4096;

export const nbdMagic = { high: 0x4e42444d, low: 0x41474943 } as const; // "NBDMAGIC"
export const optionMagic = { high: 0x49484156, low: 0x454f5054 } as const; // "IHAVEOPT"
export const optionReplyMagic = { high: 0x0003e889, low: 0x045565a9 } as const;
export const requestMagic = 0x25609513;
export const simpleReplyMagic = 0x67446698;
export const structuredReplyMagic = 0x668e33ef;

export const clientFlagBytes = 4;
/** magic u64, option u32, length u32 */
export const optionHeaderBytes = 16;
/** magic u64, option u32, reply type u32, length u32 */
export const optionReplyHeaderBytes = 20;
/** magic u32, flags u16, type u16, cookie u64, offset u64, length u32 */
export const requestHeaderBytes = 28;
/** magic u32, error u32, cookie u64 */
export const simpleReplyBytes = 16;
/** magic u32, flags u16, type u16, cookie u64, length u32 */
export const chunkHeaderBytes = 20;
/** Zeroes after the answer to EXPORT_NAME, unless both sides agreed on NO_ZEROES. */
export const exportNamePaddingBytes = 124;

export const handshakeFlag = { fixedNewstyle: 1 << 0, noZeroes: 1 << 1 } as const;
export const clientFlag = { fixedNewstyle: 1 << 0, noZeroes: 1 << 1 } as const;

export const option = {
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
} as const;

export const infoType = { export: 0, name: 1, description: 2, blockSize: 3 } as const;

export const optionReply = {
  ack: 1,
  server: 2,
  info: 3,
  metaContext: 4,
  errUnsupported: 0x80000001,
  errPolicy: 0x80000002,
  errInvalid: 0x80000003,
  errTlsRequired: 0x80000005,
  errUnknown: 0x80000006,
  errShutdown: 0x80000007,
  errTooBig: 0x80000009,
} as const;

export const transmissionFlag = {
  hasFlags: 1 << 0,
  readOnly: 1 << 1,
  sendFlush: 1 << 2,
  sendFua: 1 << 3,
  sendTrim: 1 << 5,
  sendWriteZeroes: 1 << 6,
  sendDf: 1 << 7,
  canMultiConn: 1 << 8,
  sendCache: 1 << 10,
  sendFastZero: 1 << 11,
} as const;

export const command = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  cache: 5,
  writeZeroes: 6,
  blockStatus: 7,
} as const;

export const commandFlag = {
  fua: 1 << 0,
  noHole: 1 << 1,
  dontFragment: 1 << 2,
  requestOne: 1 << 3,
  fastZero: 1 << 4,
} as const;

/** Chunks of a structured reply; errors have the highest bit set. */
export const chunkType = {
  none: 0,
  offsetData: 1,
  offsetHole: 2,
  blockStatus: 5,
  error: 0x8001,
} as const;
export const chunkFlag = { done: 1 << 0 } as const;

/** The only metadata context offered, its id in a session, and the flags of its extents. */
export const allocationContext = { name: 'base:allocation', id: 1 } as const;
export const allocationFlag = { hole: 1 << 0, zero: 1 << 1 } as const;

export const errno = {
  eperm: 1,
  eio: 5,
  enomem: 12,
  einval: 22,
  enospc: 28,
  eoverflow: 75,
  enotsup: 95,
  eshutdown: 108,
} as const;
