export {
  type LifecycleState,
  lifecycleHindrance,
  lifecycleIn,
  type MountPurpose,
  type VdiskLifecycle,
  vdiskLifecycleSchema,
} from './vdisk-lifecycle.ts';
export { templateIn, type VdiskTemplate, vdiskTemplateSchema } from './vdisk-template.ts';
