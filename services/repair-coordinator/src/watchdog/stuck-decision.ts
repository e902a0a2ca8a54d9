/** What neither progresses nor ends, and what it waits for, in words. */
import {
  type AlertKind,
  type AlertRecord,
  alertId,
  downtimeOf,
  type HealingControls,
  holdSentence,
  type IncidentRecord,
  type RepairUnderWay,
} from '@salvor/config-store';

/** How long each kind of thing may go without progress, in milliseconds. */
export interface StuckBounds {
  readonly repairMs: number;
  readonly verdictMs: number;
  readonly operationMs: number;
  readonly takeoverMs: number;
  readonly unhealthyMs: number;
  readonly archiveMs: number;
}

export interface IncidentView {
  readonly incident: IncidentRecord;
  /** Vdisks of the cluster without a repair on record for this attempt, where it is under repair and they were looked up. */
  readonly unrepaired: readonly { readonly vdisk: string; readonly owner: string | null }[];
  /** When the latest repair of this attempt was recorded; null when none was. */
  readonly repairedAt: number | null;
  /** What servers say of repairs of this attempt. */
  readonly underWay: readonly RepairUnderWay[];
}

export interface StuckView {
  readonly incidents: readonly IncidentView[];
  readonly clusters: readonly {
    readonly cluster: string;
    readonly reason: string;
    /** Since when it is unhealthy. */
    readonly unhealthySince: number;
  }[];
  readonly operations: readonly {
    readonly operation: string;
    readonly kind: string;
    readonly subject: string;
    readonly message: string;
    readonly updatedAt: number;
    /** Who carries it out. */
    readonly worker: string | null;
  }[];
  readonly recoveries: readonly {
    readonly recovery: string;
    readonly cluster: string;
    readonly status: string;
    readonly reason: string;
    readonly since: number;
  }[];
  readonly takeovers: readonly { readonly vdisk: string; readonly server: string; readonly since: number }[];
  readonly instances: readonly {
    readonly instance: string;
    readonly status: string;
    readonly reason: string;
    readonly changedAt: number;
  }[];
  /** Transaction logs that cannot be archived now. */
  readonly logs: readonly {
    readonly vdisk: string;
    readonly reason: string;
    readonly since: number;
  }[];
  /** Archives of volumes that nothing comes to, or whose source lost what they had not taken. */
  readonly archives: readonly {
    readonly archive: string;
    readonly volume: string;
    readonly reason: string;
    readonly since: number;
  }[];
  /** Why the configuration is not kept in Tier-2; null: it is, or nobody has tried. */
  readonly configuration: { readonly reason: string; readonly since: number } | null;
  readonly everywhere: HealingControls;
  /** By cluster. */
  readonly controls: ReadonlyMap<string, HealingControls>;
}

/** An alert as it is to be raised: without when. */
export type Stuck = Pick<
  AlertRecord,
  'alert' | 'kind' | 'subject' | 'message' | 'since' | 'incident' | 'cluster' | 'vdisk'
>;

/** Vdisks that a sentence names. */
const NAMED_MAX = 5;

/**
 * What is stuck now. An alert that is raised stays as long as nothing has moved since: so coordinators whose clocks differ
 * do not raise and clear it in turn.
 *
 * @param raised by alert: when what it is about had last moved
 */
export function decideStuck(
  view: StuckView,
  now: number,
  bounds: StuckBounds,
  raised: ReadonlyMap<string, number>,
): Stuck[] {
  const found = [
    ...view.incidents.flatMap((incident) => ofIncident(incident, view, now, bounds)),
    ...view.clusters.map(({ cluster, reason, unhealthySince: since }) =>
      candidate(
        'cluster-unhealthy',
        cluster,
        bounds.unhealthyMs,
        since,
        `cluster ${cluster} is unhealthy: ${reason}`,
        { cluster },
      ),
    ),
    ...view.operations.map((operation) => ofOperation(operation, bounds)),
    ...view.recoveries.map(({ recovery, cluster, status, reason, since }) => {
      const message = `recovery ${recovery} of cluster ${cluster} is ${status}: ${reason}; 'salvor dr status --cluster ${cluster}' shows it, 'salvor dr replay --cluster ${cluster}' carries it out`;
      return candidate('recovery-waits', recovery, bounds.unhealthyMs, since, message, { cluster });
    }),
    ...view.takeovers.map(({ vdisk, server, since }) => {
      const message = `the takeover of vdisk ${vdisk} by ${server} neither ends nor fails: ${server} holds its takeover key and nobody else may mount it`;
      return candidate('takeover-stuck', vdisk, bounds.takeoverMs, since, message, { vdisk });
    }),
    ...view.instances.map(({ instance, status, reason, changedAt: since }) => {
      const message = `instance ${instance} is ${status}: ${reason}; 'salvor audit list --instance ${instance}' shows its hooks`;
      return candidate('instance-stuck', instance, bounds.repairMs, since, message, {});
    }),
    ...view.logs.map(({ vdisk, reason, since }) => {
      const message = `the transaction log of vdisk ${vdisk} is not archived: ${reason}; it stays in JetStream, which fills up: 'salvor tlog status ${vdisk}' shows how far`;
      return candidate('log-not-archived', vdisk, bounds.archiveMs, since, message, { vdisk });
    }),
    ...view.archives.map(({ archive, volume, reason, since }) => {
      const message = `archive ${archive} does not protect volume ${volume}: ${reason}; 'salvor archive status ${volume}' shows it`;
      return candidate('archive-unprotected', `${archive}:${volume}`, bounds.archiveMs, since, message, {});
    }),
    ...(view.configuration === null ? [] : [ofConfiguration(view.configuration, bounds)]),
  ];
  return found
    .filter(({ stuck, boundMs }) => now - stuck.since > boundMs || raised.get(stuck.alert) === stuck.since)
    .map(({ stuck }) => stuck);
}

interface Candidate {
  readonly stuck: Stuck;
  readonly boundMs: number;
}

function candidate(
  kind: AlertKind,
  subject: string,
  boundMs: number,
  since: number,
  message: string,
  about: Pick<Stuck, 'incident' | 'cluster' | 'vdisk'>,
): Candidate {
  return { stuck: { alert: alertId(kind, subject), kind, subject, message, since, ...about }, boundMs };
}

function ofConfiguration(
  { reason, since }: NonNullable<StuckView['configuration']>,
  { archiveMs }: StuckBounds,
): Candidate {
  const message = `the configuration is not kept in Tier-2: ${reason}`;
  return candidate('configuration-not-kept', 'configuration', archiveMs, since, message, {});
}

function ofIncident(view: IncidentView, all: StuckView, now: number, bounds: StuckBounds): Candidate[] {
  const { incident } = view;
  const { id, cluster, address, status, hold, verdict, openedAt, history, waitsFor } = incident;
  const about = { incident: id, cluster };
  const movedAt = history.at(-1)?.at ?? openedAt;
  if (hold !== undefined) {
    // The other holds are an operator's own.
    return hold.kind === 'flapping' || hold.kind === 'writes-lost'
      ? [candidate('engine-held', id, bounds.repairMs, hold.at, holdSentence(incident, hold), about)]
      : [];
  }
  if (isHeldBack(incident, all, now)) return [];
  if (status !== 'offline') return [ofRepair(view, movedAt, now, bounds)];
  if (verdict?.verdict === 'permanent') {
    const message = waitsFor ?? `${address} is lost, and cluster ${cluster} has no spare to take its place`;
    return [candidate('no-spare', id, bounds.repairMs, Math.max(movedAt, verdict.at), message, about)];
  }
  const message =
    verdict === undefined
      ? `the outage of ${address} waits for a verdict: no health-analyzer has given one; 'salvor engine verdict ${address}' gives one by hand`
      : `the outage of ${address} was judged ${verdict.verdict.replaceAll('_', '-')} by ${verdict.by}, and nothing came of it`;
  return [
    candidate('verdict-late', id, bounds.verdictMs, Math.max(movedAt, verdict?.at ?? 0), message, about),
  ];
}

/** Stuck as a whole when no repair of the attempt moves; and when one of them does not, whatever the others do. */
function ofRepair(
  { incident, unrepaired, repairedAt, underWay }: IncidentView,
  begunAt: number,
  now: number,
  { repairMs }: StuckBounds,
): Candidate {
  const { id, cluster, address } = incident;
  const still = underWay.filter(({ movedAt }) => now - movedAt > repairMs);
  const latest = Math.max(begunAt, repairedAt ?? 0, ...underWay.map(({ movedAt }) => movedAt));
  const since = still.length === 0 ? latest : Math.min(...still.map(({ movedAt }) => movedAt));
  const waits = unrepaired.slice(0, NAMED_MAX).map(({ vdisk, owner }) => {
    const repair = underWay.find((one) => one.vdisk === vdisk);
    if (repair !== undefined)
      return `vdisk ${vdisk} (${owner ?? 'nobody'} has ${repair.done} of ${repair.total} blocks)`;
    return owner === null ? `vdisk ${vdisk}, which nobody owns` : `vdisk ${vdisk}, which ${owner} owns`;
  });
  const more = unrepaired.length > NAMED_MAX ? ` and ${unrepaired.length - NAMED_MAX} more` : '';
  const what = waits.length === 0 ? 'a coordinator to end it' : `${waits.join(', ')}${more}`;
  const message = `the repair of ${address} makes no progress; it waits for ${what}`;
  return candidate('repair-stuck', id, repairMs, since, message, { incident: id, cluster });
}

/** Whether an operator has said that nothing is to be done about it now. */
function isHeldBack({ cluster, address }: IncidentRecord, view: StuckView, now: number): boolean {
  const own = view.controls.get(cluster);
  return (
    view.everywhere.pause !== undefined ||
    own?.pause !== undefined ||
    downtimeOf(own?.downtimes ?? [], address, now) !== undefined
  );
}

function ofOperation(
  { operation, kind, subject, message, updatedAt, worker }: StuckView['operations'][number],
  { operationMs }: StuckBounds,
): Candidate {
  const who = worker === null ? 'nobody carries it out' : `${worker} carries it out`;
  const text = `operation ${operation} (${kind} of ${subject}) makes no progress, ${who}: ${message}`;
  return candidate('operation-stuck', operation, operationMs, updatedAt, text, {});
}
