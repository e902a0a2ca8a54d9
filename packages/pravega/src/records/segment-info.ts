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
  /** Core attributes alone, by the second half of their id; see `core-attributes.ts`. */
  readonly attributes: ReadonlyMap<bigint, bigint>;
  /** Why the attributes may be damaged. */
  readonly problem?: string;
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
  const attributes = new Map<bigint, bigint>();
  let problem: string | undefined;
  for (let left = reader.count(ATTRIBUTE_BYTES); left > 0; left -= 1) {
    const first = reader.i64();
    const second = reader.i64();
    const attribute = reader.i64();
    if (first !== NULL_LONG || !isKnownAttribute(second))
      problem = 'its row has an attribute that is no core attribute';
    if (first === NULL_LONG && attribute !== NULL_LONG) attributes.set(second, attribute);
  }
  return { name, length, startOffset, sealed, attributes, ...(problem === undefined ? {} : { problem }) };
}
