import { type ConfigStore, pointText, type RequestedPoint, readSnapshot } from '@salvor/config-store';
import { codeOf, SalvorError } from '@salvor/service-kit';
import { everyBlock, findPoint, type LogSource, ReplayWalk } from '@salvor/tlog';

/** What trying again cannot mend. */
const finalCodes: ReadonlySet<string> = new Set([
  ...['bad-chunk', 'bad-segment', 'gap', 'no-log', 'not-restorable'],
  ...['unknown-snapshot', 'unknown-vdisk', 'unsupported-type'],
]);

export function isFinal(error: unknown): boolean {
  return finalCodes.has(codeOf(error));
}

/**
 * The record of the log that stands for a state; of a snapshot as etcd has it, for a name may be given again.
 *
 * @throws SalvorError `unknown-snapshot`, LogError `not-restorable`
 */
export async function sequenceOf(
  store: ConfigStore,
  vdisk: string,
  source: LogSource,
  point: RequestedPoint,
): Promise<number> {
  if (point.kind !== 'snapshot') return (await findPoint(vdisk, source, point)).sequence;
  const snapshot = await readSnapshot(store, vdisk, point.name);
  if (snapshot === null)
    throw new SalvorError('unknown-snapshot', `vdisk ${vdisk} has no snapshot '${point.name}'`);
  const { sequence } = snapshot;
  return (await findPoint(vdisk, source, { kind: 'sequence', sequence })).sequence;
}

/**
 * Walks through the index of the log once, before anything is written: what cannot be restored as a whole is not begun.
 *
 * @throws SalvorError `gap`, LogError `not-restorable`
 */
export async function assertRestorable(
  vdisk: string,
  source: LogSource,
  blocks: number,
  upTo: number,
  point: RequestedPoint,
): Promise<void> {
  const walk = new ReplayWalk({ vdisk, wanted: everyBlock(blocks), upTo });
  let gap = null;
  for await (const segment of source.newestFirst(upTo + 1)) {
    const step = walk.take(segment);
    gap = step.gap;
    if (gap !== null || step.isLast) break;
  }
  gap ??= walk.end();
  if (gap === null) return;
  throw new SalvorError(
    'gap',
    `vdisk ${vdisk} cannot be brought to ${pointText(point)}: its log lacks sequences ${gap.fromSequence} to ${gap.toSequence}; nothing was changed. Bring that part of the log back`,
  );
}
