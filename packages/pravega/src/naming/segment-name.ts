/** Names of segments (`io.pravega.shared.NameUtils`). A name is a path below the root of Tier-2. */

export const ATTRIBUTE_SUFFIX = '$attributes.index';
export const INDEX_SUFFIX = '#index';
/** Where containers keep what is their own. */
export const CONTAINER_FOLDER = '_system/containers/';

const EPOCH_DELIMITER = '.#epoch.';
const TRANSACTION_DELIMITER = '#transaction.';
const TRANSIENT_DELIMITER = '#transient.';
/** Two 64-bit words in hexadecimal; a shorter rest makes the delimiter part of an ordinary name. */
const UNIQUE_ID_LENGTH = 32;
const STREAM_SEGMENT =
  /^[A-Za-z0-9_.-]{1,255}\/[A-Za-z0-9_.-]{1,255}\/\d{1,10}(?:\.#epoch\.\d{1,10})?(?:#(?:index|(?:transaction|transient)\.[0-9A-Za-z.-]{32,}(?:#index)?))?$/;
const TABLE_SEGMENT = /^[A-Za-z0-9_.-]{1,255}\/_tables\/[^/$][^$]*$/;

const RESUME_STATE =
  /^[^/]+\/(?:_RG[^/]*|scaleGroup|commitStreamReaders|abortStreamReaders|kvtStreamReaders)\//;

export function metadataSegment(container: number): string {
  return `${CONTAINER_FOLDER}metadata_${container}`;
}

export function storageMetadataSegment(container: number): string {
  return `${CONTAINER_FOLDER}storage_metadata_${container}`;
}

/** The parent of a transaction, or undefined for a name that is none. The delimiter is searched from the right. */
export function transactionParent(name: string): string | undefined {
  return parentBefore(name, TRANSACTION_DELIMITER);
}

/**
 * The name that decides about the container: without transaction or transient ids and what follows them, and without the
 * epoch and what follows it, so that a segment's attribute index, event index and all its epochs lie together.
 */
export function primaryName(name: string): string {
  let primary = name;
  for (;;) {
    const parent = transactionParent(primary) ?? parentBefore(primary, TRANSIENT_DELIMITER);
    if (parent === undefined) break;
    primary = parent;
  }
  const epochAt = primary.lastIndexOf(EPOCH_DELIMITER);
  return epochAt < 0 ? primary : primary.slice(0, epochAt);
}

export function isAttributeIndex(name: string): boolean {
  return name.endsWith(ATTRIBUTE_SUFFIX);
}

/** Segments that a recovery makes anew: those of the containers, and all attribute indexes. */
export function isInternal(name: string): boolean {
  return name.startsWith(CONTAINER_FOLDER) || isAttributeIndex(name);
}

/** State of reader groups, and of the controller's own readers. */
export function isResumeState(name: string): boolean {
  return RESUME_STATE.test(name);
}

/** Tables are told by their type; where that is lost, the name says what the controller uses it for. */
export function isNamedLikeTable(name: string): boolean {
  return TABLE_SEGMENT.test(name) || /\/[^/]*_kvtable\//.test(name);
}

/** Whether a file of this name may be a segment of its own, where nothing but the name tells. */
export function isNamedLikeSegment(name: string): boolean {
  return STREAM_SEGMENT.test(name) || TABLE_SEGMENT.test(name);
}

function parentBefore(name: string, delimiter: string): string | undefined {
  const at = name.lastIndexOf(delimiter);
  if (at < 0 || name.length < at + delimiter.length + UNIQUE_ID_LENGTH) return undefined;
  return name.slice(0, at);
}

/** By name, with numbers in numeric order: `file10` after `file2`. */
export function compareNames(a: string, b: string): number {
  return collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}

const collator = new Intl.Collator('en', { numeric: true });
