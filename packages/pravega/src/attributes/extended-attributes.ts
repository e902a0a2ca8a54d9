import { NULL_LONG } from '../format/byte-reader.ts';
import type { SegmentBytes } from '../tree/segment-bytes.ts';
import { attributeIdText, isCoreKey, UUID_KEY_BYTES } from './attribute-key.ts';
import { readAttributeTree } from './attribute-tree.ts';

/** A writer leaves one each; so many of one segment are given. */
export const MAX_EXTENDED_ATTRIBUTES = 200_000;
const MAX_KEY_BYTES = 256;

export interface ExtendedAttributes {
  /** By the text of the id: writer -> number of its last event. */
  readonly values: ReadonlyMap<string, bigint>;
  /** Offset of the footer of the index that is in use; null: nothing was ever written. */
  readonly footerAt: number | null;
  /** Why attributes may be missing or old. */
  readonly doubt?: string;
}

/** What is in the attribute index of a segment; `keyLength` 0 for ids that are UUIDs. */
export async function readExtendedAttributes(
  index: SegmentBytes,
  keyLength: number,
  keep: boolean,
): Promise<ExtendedAttributes> {
  const values = new Map<string, bigint>();
  let leftOut = 0;
  const length = keyLength > 0 && keyLength <= MAX_KEY_BYTES ? keyLength : UUID_KEY_BYTES;
  const tree = await readAttributeTree(index, length, ({ key, value }) => {
    if (!keep || value === NULL_LONG || isCoreKey(key)) return;
    if (values.size < MAX_EXTENDED_ATTRIBUTES) values.set(attributeIdText(key), value);
    else leftOut += 1;
  });
  if (tree === undefined) return { values, footerAt: null, doubt: 'its attribute index has no valid tree' };
  const { footerAt, tornBytes } = tree;
  if (leftOut > 0) return { values, footerAt, doubt: `${leftOut} more attributes are left out` };
  if (tornBytes === 0) return { values, footerAt };
  return { values, footerAt, doubt: `the last ${tornBytes} bytes of its attribute index are no valid tree` };
}
