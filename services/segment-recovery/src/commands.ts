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
import type { AllowedRoots } from './allowed-roots.ts';
import { RECOVERY_KIND, type RecoveryRequest } from './recovery/recovery-request.ts';
import { findSegment, listSegments } from './segment-directory.ts';
import { layoutBelow } from './tier2-layout.ts';
import { VERIFY_KIND, type VerifyRequest } from './verification/verify-request.ts';

const PRAVEGA_LAYOUTS: Readonly<Record<string, 'chunked' | 'legacy' | undefined>> = {
  pravega: undefined,
  'pravega-chunked': 'chunked',
  'pravega-legacy': 'legacy',
};
const REPORTED: ReadonlySet<string> = new Set([RECOVERY_KIND, VERIFY_KIND]);
const MAX_PAGE = 500;

export function commandHandlers(store: ConfigStore, allowedRoots: AllowedRoots): CommandHandlers {
  const allowed = async (what: string, path: string): Promise<string> => {
    const normal = absolute(what, path);
    await allowedRoots.check(what, normal);
    return normal;
  };
  return {
    'dr.verify': async ({ root: named, layout, containers, tier1 }, { operationId: operation }) => {
      const root = await allowed('root', named);
      const read = await layoutOf(layout, root);
      if (read === 'salvor')
        throw new SalvorError(
          'invalid-layout',
          `${root} is what Salvor archived: 'salvor dr verify' reads it where it is mounted, 'salvor tlog verify' holds its logs against JetStream`,
        );
      const request: VerifyRequest = {
        ...{ root, tier1 },
        ...(read === undefined ? {} : { layout: read }),
        ...(containers === undefined ? {} : { containers }),
      };
      const { outcome, code, reason } = await beginOperation(store, {
        ...{ operation, kind: VERIFY_KIND, request, subject: request.root, checkpoint: request },
        message: `verifies ${request.root}`,
      });
      if (outcome === 'refused' || outcome === 'conflict') throw new SalvorError(code, reason);
      return { operation, outcome, reason };
    },
    'dr.recover': async (asked, { operationId: operation }) => {
      if (!asked.dryRun && asked.confirm !== 'yes')
        throw new SalvorError(
          'not-confirmed',
          'this writes into etcd and JetStream: expected confirm to be the word yes, or dryRun',
        );
      const root = await allowed('root', asked.root);
      const layout = await layoutOf(asked.layout, root);
      if (layout === 'salvor' && asked.containers !== undefined)
        throw new SalvorError(
          'invalid-containers',
          `${root} is what Salvor archived: its logs say which container they are in, and containers is for Pravega directories`,
        );
      const request: RecoveryRequest = {
        ...{ root, dryRun: asked.dryRun, replace: asked.replace },
        ...(asked.configuration === undefined ? {} : { configuration: asked.configuration }),
        ...(asked.installation === undefined ? {} : { installation: asked.installation }),
        ...(asked.acceptUnreachable ? { acceptUnreachable: true } : {}),
        ...(layout === undefined ? {} : { layout }),
        ...(asked.backupDir === undefined ? {} : { backupDir: await allowed('backupDir', asked.backupDir) }),
        ...(asked.containers === undefined ? {} : { containers: asked.containers }),
      };
      const known = await readOperation(store, operation);
      if (!asked.dryRun && known === null) await refuseSecond(store);
      const { outcome, code, reason } = await beginOperation(store, {
        ...{ operation, kind: RECOVERY_KIND, request, subject: request.root, checkpoint: request },
        message: messageOfRequest(request),
      });
      if (outcome === 'refused' || outcome === 'conflict') throw new SalvorError(code, reason);
      return { operation, outcome, reason };
    },
    'dr.report': async ({ operation }) => {
      const record = operation === undefined ? await latest(store) : await readOperation(store, operation);
      if (record === null || !REPORTED.has(record.kind))
        throw new SalvorError(
          'unknown-operation',
          operation === undefined
            ? 'nothing was ever recovered'
            : `there is no recovery or verification ${operation}`,
        );
      const { status = 'completed', message = record.reason, code, done, total } = record.work ?? {};
      const key = segmentRecoveryKey(record.operation);
      const entry = await store.get(key);
      const found = entry === null ? null : parseRecord(z.looseObject({}), key, entry.value);
      return {
        ...{ operation: record.operation, status, message },
        ...(code === undefined ? {} : { code }),
        ...(done === undefined ? {} : { done }),
        ...(total === undefined ? {} : { total }),
        ...(found === null
          ? {}
          : Object.hasOwn(found, 'loss')
            ? { tier1: fromPlainJson('Tier1Recovery', found) }
            : { recovery: fromPlainJson('SegmentRecovery', found) }),
      };
    },
    'segment.list': async ({ container, prefix, after, limit }) => {
      if (container !== undefined && container < 0)
        throw new SalvorError('invalid-container', `expected a container of at least 0, found ${container}`);
      if (limit < 1 || limit > MAX_PAGE)
        throw new SalvorError('invalid-limit', `expected limit to be 1 to ${MAX_PAGE}, found ${limit}`);
      return listSegments(store, { container, prefix: prefix ?? '', after, limit });
    },
    'segment.get': async ({ segment }) => ({ segment: await findSegment(store, segment) }),
  };
}

/** Undefined: of Pravega, as its files tell. */
async function layoutOf(layout: string, root: string): Promise<'salvor' | 'chunked' | 'legacy' | undefined> {
  if (layout === 'salvor') return layout;
  if (Object.hasOwn(PRAVEGA_LAYOUTS, layout)) return PRAVEGA_LAYOUTS[layout];
  if (layout === 'auto') return (await layoutBelow(root)) === 'salvor' ? 'salvor' : undefined;
  const known = ['auto', 'salvor', ...Object.keys(PRAVEGA_LAYOUTS)].join(', ');
  throw new SalvorError(
    'invalid-layout',
    `expected layout to be one of ${known}, found ${JSON.stringify(layout)}`,
  );
}

function messageOfRequest({ layout, dryRun, root }: RecoveryRequest): string {
  const what = layout === 'salvor' ? 'Tier-1' : 'segments';
  return dryRun ? `looks for ${what} in ${root}` : `brings ${what} back from ${root}`;
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
