export type { VdiskCloneRequest } from './clone-decision.ts';
export {
  type CloneEndOptions,
  cloneCompleted,
  cloneGivenUp,
  cloneVdisk,
  type VdiskClone,
  vdiskCloneSchema,
} from './clone-vdisk.ts';
export type { VdiskExportRequest } from './export-decision.ts';
export { exportPath } from './export-path.ts';
export { exportVdisk, type VdiskExport, vdiskExportSchema } from './export-vdisk.ts';
export {
  type ImportedShape,
  importCompleted,
  importCreates,
  importGivenUp,
  importVdisk,
  type VdiskImport,
  type VdiskImportRequest,
  vdiskImportSchema,
} from './import-vdisk.ts';
export { lifecycleEnded } from './lifecycle-end.ts';
export { type OrphanRemovalRequest, removeOrphan } from './remove-orphan.ts';
export type { VdiskResizeRequest } from './resize-decision.ts';
export { type BeyondEnd, type ResizeOptions, resizeVdisk, type VdiskShape } from './resize-vdisk.ts';
export { type ArchiveRestore, archiveRestoreSchema, restoreArchived } from './restore-archived.ts';
export { rollbackEnded, rollbackVdisk, type VdiskRollback, vdiskRollbackSchema } from './rollback-vdisk.ts';
export {
  type LifecycleState,
  lifecycleHindrance,
  lifecycleIn,
  type MountPurpose,
  type VdiskLifecycle,
  vdiskLifecycleSchema,
} from './vdisk-lifecycle.ts';
export { type VdiskRemoval, vdiskRemovalSchema } from './vdisk-removal.ts';
export { templateIn, type VdiskTemplate, vdiskTemplateSchema } from './vdisk-template.ts';
