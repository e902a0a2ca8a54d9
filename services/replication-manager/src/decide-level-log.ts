/** Whether everything that the engines of a primary have is to be found in its log. */
export interface LogStanding {
  /** A server has the vdisk, and may have written what is not in its log yet. */
  readonly isOwned: boolean;
  readonly isLogWhole: boolean;
}

/**
 * What becomes of a comparison whose log has been level for long although the engines are beyond it. Pure.
 *
 * @returns `complete`: what is beyond was never flushed, its owner is gone, and follows when somebody mounts the vdisk; `wait`: it
 * comes; `broken`: the log will never have it
 */
export function decideLevelLog({ isOwned, isLogWhole }: LogStanding): 'complete' | 'wait' | 'broken' {
  if (!isLogWhole) return 'broken';
  return isOwned ? 'wait' : 'complete';
}
