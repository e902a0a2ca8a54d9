/** A rule that must hold whatever the input: a broken one is a bug, and nothing may be stored after it. */
export class InvariantError extends Error {
  readonly code = 'invariant-broken';

  constructor(rule: string) {
    super(`a rule of the healing state machine is broken, nothing was changed: ${rule}`);
    this.name = 'InvariantError';
  }
}

/** @throws InvariantError naming the rule. */
export function assertRule(holds: boolean, rule: string): asserts holds {
  if (!holds) throw new InvariantError(rule);
}
