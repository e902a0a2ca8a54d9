import { contentOf, segmentStream, segmentSubject, tableValuesOf } from '@salvor/segments';
import type { Session } from '../connection.ts';
import type { KnownSegment, SegmentSource } from './segment-source.ts';

const PAGE = 500;

/** Segments as etcd and JetStream have them. */
export function tier1Source({ ask, bus }: Session): SegmentSource {
  const place = ({ segment, container }: KnownSegment) => ({
    segment,
    stream: segmentStream(container),
    subject: segmentSubject(container, segment),
  });
  return {
    async *list({ container, prefix }) {
      let after: string | undefined;
      do {
        const { reply } = await ask('segment.list', { container, prefix, after, limit: PAGE });
        yield* reply.segments;
        after = reply.next;
      } while (after !== undefined);
    },
    get: async (segment) => (await ask('segment.get', { segment })).reply.segment,
    content: (segment, { from, to }) => contentOf(bus.logStreams, place(segment), { from, to }),
    values: (segment) => tableValuesOf(bus.logStreams, place(segment)),
  };
}
