import { type Cores, productCores } from '../cores.ts';
import { dataPlaneMutations } from './data-plane.ts';
import { healingMutations } from './healing.ts';
import type { Mutation } from './mutation.ts';

export const mutations: readonly Mutation[] = [...healingMutations, ...dataPlaneMutations];

/**
 * Mutations that nobody has seen found out yet: what the faults of the seeds do not reach, or what another decision makes up
 * for. Each one that is found out leaves this list, and the one in docs/correctness.md.
 */
export const blindSpots: ReadonlySet<string> = new Set([
  'lost-epoch-accepted',
  'fork-not-kept',
  'ownership-kept',
  'members-not-levelled',
  'gap-floor-ignored',
  'any-spare-vouches',
  'faults-end-with-the-repair',
]);

/** The cores with one fault in them. Throws when there is no such mutation. */
export function mutated(name: string): Cores {
  const mutation = mutations.find((known) => known.name === name);
  if (mutation === undefined)
    throw new Error(
      `there is no mutation ${name}; there are ${mutations.map((known) => known.name).join(', ')}`,
    );
  return { ...productCores, ...mutation.mutate(productCores) };
}
