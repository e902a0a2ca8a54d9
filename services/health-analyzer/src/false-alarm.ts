import type { OutageView } from './verdict.ts';

/**
 * Tells a false alarm: one server alone found the engine failing, while everybody else finds it well, and has all the time.
 * Null when it is not certain. Uncertain is what nobody else can vouch for: an engine that only its reporter uses, one whose
 * process is younger than the report, one that was found unwell even once.
 */
export function decideFalseAlarm({
  address,
  offlineSince,
  findings,
  wasUnwell = false,
  reporters = [],
  others = [],
}: OutageView): { reason: string; oddReporter: string } | null {
  const [odd, ...more] = new Set(reporters);
  if (odd === undefined || more.length > 0) return null;
  // Operators and analyzers report for reasons of their own.
  const own = others.find(({ observer, role }) => observer === odd && role === 'server');
  if (own === undefined) return null;
  if (wasUnwell || findings.some(({ kind }) => kind !== 'healthy')) return null;
  const upSince = findings.at(-1)?.upSince;
  if (upSince === undefined || upSince >= offlineSince) return null;
  const witnesses = others.filter(({ observer }) => observer !== odd);
  const servers = witnesses.filter(({ role }) => role === 'server').map(({ observer }) => observer);
  if (servers.length === 0 || witnesses.some(({ kind }) => kind !== 'healthy')) return null;
  const now = own.kind === 'healthy' ? 'it can use it again' : `it still finds that ${own.detail}`;
  const reason = `only ${odd} found ${address} failing (${now}); ${servers.join(', ')} and the analyzer find it well, and its process has run all the time`;
  return { reason, oddReporter: odd };
}
