import type { MemberName } from '../pair-mode.ts';

/** What one engine tells of its copy of a block that differs from the other's. */
export interface SideEvidence {
  /** Whether it matches the checksum beside it; null where the layout keeps none. */
  readonly checksum: 'matches' | 'fails' | null;
  /** Number of the last batch in the engine's ring that touched the block; null when no entry it still has names it. */
  readonly lastBatch: number | null;
}

export type ScrubDecision =
  | { readonly kind: 'repair'; readonly from: MemberName; readonly reason: string }
  | { readonly kind: 'report'; readonly reason: string };

/**
 * Which copy of a block is right, when two copies at the same batch differ. Only what can be proven is repaired: by the
 * checksums, by the write history, or because an operator names the side. Else the difference is reported.
 */
export function decideScrubRepair(
  evidence: Readonly<Record<MemberName, SideEvidence>>,
  prefer: MemberName | null,
): ScrubDecision {
  const { primary, slave } = evidence;
  const failing = (
    [
      ['primary', primary],
      ['slave', slave],
    ] as const
  ).filter(([, side]) => side.checksum === 'fails');
  if (failing.length === 2)
    return {
      kind: 'report',
      reason: 'neither copy matches its checksum: writing the block whole puts it right',
    };
  const [failed] = failing;
  if (failed !== undefined) {
    const from = partnerOf(failed[0]);
    return { kind: 'repair', from, reason: `the ${failed[0]}'s copy does not match its checksum` };
  }
  const later = laterSide(primary.lastBatch, slave.lastBatch);
  if (later !== null) {
    const batch = evidence[later].lastBatch;
    const reason = `the ${later}'s history shows batch ${batch} for the block, the ${partnerOf(later)}'s does not`;
    return { kind: 'repair', from: later, reason };
  }
  if (prefer !== null) return { kind: 'repair', from: prefer, reason: `the operator prefers the ${prefer}` };
  return { kind: 'report', reason: 'nothing proves which copy is right: scrub again with a preferred side' };
}

function laterSide(primary: number | null, slave: number | null): MemberName | null {
  if (primary === slave) return null;
  return (primary ?? -1) > (slave ?? -1) ? 'primary' : 'slave';
}

function partnerOf(side: MemberName): MemberName {
  return side === 'primary' ? 'slave' : 'primary';
}
