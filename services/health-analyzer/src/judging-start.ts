/** From one round of questions to the others about an engine to the next. */
export const ROUND_MS = 1_000;
/** From the first look at one of many engines to that at the next. */
const FIRST_LOOK_STEP_MS = 40;

/** When a judge begins: its first look at the engine, and its first round of questions, come after so many milliseconds. */
export interface JudgingStart {
  readonly lookAfterMs: number;
  readonly askAfterMs: number;
}

/**
 * When the judge of the engine at `place` of `count` that failed together begins. They are spread over the pause between two
 * looks, and do not all want the same core again and again. Of very many, few begin in a second: the machine is left to those
 * who go on without these engines, which are served again before anybody knows why they failed.
 */
export function judgingStart(place: number, count: number, probeIntervalMs: number): JudgingStart {
  const share = place / count;
  const stepped = place * FIRST_LOOK_STEP_MS;
  return {
    lookAfterMs: Math.max(share * probeIntervalMs, stepped),
    askAfterMs: Math.max(share * ROUND_MS, stepped),
  };
}
