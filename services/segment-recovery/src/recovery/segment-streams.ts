/** The streams that segments go into: made when they are missing, made larger when they have no room. */
import type { Bus, SegmentStream } from '@salvor/bus';
import type { ContainerOutline } from '@salvor/pravega';
import { segmentStream } from '@salvor/segments';
import { messageOf, SalvorError } from '@salvor/service-kit';

/** Of each segment and each message, beside what they hold. */
const OVERHEAD_BYTES = 4_096;

export async function prepareStreams(
  bus: Pick<Bus, 'logStreams' | 'applySegmentStreams'>,
  containers: readonly ContainerOutline[],
  { leastBytes, replicas }: { readonly leastBytes: number; readonly replicas: number },
): Promise<void> {
  for (const { container, segments, bytes } of containers) {
    const wanted = Math.max(leastBytes, 2 * bytes + segments * OVERHEAD_BYTES);
    const present = await factsOf(bus, container);
    if (present !== null && present.maxBytes >= wanted) continue;
    const stream: SegmentStream = { container, bytes: wanted };
    try {
      await bus.applySegmentStreams([stream], present?.replicas ?? replicas);
    } catch (error) {
      throw new SalvorError(
        'no-stream',
        `the stream ${segmentStream(container)} of ${wanted} bytes cannot be made: ${messageOf(error)}; the service needs the right to make streams, and NATS the room`,
        [],
        { cause: error },
      );
    }
  }
}

async function factsOf({ logStreams }: Pick<Bus, 'logStreams'>, container: number) {
  try {
    return await logStreams.facts(segmentStream(container));
  } catch (error) {
    if (error instanceof SalvorError && error.code === 'no-stream') return null;
    throw error;
  }
}
