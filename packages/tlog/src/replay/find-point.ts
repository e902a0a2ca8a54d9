import { LogError } from '../log-error.ts';
import type { LogSource, SegmentIndex } from '../log-source.ts';

/** A point in time of a vdisk. */
export type LogPoint =
  | { readonly kind: 'newest' }
  /** After this record. */
  | { readonly kind: 'sequence'; readonly sequence: number }
  /** Milliseconds since 1970 UTC: after the newest segment that was complete by then. Times are those of the owners' clocks. */
  | { readonly kind: 'time'; readonly at: number }
  | { readonly kind: 'snapshot'; readonly name: string };

export interface FoundPoint {
  readonly sequence: number;
  /** When the newest segment at or before it was taken. */
  readonly at: number;
  /** The log is not whole behind it: the vdisk was written since without its log. Only where that was accepted. */
  readonly isBroken: boolean;
}

/**
 * The sequence that stands for a point.
 *
 * @param acceptLoss where the point lies in what is missing, take the newest state before it that the log tells
 * @throws LogError `not-restorable`
 */
export async function findPoint(
  vdisk: string,
  source: LogSource,
  point: LogPoint,
  { acceptLoss = false } = {},
): Promise<FoundPoint> {
  const refuse = (why: string): LogError => new LogError('not-restorable', `vdisk ${vdisk}: ${why}`);
  let newest: SegmentIndex | null = null;
  let oldest: SegmentIndex | null = null;
  /** What would be the next segment if none were missing. */
  let expected = await source.newestNumber();
  const assertNext = ({ number }: SegmentIndex): void => {
    if (number >= expected || acceptLoss) return;
    const missing =
      expected === Number.MAX_SAFE_INTEGER ? 'its newest segment' : `segment ${number + 1} of its log`;
    throw refuse(
      `${missing} cannot be read, and that is where the point lies. Bring it back, name a point before it, or accept the loss`,
    );
  };
  const from = point.kind === 'sequence' ? point.sequence + 1 : undefined;
  for await (const segment of source.newestFirst(from)) {
    newest ??= segment;
    oldest = segment;
    const found = { sequence: segment.last, at: segment.lastAt, isBroken: newest.base < 1 };
    switch (point.kind) {
      case 'newest':
        assertNext(segment);
        if (segment.base >= 1) return found;
        if (!acceptLoss)
          throw refuse(
            `its log is not whole: what was written since sequence ${segment.first - 1} is not, or not completely, in it. Name a point before that, or accept the loss`,
          );
        break;
      case 'sequence':
        if (segment.first > point.sequence) break;
        if (segment.last < point.sequence && newest === segment)
          throw refuse(`its log ends with sequence ${segment.last}, before ${point.sequence}`);
        return { ...found, sequence: point.sequence, isBroken: false };
      case 'time':
        if (segment.lastAt > point.at) break;
        assertNext(segment);
        return { ...found, isBroken: false };
      case 'snapshot':
        if (segment.kind === 'snapshot' && segment.name === point.name) return { ...found, isBroken: false };
        break;
      default:
        throw new RangeError(`unknown point ${JSON.stringify(point satisfies never)}`);
    }
    expected = (segment.covers?.number ?? segment.number) - 1;
  }
  if (oldest === null) throw refuse('its log has no segments');
  switch (point.kind) {
    case 'newest':
      throw refuse('its log has no complete base anywhere');
    case 'sequence': {
      if (point.sequence === oldest.first - 1)
        return { sequence: point.sequence, at: oldest.firstAt, isBroken: false };
      throw refuse(`its log begins with sequence ${oldest.first}, after ${point.sequence}`);
    }
    case 'time':
      throw refuse(
        `its log begins at ${new Date(oldest.firstAt).toISOString()}, after ${new Date(point.at).toISOString()}`,
      );
    case 'snapshot':
      throw refuse(`its log has no snapshot '${point.name}'`);
  }
}
