import { BlockHistory, type BlockWrite, type Contradiction } from '../../src/history/block-history.ts';

/** An operation on the first sectors of a block; ticks from 1, each used once. */
export interface SmallOperation {
  readonly kind: 'write' | 'read';
  readonly sentAt: number;
  /** Null: never answered; only writes. */
  readonly answeredAt: number | null;
  /** Of a write that is never answered: it takes effect by then or never. */
  readonly fencedAt?: number;
  /** By sector; null for a sector outside of the request. */
  readonly values: readonly (number | null)[];
}

/** Tries every order that the times allow. */
export function isLinearizable(operations: readonly SmallOperation[], sectors: number): boolean {
  const seen = new Set<string>();
  const all = (1 << operations.length) - 1;
  const must = operations.reduce((mask, op, i) => (op.answeredAt === null ? mask : mask | (1 << i)), 0);
  const endOf = (op: SmallOperation): number => op.answeredAt ?? Number.POSITIVE_INFINITY;
  const search = (done: number, state: readonly number[]): boolean => {
    if ((done & must) === must) return true;
    const key = `${done}:${state.join()}`;
    if (seen.has(key)) return false;
    seen.add(key);
    let earliestEnd = Number.POSITIVE_INFINITY;
    for (const [i, op] of operations.entries()) {
      if (((done >> i) & 1) === 0) earliestEnd = Math.min(earliestEnd, endOf(op));
    }
    // Only an operation after which the others can still be in time may be next.
    return operations.some((op, i) => {
      if ((done >> i) & 1 || op.sentAt > earliestEnd || !fenceAllows(operations, done, op)) return false;
      if (op.kind === 'read') {
        const fits = op.values.every((value, sector) => value === null || value === state[sector]);
        return fits && search(done | (1 << i), state);
      }
      return search(
        done | (1 << i),
        state.map((old, sector) => op.values[sector] ?? old),
      );
    });
  };
  if (all < 0) throw new RangeError('too many operations');
  return search(0, new Array<number>(sectors).fill(0));
}

/** A fenced write takes effect before its fence: not after an operation that was sent later. */
function fenceAllows(operations: readonly SmallOperation[], done: number, next: SmallOperation): boolean {
  const { fencedAt } = next;
  if (fencedAt === undefined) return true;
  return operations.every((op, i) => ((done >> i) & 1) === 0 || op.sentAt < fencedAt);
}

/** Tells a block's history of the same operations, event by event; the first contradiction, or null. */
export function judge(operations: readonly SmallOperation[], pruneFrom: number): Contradiction | null {
  const history = new BlockHistory(pruneFrom);
  const writes = new Map<SmallOperation, BlockWrite>();
  const events = operations.flatMap((op) => [
    { at: op.sentAt, op, event: 'sent' },
    ...(op.answeredAt === null ? [] : [{ at: op.answeredAt, op, event: 'answered' }]),
    ...(op.fencedAt === undefined ? [] : [{ at: op.fencedAt, op, event: 'fenced' }]),
  ]);
  events.sort((a, b) => a.at - b.at);
  for (const { at, op, event } of events) {
    const first = op.values.findIndex((value) => value !== null);
    const values = Int32Array.from(op.values.filter((value) => value !== null));
    if (op.kind === 'read') {
      if (event === 'sent') history.readSent(at);
      else {
        const found = history.readAnswered(op.sentAt, at, first, values, 0, values.length);
        if (found !== null) return found;
      }
    } else if (event === 'sent') {
      writes.set(op, history.writeSent(values[0] ?? 0, ((1 << values.length) - 1) << first, at));
    } else {
      const write = writes.get(op);
      if (write === undefined) throw new Error('answered before it was sent');
      if (event === 'answered') history.writeAnswered(write, at);
      else write.fencedAt = at;
    }
  }
  return null;
}
