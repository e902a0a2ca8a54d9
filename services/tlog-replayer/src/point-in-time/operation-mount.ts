import type { LogStreamPort } from '@salvor/bus';
import { type ConfigStore, readArchivedPlace } from '@salvor/config-store';
import { type Logger, pause, SalvorError } from '@salvor/service-kit';
import { LogWriter, type ReplayWindow } from '@salvor/tlog';
import { type LogAccess, type MountedVdisk, mountVdisk } from '@salvor/vdisk';
import type { Logs } from '../logs.ts';
import type { EngineAccess } from '../recovery/new-engines.ts';

export interface PointInTimeOptions {
  readonly store: ConfigStore;
  readonly logs: Logs;
  readonly streams: LogStreamPort;
  readonly window: ReplayWindow;
  readonly access: EngineAccess;
  /** One run of this process. */
  readonly instance: string;
  readonly log: Logger;
}

const LEASE_TTL_SECONDS = 10;
const PROPOSE_AFTER_MS = 250;
const HOLD_MAX_MS = 30_000;
/** A log that was broken has a copy of all blocks written first. */
const LOG_WHOLE_MAX_MS = 30 * 60_000;
const LOOK_EVERY_MS = 100;

/** A vdisk that is owned for an operation, and a signal that tells when it no longer is. */
export interface OperationMount {
  readonly mounted: MountedVdisk;
  readonly lost: AbortSignal;
}

/**
 * Takes a vdisk for an operation, and writes its log. The owner is named by the operation: the same after a restart, which so
 * takes over from itself.
 *
 * @throws VdiskRefusedError, OwnedElsewhereError
 */
export async function mountFor(
  { store, streams, access, instance, log }: PointInTimeOptions,
  vdisk: string,
  operation: string,
): Promise<OperationMount> {
  const lost = new AbortController();
  const { timeoutMs, login } = access;
  const note = (fields: object, msg: string): void => log.info({ operation, vdisk, ...fields }, msg);
  const mounted = await mountVdisk({
    ...{ store, vdisk, log, owner: { server: `replay-${operation}`, instance } },
    ...{ purpose: { operation }, logs: writersOver(streams, store) },
    settings: {
      ...{ leaseTtlSeconds: LEASE_TTL_SECONDS, proposeAfterMs: PROPOSE_AFTER_MS, holdMaxMs: HOLD_MAX_MS },
      ...{ connectTimeoutMs: timeoutMs, commandTimeoutMs: timeoutMs, login },
    },
    events: {
      engineFailed: (failure) => note(failure, 'an engine failed under an operation'),
      repairCompleted: ({ incident, attempt, address }) =>
        note({ incident, attempt, address }, 'repair completed'),
      blocksCorrupt: (trouble) => note(trouble, 'blocks do not match their checksums'),
      dataUnavailable: (trouble) => note(trouble, 'data unavailable under an operation'),
      dataAvailable: (news) => note(news, 'data available again under an operation'),
      ownershipLost: (_, reason) => lost.abort(new SalvorError('ownership-lost', reason)),
      // It goes on: nobody can use the vdisk before it is complete.
      takeoverAsked: (_, to) => note({ to }, 'a vdisk that an operation has was asked for'),
    },
  });
  return { mounted, lost: lost.signal };
}

/** Waits until everything on the engines is in the log. @throws SalvorError `log-broken` when that takes too long */
export async function logIsWhole({ log, geometry }: MountedVdisk, signal: AbortSignal): Promise<void> {
  const giveUpAt = performance.now() + LOG_WHOLE_MAX_MS;
  for (;;) {
    signal.throwIfAborted();
    if (log?.state.status === 'whole') return;
    if (performance.now() >= giveUpAt)
      throw new SalvorError(
        'log-broken',
        `the transaction log of vdisk ${geometry.vdisk} is not whole: ${log?.state.reason ?? 'it has none'}`,
      );
    await pause(LOOK_EVERY_MS, signal);
  }
}

function writersOver(streams: LogStreamPort, store: ConfigStore): LogAccess {
  return {
    open: ({ vdisk, epoch, container, blockSizeBytes, shards, failed }) =>
      new LogWriter({ streams, vdisk, epoch, container, blockSize: blockSizeBytes, shards, failed }),
    archived: (vdisk) => readArchivedPlace(store, vdisk),
  };
}
