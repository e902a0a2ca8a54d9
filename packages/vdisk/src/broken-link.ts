import type { EngineFault } from './errors.ts';
import type { MemberView } from './pair-mode.ts';

/** A link that breaks again within this time counts as the same trouble. */
export const QUICK_BREAK_MS = 1_000;
/** Breaks in quick succession after which the engine counts as failed although it accepts connections. */
export const QUICK_BREAKS_MAX = 3;

export interface BrokenLink {
  readonly view: MemberView;
  readonly fault: EngineFault;
  /** How long it was open. */
  readonly openMs: number;
  /** Breaks in quick succession before this one. */
  readonly breaks: number;
}

export interface BrokenLinkStep {
  /** `reopen`: at once, so that an idle vdisk notices a dead engine too. `nothing`: nobody uses the member. */
  readonly step: 'fail' | 'reopen' | 'nothing';
  readonly breaks: number;
}

/** What the end of a link means. An engine that does not answer in time has failed; one that closes links may be well. */
export function decideBrokenLink({ view, fault, openMs, breaks }: BrokenLink): BrokenLinkStep {
  const isInUse = view.status === 'online' || view.repaired || view.prepared;
  if (view.failed || !isInUse) return { step: 'nothing', breaks };
  const before = openMs > QUICK_BREAK_MS ? 0 : breaks;
  if (fault === 'timeout') return { step: 'fail', breaks: before };
  return { step: before + 1 > QUICK_BREAKS_MAX ? 'fail' : 'reopen', breaks: before + 1 };
}
