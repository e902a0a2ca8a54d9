export { pointText, type RequestedPoint } from './log-point.ts';
export { disableTlog, enableTlog, type TlogEnableOptions } from './tlog-admission.ts';
export { tlogHindrance } from './tlog-hindrance.ts';
export {
  TLOG_POLICIES,
  TLOG_STATUSES,
  type TlogConfig,
  type TlogPolicy,
  type TlogState,
  type TlogStatus,
  tlogConfigSchema,
  tlogStateSchema,
} from './tlog-records.ts';
export {
  deleteSnapshot,
  listSnapshots,
  readSnapshot,
  snapshotTaken,
  type TlogSnapshot,
  tlogSnapshotSchema,
} from './tlog-snapshots.ts';
export {
  parseTlogConfig,
  parseTlogState,
  putTlogState,
  type RecordedTlog,
  readTlog,
  TlogStateChangedError,
} from './tlog-state.ts';
