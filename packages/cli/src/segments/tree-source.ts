import type { ListedSegment, PravegaTree } from '@salvor/pravega';
import { SalvorError } from '@salvor/service-kit';
import type { KnownSegment, SegmentSource } from './segment-source.ts';

/** Segments as a tree has them, without a bus. */
export function treeSource(tree: PravegaTree): SegmentSource {
  const found = (name: string): ListedSegment => {
    const segment = tree.segments.find((each) => each.name === name);
    if (segment !== undefined) return segment;
    throw new SalvorError(
      'unknown-segment',
      `there is no segment ${JSON.stringify(name)} in ${tree.root}; 'salvor storage list-segments' shows those that there are`,
    );
  };
  return {
    async *list({ container, prefix }) {
      for (const { name, ...facts } of tree.segments)
        if ((container === undefined || facts.container === container) && name.startsWith(prefix))
          yield { segment: name, ...facts };
    },
    async get(name): Promise<KnownSegment> {
      const segment = found(name);
      const { container, length, startOffset, sealed } = segment;
      const { kind, runs, appendAt } = await tree.framing(segment);
      const content = tree.content(name);
      const sha256 = await content.sha256(startOffset, length);
      return {
        ...{ segment: name, container, length, startOffset, appendAt, sealed, framing: kind, runs },
        ...(kind === 'events' ? { events: runs.reduce((sum, { events }) => sum + events, 0) } : {}),
        ...(sha256 === null ? {} : { sha256 }),
        lost: content.holes(startOffset, length),
      };
    },
    async *content({ segment }, { from, to }) {
      const content = tree.content(segment);
      let at = from;
      for (const hole of [...content.holes(from, to), { from: to, to }]) {
        for await (const data of content.stream(at, hole.from)) {
          yield { offset: at, data };
          at += data.length;
        }
        at = hole.to;
      }
    },
    async *values({ segment }) {
      const entries = tree.entries(found(segment));
      if (entries !== null) yield* entries;
    },
  };
}
