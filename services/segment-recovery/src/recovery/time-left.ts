/** Before that, a rate says nothing. */
const LEAST_MS = 2_000;

/** ` about 4 min left`, from how long it took so far; nothing while that cannot be told. */
export function timeLeft(done: number, total: number, elapsedMs: number): string {
  if (done <= 0 || done >= total || elapsedMs < LEAST_MS) return '';
  const seconds = Math.ceil(((total - done) * elapsedMs) / done / 1_000);
  return seconds < 90 ? `, about ${seconds} s left` : `, about ${Math.round(seconds / 60)} min left`;
}
