import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TlogSegment } from '@salvor/contracts';
import {
  type FoundChunk,
  JoinedSource,
  Tier2Source,
  type VdiskChunks,
  verifyArchive,
} from '../../src/index.ts';
import {
  archive,
  chunksIn,
  contents,
  contentsOf,
  damage,
  logOf,
  storeIn,
  tailOf,
} from '../chunk/log-model.ts';

/** A log of twelve segments: chunks 1-4, 5-8, 9-12, and a tail that holds 12. */
const log = logOf(Array.from({ length: 12 }, (_, i) => ({ changes: [{ block: i, fill: 1 }] })));

interface Case {
  readonly name: string;
  readonly harm: (place: { root: string; chunks: VdiskChunks; found: FoundChunk[] }) => Promise<unknown>;
  /** `<kind> <from>-<to>` of each finding. */
  readonly report: readonly string[];
  readonly says?: RegExp;
  /** Numbers of segments that cannot be read any more. */
  readonly lost: readonly number[];
  readonly tail?: readonly TlogSegment[];
}

const indexOf = (path: string): string => path.replace(/\.avro$/, '.idx.avro');
const flip = (bytes: Buffer, at: number): Buffer => {
  const altered = Buffer.from(bytes);
  altered[at] = (altered[at] ?? 0) ^ 0x10;
  return altered;
};

const cases: readonly Case[] = [
  { name: 'nothing', harm: async () => undefined, report: [], lost: [] },
  {
    name: 'a torn last chunk whose end Tier-1 has',
    harm: ({ root, found }) => damage(root, found[2]?.path ?? '', (bytes) => bytes.subarray(0, -40)),
    report: ['damaged 12-12'],
    says: /9-12\.avro: bytes \d+ to \d+ cannot be read: .*; Tier-1 has it/,
    lost: [],
  },
  {
    name: 'a torn chunk in the middle',
    harm: ({ root, found }) => damage(root, found[1]?.path ?? '', (bytes) => bytes.subarray(0, -40)),
    report: ['lost 8-8'],
    says: /5-8\.avro: bytes \d+ to \d+ cannot be read/,
    lost: [8],
  },
  {
    name: 'a chunk that is missing',
    harm: ({ chunks, found }) => chunks.delete(found[1] as FoundChunk),
    report: ['lost 5-8'],
    says: /no chunk in tlog\/1\/v:1\/ holds them/,
    lost: [5, 6, 7, 8],
  },
  {
    name: 'a chunk that is empty',
    harm: ({ root, found }) => writeFile(join(root, found[0]?.path ?? ''), ''),
    report: ['lost 1-4'],
    says: /bad header/,
    lost: [1, 2, 3, 4],
  },
  {
    name: 'a bit flipped in a block',
    harm: ({ root, found }) =>
      damage(root, found[0]?.path ?? '', (bytes) => flip(bytes, bytes.indexOf('1:2;'))),
    report: ['lost 2-2'],
    says: /does not match its checksum/,
    lost: [2],
  },
  {
    name: 'a flipped bit, and another chunk with the same segments',
    harm: async ({ root, chunks, found }) => {
      await archive(chunks, log.slice(0, 3));
      await archive(chunks, log.slice(3, 6));
      await damage(root, found[0]?.path ?? '', (bytes) => flip(bytes, bytes.indexOf('1:2;')));
    },
    report: ['leftover 1-3', 'damaged 2-2', 'leftover 4-6'],
    says: /1-3\.avro has it/,
    lost: [],
  },
  {
    name: 'an index that is missing, and one that is torn',
    harm: async ({ root, found }) => {
      await rm(join(root, indexOf(found[0]?.path ?? '')));
      await damage(root, indexOf(found[1]?.path ?? ''), (bytes) => bytes.subarray(0, -10));
    },
    report: ['repaired 1-4', 'repaired 5-8'],
    says: /its index is written again/,
    lost: [],
  },
  {
    name: 'a chunk that is there twice, and one that overlaps two',
    harm: async ({ chunks }) => {
      await archive(chunks, log.slice(0, 4));
      await archive(chunks, log.slice(2, 6));
    },
    report: ['leftover 3-6'],
    lost: [],
  },
  {
    name: 'segments that JetStream lost before they were archived',
    harm: async () => undefined,
    tail: logOf(Array.from({ length: 20 }, (_, i) => ({ changes: [{ block: i, fill: 1 }] }))).slice(15),
    report: ['lost 13-15'],
    says: /neither the archive nor Tier-1 holds them/,
    lost: [13, 14, 15],
  },
];

for (const { name, harm, report, says, lost, tail = log.slice(11) } of cases)
  test(`damage: ${name}: it is reported exactly, and all else is read`, async (context) => {
    const { store, root } = await storeIn(context);
    const chunks = chunksIn(store);
    for (let i = 0; i < log.length; i += 4) await archive(chunks, log.slice(i, i + 4));
    const found = (await chunks.list()).sort((a, b) => a.from - b.from);
    await harm({ root, chunks, found });
    const options = { chunks, after: 0, tail: tailOf(tail), archivedTo: 12, progress: async () => undefined };
    const { findings } = await verifyArchive(options);
    assert.deepEqual(
      findings.map(({ kind, from, to }) => `${kind} ${from}-${to}`),
      report,
    );
    if (says !== undefined) assert.match(findings.map(({ what }) => what).join('\n'), says);
    // Whoever reads leaves out what is lost, and nothing else.
    const whole = [...log, ...tail.filter(({ number }) => number > 12)];
    const left = contentsOf(whole.filter(({ number }) => !lost.includes(number)));
    const source = new JoinedSource(await Tier2Source.open(chunks), tailOf(tail));
    const read: typeof left = [];
    for await (const segment of source.newestFirst()) {
      const blocks = await contents(source, once(segment)).catch(() => []);
      read.unshift(...blocks);
    }
    assert.deepEqual(read, left);
  });

async function* once<T>(item: T): AsyncIterable<T> {
  yield item;
}

test('what is archived and let go of while a log is verified is not taken for lost', async (context) => {
  const { store } = await storeIn(context);
  const chunks = chunksIn(store);
  await archive(chunks, log.slice(0, 4));
  const goesOn = async (done: number): Promise<void> => {
    if (done === 1) await archive(chunks, log.slice(4, 11));
  };
  const options = { chunks, after: 0, tail: tailOf(log.slice(11)), archivedTo: 4, progress: goesOn };
  assert.deepEqual((await verifyArchive(options)).findings, []);
});
