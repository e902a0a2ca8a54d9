/** Where hooks can be hung up, and which of these points an event is. */
import type { EventPayloads, EventType } from '@salvor/contracts';

export const hookPoints = {
  'alert.cleared': 'what an alert was about goes on again, or is over',
  'alert.raised': 'something neither progresses nor ends',
  'cluster.healthy': 'every engine of a cluster is online or rip',
  'cluster.repairing': 'an engine of a cluster is down or under repair, and its partner serves',
  'cluster.unhealthy': 'a pair of a cluster has no live member',
  'engine.offline': 'an engine went offline',
  'engine.online': 'an engine, or the spare in its place, is online again',
  'engine.repairing': 'the blocks of an engine are being brought back',
  'engine.restart':
    'an engine went offline and nothing says that its data is lost: to start it again may end the outage',
  'incident.closed': 'the outage of an engine is over',
  'incident.opened': 'the outage of an engine began',
  'instance.fence':
    'the instance of that id in the other zone is to be kept from running; run by recovery plans only',
  'instance.start': 'an instance is to start; run for that instance only',
  'instance.stop': 'an instance is to stop; run for that instance only',
  'nbdserver.exited': 'an NBD server process ended',
  'nbdserver.started': 'an NBD server process runs',
  'operation.completed': 'long work is done',
  'operation.failed': 'long work failed or was cancelled',
  'plan.record': 'a record of a recovery plan is replayed in this zone; run by recovery plans only',
  'recovery.cancelled': 'a recovery from the log was cancelled',
  'recovery.done': 'everything that the logs hold of what was lost is back',
  'recovery.failed': 'a recovery from the log cannot go on',
  'recovery.prepared': 'both members of a pair are gone for good: the plan waits for an operator',
  'recovery.replaying': 'blocks are coming back from the log',
  'repair.stuck': 'the repair of an engine makes no progress: an alert of that kind was raised',
  'vdisk.created': 'a vdisk was created',
  'vdisk.data-available': 'blocks of a vdisk that had no live copy have one again; told for each vdisk',
  'vdisk.data-unavailable': 'blocks of a vdisk have no live copy; told for each vdisk',
  'vdisk.deleted': 'a vdisk was deleted',
  'vdisk.mounted': 'an NBD server owns a vdisk now',
  'vdisk.released': 'an NBD server has given a vdisk back',
} as const;

export type HookPoint = keyof typeof hookPoints;

export const hookPointNames: readonly HookPoint[] = Object.keys(hookPoints) as HookPoint[];

/** The events that only the bus holds; all others follow from etcd. */
export const busOnlyTypes = [
  'nbdserver.exited',
  'nbdserver.started',
  'vdisk.created',
  'vdisk.deleted',
  'vdisk.mounted',
  'vdisk.released',
] as const satisfies readonly EventType[];

/** What happened, as far as the choice of points needs it. */
export type Occurred = {
  [T in EventType]: {
    readonly type: T;
    readonly payload: { readonly [F in keyof EventPayloads[T]]?: unknown };
  };
}[EventType];

export function pointsOf({ type, payload }: Occurred): HookPoint[] {
  switch (type) {
    case 'cluster.status-changed':
      return named(`cluster.${String(payload.to)}`);
    case 'recovery.status-changed':
      return named(`recovery.${String(payload.to)}`);
    case 'alert.raised':
      return payload.kind === 'repair-stuck' ? ['repair.stuck', 'alert.raised'] : ['alert.raised'];
    case 'instance.status-changed':
      return payload.to === 'stopping'
        ? ['instance.stop']
        : payload.to === 'starting'
          ? ['instance.start']
          : [];
    case 'plan.step-changed':
      return payload.act === 'fence' ? ['instance.fence'] : payload.act === 'record' ? ['plan.record'] : [];
    case 'engine.status-changed':
      return enginePoints(payload.from, payload.to);
    default:
      return named(type);
  }
}

/** The event that an example of the point is made of. */
export function exampleOf(point: HookPoint): {
  readonly type: EventType;
  readonly fields: Readonly<Record<string, unknown>>;
} {
  switch (point) {
    case 'cluster.healthy':
    case 'cluster.repairing':
    case 'cluster.unhealthy':
      return { type: 'cluster.status-changed', fields: { to: point.slice('cluster.'.length) } };
    case 'engine.offline':
    case 'engine.restart':
      return { type: 'engine.status-changed', fields: { from: 'online', to: 'offline' } };
    case 'engine.online':
      return { type: 'engine.status-changed', fields: { from: 'repair-tmp-outage', to: 'online' } };
    case 'engine.repairing':
      return { type: 'engine.status-changed', fields: { from: 'offline', to: 'repair-tmp-outage' } };
    case 'instance.start':
      return { type: 'instance.status-changed', fields: { from: 'stopped', to: 'starting' } };
    case 'instance.stop':
      return { type: 'instance.status-changed', fields: { from: 'started', to: 'stopping' } };
    case 'instance.fence':
      return { type: 'plan.step-changed', fields: { kind: 'failover', act: 'fence' } };
    case 'plan.record':
      return { type: 'plan.step-changed', fields: { act: 'record' } };
    case 'recovery.cancelled':
    case 'recovery.done':
    case 'recovery.failed':
    case 'recovery.prepared':
    case 'recovery.replaying':
      return { type: 'recovery.status-changed', fields: { to: point.slice('recovery.'.length) } };
    case 'repair.stuck':
      return { type: 'alert.raised', fields: {} };
    default:
      return { type: point, fields: {} };
  }
}

function enginePoints(from: unknown, to: unknown): HookPoint[] {
  switch (to) {
    case 'offline':
      // A spare that failed while it was filled is not taken back.
      return from === 'repair-final-outage' ? ['engine.offline'] : ['engine.offline', 'engine.restart'];
    case 'online':
      return ['engine.online'];
    case 'repair-tmp-outage':
    case 'repair-final-outage':
      return ['engine.repairing'];
    default:
      return [];
  }
}

function named(point: string): HookPoint[] {
  return hookPointNames.filter((known) => known === point);
}
