export { acceptLoss, type LossAcceptance, type LossAccepted } from './accept-loss.ts';
export {
  applyRecovery,
  previewRecovery,
  type RecoveryOptions,
  type RecoveryRequest,
  type RecoveryResult,
  readRecovery,
} from './apply-recovery.ts';
export type { RecoveryCode, RecoveryDecision } from './recovery-input.ts';
export * from './recovery-record.ts';
export {
  busyVdisks,
  lockVdisks,
  noteStaleBatches,
  type RestoredVdisk,
  recoveredVdisks,
  unlockVdisks,
  vdiskRestored,
} from './restoring-vdisks.ts';
