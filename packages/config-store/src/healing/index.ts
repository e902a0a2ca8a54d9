export type { AdmissionOptions, VdiskAdmissionResult } from './admit-vdisk.ts';
export * from './apply-cluster-admission.ts';
export {
  type ApplyEngineStatusOptions,
  applyEngineStatus,
  type EngineStatusResult,
  previewEngineStatus,
} from './apply-engine-status.ts';
export * from './apply-healing-control.ts';
export { spreadHindrance } from './apply-spread-hindrance.ts';
export { createVdisk, deleteVdisk } from './apply-vdisk-admission.ts';
export type {
  ClusterAdmissionCode,
  ClusterCreateRequest,
  SparesAddRequest,
} from './cluster-admission.ts';
export type { ClusterState, PartnerState } from './cluster-state.ts';
export { judgeCluster, judged as judgeClusterRecord } from './cluster-status.ts';
export { incidentId, parseIncidentId } from './engine-failure.ts';
export { decideEngineStatus, type HealingPolicy } from './engine-status.ts';
export type {
  EngineStatusCode,
  EngineStatusDecision,
  EngineStatusInput,
  FailureReported,
  RepairsComplete,
  SpreadWanted,
  VerdictGiven,
} from './engine-status-decision.ts';
export { ownersComparedMax } from './engine-status-writes.ts';
export { applyInBurst, type BurstInput } from './failure-burst.ts';
export { doubtedUntil } from './false-alarm.ts';
export { downtimeMsMax, type HealingControlInput } from './healing-control.ts';
export type * from './healing-events.ts';
export { healingPause, healingPauseKeys } from './healing-pause.ts';
export { downtimeOf, type FlappingPolicy, holdSentence } from './held-back.ts';
export { InvariantError } from './invariant.ts';
export { canonicalRequest, markOf, repeatOf, reusedReason } from './operation-mark.ts';
export type * from './operator-order.ts';
export { formatRecord, parseRecord, recordIn } from './record-text.ts';
export * from './records.ts';
export * from './repair-records.ts';
export * from './restart-records.ts';
export { OPENED_BEFORE_ALL } from './served-last.ts';
export { engineMoves, type IncidentStatus } from './status-words.ts';
export { attemptBegunIn } from './step-revision.ts';
export type { VdiskAdmissionCode, VdiskCreateRequest } from './vdisk-admission.ts';
