/** A segment of a tree as Tier-1 describes it. */
import { createHash } from 'node:crypto';
import { SEGMENT_RANGES_MAX, type SegmentRecord } from '@salvor/config-store';
import type { SegmentAccount } from '@salvor/pravega';
import { segmentStream, segmentSubject } from '@salvor/segments';

export type DescribedSegment = Pick<
  SegmentRecord,
  | 'segment'
  | 'container'
  | 'length'
  | 'startOffset'
  | 'appendAt'
  | 'sealed'
  | 'framing'
  | 'events'
  | 'runs'
  | 'sha256'
  | 'lost'
  | 'coreAttributes'
  | 'extendedAttributes'
  | 'uncertain'
  | 'stream'
  | 'subject'
  | 'digest'
>;

export function describeSegment({ facts, framing, holes }: SegmentAccount): DescribedSegment {
  const { name, container, length, startOffset, sealed, sha256, uncertain } = facts;
  const core = Object.entries(facts.coreAttributes).map(([id, value]) => ({ id, value }));
  const extended = Object.entries(facts.extendedAttributes);
  const described = {
    ...{ segment: name, container, length, startOffset, appendAt: framing.appendAt, sealed },
    framing: framing.kind,
    ...(framing.kind === 'events'
      ? { events: framing.runs.reduce((sum, { events }) => sum + events, 0) }
      : {}),
    runs: framing.runs.slice(0, SEGMENT_RANGES_MAX).map(({ from, to }) => ({ from, to })),
    ...(sha256 === null ? {} : { sha256 }),
    lost: holes.slice(0, SEGMENT_RANGES_MAX).map(({ from, to }) => ({ from, to })),
    coreAttributes: core,
    extendedAttributes: extended.length,
  };
  // Doubts are no part of it: they depend on what else was told, such as the number of containers.
  const digest = createHash('sha256')
    .update(JSON.stringify([described, extended.sort(([a], [b]) => (a < b ? -1 : 1))]))
    .digest('hex');
  return {
    ...described,
    uncertain: Object.entries(uncertain).map(([fact, why]) => ({ fact, why })),
    ...{ stream: segmentStream(container), subject: segmentSubject(container, name), digest },
  };
}
