/** Up to where bytes that no metadata knows of may be taken: never half an event, entry or index. */
import { readAttributeTree } from '../attributes/attribute-tree.ts';
import { FOOTER_BYTES } from '../attributes/tree-page.ts';
import { appendableAt, readEventFraming } from '../events/event-framing.ts';
import { EVENT_INDEX_RECORD_BYTES } from '../events/event-index.ts';
import type { FindBoundary } from '../events/event-index-search.ts';
import { findEntryStart, scanEntries } from '../table/entry-scan.ts';
import type { SegmentBytes } from '../tree/segment-bytes.ts';

export type ContentKind =
  /** Lengths that its ids may have; in an index that is valid with one of them they have that one. */
  | { readonly kind: 'attribute-index'; readonly keyLengths: readonly number[] }
  | { readonly kind: 'table' }
  | { readonly kind: 'index-records' }
  /** Events, or bytes of no form. */
  | { readonly kind: 'stream'; readonly boundary: FindBoundary };

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
      for (const keyLength of content.keyLengths) {
        const tree = await readAttributeTree(bytes, keyLength, () => undefined);
        if (tree?.footerAt != null) return Math.max(knownEnd, tree.footerAt + FOOTER_BYTES);
      }
      return knownEnd;
    }
    case 'table': {
      const scannedTo = await scanEntries(bytes, startOffset, end, () => undefined);
      if (scannedTo > knownEnd) return scannedTo;
      // Its first chunk may begin inside of an entry.
      const start = await findEntryStart(bytes, bytes.start, knownEnd);
      return Math.max(knownEnd, await scanEntries(bytes, start ?? knownEnd, end, () => undefined));
    }
    case 'index-records':
      return Math.max(knownEnd, end - (end % EVENT_INDEX_RECORD_BYTES));
    case 'stream': {
      const framing = await readEventFraming({
        bytes,
        from: startOffset,
        to: end,
        boundary: content.boundary,
      });
      // A segment that was no events before has none now: whatever its writer wrote is whole.
      return Math.max(knownEnd, appendableAt(framing, end));
    }
  }
}
