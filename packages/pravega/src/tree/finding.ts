/** What is wrong with a tree, or uncertain about it: told exactly, and bounded, whatever the tree is. */

export type FindingCode =
  /** A directory or file that cannot be opened or read. */
  | 'unreadable'
  /** Links are not followed: they may lead out of the tree. */
  | 'symbolic-link'
  /** A file that belongs to no segment and is no part of the format. */
  | 'foreign-file'
  | 'too-many-files'
  | 'both-layouts'
  | 'container-count'
  | 'wrong-container'
  /** A file of the containers themselves that is not what the format says. */
  | 'bad-journal'
  | 'bad-header'
  | 'bad-entry'
  | 'bad-row'
  | 'bad-index'
  | 'metadata-missing'
  | 'missing-chunk'
  | 'short-chunk'
  /** Bytes that metadata tells of and no file has: they were in Tier-1 alone, or are lost. */
  | 'lost-range'
  /** Bytes that no metadata tells of, and that provably continue the segment. */
  | 'adopted-bytes'
  | 'quarantined-chunk'
  /** Files of a segment that was deleted or merged. */
  | 'deleted-segment'
  /** Where readers or commits stood: wrong to go on from, since what they stood on may be older now. */
  | 'resume-state'
  | 'uncertain-fact';

export interface Finding {
  /** `damage`: something is missing or broken. `note`: all is explained, and worth knowing. */
  readonly severity: 'damage' | 'note';
  readonly code: FindingCode;
  readonly message: string;
  readonly container?: number;
  readonly segment?: string;
  /** Below the root. */
  readonly path?: string;
  /** Bytes `[from, to)` of the segment. */
  readonly from?: number;
  readonly to?: number;
}

/** Findings of one code that are kept one by one; further ones are counted. */
export const MAX_FINDINGS_PER_CODE = 10_000;

export class Findings {
  readonly #kept: Finding[] = [];
  readonly #counts = new Map<FindingCode, number>();

  damage(code: FindingCode, message: string, where: FindingPlace = {}): void {
    this.#add({ severity: 'damage', code, message, ...where });
  }

  note(code: FindingCode, message: string, where: FindingPlace = {}): void {
    this.#add({ severity: 'note', code, message, ...where });
  }

  /** In the order in which they were made; where a code has too many, a last one says how many are left out. */
  list(): readonly Finding[] {
    const cut = [...this.#counts].filter(([, count]) => count > MAX_FINDINGS_PER_CODE);
    return [
      ...this.#kept,
      ...cut.map(([code, count]) => ({
        severity: 'damage' as const,
        code,
        message: `${count - MAX_FINDINGS_PER_CODE} more findings of this kind are left out`,
      })),
    ];
  }

  #add(finding: Finding): void {
    const count = (this.#counts.get(finding.code) ?? 0) + 1;
    this.#counts.set(finding.code, count);
    if (count <= MAX_FINDINGS_PER_CODE) this.#kept.push(finding);
  }
}

export type FindingPlace = Pick<Finding, 'container' | 'segment' | 'path' | 'from' | 'to'>;
