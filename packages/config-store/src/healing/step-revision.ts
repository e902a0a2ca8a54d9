/**
 * When etcd stored the steps of an incident. Clocks of those who record outages may differ; revisions tell in which order the
 * two members of a pair became stale. A revision is known only when it is stored, so the next change of the incident notes it.
 */
import type { IncidentRecord } from './records.ts';

/**
 * The incident as it is to be stored, with the revision of the step that was its last until now.
 *
 * @param before what etcd holds, and `changedIn` the revision that stored it
 */
export function withStoredRevision(
  next: IncidentRecord,
  before: IncidentRecord | undefined,
  changedIn: number | undefined,
): IncidentRecord {
  const last = before?.history.at(-1);
  if (before?.id !== next.id || last === undefined || last.revision !== undefined || changedIn === undefined)
    return next;
  const isLast = (step: IncidentRecord['history'][number]): boolean =>
    step.at === last.at && step.to === last.to && step.attempt === last.attempt;
  return {
    ...next,
    history: next.history.map((step) => (isLast(step) ? { ...step, revision: changedIn } : step)),
  };
}

/**
 * The revision in which an attempt of an incident began, undefined when it is not known any more.
 *
 * @param changedIn revision of the record
 */
export function attemptBegunIn(
  { history }: Pick<IncidentRecord, 'history'>,
  attempt: number,
  changedIn: number,
): number | undefined {
  const step = history.find((one) => one.to === 'offline' && one.attempt === attempt);
  return step !== undefined && step === history.at(-1) ? (step.revision ?? changedIn) : step?.revision;
}
