/** Entry of the thread that reads a tree: by plain calls, which would hold up everything else in the thread of a service. */
import { parentPort } from 'node:worker_threads';
import { codeOf, messageOf, SalvorError } from '@salvor/service-kit';
import { type ListedSegment, type OpenTreeOptions, openTree, type PravegaTree } from '../pravega-tree.ts';
import type { TableContent } from '../table/table-entries.ts';
import type {
  ContainerOutline,
  EntryBatch,
  SegmentAccount,
  TreeAnswer,
  TreeMethods,
  TreeOutline,
  TreeRequest,
} from './tree-requests.ts';

const BATCH_BYTES = 256 * 1024;

let opened: PravegaTree | undefined;
const reading = new Map<number, AsyncGenerator<TableContent>>();

const methods: {
  [M in keyof TreeMethods]: (...takes: TreeMethods[M]['takes']) => Promise<TreeMethods[M]['gives']>;
} = {
  open: async (root: string, options: OpenTreeOptions) => {
    opened = await openTree(root, options);
    return outlineOf(opened);
  },
  list: async (from, count) => tree().segments.slice(from, from + count),
  facts: async (index) => tree().facts(segmentAt(index)),
  account: async (index) => accountOf(tree(), segmentAt(index)),
  // A copy: what was read is a view of a much larger block, which would be sent whole.
  read: async (index, offset, length) =>
    new Uint8Array(await tree().content(segmentAt(index).name).read(offset, length)),
  entries: nextEntries,
  readFiles: (count) => tree().readFiles(count),
  walk: (index) => tree().walk(segmentAt(index)),
  findings: async () => tree().findings,
};

async function outlineOf(read: PravegaTree): Promise<TreeOutline> {
  const containers = new Map<number, ContainerOutline>(
    read.containers.map((container) => [container, { container, segments: 0, bytes: 0, uncertain: 0 }]),
  );
  for (const { container, length, startOffset, uncertain } of read.segments) {
    const before = containers.get(container) ?? { container, segments: 0, bytes: 0, uncertain: 0 };
    containers.set(container, {
      container,
      segments: before.segments + 1,
      bytes: before.bytes + length - startOffset,
      uncertain: before.uncertain + (Object.keys(uncertain).length > 0 ? 1 : 0),
    });
  }
  return {
    ...{ root: read.root, layout: read.layout, containerCount: read.containerCount },
    containers: [...containers.values()].sort((a, b) => a.container - b.container),
    ...{ segments: read.segments.length, files: read.fileCount, epoch: await read.highestEpoch() },
    containerFiles: read.containerFiles(),
  };
}

async function accountOf(read: PravegaTree, segment: ListedSegment): Promise<SegmentAccount> {
  const facts = await read.facts(segment);
  return {
    facts,
    framing: await read.framing(segment),
    origins: read.origins(facts),
    holes: read.content(segment.name).holes(segment.startOffset, segment.length),
  };
}

async function nextEntries(index: number): Promise<EntryBatch> {
  const generator = reading.get(index) ?? tree().entries(segmentAt(index));
  if (generator === null) return { entries: [], done: true };
  reading.set(index, generator);
  const entries: TableContent[] = [];
  for (let bytes = 0; bytes < BATCH_BYTES; ) {
    const next = await generator.next();
    if (next.done === true) {
      reading.delete(index);
      return { entries, done: true };
    }
    // Copies: what was read is a view of a much larger block, which would be sent whole.
    const { key, value, version } = next.value;
    entries.push({ key: Buffer.from(key), value: Buffer.from(value), version });
    bytes += key.length + value.length;
  }
  return { entries, done: false };
}

function tree(): PravegaTree {
  if (opened === undefined) throw new SalvorError('no-tree', 'expected a tree to be opened first');
  return opened;
}

function segmentAt(index: number): ListedSegment {
  const segment = tree().segments[index];
  if (segment === undefined)
    throw new SalvorError('not-found', `expected one of ${tree().segments.length} segments, found ${index}`);
  return segment;
}

async function answer({ id, method, takes }: TreeRequest): Promise<TreeAnswer> {
  try {
    const call = methods[method] as (...takes: readonly unknown[]) => Promise<unknown>;
    return { id, gives: await call(...takes) };
  } catch (error) {
    return { id, error: { code: codeOf(error), message: messageOf(error) } };
  }
}

parentPort?.on('message', (request: TreeRequest) => {
  answer(request).then(
    (answered) => parentPort?.postMessage(answered),
    (error: unknown) => {
      throw error;
    },
  );
});
