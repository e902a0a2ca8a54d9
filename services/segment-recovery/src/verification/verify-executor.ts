/** Carries out `dr.verify`: a tree to its last byte, and what Tier-1 has of it. Nothing is written but the sums. */
import {
  type ConfigStore,
  type Executor,
  formatRecord,
  type OperationEnding,
  type OperationRun,
  segmentRecoveryKey,
  segmentRecoverySchema,
} from '@salvor/config-store';
import type { SegmentDescription, SegmentRecovery } from '@salvor/contracts';
import { TreeReader } from '@salvor/pravega';
import { type TreeVerification, verifyTree } from '@salvor/segments';
import { SalvorError } from '@salvor/service-kit';
import { FINAL_OF_TREES, type RecoverOptions } from '../recovery/recover-executor.ts';
import { timeLeft } from '../recovery/time-left.ts';
import { listSegments } from '../segment-directory.ts';
import { type VerifyRequest, verifyRequestSchema } from './verify-request.ts';

/** Sentences about what is wrong that are kept. */
const MAX_TROUBLE = 100;
const PAGE = 500;

export function verifyExecutor(options: RecoverOptions): Executor {
  return async (run) => {
    try {
      return await verify(options, run, verifyRequestSchema.parse(run.checkpoint));
    } catch (error) {
      if (run.cancelRequested()) return { status: 'cancelled', message: 'cancelled' };
      if (!(error instanceof SalvorError) || !FINAL_OF_TREES.has(error.code)) throw error;
      return { status: 'failed', code: error.code, message: error.message };
    }
  };
}

async function verify(
  { store, bus, allowedRoots, treeMemoryMib }: RecoverOptions,
  run: OperationRun,
  { root, layout, containers, tier1 }: VerifyRequest,
): Promise<OperationEnding> {
  await allowedRoots.check('root', root);
  const tree = await TreeReader.open(root, {
    ...(layout === undefined ? {} : { layout }),
    ...(containers === undefined ? {} : { containerCount: containers }),
    maxHeapMib: treeMemoryMib,
  });
  const trouble: string[] = [];
  let more = 0;
  let begun: number | undefined;
  const tell = (sentence: string) => {
    if (trouble.length < MAX_TROUBLE) trouble.push(sentence);
    else more += 1;
  };
  try {
    const found = await verifyTree({
      tree,
      tier1: tier1 ? { streams: bus.logStreams, segments: () => everySegment(store) } : null,
      signal: run.signal,
      onSegment({ account: { facts }, differences }) {
        if (differences === null) tell(`segment ${facts.name} is not in Tier-1`);
        for (const { what, tree: wanted, tier1: has } of differences ?? [])
          tell(`segment ${facts.name}: ${what}: the tree has ${wanted}, Tier-1 has ${has}`);
      },
      onlyInTier1: ({ segment }) => tell(`segment ${segment} is in Tier-1, and not in the tree`),
      onFinding({ severity, code, message }) {
        if (severity === 'damage') tell(`${code}: ${message}`);
      },
      progress: (what, done, total) => {
        if (what === 'segments') begun ??= performance.now();
        const left = begun === undefined ? '' : timeLeft(done, total, performance.now() - begun);
        return run.report({ message: `${done} of ${total} ${what} of ${root}${left}`, done, total });
      },
    });
    const { operation } = run.record;
    const { layout: read, containerCount, containers: outlines } = tree.outline;
    await putSums(store, {
      ...{ operation, root, dryRun: true, layout: read, containerCount, containers: [...outlines] },
      ...sumsOf(found),
      ...{ trouble, moreTrouble: more, at: Date.now() },
    });
    return endingOf(root, found);
  } finally {
    await tree.close();
  }
}

function sumsOf({
  segments,
  segmentBytes,
  events,
  entries,
  uncertain,
  damage,
  notes,
  tier1,
}: TreeVerification) {
  return {
    ...{ segments, bytes: segmentBytes, looked: segments, written: 0, already: tier1?.same ?? 0 },
    ...{ differing: (tier1?.differing ?? 0) + (tier1?.onlyInTier1 ?? 0), failed: tier1?.missing ?? 0 },
    ...{ events, entries, uncertain, damage, notes },
  };
}

function endingOf(root: string, found: TreeVerification): OperationEnding {
  const { files, segments, damage, incomplete, tier1, verdict } = found;
  const message = [
    `${files} files and ${segments} segments of ${root}`,
    `${damage} findings of damage`,
    `${incomplete} segments of which bytes are missing`,
    ...(tier1 === null
      ? []
      : [
          `in Tier-1 ${tier1.same} the same, ${tier1.differing} that differ, ${tier1.missing} missing, ${tier1.onlyInTier1} that the tree does not have`,
        ]),
  ].join(', ');
  if (verdict === 'clean') return { status: 'completed', message };
  return { status: 'failed', code: verdict === 'damaged' ? 'tree-damaged' : 'tier1-differs', message };
}

async function* everySegment(store: ConfigStore): AsyncGenerator<SegmentDescription> {
  let after: string | undefined;
  do {
    const page = await listSegments(store, { container: undefined, prefix: '', after, limit: PAGE });
    yield* page.segments;
    after = page.next;
  } while (after !== undefined);
}

async function putSums(store: ConfigStore, sums: SegmentRecovery): Promise<void> {
  const key = segmentRecoveryKey(sums.operation);
  const value = formatRecord(segmentRecoverySchema, key, { ...sums });
  await store.transact({ compare: [], puts: [{ key, value }] });
}
