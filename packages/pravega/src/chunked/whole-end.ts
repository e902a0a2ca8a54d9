/** Up to where bytes that no metadata knows of may be taken: never half an event, entry or index. */
import { UUID_KEY_BYTES } from '../attributes/attribute-key.ts';
import { readAttributeTree } from '../attributes/attribute-tree.ts';
import { FOOTER_BYTES } from '../attributes/tree-page.ts';
import { walkEvents } from '../events/event-walk.ts';
import { scanEntries } from '../table/entry-scan.ts';
import type { SegmentBytes } from '../tree/segment-bytes.ts';

export type ContentKind =
  | { readonly kind: 'attribute-index'; readonly keyLength: number }
  | { readonly kind: 'table' }
  /** Events, or bytes of no form. */
  | { readonly kind: 'stream' };

/** `knownEnd`: what metadata knows of. Returns an offset from there to the end of the bytes. */
export async function wholeEnd(
  bytes: SegmentBytes,
  startOffset: number,
  knownEnd: number,
  content: ContentKind,
): Promise<number> {
  const { end } = bytes;
  switch (content.kind) {
    case 'attribute-index': {
      const tree = await readAttributeTree(bytes, content.keyLength || UUID_KEY_BYTES, () => undefined);
      return tree?.footerAt == null ? knownEnd : Math.max(knownEnd, tree.footerAt + FOOTER_BYTES);
    }
    case 'table':
      return Math.max(knownEnd, await scanEntries(bytes, startOffset, end, () => undefined));
    case 'stream': {
      const { endsAt, ending } = await walkEvents(bytes, startOffset, end);
      // A segment that was no events before has none now: whatever its writer wrote is whole.
      const isRaw = ending === 'not-events' && endsAt < knownEnd;
      return isRaw ? end : Math.max(knownEnd, endsAt);
    }
  }
}
