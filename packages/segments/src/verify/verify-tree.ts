/**
 * Verifies a tree: every file is read to its end, every chain, page, entry and event is walked, every segment is hashed. With
 * Tier-1, each segment is held against what was brought back. Nothing is written.
 */
import type { SegmentDescription } from '@salvor/contracts';
import type { SegmentStreams } from '../segment-log.ts';
import { compareSegment, type SegmentDifference } from './compare-segment.ts';
import type { AccountedSegment, TreeFinding, VerifiableTree } from './verifiable-tree.ts';

export interface VerifiedSegment {
  readonly account: AccountedSegment;
  /** Live keys of a table. */
  readonly entries: number;
  /** Undefined where Tier-1 took no part; null: Tier-1 does not have it. */
  readonly differences: readonly SegmentDifference[] | null | undefined;
}

export interface TreeVerification {
  readonly files: number;
  readonly fileBytes: number;
  readonly segments: number;
  /** Between start offsets and lengths. */
  readonly segmentBytes: number;
  readonly events: number;
  readonly entries: number;
  readonly indexRecords: number;
  /** Segments with a fact that is uncertain. */
  readonly uncertain: number;
  /** Segments of which not every byte can be read. */
  readonly incomplete: number;
  readonly damage: number;
  readonly notes: number;
  readonly tier1: Tier1Verification | null;
  readonly verdict: 'clean' | 'damaged' | 'differs';
}

export interface Tier1Verification {
  readonly same: number;
  readonly differing: number;
  /** Segments of the tree that Tier-1 does not have, and the other way round. */
  readonly missing: number;
  readonly onlyInTier1: number;
}

export interface VerifyTreeOptions {
  readonly tree: VerifiableTree;
  /** Null: the tree alone. */
  readonly tier1: {
    readonly streams: Pick<SegmentStreams, 'readWindow'>;
    /** All that there are, in any order. */
    segments(): AsyncIterable<SegmentDescription>;
  } | null;
  onSegment(verified: VerifiedSegment): Promise<void> | void;
  /** Segments that Tier-1 alone has. */
  onlyInTier1(described: SegmentDescription): Promise<void> | void;
  onFinding(finding: TreeFinding): Promise<void> | void;
  progress(what: 'files' | 'segments', done: number, total: number): Promise<void> | void;
  readonly signal?: AbortSignal;
}

const FILES_AT_ONCE = 256;
const NAMES_AT_ONCE = 1_000;

export async function verifyTree(options: VerifyTreeOptions): Promise<TreeVerification> {
  const { tree, tier1, progress } = options;
  const { segments, files } = tree.outline;
  const sums = {
    ...{ files: 0, fileBytes: 0, segments: 0, segmentBytes: 0, events: 0, entries: 0, indexRecords: 0 },
    ...{ uncertain: 0, incomplete: 0, damage: 0, notes: 0 },
  };
  const compared = { same: 0, differing: 0, missing: 0, onlyInTier1: 0 };
  for (let isDone = false; !isDone; ) {
    options.signal?.throwIfAborted();
    const read = await tree.readFiles(FILES_AT_ONCE);
    sums.files += read.files;
    sums.fileBytes += read.bytes;
    isDone = read.done;
    await progress('files', sums.files, files);
  }

  const verify = async (index: number, described: SegmentDescription | null | undefined) => {
    options.signal?.throwIfAborted();
    const account = await tree.account(index);
    const { entries, indexRecords } = await tree.walk(index);
    const { facts, framing } = account;
    sums.segments += 1;
    sums.segmentBytes += facts.length - facts.startOffset;
    sums.events += framing.runs.reduce((sum, { events }) => sum + events, 0);
    sums.entries += entries;
    sums.indexRecords += indexRecords;
    if (Object.keys(facts.uncertain).length > 0) sums.uncertain += 1;
    if (facts.sha256 === null) sums.incomplete += 1;
    let differences: SegmentDifference[] | null | undefined;
    if (described === null) differences = null;
    else if (described !== undefined && tier1 !== null)
      differences = await compareSegment({ tree, index, account, described, streams: tier1.streams });
    if (differences === null) compared.missing += 1;
    else if (differences !== undefined) compared[differences.length === 0 ? 'same' : 'differing'] += 1;
    await options.onSegment({ account, entries, differences });
    await progress('segments', sums.segments, segments);
  };

  if (tier1 === null) for (let index = 0; index < segments; index += 1) await verify(index, undefined);
  else {
    const places = await placesByName(tree);
    for await (const described of tier1.segments()) {
      const index = places.get(described.segment);
      if (index !== undefined) {
        places.delete(described.segment);
        await verify(index, described);
      } else {
        compared.onlyInTier1 += 1;
        await options.onlyInTier1(described);
      }
    }
    for (const index of places.values()) await verify(index, null);
  }

  for (const finding of await tree.findings()) {
    if (finding.severity === 'damage') sums.damage += 1;
    else sums.notes += 1;
    await options.onFinding(finding);
  }
  const isDamaged = sums.damage > 0 || sums.incomplete > 0;
  const isDifferent = compared.differing + compared.missing + compared.onlyInTier1 > 0;
  return {
    ...sums,
    tier1: tier1 === null ? null : compared,
    verdict: isDamaged ? 'damaged' : isDifferent ? 'differs' : 'clean',
  };
}

async function placesByName(tree: VerifiableTree): Promise<Map<string, number>> {
  const places = new Map<string, number>();
  while (places.size < tree.outline.segments) {
    const names = await tree.list(places.size, NAMES_AT_ONCE);
    if (names.length === 0) break;
    for (const { name } of names) places.set(name, places.size);
  }
  return places;
}
