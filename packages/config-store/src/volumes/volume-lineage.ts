/** How the content of one zone relates to that of another. Pure. */
import { type EndedGeneration, type Generation, lineageMax } from './volume-records.ts';

export function sameGeneration(a: Generation, b: Generation): boolean {
  return a.number === b.number && a.zone === b.zone;
}

/** Two zones that were promoted at the same time have the same number: then the name decides, the same everywhere. */
export function isHigher(a: Generation, b: Generation): boolean {
  return a.number > b.number || (a.number === b.number && a.zone > b.zone);
}

export function generationText({ number, zone }: Generation): string {
  return `${number} of zone ${zone}`;
}

/** Lineage with one more generation that is over; the oldest are forgotten. */
export function extended(lineage: readonly EndedGeneration[], ended: EndedGeneration): EndedGeneration[] {
  return [...lineage, ended].slice(-lineageMax);
}

export interface Content {
  readonly generation: Generation;
  readonly lineage: readonly EndedGeneration[];
  /** In the log of the zone that holds the generation. */
  readonly sequence: number;
}

export interface Primary {
  readonly generation: Generation;
  readonly lineage: readonly EndedGeneration[];
  /** Last record of its own log before its generation. */
  readonly begins: number;
}

/** What a secondary with some content has to do to become that of a primary. */
export type Relation =
  /** Go on behind this record of the primary's log. */
  | { readonly kind: 'follow'; readonly sequence: number }
  /** It lacks writes that the primary's log does not tell by the number: nothing of its own is lost by a copy. */
  | { readonly kind: 'behind'; readonly reason: string }
  /** It has writes that the primary lacks. */
  | {
      readonly kind: 'split';
      readonly fork: { readonly generation: Generation; readonly sequence: number } | null;
      readonly records: number | null;
    };

export function relationOf(content: Content, primary: Primary): Relation {
  const { generation, sequence } = content;
  if (sameGeneration(generation, primary.generation)) return { kind: 'follow', sequence };
  const place = primary.lineage.findIndex((ended) => sameGeneration(ended.generation, generation));
  const ended = primary.lineage[place];
  if (ended === undefined) return { kind: 'split', fork: commonOf(content, primary), records: null };
  if (sequence > ended.ends)
    return {
      kind: 'split',
      fork: { generation, sequence: ended.ends },
      records: sequence - ended.ends,
    };
  // One log, whichever generations it went through: its numbers go on.
  const since = primary.lineage.slice(place).map((each) => each.generation.zone);
  if ([...since, primary.generation.zone].every((zone) => zone === since[0]))
    return { kind: 'follow', sequence };
  if (sequence === ended.ends && place === primary.lineage.length - 1)
    return { kind: 'follow', sequence: primary.begins };
  return {
    kind: 'behind',
    reason: `its content ends at record ${sequence} of generation ${generationText(generation)}, which went on to ${ended.ends}: the log of zone ${primary.generation.zone} does not tell the rest by these numbers`,
  };
}

/** The last record that both have. */
function commonOf(content: Content, primary: Primary): { generation: Generation; sequence: number } | null {
  const own = [...content.lineage, { generation: content.generation, ends: content.sequence }];
  const others = [
    ...primary.lineage,
    // What it has of its own generation is not known here; only what this zone has of it counts.
    { generation: primary.generation, ends: Number.MAX_SAFE_INTEGER },
  ];
  for (const { generation, ends } of own.toReversed()) {
    const same = others.find((other) => sameGeneration(other.generation, generation));
    if (same !== undefined) return { generation, sequence: Math.min(ends, same.ends) };
  }
  return null;
}
