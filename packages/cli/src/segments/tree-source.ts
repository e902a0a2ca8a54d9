import { everySegment, type TreeReader } from '@salvor/pravega';
import { SalvorError } from '@salvor/service-kit';
import type { KnownSegment, SegmentSource, UncertainFact } from './segment-source.ts';

const PIECE_BYTES: number = 64 * 1024;

/** Segments as a tree has them, without a bus. */
export function treeSource(tree: TreeReader): SegmentSource {
  const places = new Map<string, number>();
  const placeOf = async (name: string): Promise<number> => {
    const known = places.get(name);
    if (known !== undefined) return known;
    let place = 0;
    for await (const segment of everySegment(tree)) {
      if (segment.name === name) {
        places.set(name, place);
        return place;
      }
      place += 1;
    }
    throw new SalvorError(
      'unknown-segment',
      `there is no segment ${JSON.stringify(name)} in ${tree.outline.root}; 'salvor storage list-segments' shows those that there are`,
    );
  };
  return {
    async *list({ container, prefix }) {
      for await (const { name, uncertain, ...facts } of everySegment(tree))
        if ((container === undefined || facts.container === container) && name.startsWith(prefix))
          yield { segment: name, ...facts, uncertain: doubtsOf(uncertain) };
    },
    async get(segment): Promise<KnownSegment> {
      const { facts, framing, holes } = await tree.account(await placeOf(segment));
      const { container, length, startOffset, sealed, sha256, uncertain } = facts;
      const { kind, runs, appendAt } = framing;
      return {
        ...{ segment, container, length, startOffset, appendAt, sealed, framing: kind, runs },
        ...(kind === 'events' ? { events: runs.reduce((sum, { events }) => sum + events, 0) } : {}),
        ...(sha256 === null ? {} : { sha256 }),
        lost: holes,
        uncertain: doubtsOf(uncertain),
      };
    },
    async *content({ segment, lost }, { from, to }) {
      const place = await placeOf(segment);
      let at = from;
      for (const hole of [...lost.filter((range) => range.to > from && range.from < to), { from: to, to }]) {
        while (at < hole.from) {
          const data = await tree.read(place, at, Math.min(PIECE_BYTES, hole.from - at));
          if (data.length === 0) break;
          yield { offset: at, data };
          at += data.length;
        }
        at = Math.max(at, hole.to);
      }
    },
    async *values({ segment }) {
      yield* tree.entries(await placeOf(segment));
    },
  };
}

function doubtsOf(uncertain: Readonly<Record<string, string>>): UncertainFact[] {
  return Object.entries(uncertain).map(([fact, why]) => ({ fact, why }));
}
