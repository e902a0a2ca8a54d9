import type { ProbeFinding } from '@salvor/vdisk';

/** One engine that etcd shows as online, and what was found there. */
export interface SweptEngine {
  /** Cluster, address and db: tells engines apart from sweep to sweep. */
  readonly name: string;
  readonly finding: ProbeFinding;
}

export interface SweepDecision {
  /** Bad findings in a row so far, by engine. */
  readonly bad: ReadonlyMap<string, number>;
  /** Engines to report now. */
  readonly report: readonly SweptEngine[];
  /** Why nothing is reported although engines do not answer. */
  readonly doubt: string | null;
}

/** What tells that an engine is gone, as opposed to busy, loading, or short of disk. */
const GONE: ReadonlySet<ProbeFinding['kind']> = new Set([
  'unreachable',
  'hung',
  'identity-lost',
  'identity-mismatch',
]);

/**
 * Judges a look at all engines. An observer that finds most of them gone suspects itself: its own network is likelier to
 * be at fault, and those who use the engines report what they see.
 */
export function decideSweep(
  before: ReadonlyMap<string, number>,
  engines: readonly SweptEngine[],
  findingsNeeded: number,
): SweepDecision {
  const gone = engines.filter(({ finding }) => GONE.has(finding.kind));
  if (gone.length > 1 && gone.length * 2 > engines.length) {
    const doubt = `${gone.length} of ${engines.length} engines do not answer: the fault may be here, so none is reported`;
    return { bad: new Map(), report: [], doubt };
  }
  const counts = new Map(gone.map(({ name }) => [name, (before.get(name) ?? 0) + 1]));
  const report = gone.filter(({ name }) => (counts.get(name) ?? 0) >= findingsNeeded);
  for (const { name } of report) counts.delete(name);
  return { bad: counts, report, doubt: null };
}
