import { type ConfigStore, type EngineStatusResult, operationKey } from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';

export interface Decided {
  readonly outcome: 'applied' | 'already' | 'refused' | 'conflict';
  readonly code: string;
  readonly reason: string;
  readonly operation: string;
}

/** An operation that was applied needs no look at engines, which may have changed since: its mark has the answer. */
export async function isRepeat(store: ConfigStore, operation: string): Promise<boolean> {
  return (await store.get(operationKey(operation))) !== null;
}

/** The reply to a command that was carried out; a refusal is an error that says why. */
export function accepted<D extends Decided, M extends object>(
  decided: D,
  more: M,
): Omit<D, 'outcome' | 'code'> & M & { outcome: 'applied' | 'already' } {
  const { outcome, code, ...rest } = decided;
  if (outcome === 'refused' || outcome === 'conflict') throw new SalvorError(code, decided.reason);
  return { ...rest, ...more, outcome };
}

/** What came of an order, and in which incident. */
export function statusReply(
  { outcome, code, reason, incident, transition, before }: EngineStatusResult,
  operation: string,
): Decided & { status: string; incident?: string } {
  const status = transition?.to ?? before?.status ?? incident?.status ?? 'online';
  const id = incident?.id ?? before?.incident;
  return {
    outcome,
    code,
    reason,
    operation,
    status,
    ...(id === undefined ? {} : { incident: id }),
  };
}
