/** How far the log of a vdisk is, from what both tiers have of it. Pure. */
import type { ArchivedRecord, TlogConfig, TlogState } from '@salvor/config-store';
import type { ArchiveTrace, Fact, LostRange, TailTrace } from './tier1-sources.ts';

export interface LogSources {
  readonly config: TlogConfig;
  readonly state: { readonly etcd: TlogState | null; readonly configuration: TlogState | null };
  readonly archived: { readonly etcd: ArchivedRecord | null; readonly configuration: ArchivedRecord | null };
  readonly archive: ArchiveTrace | null;
  readonly tail: TailTrace | null;
  /** Its stream survived, and has had messages: then a log without any was never written. */
  readonly isStreamThere: boolean;
  /** The highest sequence that a name is for: of a snapshot, or in the record of its volume. */
  readonly named?: number;
}

/**
 * Where the end of a log is lost, sequences go on so far beyond what was seen: the other zone may have applied records that no
 * source here has, and names of snapshots may be of such records. None of them may ever be another record.
 */
export const LOST_RECORDS_MARGIN: number = 2 ** 32;

export interface LogDecision {
  readonly state: TlogState;
  /** Null: nothing was ever archived. */
  readonly archived: ArchivedRecord | null;
  readonly lost: readonly LostRange[];
  readonly doubts: readonly string[];
  readonly facts: readonly Fact[];
}

/**
 * Numbers go on above every one that any source has seen. The log stays what it was only where nothing is missing between its base
 * and its end: else it is broken, and its next owner begins a new base by itself.
 */
export function decideLog(sources: LogSources): LogDecision {
  const { config, archive, tail, isStreamThere } = sources;
  const place = placeOf(sources);
  const lost = lostRanges(sources, place.recorded);
  const base =
    (tail !== null && tail.newest.number >= (archive?.newest?.number ?? 0) ? tail.newest : archive?.newest)
      ?.base ?? null;
  const doubts: string[] = [];
  let trouble: string | null = null;
  const harmful = lost.find(({ before }) => base === null || base === 0 || before === null || before > base);
  if (harmful !== undefined)
    trouble = `segments ${harmful.from} to ${harmful.to} are nowhere: ${harmful.why}`;
  if (isFork(archive, tail))
    trouble = `segment ${archive?.newest?.number} in Tier-2 and in JetStream are not the same: they are of two histories`;
  const wasNeverWritten = isStreamThere && place.number <= config.begins.number;
  if (tail === null && !wasNeverWritten) {
    trouble = `JetStream has nothing of it: what was written behind segment ${place.number} is not in the log`;
    doubts.push(`${trouble}, and how much that was nobody can know; the engines have it if they survived`);
  } else if (archive !== null && tail !== null && tail.newest.number < archive.to) {
    trouble = `JetStream has an older end of it than Tier-2, up to segment ${tail.newest.number}: what was written behind segment ${place.number} is not in the log`;
    doubts.push(`${trouble}, and how much that was nobody can know`);
  } else if (trouble !== null) doubts.push(`the log ends before the gap for whoever replays it: ${trouble}`);
  const lastAt = Math.max(archive?.newest?.lastAt ?? 0, tail?.newest.lastAt ?? 0) || config.at;
  const { state, fact } = stateOf(sources, base, trouble, lastAt);
  return {
    ...{ state, archived: archivedOf(sources, place, wasNeverWritten, lastAt), lost, doubts },
    facts: [...logFacts(sources, place), fact],
  };
}

interface Place {
  readonly number: number;
  readonly sequence: number;
  /** Last number that etcd, then or now, says to be archived, with its sequence. */
  readonly recorded: { readonly number: number; readonly sequence: number };
}

function placeOf({ config, archived, archive, tail }: LogSources): Place {
  const none = { number: 0, sequence: 0 };
  const recorded = [archived.etcd ?? none, archived.configuration ?? none].reduce((a, b) =>
    b.number > a.number ? b : a,
  );
  const seen = [
    ...[config.begins, recorded],
    ...(archive === null ? [] : [{ number: archive.to, sequence: archive.last }]),
    ...(archive?.newest == null ? [] : [{ number: archive.newest.number, sequence: archive.newest.last }]),
    ...(tail === null ? [] : [{ number: tail.newest.number, sequence: tail.newest.last }]),
  ];
  return {
    number: Math.max(...seen.map(({ number }) => number)),
    sequence: Math.max(...seen.map(({ sequence }) => sequence)),
    recorded: { number: recorded.number, sequence: recorded.sequence },
  };
}

/** Of the segments up to the last one that anything tells of: those that neither tier has. */
function lostRanges({ config, archive, tail }: LogSources, recorded: Place['recorded']): LostRange[] {
  const { number, sequence } = config.begins;
  const last = Math.max(archive?.to ?? 0, tail?.newest.number ?? 0, recorded.number);
  const all = { from: number + 1, to: last, after: sequence, before: null };
  const notArchived: LostRange[] =
    archive === null || archive.to <= number
      ? [{ ...all, why: 'Tier-2 has nothing of it' }]
      : [
          ...archive.lost.filter(({ to }) => to > number),
          {
            ...all,
            from: archive.to + 1,
            after: archive.last,
            why: `Tier-2 ends with segment ${archive.to}`,
          },
        ];
  const notInTail: LostRange[] =
    tail === null
      ? [{ ...all, why: 'JetStream has nothing of it' }]
      : [
          {
            ...{ ...all, to: tail.oldest.number - 1, before: tail.oldest.first },
            why: `JetStream begins with segment ${tail.oldest.number}`,
          },
          ...tail.lost,
          {
            ...{ ...all, from: tail.newest.number + 1, after: tail.newest.last },
            why: `JetStream ends with segment ${tail.newest.number}`,
          },
        ];
  const both = notArchived.flatMap((one) => notInTail.flatMap((other) => common(one, other)));
  return joined(both.sort((a, b) => a.from - b.from));
}

function common(one: LostRange, other: LostRange): LostRange[] {
  const [from, to] = [Math.max(one.from, other.from), Math.min(one.to, other.to)];
  if (from > to) return [];
  const after = Math.max(...[one, other].filter((range) => range.from === from).map((range) => range.after));
  const before = [one, other].flatMap((range) =>
    range.to === to && range.before !== null ? [range.before] : [],
  );
  return [{ from, to, after, before: before[0] ?? null, why: `${one.why}, and ${other.why}` }];
}

function joined(ranges: readonly LostRange[]): LostRange[] {
  const found: LostRange[] = [];
  for (const range of ranges) {
    const last = found.at(-1);
    if (last === undefined || last.to + 1 < range.from) found.push(range);
    else
      found[found.length - 1] = {
        ...last,
        to: range.to,
        before: range.before,
        why: `${last.why}; ${range.why}`,
      };
  }
  return found;
}

/** Both tiers have the last archived segment, and not the same one. */
function isFork(archive: ArchiveTrace | null, tail: TailTrace | null): boolean {
  const newest = archive?.newest ?? null;
  if (newest === null || tail === null) return false;
  const same = [tail.oldest, tail.newest].find(({ number }) => number === newest.number);
  if (same !== undefined) return same.epoch !== newest.epoch || same.last !== newest.last;
  // Epochs never fall.
  return tail.oldest.number > newest.number && tail.oldest.epoch < newest.epoch;
}

function stateOf(
  { state }: LogSources,
  /** Null: no segment tells. */
  base: number | null,
  trouble: string | null,
  lastAt: number,
): { state: TlogState; fact: Fact } {
  const known = state.etcd ?? state.configuration;
  const from = state.etcd === null ? ('configuration' as const) : ('etcd' as const);
  const fact = (found: TlogState, origins: Fact['from'], certainty: Fact['certainty'], why?: string) => ({
    state: found,
    fact: {
      ...{ fact: 'state of the log', value: found.status, from: origins, certainty },
      ...(why === undefined ? {} : { why }),
      ...(known === null ? {} : { others: [{ from, value: known.status }] }),
    },
  });
  const broken = (reason: string): TlogState => ({ status: 'broken', reason, since: lastAt, sequence: 0 });
  if (known?.status === 'broken') return fact(known, [from], from === 'etcd' ? 'certain' : 'deduced');
  if (trouble !== null) return fact(broken(trouble), ['chunks', 'stream'], 'deduced', trouble);
  if (known === null) {
    const reason = 'no source says how far it can be restored';
    return fact(broken(reason), [], 'unknown', reason);
  }
  if (state.etcd !== null || known.status === 'basing')
    return fact(known, [from], from === 'etcd' ? 'certain' : 'deduced');
  if (base === null || base === known.sequence) return fact(known, ['configuration', 'stream'], 'certain');
  if (base === 0)
    return fact(
      broken('its last base was not completed'),
      ['stream'],
      'deduced',
      'its last segment builds on no base',
    );
  const reason = `it builds on the base at sequence ${base}`;
  return fact({ status: 'whole', reason, since: lastAt, sequence: base }, ['stream'], 'deduced', reason);
}

function archivedOf(
  sources: LogSources,
  { number, sequence: seen, recorded }: Place,
  wasNeverWritten: boolean,
  at: number,
): ArchivedRecord | null {
  const { config, archive, tail, named = 0 } = sources;
  const { etcd, configuration } = sources.archived;
  const to = Math.max(archive?.to ?? 0, recorded.number);
  const isEndLost = tail === null ? !wasNeverWritten : tail.newest.number < to;
  if (!isEndLost && (to === 0 || number === 0)) return null;
  const { trouble: _, ...known } = etcd ?? configuration ?? { at };
  const place = isEndLost
    ? {
        number: Math.max(to, config.begins.number),
        sequence: beyondLost(Math.max(seen, named), sources),
      }
    : { number: to, sequence: Math.max(archive?.last ?? 0, recorded.sequence) };
  if (etcd !== null && etcd.number >= place.number && etcd.sequence >= place.sequence) return etcd;
  return { ...known, ...place, chunks: archive?.chunks ?? 0, bytes: archive?.bytes ?? 0, at: known.at };
}

/** Where etcd is that far beyond all others already, it was brought there by a recovery, and nothing was written since. */
function beyondLost(seen: number, { config, archived, archive, tail, named = 0 }: LogSources): number {
  const others = Math.max(
    ...[config.begins.sequence, archived.configuration?.sequence ?? 0, named],
    ...[archive?.last ?? 0, archive?.newest?.last ?? 0, tail?.newest.last ?? 0],
  );
  const there = archived.etcd?.sequence ?? 0;
  return there >= others + LOST_RECORDS_MARGIN ? there : seen + LOST_RECORDS_MARGIN;
}

function logFacts({ archive, tail, archived }: LogSources, { number, sequence }: Place): Fact[] {
  const others = [
    ...(archive === null ? [] : [{ from: 'chunks' as const, value: archive.to }]),
    ...(tail === null ? [] : [{ from: 'stream' as const, value: tail.newest.number }]),
    ...(archived.etcd === null ? [] : [{ from: 'etcd' as const, value: archived.etcd.number }]),
    ...(archived.configuration === null
      ? []
      : [{ from: 'configuration' as const, value: archived.configuration.number }]),
  ];
  const certainty = tail === null ? ('lower bound' as const) : ('certain' as const);
  const highest = others.filter(({ value }) => value === number).map(({ from }) => from);
  const why = tail === null ? { why: 'what JetStream had behind it left no trace' } : {};
  return [
    { fact: 'last segment', value: number, from: highest, certainty, ...why, others },
    { fact: 'last sequence', value: sequence, from: highest, certainty, ...why },
    {
      ...{ fact: 'epoch', value: Math.max(archive?.newest?.epoch ?? 0, tail?.newest.epoch ?? 0) },
      ...{ from: tail === null ? ['chunks' as const] : ['stream' as const], certainty: 'lower bound' },
      why: 'an owner that wrote nothing left no trace in the log',
    },
  ];
}
