/** One segment as a tree has it, held against what Tier-1 has: its record in etcd, and every message of its log. */
import { createHash, type Hash } from 'node:crypto';
import type { SegmentDescription } from '@salvor/contracts';
import { messageOf } from '@salvor/service-kit';
import { extendedAttributesOf, readSegmentLog, type SegmentStreams, tableValuesOf } from '../segment-log.ts';
import type { AccountedSegment, VerifiableTree } from './verifiable-tree.ts';

export interface SegmentDifference {
  readonly what: string;
  /** As the tree has it, and as Tier-1 has it. */
  readonly tree: string;
  readonly tier1: string;
}

/** What etcd says of a segment, as far as it is compared. */
export type ComparedDescription = Pick<
  SegmentDescription,
  | (
      | 'segment'
      | 'stream'
      | 'subject'
      | 'container'
      | 'length'
      | 'startOffset'
      | 'sealed'
      | 'appendAt'
      | 'framing'
    )
  | ('sha256' | 'coreAttributes' | 'extendedAttributes')
>;

const PIECE_BYTES: number = 256 * 1024;

export interface SegmentToCompare {
  readonly tree: Pick<VerifiableTree, 'read' | 'entries'>;
  readonly index: number;
  readonly account: AccountedSegment;
  readonly described: ComparedDescription;
  readonly streams: Pick<SegmentStreams, 'readWindow'>;
}

/** None: they are the same, to the last byte. */
export async function compareSegment(compared: SegmentToCompare): Promise<SegmentDifference[]> {
  const differences = compareFacts(compared);
  for (const [what, compare] of [
    ['content', compareContent],
    ['extended attributes', compareAttributes],
    ['entries', compareEntries],
  ] as const) {
    try {
      differences.push(...(await compare(compared)));
    } catch (error) {
      differences.push({ what: `log of the ${what}`, tree: 'whole', tier1: messageOf(error) });
    }
  }
  return differences;
}

function compareFacts({ account, described }: SegmentToCompare): SegmentDifference[] {
  const { facts, framing } = account;
  const core = (pairs: readonly (readonly [string, string])[]) =>
    [...pairs]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([id, value]) => `${id}=${value}`)
      .join(' ');
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ['container', facts.container, described.container],
    ['length', facts.length, described.length],
    ['start offset', facts.startOffset, described.startOffset],
    ['seal', facts.sealed, described.sealed],
    ['end of the last whole event', framing.appendAt, described.appendAt],
    ['kind of content', framing.kind, described.framing],
    ['sha256', facts.sha256, described.sha256 ?? null],
    [
      'count of extended attributes',
      Object.keys(facts.extendedAttributes).length,
      described.extendedAttributes,
    ],
    [
      'core attributes',
      core(Object.entries(facts.coreAttributes)),
      core(described.coreAttributes.map(({ id, value }) => [id, value])),
    ],
  ];
  return pairs
    .filter(([, tree, tier1]) => tree !== tier1)
    .map(([what, tree, tier1]) => ({ what, tree: String(tree), tier1: String(tier1) }));
}

async function compareContent(compared: SegmentToCompare): Promise<SegmentDifference[]> {
  const { account, described, streams } = compared;
  const hash = createHash('sha256');
  const lost: string[] = [];
  let at = described.startOffset;
  let isEnded = false;
  for await (const { kind, offset, data, to } of readSegmentLog(streams, described, 'content')) {
    if (kind === 'end') isEnded = true;
    else if (offset !== at)
      return [{ what: 'content', tree: 'whole', tier1: `its log goes on at ${offset} instead of ${at}` }];
    else if (kind === 'hole') lost.push(`${offset}-${to}`);
    else hash.update(data);
    if (kind !== 'end') at = kind === 'hole' ? to : offset + data.length;
  }
  if (!isEnded) return [{ what: 'content', tree: 'whole', tier1: `its log ends at ${at}, without its end` }];
  const found = hash.digest('hex');
  const wanted = account.facts.sha256 ?? (await hashOfPresent(compared));
  const differences: SegmentDifference[] = [];
  if (found !== wanted)
    differences.push({ what: 'bytes of the log', tree: `sha256 ${wanted}`, tier1: `sha256 ${found}` });
  if (at !== account.facts.length)
    differences.push({ what: 'end of the log', tree: String(account.facts.length), tier1: String(at) });
  return differences;
}

/** Of the bytes that are there, where not all are. */
async function hashOfPresent({ tree, index, account }: SegmentToCompare): Promise<string> {
  const { startOffset, length } = account.facts;
  const hash: Hash = createHash('sha256');
  let at = startOffset;
  for (const hole of [...account.holes, { from: length, to: length }]) {
    while (at < hole.from) {
      const piece = await tree.read(index, at, Math.min(PIECE_BYTES, hole.from - at));
      if (piece.length === 0) break;
      hash.update(piece);
      at += piece.length;
    }
    at = Math.max(at, hole.to);
  }
  return hash.digest('hex');
}

async function compareAttributes({
  account,
  described,
  streams,
}: SegmentToCompare): Promise<SegmentDifference[]> {
  const wanted = new Map(Object.entries(account.facts.extendedAttributes));
  const differences: SegmentDifference[] = [];
  for await (const { id, value } of extendedAttributesOf(streams, described)) {
    const tree = wanted.get(id);
    wanted.delete(id);
    if (tree !== value && differences.length === 0)
      differences.push({ what: `extended attribute ${id}`, tree: tree ?? 'none', tier1: value });
  }
  const [missing] = wanted;
  if (missing !== undefined && differences.length === 0)
    differences.push({ what: `extended attribute ${missing[0]}`, tree: missing[1], tier1: 'none' });
  return differences;
}

/** Both sides have them in the order in which they were written. */
async function compareEntries({
  tree,
  index,
  account,
  described,
  streams,
}: SegmentToCompare): Promise<SegmentDifference[]> {
  if (account.framing.kind !== 'entries') return [];
  const stored = tableValuesOf(streams, described)[Symbol.asyncIterator]();
  let place = 0;
  for await (const { key, version, value } of tree.entries(index)) {
    place += 1;
    const next = await stored.next();
    const found = next.done === true ? undefined : next.value;
    const isSame = found?.key.equals(key) === true && found.version === version && found.value.equals(value);
    if (isSame) continue;
    await stored.return?.(undefined);
    const tier1 = found === undefined ? 'none' : `${found.key.toString('hex')}, version ${found.version}`;
    return [{ what: `entry ${place}`, tree: `${key.toString('hex')}, version ${version}`, tier1 }];
  }
  const more = await stored.next();
  if (more.done === true) return [];
  await stored.return?.(undefined);
  return [{ what: `entry ${place + 1}`, tree: 'none', tier1: more.value.key.toString('hex') }];
}
