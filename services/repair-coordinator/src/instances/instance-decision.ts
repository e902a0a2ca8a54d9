/** What is to be done about an instance. */
import type { InstanceCause, InstanceRecord, InstanceStatus } from '@salvor/config-store';

export interface InstanceView {
  readonly instance: InstanceRecord;
  /** Vdisks of it of which blocks have no live copy. */
  readonly unavailable: readonly {
    readonly vdisk: string;
    readonly reason: string;
    readonly incident: string | null;
  }[];
  /** Whether a cluster of its vdisks is still unhealthy. */
  readonly isUnhealthy: boolean;
  /** What came of the hooks of the last change, in the order of `runs`; null: it has not ended. */
  readonly runs: readonly ('succeeded' | 'failed' | null)[];
}

export interface InstanceMove {
  readonly to: InstanceStatus;
  readonly reason: string;
  /** Where the hooks are that carry it out; null: there is nothing to run. */
  readonly point: 'instance.stop' | 'instance.start' | null;
  /** Why it is stopped from now on; null: it is not. */
  readonly cause: InstanceCause | null;
}

/** How long the start of an instance waits for its NBD server to be announced. */
const SERVER_WAIT_MS = 30_000;

/** Null when nothing is to be done now. */
export function decideInstance(view: InstanceView, now: number): InstanceMove | null {
  const { instance, unavailable, isUnhealthy } = view;
  const { status, desired, cause, restart, vdisks } = instance;
  switch (status) {
    case 'stopping':
      return settled(view, 'stopped', 'stop-failed', cause ?? null);
    case 'starting':
      return settled(view, 'started', 'start-failed', null);
    case 'started':
      if (desired === 'stopped')
        return stopping('an operator wants it stopped', { kind: 'operator', at: now });
      if (unavailable.length === 0) return null;
      return stopping(unavailableReason(unavailable), {
        kind: 'data-unavailable',
        at: now,
        ...(unavailable[0]?.incident == null ? {} : { incident: unavailable[0].incident }),
      });
    case 'stopped':
    case 'stop-failed':
      if (desired === 'stopped' || unavailable.length > 0 || isUnhealthy || cause === undefined) return null;
      if (cause.kind === 'operator') return starting('an operator wants it started');
      if (cause.kind === 'server-exit')
        return cause.returns === true && now - cause.at > SERVER_WAIT_MS
          ? starting(`NBD server ${cause.server ?? ''} was to be back by now`)
          : null;
      return restart === 'automatic'
        ? starting(`every block of ${vdisks.join(', ')} has a live copy again`)
        : null;
    case 'start-failed':
      return null;
  }
}

/** The move when its NBD server has ended; null where that does not concern it. */
export function decideServerExit(
  { status, desired, onServerExit }: InstanceRecord,
  exit: { readonly server: string; readonly at: number; readonly returns: boolean },
): InstanceMove | null {
  if (status !== 'started' || desired !== 'started' || onServerExit === 'ignore') return null;
  const { server, at, returns } = exit;
  return {
    to: 'stopped',
    reason: `NBD server ${server} ended, and its clients do not connect again by themselves`,
    point: null,
    cause: { kind: 'server-exit', at, server, returns },
  };
}

/** The move when an NBD server runs; null where the instance does not wait for it. */
export function decideServerStart(
  { status, desired, cause }: InstanceRecord,
  { server, at }: { readonly server: string; readonly at: number },
): InstanceMove | null {
  const waits = cause?.kind === 'server-exit' && cause.server === server && cause.at <= at;
  return waits && status === 'stopped' && desired === 'started'
    ? starting(`NBD server ${server} is back`)
    : null;
}

function settled(
  { runs }: InstanceView,
  done: InstanceStatus,
  failed: InstanceStatus,
  cause: InstanceCause | null,
): InstanceMove | null {
  if (runs.includes(null)) return null;
  const word = done === 'stopped' ? 'stopped' : 'started';
  return runs.includes('failed')
    ? {
        to: failed,
        reason: `a hook that was to have it ${word} failed; see 'salvor audit list'`,
        point: null,
        cause,
      }
    : { to: done, reason: `${word} through its hooks`, point: null, cause };
}

function stopping(reason: string, cause: InstanceCause): InstanceMove {
  return { to: 'stopping', reason, point: 'instance.stop', cause };
}

function starting(reason: string): InstanceMove {
  return { to: 'starting', reason, point: 'instance.start', cause: null };
}

function unavailableReason(unavailable: InstanceView['unavailable']): string {
  const [first] = unavailable;
  const more = unavailable.length > 1 ? ` and ${unavailable.length - 1} more` : '';
  return `blocks of ${first?.vdisk ?? ''}${more} have no live copy: ${first?.reason ?? ''}`;
}
