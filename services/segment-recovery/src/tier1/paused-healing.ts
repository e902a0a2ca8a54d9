/** All healing is paused before anything else is brought back, until an operator resumes it. Pure. */
import {
  ConfigValueError,
  formatRecord,
  type HealingControls,
  healingControlsSchema,
  healingEverywhereKey,
  parseRecord,
} from '@salvor/config-store';
import { deduced, type KeyDecision, writes } from './decide-key.ts';
import { RECOVERY } from './recovery-incidents.ts';
import type { Tier1Sources } from './tier1-sources.ts';

const WHY =
  'Tier-1 was brought back: which engine of a pair is current is known only as of the configuration';

export const HEALING_IS_PAUSED =
  "all healing is paused until 'salvor healing resume': no engine is repaired, replaced or given up before somebody has looked at 'salvor incident list' and at what is in doubt here";

/**
 * The configuration may be older than a failure: an engine that is online by it may be the stale one of its pair, and a repair would
 * write its blocks over the current ones.
 *
 * @param decided as the sources have it; null: none has
 * @param groups everything else that is brought back
 */
export function pausedHealing(
  { etcd, asked }: Pick<Tier1Sources, 'etcd' | 'asked'>,
  decided: KeyDecision | null,
  groups: readonly { readonly kind: string; readonly keys: readonly KeyDecision[] }[],
): KeyDecision | null {
  const isDue = groups.some(
    ({ kind, keys }) => (kind === 'cluster' || kind === 'vdisk') && keys.some(writes),
  );
  const key = healingEverywhereKey;
  const found = etcd.entries.get(key) ?? null;
  const decision: KeyDecision = decided ?? {
    ...{ key, action: 'kept', value: null, found: null },
    fact: { fact: key, value: null, from: [], certainty: 'certain' },
  };
  const controls = controlsOf(decision.value);
  const before = controlsOf(found?.value ?? null);
  // It was paused before, or what is there cannot be read, which everybody takes for a pause.
  if (found !== null && (before === null || before.pause !== undefined))
    return asFound(decision, found.value);
  if (!isDue || controls === null || controls.pause !== undefined) return decided;
  const pause = { by: RECOVERY, at: asked.at, reason: WHY, operation: asked.operation };
  const value = formatRecord(healingControlsSchema, key, { ...controls, pause });
  return deduced({ ...decision, found: found?.revision ?? null }, value, ['configuration'], WHY);
}

export function isPausedByRecovery(decision: KeyDecision | null): boolean {
  return controlsOf(decision?.value ?? null)?.pause?.by === RECOVERY;
}

function asFound(decision: KeyDecision, value: string): KeyDecision {
  return { ...decision, action: decision.action === 'there' ? 'there' : 'kept', value };
}

/** Null: it cannot be read. */
function controlsOf(value: string | null): HealingControls | null {
  if (value === null) return { downtimes: [], log: [] };
  try {
    return parseRecord(healingControlsSchema, healingEverywhereKey, value);
  } catch (error) {
    if (error instanceof ConfigValueError) return null;
    throw error;
  }
}
