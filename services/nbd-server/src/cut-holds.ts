/** Which cuts have writes of this server held. Pure: no clock, no I/O. */

/** Cuts that are under way at once, whoever asked for them. */
export const CUTS_MAX = 64;
/** How long the writes of one may be held. */
export const HOLD_MAX_MS = 5_000;
/** How long the places of one are remembered that held nothing. */
export const COLLECT_MAX_MS = 10_000;

export interface CutHold<P> {
  readonly places: P;
  readonly holds: boolean;
  /** From then on its writes are answered, whether it was collected or not. */
  readonly until: number;
}

export type CutHolds<P> = ReadonlyMap<string, CutHold<P>>;

export type CutRefusal = { readonly code: string; readonly reason: string };

/** Why a cut cannot begin; null: it can. */
export function cutHindrance(
  cuts: CutHolds<unknown>,
  {
    cut,
    holdMs,
    vdisks,
  }: { readonly cut: string; readonly holdMs: number; readonly vdisks: readonly string[] },
): CutRefusal | null {
  if (!/^[A-Za-z0-9_:-]{1,64}$/.test(cut))
    return {
      code: 'invalid-cut',
      reason: `expected an id of a cut, 1 to 64 of A-Z a-z 0-9 _ : -, found '${cut}'`,
    };
  if (!(holdMs >= 0 && holdMs <= HOLD_MAX_MS))
    return {
      code: 'invalid-cut',
      reason: `expected to hold writes for 0 to ${HOLD_MAX_MS} ms, found ${holdMs}`,
    };
  if (vdisks.length === 0 || new Set(vdisks).size < vdisks.length)
    return { code: 'invalid-cut', reason: `cut ${cut}: expected vdisks, each named once` };
  if (cuts.size >= CUTS_MAX)
    return { code: 'too-many-cuts', reason: `${CUTS_MAX} cuts are under way, expected fewer` };
  return null;
}

/** @param now of a clock that only goes forwards, milliseconds */
export function begunCut<P>(
  cuts: CutHolds<P>,
  {
    cut,
    holdMs,
    places,
    now,
  }: { readonly cut: string; readonly holdMs: number; readonly places: P; readonly now: number },
): CutHolds<P> {
  const holds = holdMs > 0;
  const until = now + (holds ? holdMs : COLLECT_MAX_MS);
  return new Map(cuts).set(cut, { places, holds, until });
}

/**
 * The second part. A cut whose writes were answered before everyone had stopped to answer is worth nothing: it is told by its
 * absence, as that of a server that was restarted meanwhile.
 */
export function collectedCut<P>(
  cuts: CutHolds<P>,
  cut: string,
  now: number,
): { readonly cuts: CutHolds<P>; readonly places: P } | CutRefusal {
  const found = cuts.get(cut);
  if (found === undefined || now >= found.until)
    return {
      code: 'cut-expired',
      reason: `cut ${cut} is not under way on this server: writes are answered again, or never were held`,
    };
  const rest = new Map(cuts);
  rest.delete(cut);
  return { cuts: rest, places: found.places };
}

/** Those whose time is over are forgotten, and their writes answered. */
export function expiredCuts<P>(
  cuts: CutHolds<P>,
  now: number,
): { readonly cuts: CutHolds<P>; readonly expired: readonly P[] } {
  const over = [...cuts].filter(([, { until }]) => now >= until);
  if (over.length === 0) return { cuts, expired: [] };
  return {
    cuts: new Map([...cuts].filter(([, { until }]) => now < until)),
    expired: over.map(([, { places }]) => places),
  };
}
