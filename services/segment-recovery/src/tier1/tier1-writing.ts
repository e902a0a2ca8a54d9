/** Writes the keys of one group, together, and only over what they were decided on. */
import { type Compare, type ConfigStore, parseKey } from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';
import { type KeyDecision, writes } from './decide-key.ts';
import type { PlannedGroup } from './decide-recovery.ts';

/** Of one transaction; etcd takes 128, and the proofs are among them. */
const KEYS_A_TRANSACTION = 120;

export type GroupOutcome =
  | { readonly kind: 'written'; readonly keys: number }
  /** Somebody else has changed one of the keys since: it is to be decided again. */
  | { readonly kind: 'changed'; readonly key: string };

/** @throws SalvorError `lease-lost`; StoreError */
export async function writeGroup(
  store: ConfigStore,
  { keys }: PlannedGroup,
  proofs: readonly Compare[],
): Promise<GroupOutcome> {
  // Where it takes several, incidents go first: an engine that is offline without one would not be decided about again.
  const due = keys.filter(writes).sort((a, b) => turn(a) - turn(b));
  for (let at = 0; at < due.length; at += KEYS_A_TRANSACTION) {
    const part = due.slice(at, at + KEYS_A_TRANSACTION);
    const done = await store.transact({
      compare: [...proofs, ...part.map(({ key, found }) => ({ key, revision: found ?? 'absent' }))],
      puts: part.map(({ key, value }) => ({ key, value: value ?? '' })),
    });
    if (done.ok) continue;
    const changed = part.find(({ key, found }) => (done.current.get(key)?.revision ?? null) !== found);
    if (changed === undefined)
      throw new SalvorError('lease-lost', 'another process carries the recovery out now');
    return { kind: 'changed', key: changed.key };
  }
  return { kind: 'written', keys: due.length };
}

function turn({ key }: KeyDecision): number {
  return parseKey(key)?.kind === 'incident' ? 0 : 1;
}
