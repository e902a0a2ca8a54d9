import type { Bus } from '@salvor/bus';
import { type ConfigStore, type RequestedPoint, readArchive, restoreArchived } from '@salvor/config-store';
import type { ArchiveRestoreRequest, Outcome } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';

const GIB = 2 ** 30;
const CREATE_TIMEOUT_MS = 10_000;

/** Begins the operation that brings a vdisk to a state of an archive; the vdisk is made first where that is asked for. */
export async function restoreBegins(
  { store, bus }: { readonly store: ConfigStore; readonly bus: Bus },
  { archive, volume, vdisk, cluster, slaveCluster, ...at }: ArchiveRestoreRequest,
  operation: string,
): Promise<{ readonly outcome: Outcome; readonly reason: string }> {
  const record = await readArchive(store, { archive, volume });
  if (record === null)
    throw new SalvorError('unknown-archive', `archive ${archive} does not hold volume ${volume}`);
  const { sizeBytes, blockSize, snapshots } = record;
  if (blockSize === 0)
    throw new SalvorError('not-complete', `archive ${archive} holds nothing of volume ${volume} yet`);
  const point = pointOf(at);
  if (point.kind === 'snapshot') {
    const found = snapshots.find(({ name }) => name === point.name);
    if (found === undefined)
      throw new SalvorError(
        'unknown-snapshot',
        `archive ${archive} has no snapshot ${point.name} of ${volume}`,
      );
    if (found.sequence === null || found.state !== 'restorable')
      throw new SalvorError(
        'not-restorable',
        `snapshot ${point.name} of volume ${volume} is ${found.state} in archive ${archive}`,
      );
  }
  if (cluster !== undefined) {
    const shape = { type: 'db' as const, sizeGiB: Math.max(1, Math.ceil(sizeBytes / GIB)), blockSize };
    const where = { vdisk, cluster, ...(slaveCluster === undefined ? {} : { slaveCluster }) };
    await bus.request(
      'vdisk.create',
      { ...where, ...shape, operationId: `${operation}-create` },
      { timeoutMs: CREATE_TIMEOUT_MS },
    );
  }
  const begun = await restoreArchived(store, { archive, volume, vdisk, point }, { operation, by: 'command' });
  const { outcome, code, reason } = begun;
  if (outcome === 'refused' || outcome === 'conflict') throw new SalvorError(code, reason);
  return { outcome, reason };
}

function pointOf({
  atSequence,
  atTime,
  atSnapshot,
}: Pick<ArchiveRestoreRequest, 'atSequence' | 'atTime' | 'atSnapshot'>): RequestedPoint {
  const named: RequestedPoint[] = [
    ...(atSequence === undefined ? [] : [{ kind: 'sequence' as const, sequence: atSequence }]),
    ...(atTime === undefined ? [] : [{ kind: 'time' as const, at: atTime }]),
    ...(atSnapshot === undefined ? [] : [{ kind: 'snapshot' as const, name: atSnapshot }]),
  ];
  if (named.length > 1)
    throw new SalvorError(
      'bad-request',
      `expected one of atSequence, atTime and atSnapshot, found ${named.length}`,
    );
  return named[0] ?? { kind: 'newest' };
}
