/** Which write took the place of which, on any engine; writes are values that are written once. */
export class Overwrites {
  readonly #later = new Map<number, Set<number>>();

  /** `value` was written over `before`; 0 is a block that was not stored. */
  tell(before: number, value: number): void {
    if (before === 0 || before === value) return;
    this.#later.set(before, (this.#later.get(before) ?? new Set()).add(value));
  }

  /**
   * Whether an engine has a write, or one that took its place: who was deposed before it could answer may answer long after
   * that, and an engine that was filled since never saw the older one. `seen` are all values that were ever stored there.
   */
  isOn(seen: ReadonlySet<number>, value: number): boolean {
    const followers = new Set([value]);
    for (const one of followers) {
      if (seen.has(one)) return true;
      for (const later of this.#later.get(one) ?? []) followers.add(later);
    }
    return false;
  }
}
