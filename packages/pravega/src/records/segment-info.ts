import { ByteReader, NULL_LONG } from '../format/byte-reader.ts';
import { FormatError } from '../format/format-error.ts';
import { readFrame } from '../format/frame.ts';
import { isKnownAttribute } from './core-attributes.ts';

/**
 * A row of `_system/containers/metadata_N`: what the container knew of a segment when it last saved it
 * (`io.pravega.segmentstore.server.containers.MetadataStore.SegmentInfo`).
 */
export interface SegmentInfo {
  readonly name: string;
  readonly length: number;
  readonly startOffset: number;
  readonly sealed: boolean;
  /** Core attributes alone, by the second half of their id; see `core-attributes.ts`. Decoded at each call. */
  readonly attributes: ReadonlyMap<bigint, bigint>;
  /** Why the attributes may be damaged. */
  readonly problem: string | undefined;
}

const ATTRIBUTE_BYTES = 24;

/** Throws FormatError. The key of the row must be the name inside its value. */
export function readSegmentInfo(key: string, value: Buffer): SegmentInfo {
  const reader = readFrame(new ByteReader(value));
  reader.i64(); // The id, which was valid in one life of one container.
  const name = reader.utf();
  if (name !== key) throw new FormatError(`expected the row of ${key}, found one of ${name}`);
  const length = reader.offset();
  const startOffset = reader.offset();
  if (startOffset > length)
    throw new FormatError(`expected a start offset of at most the length ${length}, found ${startOffset}`);
  const sealed = reader.bool();
  const count = reader.count(ATTRIBUTE_BYTES);
  // Rows are kept, and most of their attributes are never looked at: as text they take a fraction of the memory.
  const encoded = reader.slice(count * ATTRIBUTE_BYTES).toString('latin1');
  const { problem } = readCoreAttributes(encoded);
  return new SegmentInfoRow({ name: key, length, startOffset, sealed, encoded, problem });
}

interface RowFacts {
  readonly name: string;
  readonly length: number;
  readonly startOffset: number;
  readonly sealed: boolean;
  readonly encoded: string;
  readonly problem: string | undefined;
}

class SegmentInfoRow implements SegmentInfo {
  readonly name: string;
  readonly length: number;
  readonly startOffset: number;
  readonly sealed: boolean;
  readonly problem: string | undefined;
  readonly #encoded: string;

  constructor({ name, length, startOffset, sealed, encoded, problem }: RowFacts) {
    this.name = name;
    this.length = length;
    this.startOffset = startOffset;
    this.sealed = sealed;
    this.problem = problem;
    this.#encoded = encoded;
  }

  get attributes(): ReadonlyMap<bigint, bigint> {
    return readCoreAttributes(this.#encoded).attributes;
  }
}

function readCoreAttributes(encoded: string): { attributes: Map<bigint, bigint>; problem?: string } {
  const reader = new ByteReader(Buffer.from(encoded, 'latin1'));
  const attributes = new Map<bigint, bigint>();
  let isDamaged = false;
  while (reader.remaining > 0) {
    const first = reader.i64();
    const second = reader.i64();
    const attribute = reader.i64();
    if (first !== NULL_LONG || !isKnownAttribute(second)) isDamaged = true;
    if (first === NULL_LONG && attribute !== NULL_LONG) attributes.set(second, attribute);
  }
  return isDamaged
    ? { attributes, problem: 'its row has an attribute that is no core attribute' }
    : { attributes };
}
