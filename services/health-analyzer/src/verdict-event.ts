import type { EventInits } from '@salvor/contracts';
import type { JudgedOutage } from './outage-judge.ts';

/** The event of a verdict. A verdict that is given again gets another id, so that it is heard again. */
export function verdictEvent(
  { incident, verdict, reason, evidence, missedWrites, oddReporter, given }: JudgedOutage,
  observer: string,
  at: number,
): { id: string; payload: EventInits['engine.verdict-given'] } {
  const { id, attempt, cluster, shard, address } = incident;
  return {
    id: `${id}-${attempt}-${verdict}-${observer}-${given}`,
    payload: {
      cluster,
      shard,
      address,
      incident: id,
      attempt,
      verdict,
      reason,
      evidence: evidence.map(({ kind, detail, at: seenAt, observer }) => ({
        ...{ kind, detail, at: seenAt },
        ...(observer === undefined ? {} : { observer }),
      })),
      ...(missedWrites === null ? {} : { missedWrites }),
      ...(oddReporter === null ? {} : { oddReporter }),
      by: 'health-analyzer',
      at,
    },
  };
}
