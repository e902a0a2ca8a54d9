/**
 * `npm run simulate -- --seeds N [--seed S] [--json] [--mutation NAME] [--mutations [--blind-spots]]`
 *
 * Runs seeds S to S+N-1, prints the history of the first one that breaks a rule, and exits with 1 when one does. With
 * `--mutations` it searches, for each mutation, the first seed that finds it out, and exits with 1 when one is missed; the
 * known blind spots are listed, and searched with `--blind-spots` only, as is one that is named.
 */
import { parseArgs } from 'node:util';
import { productCores } from './cores.ts';
import { Fleet } from './fleet.ts';
import { blindSpots, mutated, mutations } from './mutations/index.ts';
import type { RangeResult, SeedRange } from './seed-range.ts';
import { simulate } from './simulate.ts';

/** A mutation that so many seeds do not find out is missed. */
const MUTATION_SEEDS = 2_000;
const SEEDS_PER_RANGE = 50;
const HISTORY_LINES_MAX = 400;

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
    mutation: { type: 'string' },
    mutations: { type: 'boolean', default: false },
    'blind-spots': { type: 'boolean', default: false },
    history: { type: 'boolean', default: false },
  },
});

process.exitCode = options.mutations ? await findMutations() : await runSeeds();

async function runSeeds(): Promise<number> {
  const [from, count] = [whole('seed', options.seed), whole('seeds', options.seeds)];
  const mutation = options.mutation ?? null;
  if (options.history || count === 1) return replay(from, mutation);
  const beganAt = performance.now();
  const sum = { seeds: 0, events: 0, writes: 0, reads: 0, virtualMs: 0, unavailable: 0, limited: 0 };
  const violations: RangeResult['violations'][number][] = [];
  using fleet = new Fleet();
  await fleet.run(rangesOf(from, count, mutation, false), (_, result) => {
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += result[name];
    violations.push(...result.violations);
    return violations.length < HISTORY_LINES_MAX;
  });
  violations.sort((a, b) => a.seed - b.seed);
  const seconds = (performance.now() - beganAt) / 1_000;
  if (options.json) print(JSON.stringify({ from, mutation, ...sum, seconds, violations }));
  else {
    print(
      `${sum.seeds} seeds from ${from} in ${seconds.toFixed(1)} s: ${sum.events} events, ${sum.writes} writes, ${sum.reads} reads, ${Math.round(sum.virtualMs / 1_000)} s of virtual time; ${sum.unavailable} left a pair to an operator; ${sum.limited} reached the limit; ${violations.length} broke a rule`,
    );
    for (const { seed, violation } of violations.slice(0, 20))
      print(`seed ${seed}: rule ${violation?.rule}: ${violation?.what}`);
    const [first] = violations;
    if (first !== undefined) replay(first.seed, mutation);
  }
  return violations.length === 0 ? 0 : 1;
}

/** Runs one seed once more, and prints what happens in it. */
function replay(seed: number, mutation: string | null): number {
  const lines: string[] = [];
  const result = simulate(seed, mutation === null ? productCores : mutated(mutation), (line) =>
    lines.push(line),
  );
  if (options.json) print(JSON.stringify({ ...result, history: lines }));
  else {
    const shown = options.history ? lines : lines.slice(-HISTORY_LINES_MAX);
    print(`history of seed ${seed}${shown.length < lines.length ? `, its last ${shown.length} lines` : ''}:`);
    for (const line of shown) print(line);
    print(
      `digest ${result.digest}; ${result.violation !== null ? 'a rule is broken' : result.limit !== null ? 'ended at the limit' : 'every rule held'}`,
    );
  }
  return result.violation === null ? 0 : 1;
}

/** Searches the mutations that are found out, or the one that is named, or the blind spots too. */
async function findMutations(): Promise<number> {
  const { mutation = null, 'blind-spots': all } = options;
  const isWanted = (name: string): boolean =>
    mutation === null ? all || !blindSpots.has(name) : name === mutation;
  const wanted = mutations.filter(({ name }) => isWanted(name));
  if (wanted.length === 0) throw new Error(`there is no mutation ${mutation}`);
  const searched: FoundMutation[] = [];
  using fleet = new Fleet();
  for (const { name, fault } of wanted) {
    const caught = await findMutation(fleet, name);
    searched.push({ mutation: name, fault, isBlindSpot: blindSpots.has(name), ...caught });
    const { seed, rule } = caught;
    const found = seed === null ? (blindSpots.has(name) ? 'not found' : 'MISSED') : `seed ${seed}`;
    if (!options.json) print(`${name.padEnd(28)} ${found.padEnd(10)} rule ${rule ?? '-'}  ${fault}`);
  }
  const claimed = searched.filter(({ isBlindSpot }) => !isBlindSpot);
  const missed = claimed.filter(({ seed }) => seed === null);
  if (options.json)
    print(
      JSON.stringify({ seedsMax: MUTATION_SEEDS, mutations: searched, blindSpots: [...blindSpots].sort() }),
    );
  else {
    print(
      `${claimed.length - missed.length} of ${claimed.length} mutations found out within ${MUTATION_SEEDS} seeds`,
    );
    print(`${blindSpots.size} known blind spots, of which no seed is known that finds them out:`);
    for (const { name, fault } of mutations) if (blindSpots.has(name)) print(`${name.padEnd(28)} ${fault}`);
  }
  return missed.length === 0 ? 0 : 1;
}

interface Caught {
  /** The first seed that finds it out, null when none does. */
  readonly seed: number | null;
  readonly rule: number | null;
  readonly what: string;
}

interface FoundMutation extends Caught {
  readonly mutation: string;
  readonly fault: string;
  readonly isBlindSpot: boolean;
}

async function findMutation(fleet: Fleet, name: string): Promise<Caught> {
  const caught: RangeResult['violations'][number][] = [];
  await fleet.run(rangesOf(0, MUTATION_SEEDS, name, true), (_, { violations }) => {
    caught.push(...violations);
    return violations.length === 0;
  });
  const [first] = caught.sort((a, b) => a.seed - b.seed);
  const { rule = null, what = 'not found out' } = first?.violation ?? {};
  return { seed: first?.seed ?? null, rule, what };
}

function* rangesOf(
  from: number,
  count: number,
  mutation: string | null,
  untilViolation: boolean,
): Generator<SeedRange> {
  for (let at = from; at < from + count; at += SEEDS_PER_RANGE)
    yield { from: at, count: Math.min(SEEDS_PER_RANGE, from + count - at), mutation, untilViolation };
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error(`--${name} is a whole number of at least 0, found ${text}`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
