import type { Cores } from '../cores.ts';

/** A fault put into one decision of the product on purpose: a simulator that does not find it out is blind there. */
export interface Mutation {
  readonly name: string;
  /** What is wrong with it, as a sentence. */
  readonly fault: string;
  readonly mutate: (cores: Cores) => Partial<Cores>;
}
