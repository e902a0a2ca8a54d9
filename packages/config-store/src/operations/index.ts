export { type BeginOptions, type BegunOperation, beginOperation } from './begin-operation.ts';
export { type CancelResult, decideCancel } from './cancel-decision.ts';
export { cancelOperation } from './cancel-operation.ts';
export { OperationElsewhereError, OperationLostError } from './operation-claim.ts';
export {
  listOperations,
  type OperationFilter,
  type OperationListing,
  readOperation,
} from './operation-directory.ts';
export {
  type Executor,
  type OperationEnding,
  type OperationProgress,
  type OperationRun,
  OperationWorkers,
  type OperationWorkersOptions,
} from './operation-workers.ts';
export { decidePause, type PauseResult } from './pause-decision.ts';
export { isPaused, pauseOperation } from './pause-operation.ts';
export { runningWork } from './running-work.ts';
