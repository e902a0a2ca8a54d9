/** The trail that an operator's order leaves in an incident. */
import { type Cause, cut } from './engine-move.ts';
import { type IncidentRecord, incidentActionsMax, type OperatorAction } from './records.ts';

export function withAction(incident: IncidentRecord, action: string, cause: Cause): IncidentRecord {
  const { by, at, operation, reason } = cause;
  const line: OperatorAction = { at, by, action, reason: cut(reason), operation };
  return { ...incident, actions: [...(incident.actions ?? []), line].slice(-incidentActionsMax) };
}

/** Nothing holds the engine any more: it is judged again. */
export function released({ hold: _hold, ...incident }: IncidentRecord): IncidentRecord {
  return incident;
}
