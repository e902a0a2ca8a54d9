import { containerOf } from '@salvor/contracts';
import { ATTRIBUTE_SUFFIX, CONTAINER_FOLDER, primaryName } from './segment-name.ts';

/** Java's `Integer.MAX_VALUE`. */
const JAVA_INT_MAX = 2 ** 31 - 1;
const METADATA_SEGMENT = new RegExp(`^${CONTAINER_FOLDER}(?:storage_)?metadata_(?:.*_)?\\+?(\\d+)$`, 's');

/**
 * The container that Pravega puts a segment into (`io.pravega.shared.segment.SegmentToContainerMapper`, with its rule for
 * the containers' own segments). Not for attribute indexes of those, which are with their parent whatever their hash is:
 * see `containerOfAttributeIndex`.
 */
export function containerOfSegment(name: string, containers: number): number {
  return ownContainer(name) ?? containerOf(primaryName(name), containers);
}

/** An attribute index is in the container of the segment it belongs to. */
export function containerOfAttributeIndex(name: string, containers: number): number {
  return containerOfSegment(name.slice(0, -ATTRIBUTE_SUFFIX.length), containers);
}

/** N for `_system/containers/metadata_N` and `storage_metadata_N`, if N is a Java int: it may exceed the count. */
export function ownContainer(name: string): number | undefined {
  const digits = METADATA_SEGMENT.exec(name)?.[1];
  if (digits === undefined) return undefined;
  const container = Number(digits);
  return container <= JAVA_INT_MAX ? container : undefined;
}
