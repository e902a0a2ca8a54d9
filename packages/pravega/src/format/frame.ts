import type { ByteReader } from './byte-reader.ts';
import { FormatError } from './format-error.ts';

/**
 * The frame around every record (`io.pravega.common.io.serialization.VersionedSerializer`): format version, version,
 * count of revisions, then each revision's id, length and data. The records that exist have one revision, 0; later ones
 * are skipped by their length, and so is what stands behind the known fields in a revision.
 */
export function readFrame(reader: ByteReader): ByteReader {
  readFormatVersion(reader);
  return readRevisions(reader);
}

/** The frame of a record that may be one of several types (`VersionedSerializer.MultiType`). */
export function readTypedFrame(reader: ByteReader): { readonly type: number; readonly body: ByteReader } {
  readFormatVersion(reader);
  const type = reader.u8();
  return { type, body: readRevisions(reader) };
}

function readFormatVersion(reader: ByteReader): void {
  const version = reader.u8();
  if (version !== 0) throw new FormatError(`expected serialization format version 0, found ${version}`);
}

function readRevisions(reader: ByteReader): ByteReader {
  const version = reader.u8();
  if (version !== 0) throw new FormatError(`expected record version 0, found ${version}`);
  const revisions = reader.u8();
  let first: ByteReader | undefined;
  for (let expected = 0; expected < revisions; expected += 1) {
    const id = reader.u8();
    if (id !== expected) throw new FormatError(`expected revision ${expected}, found ${id}`);
    const body = reader.part(reader.i32());
    first ??= body;
  }
  if (first === undefined) throw new FormatError('expected at least one revision, found none');
  return first;
}
