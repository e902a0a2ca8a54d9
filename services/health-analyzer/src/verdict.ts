import type { ProbeFinding } from '@salvor/vdisk';
import { decideFalseAlarm } from './false-alarm.ts';
import type { Observation } from './observation.ts';

/** One observation that a verdict rests on, as it is written down with it. */
export interface VerdictEvidence {
  readonly kind: string;
  readonly detail: string;
  /** Unix milliseconds. */
  readonly at: number;
  /** Who saw it, where that is not who judges. */
  readonly observer?: string;
}

export interface VerdictPolicy {
  /** Healthy probes in a row that are needed before an engine counts as back. */
  readonly healthyProbes: number;
  /** An engine that has not been usable for so long after it failed counts as lost for good. */
  readonly permanentAfterMs: number;
}

/** What is known of one outage: when it began, who reported it, and what was found since, oldest first. */
export interface OutageView {
  readonly address: string;
  readonly offlineSince: number;
  /** A rebuild was begun in this outage: nobody knows any more which writes the engine missed whose place it is. */
  readonly rebuildBegun?: boolean;
  /** It is a spare that failed while it was filled: whether it may have writes that no other engine has. */
  readonly keptSpare?: { readonly isNeeded: boolean };
  readonly findings: readonly ProbeFinding[];
  /** It was found unwell since it went offline, by a finding that is not listed any more perhaps. */
  readonly wasUnwell?: boolean;
  /** Who reported this attempt of it. */
  readonly reporters?: readonly string[];
  /** The latest word of everybody else who was asked. */
  readonly others?: readonly Observation[];
  /** False while others may still have something to say. */
  readonly areOthersHeard?: boolean;
}

export type VerdictDecision =
  | { readonly kind: 'verdict'; readonly verdict: 'temporary' | 'permanent'; readonly reason: string }
  | {
      readonly kind: 'verdict';
      readonly verdict: 'false_alarm';
      readonly reason: string;
      /** The server that alone found the engine failing. */
      readonly oddReporter: string;
    }
  | { readonly kind: 'wait'; readonly reason: string };

/**
 * Judges an outage. Temporary needs positive evidence that the engine is back with its data, for those as well who would
 * repair it; permanent needs positive evidence of loss, or time, and nobody who sees the engine well. An engine that answers
 * without its identity is lost, however healthy it looks.
 */
export function decideVerdict(view: OutageView, policy: VerdictPolicy, now: number): VerdictDecision {
  const { address } = view;
  const last = view.findings.at(-1);
  if (last === undefined) return { kind: 'wait', reason: `${address} has not been probed yet` };
  if (view.keptSpare?.isNeeded === false && last.kind !== 'healthy') {
    const reason = `${address} failed while it was filled, and its partner has every write: another spare can take its place (${last.detail})`;
    return { kind: 'verdict', verdict: 'permanent', reason };
  }
  if (view.rebuildBegun === true && view.keptSpare === undefined) {
    const reason = `a rebuild was begun in this outage and did not end, so what ${address} holds cannot be used any more, whether it answers or not`;
    return { kind: 'verdict', verdict: 'permanent', reason };
  }
  const lost = lossOf(address, last);
  if (lost !== null) return permanentUnlessSeen(view, lost);
  const healthy = trailingHealthy(view.findings);
  if (healthy >= policy.healthyProbes) return decideBack(view, healthy);
  const elsewhere = decideBackElsewhere(view, last, policy);
  if (elsewhere !== null) return elsewhere;
  const downMs = now - view.offlineSince;
  if (healthy === 0 && last.kind !== 'loading' && downMs >= policy.permanentAfterMs) {
    const reason = `${address} has been unusable for ${downMs} ms, longer than the ${policy.permanentAfterMs} ms allowed: ${last.detail}`;
    return permanentUnlessSeen(view, reason);
  }
  return { kind: 'wait', reason: last.detail };
}

function lossOf(address: string, { kind, detail }: ProbeFinding): string | null {
  if (kind === 'identity-lost') return `${address} answers but lost its identity, so it lost its data`;
  if (kind === 'identity-mismatch') return `another engine answers at ${address}: ${detail}`;
  return null;
}

/** What nobody can take back needs that nobody contradicts it: who judges may be the one that looks at it wrongly. */
function permanentUnlessSeen(view: OutageView, reason: string): VerdictDecision {
  if (view.areOthersHeard === false) return { kind: 'wait', reason: `${reason}; others are asked` };
  const well = (view.others ?? []).find(({ kind }) => kind === 'healthy');
  if (well === undefined) return { kind: 'verdict', verdict: 'permanent', reason };
  return {
    kind: 'wait',
    reason: `${reason}; but ${well.observer} finds it well: somebody has to see who is right`,
  };
}

/** The engine looks well from here. It is back when those who would repair it can reach it too. */
function decideBack(view: OutageView, healthy: number): VerdictDecision {
  const { address, others = [] } = view;
  const probes = healthy === 1 ? 'one probe' : `${healthy} probes in a row`;
  const well = `${address} answers again with its identity intact and takes writes (${probes})`;
  if (view.areOthersHeard === false) return { kind: 'wait', reason: `${well}; others are asked` };
  const servers = others.filter(({ role }) => role === 'server');
  const [first] = servers;
  if (first !== undefined && servers.every(({ kind }) => kind !== 'healthy')) {
    const reason = `${well}, but no server that would repair it can use it: ${first.observer} says that ${first.detail}`;
    return { kind: 'wait', reason };
  }
  const falseAlarm = decideFalseAlarm(view);
  if (falseAlarm !== null) return { kind: 'verdict', verdict: 'false_alarm', ...falseAlarm };
  return { kind: 'verdict', verdict: 'temporary', reason: well };
}

/**
 * Every server finds the engine well, again and again, and only the analyzer does not: it is the one whose network is bad.
 * Those who repair the engine check its identity and its place in the write history themselves.
 */
function decideBackElsewhere(
  { address, others = [], areOthersHeard = true }: OutageView,
  last: ProbeFinding,
  { healthyProbes }: VerdictPolicy,
): VerdictDecision | null {
  const servers = others.filter(({ role }) => role === 'server');
  if (!areOthersHeard || last.kind === 'healthy' || servers.length === 0) return null;
  if (servers.some(({ healthyInARow }) => healthyInARow < healthyProbes)) return null;
  const names = servers.map(({ observer }) => observer).join(', ');
  const reason = `every server that was asked (${names}) finds ${address} well, with its identity; from the analyzer it cannot be used: ${last.detail}`;
  return { kind: 'verdict', verdict: 'temporary', reason };
}

function trailingHealthy(findings: readonly ProbeFinding[]): number {
  let count = 0;
  for (let i = findings.length - 1; i >= 0 && findings[i]?.kind === 'healthy'; i--) count++;
  return count;
}
