export {
  type LifecycleState,
  lifecycleHindrance,
  lifecycleIn,
  type MountPurpose,
  type VdiskLifecycle,
  vdiskLifecycleSchema,
} from './vdisk-lifecycle.ts';
