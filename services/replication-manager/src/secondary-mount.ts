import type { LogStreamPort } from '@salvor/bus';
import { type ConfigStore, copierOf, type LogEnd, readArchivedPlace } from '@salvor/config-store';
import { type Logger, pause, SalvorError } from '@salvor/service-kit';
import { decodeSegment, LogWriter, logStream, logSubject } from '@salvor/tlog';
import type { EngineLogin } from '@salvor/vdisk';
import { type LogAccess, type MountedVdisk, mountVdisk } from '@salvor/vdisk';
import { logSegmentOf } from './zone-log.ts';

export interface SecondaryMountOptions {
  readonly store: ConfigStore;
  readonly streams: LogStreamPort;
  readonly log: Logger;
  /** One run of this process. */
  readonly instance: string;
  readonly access: { readonly timeoutMs: number; readonly login: EngineLogin | undefined };
}

const LEASE_TTL_SECONDS = 5;
const PROPOSE_AFTER_MS = 250;
const HOLD_MAX_MS = 30_000;
const LOOK_EVERY_MS = 20;
/** A log that is being written anew, with a copy of all blocks, takes as long as that. */
const LOG_WHOLE_MAX_MS = 600_000;

/** The vdisk of a secondary, owned by what keeps it in step; `lost` tells when it no longer is. */
export interface SecondaryMount {
  readonly mounted: MountedVdisk;
  readonly lost: AbortSignal;
}

/**
 * Takes the vdisk of a volume, or of an operation, fences whoever had it before on every engine, and takes its log up. The owner
 * is named by either: after a restart it takes over from itself.
 *
 * @throws VdiskRefusedError, OwnedElsewhereError; SalvorError `log-broken`
 */
export async function mountSecondary(
  { store, streams, log, instance, access }: SecondaryMountOptions,
  {
    volume,
    vdisk,
    operation = copierOf(volume),
  }: { readonly volume: string; readonly vdisk: string; readonly operation?: string },
  signal: AbortSignal,
): Promise<SecondaryMount> {
  const ended = new AbortController();
  const { timeoutMs, login } = access;
  const note = (fields: object, msg: string): void => log.info({ volume, vdisk, ...fields }, msg);
  const mounted = await mountVdisk({
    ...{ store, vdisk, log, owner: { server: operation, instance }, purpose: { operation } },
    logs: writersOver(streams, store),
    settings: {
      ...{ leaseTtlSeconds: LEASE_TTL_SECONDS, proposeAfterMs: PROPOSE_AFTER_MS, holdMaxMs: HOLD_MAX_MS },
      ...{ connectTimeoutMs: timeoutMs, commandTimeoutMs: timeoutMs, login },
    },
    events: {
      engineFailed: (failure) => note(failure, 'an engine failed under a secondary'),
      repairCompleted: ({ incident, attempt, address }) =>
        note({ incident, attempt, address }, 'repair completed'),
      blocksCorrupt: (trouble) => note(trouble, 'blocks do not match their checksums'),
      dataUnavailable: (trouble) => note(trouble, 'data unavailable under a secondary'),
      dataAvailable: (news) => note(news, 'data available again under a secondary'),
      ownershipLost: (_, reason) => ended.abort(new SalvorError('ownership-lost', reason)),
      // Nobody else can mount it while it is a secondary.
      takeoverAsked: (_, to) => note({ to }, 'a secondary was asked for'),
    },
  });
  try {
    if (mounted.log !== null) await logIsWhole(mounted, AbortSignal.any([signal, ended.signal]));
    return { mounted, lost: ended.signal };
  } catch (error) {
    await mounted.unmount();
    throw error;
  }
}

/** Last record of the vdisk's own log; all of it is durable once the device was flushed. */
export function headOf({ mounted }: SecondaryMount): number {
  return mounted.log?.state.sequence ?? 0;
}

/** Writes out what the vdisk's own log has, and says with which segment it ends. Nobody else writes to it meanwhile. */
export async function ownEnd(
  { streams }: Pick<SecondaryMountOptions, 'streams'>,
  mount: SecondaryMount,
  { container, vdisk }: { readonly container: number; readonly vdisk: string },
): Promise<LogEnd> {
  await mount.mounted.device.flush();
  const sequence = headOf(mount);
  const newest = await streams.last(logStream(container), logSubject(container, vdisk));
  const segment = newest === null ? null : logSegmentOf(decodeSegment(newest.data));
  if (segment !== null && segment.last !== sequence)
    throw new SalvorError(
      'log-broken',
      `the log of vdisk ${vdisk} ends in JetStream with record ${segment.last}, and record ${sequence} was written`,
    );
  return { sequence, segment };
}

async function logIsWhole({ log, geometry }: MountedVdisk, signal: AbortSignal): Promise<void> {
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
