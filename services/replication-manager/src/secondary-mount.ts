import type { LogStreamPort } from '@salvor/bus';
import { type ConfigStore, copierOf, type LogEnd } from '@salvor/config-store';
import { type Logger, SalvorError } from '@salvor/service-kit';
import { decodeSegment, logStream, logSubject, logWriters } from '@salvor/tlog';
import {
  type EngineLogin,
  logIsWhole,
  mountForOperation,
  type OperationMount,
  operationMountSettings,
} from '@salvor/vdisk';
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
/** A log that is being written anew, with a copy of all blocks, takes as long as that. */
const LOG_WHOLE_MAX_MS = 600_000;

/** The vdisk of a secondary, owned by what keeps it in step; `lost` tells when it no longer is. */
export type SecondaryMount = OperationMount;

/**
 * Takes the vdisk of a volume, or of an operation, until its log is whole. The owner is named by either.
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
  const mount = await mountForOperation({
    ...{ store, vdisk, operation, server: operation, instance, log, about: { volume } },
    ...{ settings: operationMountSettings(access, LEASE_TTL_SECONDS), logs: logWriters(streams, store) },
  });
  const { mounted, lost } = mount;
  try {
    if (mounted.log !== null) await logIsWhole(mounted, AbortSignal.any([signal, lost]), LOG_WHOLE_MAX_MS);
    return mount;
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
