/** With fewer marked blocks a scan is not worth its while. */
export const HOLE_SCAN_MARKED_MIN = 1024;
/** Nor when more than one in so many of the marked ones may be stored: going through them copies them at the same time. */
const SPARSE_BELOW = 2;

/** Whether it is less work to list what two engines store than to go through every marked block. */
export function decideHoleScan({ marked, stored }: { marked: number; stored: number }): boolean {
  return marked >= HOLE_SCAN_MARKED_MIN && stored * SPARSE_BELOW <= marked;
}
