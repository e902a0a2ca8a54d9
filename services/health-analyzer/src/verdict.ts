/** What one probe of an engine found. */
export interface ProbeFinding {
  readonly kind:
    | 'healthy'
    | 'loading'
    | 'unreachable'
    | 'hung'
    | 'refuses-commands'
    | 'identity-lost'
    | 'identity-mismatch';
  /** A sentence: what was tried and what came back. */
  readonly detail: string;
  /** Unix milliseconds. */
  readonly at: number;
}

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

/** What is known of one outage: when it began, and the findings since, oldest first. */
export interface OutageView {
  readonly address: string;
  readonly offlineSince: number;
  /** Its blocks were being rebuilt elsewhere before: nobody knows any more which writes it missed. */
  readonly rebuildBegun?: boolean;
  readonly findings: readonly ProbeFinding[];
}

export type VerdictDecision =
  | { readonly kind: 'verdict'; readonly verdict: 'temporary' | 'permanent'; readonly reason: string }
  | { readonly kind: 'wait'; readonly reason: string };

/**
 * Judges an outage. Temporary needs positive evidence that the engine is back with its data; permanent needs positive
 * evidence of loss, or time. An engine that answers without its identity is lost, however healthy it looks.
 */
export function decideVerdict(view: OutageView, policy: VerdictPolicy, now: number): VerdictDecision {
  const last = view.findings.at(-1);
  if (last === undefined) return { kind: 'wait', reason: `${view.address} has not been probed yet` };
  if (view.rebuildBegun === true) {
    return {
      kind: 'verdict',
      verdict: 'permanent',
      reason: `a rebuild was begun in this outage and did not end, so what ${view.address} holds cannot be used any more, whether it answers or not`,
    };
  }
  if (last.kind === 'identity-lost') {
    return {
      kind: 'verdict',
      verdict: 'permanent',
      reason: `${view.address} answers but lost its identity, so it lost its data`,
    };
  }
  if (last.kind === 'identity-mismatch') {
    return {
      kind: 'verdict',
      verdict: 'permanent',
      reason: `another engine answers at ${view.address}: ${last.detail}`,
    };
  }
  const healthy = trailingHealthy(view.findings);
  if (healthy >= policy.healthyProbes) {
    const probes = healthy === 1 ? 'one probe' : `${healthy} probes in a row`;
    return {
      kind: 'verdict',
      verdict: 'temporary',
      reason: `${view.address} answers again with its identity intact and takes writes (${probes})`,
    };
  }
  const downMs = now - view.offlineSince;
  if (healthy === 0 && last.kind !== 'loading' && downMs >= policy.permanentAfterMs) {
    const reason = `${view.address} has been unusable for ${downMs} ms, longer than the ${policy.permanentAfterMs} ms allowed: ${last.detail}`;
    return { kind: 'verdict', verdict: 'permanent', reason };
  }
  return { kind: 'wait', reason: last.detail };
}

function trailingHealthy(findings: readonly ProbeFinding[]): number {
  let count = 0;
  for (let i = findings.length - 1; i >= 0 && findings[i]?.kind === 'healthy'; i--) count++;
  return count;
}
