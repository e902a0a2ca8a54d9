/** Publishes the events of a segment into a JetStream subject: in order, each once. */
import type { LogStreamPort } from '@salvor/bus';
import { segmentSubject } from '@salvor/segments';
import { codeOf, messageOf, SalvorError } from '@salvor/service-kit';
import type { SegmentItem } from './segment-items.ts';
import type { KnownSegment } from './segment-source.ts';

/** Events under way at once. */
const WINDOW = 64;
/** Events that are longer go alone. */
const LARGE_BYTES: number = 256 * 1024;

export interface Published {
  readonly events: number;
  /** Of them, those that the stream had already. */
  readonly duplicates: number;
}

/** Throws `invalid-subject` for a subject that is Salvor's own, or the server's, or no subject. */
export function checkSubject(subject: string): void {
  const isSubject = /^[^\s.*>]+(\.[^\s.*>]+)*$/.test(subject);
  if (isSubject && !/^(salvor\.|\$|_INBOX\.)/.test(subject)) return;
  throw new SalvorError(
    'invalid-subject',
    `expected a subject without wildcards that is not Salvor's own (salvor.…) or the server's ($…), found ${JSON.stringify(subject)}`,
  );
}

/**
 * The id of a message is that of the event, so that a stream stores an event that is sent again within its duplicate
 * window once. Throws `publish-stopped`, which says where to go on.
 */
export async function publishEvents(
  streams: Pick<LogStreamPort, 'publish'>,
  segment: KnownSegment,
  subject: string,
  items: AsyncIterable<SegmentItem>,
): Promise<Published> {
  const id = segmentSubject(segment.container, segment.segment);
  let window: { offset: number; payload: Buffer }[] = [];
  let events = 0;
  let duplicates = 0;
  const send = async () => {
    const sent = await Promise.allSettled(
      window.map(({ offset, payload }) => streams.publish({ subject, data: payload, id: `${id}:${offset}` })),
    );
    for (const [index, result] of sent.entries()) {
      if (result.status === 'rejected' && codeOf(result.reason) === 'no-stream')
        throw new SalvorError(
          'no-stream',
          `no stream of JetStream takes ${subject}: make one that does ('nats stream add'); ${events} events were published, go on with --from ${window[index]?.offset}`,
        );
      if (result.status === 'rejected')
        throw new SalvorError(
          'publish-stopped',
          `${events} events were published; the one at ${window[index]?.offset} was not (${messageOf(result.reason)}); go on with --from ${window[index]?.offset}`,
        );
      events += 1;
      if (result.value.duplicate) duplicates += 1;
    }
    window = [];
  };
  for await (const item of items) {
    if (item.kind !== 'event') continue;
    // The server may refuse it for its size: then nothing that comes after it may be stored.
    const isLarge = item.payload.length > LARGE_BYTES;
    if (isLarge) await send();
    window.push(item);
    if (isLarge || window.length >= WINDOW) await send();
  }
  await send();
  return { events, duplicates };
}
