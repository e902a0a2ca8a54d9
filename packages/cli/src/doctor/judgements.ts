/** What answers of services mean. Pure: what was asked, and when, is given. */
import type { DiscoveredService, ManifestDifference } from '@salvor/bus';
import type {
  AlertDescription,
  ClusterSummary,
  EngineDescription,
  EngineProbeReply,
  HealingStatusReply,
  TlogDescription,
  VolumeDescription,
} from '@salvor/contracts';
import { counted } from '../rendering/text.ts';
import { type Finding, ok, problem, warning } from './finding.ts';

/** Leases last 10 s by default, and times of events are compared: beyond this, stories are told in the wrong order. */
const CLOCK_TOLERANCE_MS = 1_000;

const HEALING = ['nbd-server', 'health-analyzer', 'repair-coordinator'] as const;
/** What of Salvor is not needed to serve and to repair, and what needs it. */
const OPTIONAL: Readonly<Record<string, string>> = {
  'log-watcher': 'events that only logs of engines and servers tell',
  'tlog-replayer': 'transaction logs, snapshots and disaster recovery',
  'replication-manager': 'volumes in two zones',
  'segment-recovery': 'a recovery of Tier-1',
};

export function judgeManifest(differences: readonly ManifestDifference[]): Finding {
  // More copies than asked for are no fault.
  const wrong = differences.filter(
    ({ setting, expected, found }) => !(setting === 'num_replicas' && Number(found) > Number(expected)),
  );
  const [first] = wrong;
  if (first === undefined)
    return ok('jetstream', 'streams, consumers and schemas are as this version needs them');
  const where = `${first.kind} ${first.name}${first.setting === undefined ? ' is missing' : `: ${first.setting}`}`;
  return problem(
    'jetstream',
    `${counted(wrong.length, 'difference')} to what this version needs, the first: ${where}`,
    'salvor bus check, then salvor bus apply',
  );
}

export function judgeServices(services: readonly DiscoveredService[], version: string): Finding[] {
  const running = (name: string): number => services.filter((service) => service.name === name).length;
  const findings = HEALING.map((name): Finding => {
    const count = running(name);
    if (count === 0) return problem('services', `no ${name} answers`, `start ${name}`);
    if (count === 1 && name !== 'nbd-server')
      return warning('services', `one ${name}: nobody takes over when it ends`, `start a second ${name}`);
    return ok('services', `${counted(count, name)} running`);
  });
  for (const [name, what] of Object.entries(OPTIONAL)) {
    const count = running(name);
    const found =
      count > 0 ? `${counted(count, name)} running` : `no ${name} running, which ${what} would need`;
    findings.push(ok('services', found));
  }
  const others = new Set(services.map((service) => service.version).filter((other) => other !== version));
  if (others.size > 0)
    findings.push(
      warning(
        'versions',
        `this is salvor ${version}, and there are services of version ${[...others].sort().join(', ')}`,
        'end the upgrade: services of two versions are meant to run side by side for its time only',
      ),
    );
  else findings.push(ok('versions', `salvor and all services are ${version}`));
  return findings;
}

export function judgeClocks(services: readonly DiscoveredService[]): Finding[] {
  const wrong = services.filter(({ clockAheadMs }) => Math.abs(clockAheadMs ?? 0) > CLOCK_TOLERANCE_MS);
  if (wrong.length === 0)
    return [ok('clocks', `no clock of a service is off by more than ${CLOCK_TOLERANCE_MS} ms`)];
  return wrong.map(({ name, id, clockAheadMs }) => {
    const by = clockAheadMs ?? 0;
    const text = `${name} ${id}: its clock is ${Math.abs(by)} ms ${by > 0 ? 'ahead of' : 'behind'} the one here`;
    return warning('clocks', text, 'let NTP set the clocks of both machines');
  });
}

export function judgeClusters(clusters: readonly ClusterSummary[]): Finding[] {
  if (clusters.length === 0) return [ok('clusters', 'there are none yet')];
  return clusters.flatMap(
    ({ cluster, role, status, partner, engines, enginesOnline, spares, unavailable }) => {
      const findings: Finding[] = unavailable.map(({ shard, blocks, reason }) =>
        problem(
          'data',
          `${cluster} shard ${shard}: ${counted(blocks, 'block')} without a live copy: ${reason}`,
          'bring one of these engines back; when both are lost: salvor dr plan',
        ),
      );
      if (status === 'healthy') findings.push(ok('clusters', `${cluster} is healthy, ${engines} engines`));
      else
        findings.push(
          (status === 'unhealthy' ? problem : warning)(
            'clusters',
            `${cluster} is ${status}: ${enginesOnline} of ${engines} engines are online`,
            'salvor incident list, then salvor incident explain <id>',
          ),
        );
      if (role === 'primary' && partner === undefined)
        findings.push(
          warning('clusters', `${cluster} has no slave cluster: each block has one copy`, 'pair it with one'),
        );
      if (spares === 0)
        findings.push(
          warning(
            'clusters',
            `${cluster} has no spare: a lost engine's blocks are spread over the others`,
            `salvor cluster add-spare ${cluster} --spare <host:port>`,
          ),
        );
      return findings;
    },
  );
}

/** How an engine answered a probe; null: nobody could be asked. */
export interface ProbedEngine {
  readonly engine: EngineDescription;
  readonly probe: EngineProbeReply | null;
}

/** Engines that are recorded as out are told by their clusters: here it is those that look other than they are recorded. */
export function judgeEngines(engines: readonly ProbedEngine[]): Finding[] {
  const findings = engines.flatMap(({ engine: { address, cluster, shard, status }, probe }): Finding[] => {
    if (probe === null || status !== 'online' || probe.status === 'healthy') return [];
    return [
      problem(
        'engines',
        `${address} (${cluster} shard ${shard}) is recorded as online, and a probe says ${probe.status}: ${probe.reason}`,
        `salvor engine show ${address}; it is taken out by itself when those who use it agree`,
      ),
    ];
  });
  const asked = engines.filter(({ probe }) => probe !== null).length;
  if (asked < engines.length)
    findings.push(
      warning(
        'engines',
        `${engines.length - asked} of ${engines.length} could not be probed`,
        'start health-analyzer',
      ),
    );
  return findings.length > 0 ? findings : [ok('engines', `${counted(asked, 'engine')} probed, as recorded`)];
}

export function judgeHealing({ everywhere, clusters }: HealingStatusReply): Finding[] {
  const findings: Finding[] = [];
  if (everywhere !== undefined)
    findings.push(
      problem(
        'healing',
        `paused everywhere by ${everywhere.by}: ${everywhere.reason}`,
        'salvor healing resume --reason <text>',
      ),
    );
  for (const { cluster, pause, downtimes, held } of clusters) {
    if (pause !== undefined)
      findings.push(
        problem(
          'healing',
          `paused for ${cluster} by ${pause.by}: ${pause.reason}`,
          `salvor healing resume --cluster ${cluster} --reason <text>`,
        ),
      );
    if (downtimes.length > 0)
      findings.push(
        warning('healing', `${counted(downtimes.length, 'downtime')} in ${cluster}`, 'salvor downtime list'),
      );
    for (const { address, incident, hold } of held)
      findings.push(
        problem(
          'healing',
          `${address} is held offline: ${hold.reason}`,
          `salvor incident explain ${incident}`,
        ),
      );
  }
  return findings.length > 0 ? findings : [ok('healing', 'nothing is held back')];
}

export function judgeAlerts(alerts: readonly AlertDescription[]): Finding[] {
  const raised = alerts.filter(({ clearedAt }) => clearedAt === undefined);
  if (raised.length === 0) return [ok('alerts', 'none is raised')];
  return raised.map(({ kind, subject, message, incident }) =>
    problem(
      'alerts',
      `${kind} ${subject}: ${message}`,
      incident === undefined ? 'salvor alert list' : `salvor incident explain ${incident}`,
    ),
  );
}

export function judgeLogs(
  logs: readonly TlogDescription[],
  services: readonly Pick<DiscoveredService, 'name'>[],
): Finding[] {
  if (logs.length === 0) return [ok('tlog', 'no vdisk has a transaction log')];
  const isArchived = services.some(({ name }) => name === 'tlog-replayer');
  const what = 'the logs fill JetStream until writes wait, and Tier-2 does not get them';
  const archive = isArchived
    ? []
    : [problem('tlog', `no tlog-replayer answers: ${what}`, 'start tlog-replayer')];
  const perLog = logs.flatMap(({ vdisk, status, reason, replicas, problem: unasked, powerLoss }) => {
    const found: Finding[] = [];
    if (unasked !== undefined)
      found.push(
        warning('tlog', `the log of ${vdisk} could not be asked: ${unasked}`, `salvor tlog status ${vdisk}`),
      );
    else if (status === 'broken')
      found.push(
        problem(
          'tlog',
          `the log of ${vdisk} is broken: ${reason}`,
          `salvor tlog status ${vdisk}; a mount begins a new base`,
        ),
      );
    if (unasked === undefined && replicas === 1)
      found.push(
        warning(
          'durability',
          `the log of ${vdisk} has one copy: ${powerLoss}`,
          'three NATS servers, then salvor bus apply --replicas 3',
        ),
      );
    return found;
  });
  const findings = [...archive, ...perLog];
  return findings.length > 0 ? findings : [ok('tlog', `${counted(logs.length, 'log')}, none broken`)];
}

export function judgeVolumes(volumes: readonly VolumeDescription[]): Finding[] {
  if (volumes.length === 0) return [];
  const findings = volumes.flatMap(({ volume, conditions }) =>
    conditions.map(({ condition, reason }) =>
      (condition === 'degraded' || condition === 'resyncing' ? warning : problem)(
        'volumes',
        `${volume} is ${condition}: ${reason}`,
        `salvor volume status ${volume}`,
      ),
    ),
  );
  return findings.length > 0
    ? findings
    : [ok('volumes', `${counted(volumes.length, 'volume')}, all as they should be`)];
}
