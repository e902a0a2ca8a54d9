/** How the content of one zone relates to that of another. Pure. */
import {
  type EndedGeneration,
  type Generation,
  type LogEnd,
  type LogSegment,
  lineageMax,
} from './volume-records.ts';

export function sameGeneration(a: Generation, b: Generation): boolean {
  return a.number === b.number && a.zone === b.zone && a.incarnation === b.incarnation;
}

/** It was disabled and enabled again in between: its numbers began anew. */
export function isOtherLife(a: Generation, b: Generation): boolean {
  return a.incarnation !== b.incarnation && a.incarnation !== '' && b.incarnation !== '';
}

/** Whether it is the very same segment, and not another one of the same number. */
export function sameSegment(a: LogSegment, b: LogSegment): boolean {
  return a.number === b.number && a.epoch === b.epoch && a.last === b.last && a.at === b.at;
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
  readonly segment: LogSegment | null;
  /** The generation was held here: what the log of this very zone has is what counts. */
  readonly isOwn: boolean;
}

/** What was found out about a segment: whether this zone's own log has it; null: its log does not tell any more. */
export interface SoughtSegment {
  readonly segment: LogSegment;
  readonly isHeld: boolean | null;
}

export interface Primary {
  readonly generation: Generation;
  readonly lineage: readonly EndedGeneration[];
  /** Last record of its own log before its generation. */
  readonly begins: number;
  /** The segment of its own log that ends there. */
  readonly begun: LogSegment | null;
}

/** What a secondary with some content has to do to become that of a primary. */
export type Relation =
  /** Go on behind this place of the primary's log. */
  | ({ readonly kind: 'follow' } & LogEnd)
  /** It lacks writes that the primary's log does not tell by the number: nothing of its own is lost by a copy. */
  | { readonly kind: 'behind'; readonly reason: string }
  /** Whether it has what the other zone built on is to be looked for in its own log first. */
  | { readonly kind: 'unproven'; readonly segment: LogSegment }
  /** It has writes that the primary lacks. */
  | {
      readonly kind: 'split';
      readonly fork: { readonly generation: Generation; readonly sequence: number } | null;
      readonly records: number | null;
      /** Why it is not known how many, as a half sentence; empty: it is, or nothing more is known. */
      readonly reason: string;
    };

export function relationOf(
  content: Content,
  primary: Primary,
  sought: SoughtSegment | null = null,
): Relation {
  const { generation, sequence, segment, isOwn } = content;
  const unknown = (reason: string): Relation => ({ kind: 'split', fork: null, records: null, reason });
  if (sameGeneration(generation, primary.generation))
    return isOwn
      ? unknown('the other zone calls a generation its own that was held here')
      : { kind: 'follow', sequence, segment };
  const place = primary.lineage.findIndex((ended) => sameGeneration(ended.generation, generation));
  const ended = primary.lineage[place];
  if (ended === undefined)
    return { kind: 'split', fork: commonOf(content, primary), records: null, reason: '' };
  if (isOwn) {
    // A log that lost its end was written on under numbers that the other zone knows for something else.
    if (sequence < ended.ends)
      return unknown(
        `the log here ends with record ${sequence}, and the other zone has record ${ended.ends} of it: it lost its end, and what it was given since is nowhere else`,
      );
    const proof = proofOf(ended, sought);
    if (proof !== null) return proof;
  }
  if (sequence > ended.ends)
    return {
      kind: 'split',
      fork: { generation, sequence: ended.ends },
      records: sequence - ended.ends,
      reason: '',
    };
  // One log, whichever generations it went through: its numbers go on. But not through what was taken back in between.
  const since = primary.lineage.slice(place);
  const isOneLog = [...since.map((each) => each.generation.zone), primary.generation.zone].every(
    (zone, _, zones) => zone === zones[0],
  );
  if (isOneLog && since.at(-1)?.ends === primary.begins) return { kind: 'follow', sequence, segment };
  if (sequence === ended.ends && place === primary.lineage.length - 1)
    return { kind: 'follow', sequence: primary.begins, segment: primary.begun };
  return {
    kind: 'behind',
    reason: `its content ends at record ${sequence} of generation ${generationText(generation)}, which went on to ${ended.ends}: the log of zone ${primary.generation.zone} does not tell the rest by these numbers`,
  };
}

/** Null: this zone's own log has what the other zone built on. */
function proofOf(ended: EndedGeneration, sought: SoughtSegment | null): Relation | null {
  const { segment, ends } = ended;
  if (segment !== null && (sought === null || !sameSegment(sought.segment, segment)))
    return { kind: 'unproven', segment };
  if (segment !== null && sought?.isHeld === true) return null;
  const found =
    segment === null
      ? `the other zone does not say which segment record ${ends} was in`
      : sought?.isHeld === false
        ? `the log here has another segment ${segment.number} than the one that the other zone has of it: it lost its end, and what it was given since is nowhere else`
        : `the log here does not reach back to segment ${segment.number} any more, and its archive is not reached (SALVOR_TLOG_STORE)`;
  return { kind: 'split', fork: null, records: null, reason: found };
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
