/**
 * The file of an exported vdisk: an Avro object container file (codec null) of `VdiskExportRecord`. In its header is what the
 * vdisk is; then come its blocks that are not zeros, one a record, in any order; the last record counts them, and has the
 * SHA-256 of all bytes in front of it.
 */

import { type AvroFileHeader, avroFileHeader, readAvroHeader, syncMarker } from '../chunk/avro-file.ts';
import { LogError } from '../log-error.ts';

export const EXPORT_RECORD = 'VdiskExportRecord';
const FORMAT = '1';
const MIN_BLOCK_BYTES = 512;
const MAX_BLOCK_BYTES = 256 * 1024;

/** What a vdisk was when it was exported. */
export interface ExportedVdisk {
  readonly vdisk: string;
  readonly type: string;
  /** Bytes. */
  readonly blockSize: number;
  /** Bytes. */
  readonly size: number;
  /** Last record of its log that is in the file; null: it was read from its engines. */
  readonly sequence: number | null;
  /** Which state it is, in words. */
  readonly state: string;
  /** Milliseconds since 1970 UTC. */
  readonly createdAt: number;
  /** The operation that wrote the file. */
  readonly operation: string;
}

export function exportSync({ vdisk, operation }: ExportedVdisk): Buffer {
  return syncMarker(`export ${vdisk} ${operation}`);
}

export function exportHeader(exported: ExportedVdisk): Buffer {
  const { vdisk, type, blockSize, size, sequence, state, createdAt, operation } = exported;
  const metadata = {
    'salvor.export': FORMAT,
    'salvor.vdisk': vdisk,
    'salvor.type': type,
    'salvor.block-size': String(blockSize),
    'salvor.size': String(size),
    'salvor.sequence': sequence === null ? '' : String(sequence),
    'salvor.state': state,
    'salvor.created': new Date(createdAt).toISOString(),
    'salvor.operation': operation,
  };
  return avroFileHeader(EXPORT_RECORD, metadata, exportSync(exported));
}

/** @param bytes the beginning of the file @throws LogError `bad-export` */
export function readExportHeader(
  bytes: Buffer,
  path: string,
): { readonly exported: ExportedVdisk; readonly avro: AvroFileHeader } {
  const avro = avroHeaderOf(bytes, path);
  const { metadata } = avro;
  const bad = (what: string): LogError => new LogError('bad-export', `${path}: bad header: ${what}`);
  const text = (key: string): string => {
    const found = metadata.get(`salvor.${key}`);
    if (found === undefined) throw bad(`expected salvor.${key}, found none: it is no exported vdisk`);
    return found;
  };
  const whole = (key: string): number => {
    const found = text(key);
    const value = /^\d{1,16}$/.test(found) ? Number(found) : Number.NaN;
    if (!Number.isSafeInteger(value))
      throw bad(`expected salvor.${key} to be a number, found ${JSON.stringify(found)}`);
    return value;
  };
  const format = text('export');
  if (format !== FORMAT)
    throw bad(`expected format ${FORMAT}, found ${JSON.stringify(format)}: it is of a later version`);
  const blockSize = whole('block-size');
  const isBlock =
    blockSize >= MIN_BLOCK_BYTES && blockSize <= MAX_BLOCK_BYTES && Number.isInteger(Math.log2(blockSize));
  if (!isBlock)
    throw bad(
      `expected blocks of ${MIN_BLOCK_BYTES} to ${MAX_BLOCK_BYTES} bytes, a power of two, found ${blockSize}`,
    );
  const size = whole('size');
  if (size === 0 || size % blockSize !== 0)
    throw bad(`expected a size of whole blocks of ${blockSize} bytes, found ${size}`);
  const createdAt = Date.parse(text('created'));
  if (!Number.isFinite(createdAt)) throw bad(`expected a time, found ${JSON.stringify(text('created'))}`);
  const exported = {
    ...{ vdisk: text('vdisk'), type: text('type'), blockSize, size, createdAt },
    sequence: text('sequence') === '' ? null : whole('sequence'),
    ...{ state: text('state'), operation: text('operation') },
  };
  return { exported, avro };
}

function avroHeaderOf(bytes: Buffer, path: string): AvroFileHeader {
  try {
    return readAvroHeader(bytes, EXPORT_RECORD, path);
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    throw new LogError('bad-export', error.message);
  }
}
