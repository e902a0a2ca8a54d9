import { isAbsolute, normalize } from 'node:path';
import type { CommandHandlers } from '@salvor/bus';
import {
  beginOperation,
  type ConfigStore,
  listOperations,
  type OperationRecord,
  parseRecord,
  readOperation,
  segmentRecoveryKey,
  segmentRecoveryOwner,
} from '@salvor/config-store';
import { fromPlainJson } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import { z } from 'zod';
import { RECOVERY_KIND, type RecoveryRequest } from './recovery/recovery-request.ts';
import { findSegment, listSegments } from './segment-directory.ts';

const LAYOUTS: Readonly<Record<string, 'chunked' | 'legacy' | undefined>> = {
  pravega: undefined,
  'pravega-chunked': 'chunked',
  'pravega-legacy': 'legacy',
};
const MAX_PAGE = 500;

export function commandHandlers(store: ConfigStore): CommandHandlers {
  return {
    'dr.recover': async (asked, { operationId: operation }) => {
      if (!Object.hasOwn(LAYOUTS, asked.layout))
        throw new SalvorError(
          'invalid-layout',
          `expected layout to be one of ${Object.keys(LAYOUTS).join(', ')}, found ${JSON.stringify(asked.layout)}`,
        );
      if (!asked.dryRun && asked.confirm !== 'yes')
        throw new SalvorError(
          'not-confirmed',
          'this writes into etcd and JetStream: expected confirm to be the word yes, or dryRun',
        );
      const layout = LAYOUTS[asked.layout];
      const request: RecoveryRequest = {
        ...{ root: absolute('root', asked.root), dryRun: asked.dryRun, replace: asked.replace },
        ...(layout === undefined ? {} : { layout }),
        ...(asked.backupDir === undefined ? {} : { backupDir: absolute('backupDir', asked.backupDir) }),
        ...(asked.containers === undefined ? {} : { containers: asked.containers }),
      };
      const known = await readOperation(store, operation);
      if (!asked.dryRun && known === null) await refuseSecond(store);
      const { outcome, code, reason } = await beginOperation(store, {
        ...{ operation, kind: RECOVERY_KIND, request, subject: request.root, checkpoint: request },
        message: `${asked.dryRun ? 'looks at the segments' : 'brings segments back'} in ${request.root}`,
      });
      if (outcome === 'refused' || outcome === 'conflict') throw new SalvorError(code, reason);
      return { operation, outcome, reason };
    },
    'dr.report': async ({ operation }) => {
      const record = operation === undefined ? await latest(store) : await readOperation(store, operation);
      if (record === null || record.kind !== RECOVERY_KIND)
        throw new SalvorError(
          'unknown-operation',
          operation === undefined ? 'no segments were ever recovered' : `there is no recovery ${operation}`,
        );
      const { status = 'completed', message = record.reason, code, done, total } = record.work ?? {};
      const key = segmentRecoveryKey(record.operation);
      const entry = await store.get(key);
      return {
        ...{ operation: record.operation, status, message },
        ...(code === undefined ? {} : { code }),
        ...(done === undefined ? {} : { done }),
        ...(total === undefined ? {} : { total }),
        ...(entry === null
          ? {}
          : { recovery: fromPlainJson('SegmentRecovery', parseRecord(z.looseObject({}), key, entry.value)) }),
      };
    },
    'segment.list': async ({ container, prefix, after, limit }) => {
      if (limit < 1 || limit > MAX_PAGE)
        throw new SalvorError('invalid-limit', `expected limit to be 1 to ${MAX_PAGE}, found ${limit}`);
      return listSegments(store, { container, prefix: prefix ?? '', after, limit });
    },
    'segment.get': async ({ segment }) => ({ segment: await findSegment(store, segment) }),
  };
}

/** At the very start of a recovery its process finds out for certain; here it is said at once. */
async function refuseSecond(store: ConfigStore): Promise<void> {
  const owner = await segmentRecoveryOwner(store);
  if (owner === null) return;
  throw new SalvorError(
    'recovery-busy',
    `expected no other recovery of segments, found operation ${owner.operation}, carried out by ${owner.worker} since ${new Date(owner.since).toISOString()}; wait for its end, or cancel it`,
  );
}

async function latest(store: ConfigStore): Promise<OperationRecord | null> {
  const { operations } = await listOperations(store, { kind: RECOVERY_KIND });
  return operations[0] ?? null;
}

function absolute(what: string, path: string): string {
  if (isAbsolute(path) && !path.includes('\0')) return normalize(path);
  throw new SalvorError(
    'invalid-path',
    `expected ${what} to be an absolute path, found ${JSON.stringify(path)}`,
  );
}
