/** Where each fact of a segment is from, what other sources said, and how certain it is. */

import type { SegmentInfo } from '../records/segment-info.ts';
import { dataEnd, type StoredSegment } from '../stored-segment.ts';
import type { UncertainFact } from './decide-segment.ts';

export interface FactOrigin {
  readonly fact: UncertainFact;
  /** The source of the value. */
  readonly from: string;
  readonly certainty: 'certain' | 'deduced' | 'lower bound' | 'unknown';
  /** Why it is not certain. */
  readonly why?: string;
  /** What each source says, where several do. */
  readonly said?: Readonly<Record<string, number | boolean>>;
}

export interface OriginSources {
  readonly layout: 'chunked' | 'legacy';
  readonly container: number;
  readonly stored: StoredSegment | undefined;
  readonly row: SegmentInfo | undefined;
  readonly hasIndex: boolean;
  readonly uncertain: Readonly<Partial<Record<UncertainFact, string>>>;
}

export function originsOf(sources: OriginSources): FactOrigin[] {
  const { layout, container, stored, row, hasIndex, uncertain } = sources;
  const metadata = `metadata_${container}`;
  const storage = layout === 'chunked' ? `storage_metadata_${container}` : 'header';
  const end = stored === undefined ? undefined : dataEnd(stored);
  const said = <T extends number | boolean>(values: Readonly<Record<string, T | null | undefined>>) => {
    const told = Object.entries(values).filter((pair): pair is [string, T] => pair[1] != null);
    return told.length > 1 ? { said: Object.fromEntries(told) } : {};
  };
  const origin = (
    fact: UncertainFact,
    from: string,
    values: Readonly<Record<string, number | boolean | null | undefined>> = {},
  ): FactOrigin => {
    const why = uncertain[fact];
    return {
      fact,
      from,
      certainty: certaintyOf(why),
      ...(why === undefined ? {} : { why }),
      ...said(values),
    };
  };
  const firstByte = stored?.extents[0]?.at;
  const starts = {
    [metadata]: row?.startOffset,
    [storage]: stored?.startOffset,
    'first byte': firstByte,
  };
  const seals = { [metadata]: row?.sealed, [storage]: stored?.sealed };
  const sealFrom = stored?.isSealByMode === true && row?.sealed !== true ? 'mode of the file' : storage;
  return [
    origin('existence', stored === undefined ? metadata : row === undefined ? 'files' : `files, ${metadata}`),
    origin('container', row === undefined ? 'hash of the name' : metadata),
    origin(
      'length',
      (stored?.extents.length ?? 0) > 0 ? 'files' : stored === undefined ? metadata : storage,
      {
        files: end,
        [metadata]: row?.length,
        [storage]: stored?.recordedLength,
      },
    ),
    origin('startOffset', highest(starts) ?? metadata, starts),
    origin('sealed', row?.sealed === true || stored === undefined ? metadata : sealFrom, seals),
    origin('coreAttributes', row === undefined ? 'none: no row' : `${metadata}, counted on through files`),
    origin('extendedAttributes', hasIndex ? 'attribute index' : 'none: no attribute index'),
  ];
}

function certaintyOf(why: string | undefined): FactOrigin['certainty'] {
  if (why === undefined) return 'certain';
  if (/lower bound|are lost$/.test(why)) return 'lower bound';
  return why.startsWith('deduced') ? 'deduced' : 'unknown';
}

function highest(values: Readonly<Record<string, number | undefined>>): string | undefined {
  const told = Object.entries(values).filter((pair): pair is [string, number] => pair[1] !== undefined);
  return told.sort(([, a], [, b]) => b - a)[0]?.[0];
}

/** What no source of any tree can tell: part of every report. */
export const unknowable: readonly string[] = [
  'bytes, seals, truncations, creations, deletions and changes of attributes that were in Tier-1 alone: most leave no trace in Tier-2',
  'positions of writers that are newer than the attribute index: a writer that connects again may repeat or leave out events',
  'removals and changes in tables with keys of one length after their index was last written',
  'in the legacy layout: start offsets, and segments that were never written, where metadata_N is lost',
  'whether an open transaction was to be committed, and the order of concurrent merges that are in no chain yet',
  'the count of events of a segment without a row that was truncated, or had merges',
  'the number of containers, which is deduced unless it was given; attribute …-000000000008, a position in a log that is gone; times of changes',
];
