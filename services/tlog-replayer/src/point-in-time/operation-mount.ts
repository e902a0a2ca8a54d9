import type { LogStreamPort } from '@salvor/bus';
import type { ConfigStore } from '@salvor/config-store';
import type { Logger } from '@salvor/service-kit';
import { logWriters, type ReplayWindow } from '@salvor/tlog';
import { mountForOperation, type OperationMount, operationMountSettings } from '@salvor/vdisk';
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
/** A log that was broken has a copy of all blocks written first. */
export const LOG_WHOLE_MAX_MS = 30 * 60_000;

/** Takes a vdisk for an operation of this service, and writes its log. @throws VdiskRefusedError, OwnedElsewhereError */
export function mountFor(
  { store, streams, access, instance, log }: PointInTimeOptions,
  vdisk: string,
  operation: string,
): Promise<OperationMount> {
  return mountForOperation({
    ...{ store, vdisk, operation, server: `replay-${operation}`, instance, log, about: { operation } },
    ...{ settings: operationMountSettings(access, LEASE_TTL_SECONDS), logs: logWriters(streams, store) },
  });
}
