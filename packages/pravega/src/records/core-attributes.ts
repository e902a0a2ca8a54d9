/**
 * Core attributes (`io.pravega.segmentstore.contracts.Attributes`, `TableAttributes`): the first half of their id is
 * Long.MIN_VALUE, the second half is one of these.
 */
export const coreAttribute = {
  creationTime: 0n,
  eventCount: 1n,
  /** Offset of the footer of the attribute index that is in use. */
  attributeIndexRoot: 7n,
  /** A sequence number of a log that is gone with Tier-1. */
  attributeIndexSequence: 8n,
  /** Bits of `segmentType`. */
  type: 9n,
  /** On `metadata_N` alone: which snapshot of the system journal was the newest. */
  latestSnapshot: 10n,
  latestSnapshotEpoch: 11n,
  /** Length of the ids of extended attributes; of the keys, in a table with keys of one length. */
  idLength: 12n,
  /** Up to where a table's entries are in its attribute index. */
  tableIndexed: 0x10_0000n,
  tableEntries: 0x10_0001n,
  tableBuckets: 0x10_0002n,
  tableTotalEntries: 0x10_0003n,
  tableCompacted: 0x10_0004n,
} as const;

/** Set once by versions long gone, and without a meaning now. */
const RETIRED: ReadonlySet<bigint> = new Set([5n, 6n]);

/** The ids that exist: 0 to 16, and those of tables. */
export function isKnownAttribute(attribute: bigint): boolean {
  const isPlain = attribute >= 0n && attribute <= 16n;
  return isPlain || (attribute >= coreAttribute.tableIndexed && attribute <= coreAttribute.tableIndexed + 6n);
}

export function isCarried(attribute: bigint): boolean {
  return (
    !RETIRED.has(attribute) &&
    attribute !== coreAttribute.latestSnapshot &&
    attribute !== coreAttribute.latestSnapshotEpoch
  );
}

/** Bits of a segment's type (`io.pravega.segmentstore.contracts.SegmentType`). */
export const segmentType = { table: 1n, fixedKeyLength: 4n } as const;

/** `80000000-0000-0000-0000-000000000004` */
export function coreAttributeId(attribute: bigint): string {
  return uuidText(0x8000_0000_0000_0000n, BigInt.asUintN(64, attribute));
}

/** Two unsigned words as a UUID. */
export function uuidText(first: bigint, second: bigint): string {
  const hex = first.toString(16).padStart(16, '0') + second.toString(16).padStart(16, '0');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
