/** What was under way when the configuration was stored. Pure. */
import {
  ConfigValueError,
  formatRecord,
  OPERATIONS_PREFIX,
  operationSchema,
  parseRecord,
  type VdiskLifecycle,
  vdiskLifecycleSchema,
} from '@salvor/config-store';
import { deduced, type KeyDecision, withheld, writes } from './decide-key.ts';

/** A lifecycle is brought back with the operation it is for, which waits: whether it had ended nobody knows. @throws ConfigValueError */
export function asLeft(decision: KeyDecision): KeyDecision {
  if (!writes(decision) || decision.value === null) return decision;
  if (decision.key.endsWith('/lifecycle') && lifecycleOf(decision)?.state === 'resizing')
    return withheld(decision, 'it lived under a lease');
  if (!decision.key.startsWith(OPERATIONS_PREFIX)) return decision;
  const record = parseRecord(operationSchema, decision.key, decision.value);
  if (record.work === undefined || record.kind === 'vdisk.delete' || record.work.pause !== undefined)
    return decision;
  const pause = { by: 'segment-recovery', at: record.work.updatedAt };
  const value = formatRecord(operationSchema, decision.key, { ...record, work: { ...record.work, pause } });
  return deduced(decision, value, ['configuration'], 'it is paused: whether it had ended is not known');
}

export function lifecycleDoubts(vdisk: string, keys: readonly KeyDecision[]): string[] {
  return keys.flatMap((decision) => {
    const lifecycle = writes(decision) ? lifecycleOf(decision) : null;
    if (lifecycle === null || lifecycle.state === 'deleting' || lifecycle.state === 'secondary') return [];
    return [
      `it was '${lifecycle.state}' when the configuration was stored, for ${lifecycle.operations.join(', ')}, and whether that had ended is not known: 'salvor operation resume' lets it go on, 'salvor operation cancel' gives it up; until then vdisk ${vdisk} is not served`,
    ];
  });
}

function lifecycleOf({ key, value }: KeyDecision): VdiskLifecycle | null {
  if (value === null || !key.endsWith('/lifecycle')) return null;
  try {
    return parseRecord(vdiskLifecycleSchema, key, value);
  } catch (error) {
    if (error instanceof ConfigValueError) return null;
    throw error;
  }
}
