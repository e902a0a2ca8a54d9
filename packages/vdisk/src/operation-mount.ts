import type { ConfigStore } from '@salvor/config-store';
import { type Logger, pause, SalvorError } from '@salvor/service-kit';
import type { EngineLogin } from './engine-login.ts';
import type { LogAccess } from './log/write-log.ts';
import { mountVdisk } from './mount.ts';
import type { MountSettings } from './mount-options.ts';
import type { MountedVdisk } from './mounted-vdisk.ts';

export interface OperationMountOptions {
  readonly store: ConfigStore;
  readonly vdisk: string;
  /** That it is taken for; clients wait for its end. */
  readonly operation: string;
  /** Names the owner: the same after a restart, which so takes over from itself. */
  readonly server: string;
  /** One run of this process. */
  readonly instance: string;
  readonly settings: MountSettings;
  /** Without it a vdisk that has a log is refused. */
  readonly logs?: LogAccess;
  readonly log: Logger;
  /** In each line that tells of the vdisk. */
  readonly about: object;
}

/** A vdisk that is owned for an operation, and a signal that tells when it no longer is. */
export interface OperationMount {
  readonly mounted: MountedVdisk;
  readonly lost: AbortSignal;
}

const PROPOSE_AFTER_MS = 250;
const HOLD_MAX_MS = 30_000;
const LOOK_EVERY_MS = 20;

/** What an operation waits for, where nothing else is known: engines are called for at most `timeoutMs`. */
export function operationMountSettings(
  { timeoutMs, login }: { readonly timeoutMs: number; readonly login?: EngineLogin | undefined },
  leaseTtlSeconds: number,
): MountSettings {
  return {
    ...{ leaseTtlSeconds, proposeAfterMs: PROPOSE_AFTER_MS, holdMaxMs: HOLD_MAX_MS },
    ...{ connectTimeoutMs: timeoutMs, commandTimeoutMs: timeoutMs, login },
  };
}

/**
 * Takes a vdisk for an operation, fences whoever had it before on every engine, and takes its log up. Its engines are repaired as
 * those of any vdisk in use, and nobody takes it over: it can be used by nobody before the operation is complete.
 *
 * @throws VdiskRefusedError, OwnedElsewhereError, FencedError
 */
export async function mountForOperation(options: OperationMountOptions): Promise<OperationMount> {
  const { store, vdisk, operation, server, instance, settings, logs, log, about } = options;
  const lost = new AbortController();
  const note = (fields: object, msg: string): void => log.info({ vdisk, ...about, ...fields }, msg);
  const mounted = await mountVdisk({
    ...{ store, vdisk, log, settings, owner: { server, instance }, purpose: { operation } },
    ...(logs === undefined ? {} : { logs }),
    events: {
      engineFailed: (failure) => note(failure, 'an engine failed under an operation'),
      repairCompleted: ({ incident, attempt, address }) =>
        note({ incident, attempt, address }, 'repair completed'),
      blocksCorrupt: (trouble) => note(trouble, 'blocks do not match their checksums'),
      dataUnavailable: (trouble) => note(trouble, 'data unavailable under an operation'),
      dataAvailable: (news) => note(news, 'data available again under an operation'),
      ownershipLost: (_, reason) => {
        note({ reason }, 'a vdisk that an operation had was lost');
        lost.abort(new SalvorError('ownership-lost', reason));
      },
      takeoverAsked: (_, to) => note({ to }, 'a vdisk that an operation has was asked for'),
    },
  });
  return { mounted, lost: lost.signal };
}

/**
 * Waits until everything on the engines is in the log: one that was broken has a copy of all blocks written first.
 *
 * @param maxMs milliseconds
 * @throws SalvorError `log-broken` when that takes longer
 */
export async function logIsWhole(
  { log, geometry }: MountedVdisk,
  signal: AbortSignal,
  maxMs: number,
): Promise<void> {
  const giveUpAt = performance.now() + maxMs;
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
