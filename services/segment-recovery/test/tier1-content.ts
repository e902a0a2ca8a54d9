/** All that Tier-1 has of segments, for comparison. */
import { createHash } from 'node:crypto';
import type { Bus } from '@salvor/bus';
import type { SegmentDescription } from '@salvor/contracts';
import { contentOf, extendedAttributesOf, tableValuesOf } from '@salvor/segments';

export interface ContentOfSegment {
  readonly described: SegmentDescription;
  /** Of the bytes in the log. */
  readonly sha256: string;
  readonly extendedAttributes: Record<string, string>;
  readonly entries: readonly { readonly key: string; readonly value: string; readonly version: number }[];
}

export async function everySegment(bus: Bus): Promise<Map<string, ContentOfSegment>> {
  const found = new Map<string, ContentOfSegment>();
  let after: string | undefined;
  do {
    const { segments, next } = await bus.request('segment.list', {
      limit: 7,
      ...(after === undefined ? {} : { after }),
    });
    for (const described of segments) found.set(described.segment, await contentIn(bus, described));
    after = next;
  } while (after !== undefined);
  return found;
}

async function contentIn({ logStreams }: Bus, described: SegmentDescription): Promise<ContentOfSegment> {
  const hash = createHash('sha256');
  let at = described.startOffset;
  for await (const { offset, data } of contentOf(logStreams, described)) {
    if (offset < at) throw new Error(`bytes of ${described.segment} come twice`);
    hash.update(data);
    at = offset + data.length;
  }
  const extendedAttributes: Record<string, string> = {};
  for await (const { id, value } of extendedAttributesOf(logStreams, described))
    extendedAttributes[id] = value;
  const entries: { key: string; value: string; version: number }[] = [];
  for await (const { key, value, version } of tableValuesOf(logStreams, described))
    entries.push({ key: key.toString(), value: value.toString(), version });
  return { described, sha256: hash.digest('hex'), extendedAttributes, entries: entries.sort(byKey) };
}

export function byKey(a: { readonly key: string }, b: { readonly key: string }): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
