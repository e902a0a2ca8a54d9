import { productCores } from './cores.ts';
import { mutated } from './mutations/index.ts';
import { type RunResult, simulate } from './simulate.ts';

/** What a worker is asked to do: seeds one after the other, with one mutation or none. */
export interface SeedRange {
  readonly from: number;
  readonly count: number;
  readonly mutation: string | null;
  readonly untilViolation: boolean;
}

export interface RangeResult {
  readonly seeds: number;
  readonly events: number;
  readonly writes: number;
  readonly reads: number;
  /** Virtual time, in milliseconds. */
  readonly virtualMs: number;
  /** Seeds that ended with a pair that an operator has to decide about. */
  readonly unavailable: number;
  /** Seeds that ended at a loss that no rule can notice. */
  readonly limited: number;
  readonly violations: readonly RunResult[];
}

/** A range with very many violations tells no more than one with some. */
const VIOLATIONS_MAX = 20;

export function runRange({ from, count, mutation, untilViolation }: SeedRange): RangeResult {
  // Errors are how links fail here, thousands a second: where each was made is of no interest.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    const cores = mutation === null ? productCores : mutated(mutation);
    const violations: RunResult[] = [];
    const sum = { seeds: 0, events: 0, writes: 0, reads: 0, virtualMs: 0, unavailable: 0, limited: 0 };
    for (let seed = from; seed < from + count; seed++) {
      const result = simulate(seed, cores);
      sum.seeds++;
      sum.events += result.events;
      sum.writes += result.writes;
      sum.reads += result.reads;
      sum.virtualMs += result.healedAtMs;
      if (result.unavailable.length > 0) sum.unavailable++;
      if (result.limit !== null) sum.limited++;
      if (result.violation === null) continue;
      violations.push(result);
      if (untilViolation || violations.length >= VIOLATIONS_MAX) break;
    }
    return { ...sum, violations };
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
