/**
 * Whether what is told of a damaged tree is right. A fact without a doubt is right if it is that of the undamaged tree. It is
 * excused in one case alone: the damage changed bytes in place, within what is the only source of that very fact, so that
 * the tree now says something else as well-formed as before. No reader can tell such a change: the formats have no checksums.
 *
 * | fact                                    | its only source                                                 |
 * | --------------------------------------- | --------------------------------------------------------------- |
 * | core attributes                         | the value of the segment's row                                  |
 * | start offset, seal, in the legacy layout | the value of the segment's row                                  |
 * | any, of a segment that was never written | the value of the segment's row                                  |
 * | extended attributes                     | the files of its attribute index, or those that took their place |
 * | SHA-256, entries                        | the files of the segment: it must be that of the bytes in them  |
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ListedSegment, openTree, type PravegaTree, type SegmentFacts } from '../src/index.ts';
import { scanEntries } from '../src/table/entry-scan.ts';
import type { Extent } from '../src/tree/segment-bytes.ts';
import type { Mutation } from './mutations.ts';
import type { KnownTree } from './trees.ts';
import type { Truth } from './writers/planned-tree.ts';

interface FileRange {
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

/** Where the undamaged tree has what it says. */
export interface Places {
  /** Segment -> the bytes of all values of its row, old ones too. */
  readonly rows: ReadonlyMap<string, readonly FileRange[]>;
  /** Segment -> its files; of its attribute index under the name of that. */
  readonly extents: ReadonlyMap<string, readonly Extent[]>;
}

export interface Wrong {
  readonly segment: string;
  readonly fact: string;
  readonly found: unknown;
  readonly truth: unknown;
}

export async function placesOf(root: string, { layout, truth, containerCount }: KnownTree): Promise<Places> {
  const tree = await openTree(root, { layout });
  const rows = new Map<string, FileRange[]>();
  const extents = new Map<string, readonly Extent[]>();
  for (const name of truth.keys())
    for (const each of [name, `${name}$attributes.index`, `${name}#index`])
      extents.set(each, tree.content(each).extents);
  for (let container = 0; container < containerCount; container += 1) {
    const bytes = tree.content(`_system/containers/metadata_${container}`);
    for (let at = bytes.start; at < bytes.end; at += 1) {
      at = await scanEntries(bytes, at, bytes.end, ({ offset, header, key, value }) => {
        if (value === null) return;
        const from = offset + header.totalLength - value.length;
        const known = rows.get(key.toString()) ?? [];
        known.push(...inFiles(bytes.extents, from, offset + header.totalLength));
        rows.set(key.toString(), known);
      });
    }
  }
  tree.close();
  return { rows, extents };
}

function inFiles(extents: readonly Extent[], from: number, to: number): FileRange[] {
  return extents.flatMap(({ at, length, path, fileOffset }) => {
    const [begin, end] = [Math.max(from, at), Math.min(to, at + length)];
    return begin < end ? [{ path, from: begin - at + fileOffset, to: end - at + fileOffset }] : [];
  });
}

export interface Judging {
  readonly root: string;
  readonly tree: PravegaTree;
  readonly known: KnownTree;
  readonly places: Places;
  readonly mutations: readonly Mutation[];
}

/** All facts that are told as certain and are wrong; those that are excused are counted. */
export async function judge(
  judging: Judging,
): Promise<{ wrong: Wrong[]; excused: number; certain: number; doubted: number }> {
  const { tree, known } = judging;
  const wrong: Wrong[] = [];
  const sums = { excused: 0, certain: 0, doubted: 0 };
  const listed = new Set<string>();
  for (const segment of tree.segments) {
    listed.add(segment.name);
    const truth = known.truth.get(segment.name);
    if (truth === undefined) {
      if (segment.uncertain.existence === undefined)
        wrong.push({ segment: segment.name, fact: 'existence', found: true, truth: false });
      continue;
    }
    const facts = await tree.facts(segment);
    for (const [fact, found, wanted] of factsToCompare(facts, truth, known)) {
      if (facts.uncertain[fact] !== undefined) {
        sums.doubted += 1;
        continue;
      }
      sums.certain += 1;
      if (JSON.stringify(found) === JSON.stringify(wanted)) continue;
      if (isExcused(judging, segment.name, fact, truth)) sums.excused += 1;
      else wrong.push({ segment: segment.name, fact, found, truth: wanted });
    }
    const entries = await wrongEntries(judging, segment, truth);
    if (entries !== undefined) wrong.push(entries);
    const hash = wrongHash(judging, facts, truth);
    if (hash !== undefined) wrong.push(hash);
  }
  const isTold = (name: string) =>
    tree.findings.some(({ severity, segment }) => severity === 'damage' || segment === name);
  for (const name of known.truth.keys())
    if (!listed.has(name) && !isTold(name))
      wrong.push({ segment: name, fact: 'existence', found: false, truth: true });
  return { wrong, ...sums };
}

type Fact = keyof ListedSegment['uncertain'];

function* factsToCompare(
  facts: SegmentFacts,
  truth: Truth,
  { unknowable }: KnownTree,
): Generator<readonly [Fact, unknown, unknown]> {
  for (const fact of ['container', 'length', 'startOffset', 'sealed'] as const)
    yield [fact, facts[fact], truth[fact]];
  yield ['extendedAttributes', sorted(facts.extendedAttributes), sorted(truth.extendedAttributes)];
  yield [
    'coreAttributes',
    sorted(facts.coreAttributes, unknowable),
    sorted(truth.coreAttributes, unknowable),
  ];
}

function sorted(attributes: Readonly<Record<string, string>>, without: ReadonlySet<string> = new Set()) {
  return Object.entries(attributes)
    .filter(([id]) => !without.has(id))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function isExcused({ known, places, mutations }: Judging, name: string, fact: Fact, truth: Truth): boolean {
  const isOnlyInRow =
    fact === 'coreAttributes' ||
    truth.length === 0 ||
    (known.layout === 'legacy' && (fact === 'startOffset' || fact === 'sealed'));
  const rows = isOnlyInRow ? (places.rows.get(name) ?? []) : [];
  const files = fact === 'extendedAttributes' ? (places.extents.get(`${name}$attributes.index`) ?? []) : [];
  return mutations.some(
    ({ kind, range, paths }) =>
      ((range !== undefined || kind === 'swap') && files.some(({ path }) => paths.includes(path))) ||
      (range !== undefined &&
        rows.some(({ path, from, to }) => path === paths[0] && from < range.to && to > range.from)),
  );
}

/** Entries are in doubt where a finding of damage is about the table, or its counts are in doubt. */
async function wrongEntries(
  { tree, places, mutations }: Judging,
  segment: ListedSegment,
  truth: Truth,
): Promise<Wrong | undefined> {
  const entries = tree.entries(segment);
  const { name } = segment;
  if (entries === null || truth.entries === undefined) return undefined;
  const found: string[] = [];
  for await (const { key, value, version } of entries) found.push(`${key} ${version} ${value}`);
  const wanted = truth.entries.map(({ key, value, version }) => `${key} ${version} ${value}`);
  if (JSON.stringify(found.sort()) === JSON.stringify(wanted.sort())) return undefined;
  const files = [name, `${name}$attributes.index`].flatMap((each) => places.extents.get(each) ?? []);
  const isTold =
    (await tree.facts(segment)).uncertain.coreAttributes !== undefined ||
    tree.findings.some((finding) => finding.segment === name && finding.severity === 'damage') ||
    mutations.some(
      ({ range, paths }) => range !== undefined && files.some(({ path }) => paths.includes(path)),
    );
  return isTold ? undefined : { segment: name, fact: 'entries', found, truth: wanted };
}

/** The hash is of the bytes that are in the files now, at the places where the tree has them. */
function wrongHash({ root, places }: Judging, facts: SegmentFacts, truth: Truth): Wrong | undefined {
  const { name: segment, sha256, startOffset, length } = facts;
  const isSame = length === truth.length && startOffset === truth.startOffset;
  if (sha256 === null || !isSame || sha256 === truth.sha256) return undefined;
  const parts = (places.extents.get(segment) ?? []).map(({ at, length: size, path, fileOffset }) => {
    const from = Math.max(0, startOffset - at);
    return readFileSync(join(root, path)).subarray(fileOffset + from, fileOffset + size);
  });
  const now = createHash('sha256').update(Buffer.concat(parts)).digest('hex');
  return sha256 === now ? undefined : { segment, fact: 'sha256', found: sha256, truth: now };
}
