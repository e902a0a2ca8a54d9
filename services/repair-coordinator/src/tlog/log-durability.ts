/** What a loss of power can cost a log, from how its stream is stored. Pure. */

export interface StreamStorage {
  /** Servers with a copy; 0: the stream could not be asked. */
  readonly replicas: number;
  readonly serverVersion: string | null;
  /** What the monitoring of nats-server says; null: it is not asked, or does not say. */
  readonly sync: 'always' | { readonly everyMs: number } | null;
}

/** Of nats-server, where nothing else is configured; before 2.10 nothing else can be. */
const DEFAULT_SYNC_MS = 120_000;
const CONFIGURABLE_SINCE = [2, 10] as const;

export function decideDurability({ replicas, serverVersion, sync }: StreamStorage): {
  fsync: string;
  powerLoss: string;
} {
  const known = sync ?? (isConfigurable(serverVersion) ? null : { everyMs: DEFAULT_SYNC_MS });
  if (known === 'always')
    return {
      fsync: 'at every write',
      powerLoss:
        'nothing that was flushed is lost with the power of a server whose disks keep what they acknowledge',
    };
  const fsync =
    known === null
      ? 'unknown; every 2 minutes unless nats-server is configured otherwise'
      : `every ${durationText(known.everyMs)}`;
  const window = known === null ? 'the last minutes' : `the last ${durationText(known.everyMs)}`;
  if (replicas <= 1)
    return {
      fsync,
      powerLoss: `a loss of power at its one server can lose ${window} of what was flushed; the end of the process alone loses nothing`,
    };
  return {
    fsync,
    powerLoss: `a loss of power that hits most of its ${replicas} servers at once can lose ${window} of what was flushed`,
  };
}

/** The sync mode in the answer of nats-server's `/varz`, durations in nanoseconds; null where it does not say. */
export function syncIn(varz: unknown): StreamStorage['sync'] {
  const config = memberOf(memberOf(varz, 'jetstream'), 'config');
  if (memberOf(config, 'sync_always') === true) return 'always';
  const interval = memberOf(config, 'sync_interval');
  return typeof interval === 'number' && interval > 0 ? { everyMs: interval / 1_000_000 } : null;
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** A version that is not known counts as one that may be configured. */
function isConfigurable(version: string | null): boolean {
  const parts = /^(\d+)\.(\d+)/.exec(version ?? '');
  if (parts === null) return true;
  const [major, minor] = [Number(parts[1]), Number(parts[2])];
  const [wantedMajor, wantedMinor] = CONFIGURABLE_SINCE;
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

function durationText(ms: number): string {
  if (ms >= 120_000) return `${Math.round(ms / 60_000)} minutes`;
  return ms >= 1_000 ? `${Math.round(ms / 1_000)} seconds` : `${Math.round(ms)} milliseconds`;
}
