import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ArchiveBackup,
  type ArchiveRecord,
  archiveBroughtBack,
  archiveForksMax,
  archiveSchema,
  decideArchive,
  decideArchiveOrder,
  decideCopy,
  noHistory,
  partedHistory,
} from '../../src/index.ts';

const segment = { number: 40, epoch: 3, last: 400, at: 40, base: 1 };
const place = { segment, number: 90, sequence: 900 };

function recordOf(change: Partial<ArchiveRecord> = {}): ArchiveRecord {
  return archiveSchema.parse({
    ...{ archive: 'a', volume: 'vol1', role: 'primary', source: { kind: 'zone', zone: 'north' } },
    ...{ phase: 'following', reason: 'it follows', generation: 1, history: 'a:1', base: 1, place },
    ...{ sizeBytes: 4096, blockSize: 512, changedAt: 1 },
    retention: { everyStateMs: 1_000_000, points: 0, pointEveryMs: 1_000 },
    ...change,
  });
}

const copy = (change: Partial<ArchiveRecord> = {}): ArchiveRecord =>
  recordOf({ archive: 'b', role: 'secondary', source: { kind: 'archive', archive: 'a' }, ...change });

/** All blocks are compared; the log has not caught up with the engines yet: nothing of it is a state. */
const backup: ArchiveBackup = {
  ...{ way: 'full', reason: '', beganAt: 7, next: 8, blocks: 8, sentBlocks: 8, sentBytes: 1, hashBytes: 1 },
  ...{ base: 700, behind: { segment, positions: [{ shard: 0, batch: 5 }], image: 'i' } },
  ...{ until: [{ shard: 0, batch: 9 }], mark: null },
};

const makePrimary = (record: ArchiveRecord, force: boolean, others: readonly ArchiveRecord[]) =>
  decideArchiveOrder(
    { archive: record.archive, volume: 'vol1' },
    record,
    { kind: 'make-primary', force },
    others,
    5,
  );

test('a copy that has all becomes primary where it is, and numbers by itself from there on', () => {
  const { outcome, next, others } = makePrimary(copy(), false, [recordOf()]);
  assert.deepEqual([outcome, next?.phase, next?.place?.number], ['applied', 'following', 90]);
  assert.deepEqual([next?.history, next?.forks], ['b:5', [{ history: 'a:1', number: 90 }]]);
  assert.equal(others?.[0]?.role, 'secondary');
});

test('a copy of an archive in the middle of a backup becomes primary by force alone, and is compared first', () => {
  const from = recordOf({ phase: 'backup', backup });
  assert.equal(makePrimary(copy(), false, [from]).outcome, 'refused');
  const { next } = makePrimary(copy(), true, [from]);
  assert.deepEqual(
    [next?.phase, next?.place, next?.base, next?.backup?.way, next?.backup?.until],
    ['backup', null, 1, 'hash', null],
  );
});

test('the heir of an archive that is lost in the middle of a backup is compared first', () => {
  const news = { kind: 'content-lost', sequence: 0, number: 0, reason: 'gone' } as const;
  const { others } = decideArchive(recordOf({ phase: 'backup', backup }), news, [copy()], 5);
  assert.deepEqual([others?.[0]?.phase, others?.[0]?.backup?.way], ['backup', 'hash']);
});

test('a copy of another history is no heir by its numbers', () => {
  const other = copy({ history: 'a:0' });
  assert.equal(makePrimary(other, false, [recordOf()]).outcome, 'refused');
  assert.equal(makePrimary(other, true, [recordOf()]).next?.phase, 'backup');
});

test('a copy with a gap behind its base is backed up in full when it takes over', () => {
  const { next } = makePrimary(copy({ overflow: { at: 1, reason: 'a gap' } }), true, [recordOf()]);
  assert.equal(next?.backup?.way, 'full');
});

test('an archive that lost its end gives way to the copy that holds most behind it', () => {
  const news = { kind: 'content-lost', sequence: 500, number: 50, reason: 'it ends early' } as const;
  const at = (archive: string, number: number): ArchiveRecord =>
    copy({ archive, place: { ...place, number } });
  const { next, others } = decideArchive(recordOf(), news, [at('b', 60), at('c', 70), at('d', 40)], 5);
  assert.deepEqual([others?.[0]?.archive, others?.[0]?.backup?.way], ['c', 'hash']);
  assert.deepEqual([next?.source, next?.base], [{ kind: 'archive', archive: 'c' }, 0]);
  const alone = decideArchive(recordOf(), news, [at('d', 50)], 5).next;
  assert.deepEqual([alone?.phase, alone?.backup?.way, alone?.history], ['backup', 'hash', 'a:5']);
  assert.deepEqual(alone?.forks, [{ history: 'a:1', number: 50 }]);
});

test('what was stored of a source, or in a backup, that is over gives an archive no place', () => {
  const from = recordOf({ base: 0, phase: 'backup', backup });
  const order = { kind: 'start-synchronizing', source: { kind: 'archive', archive: 'b' } } as const;
  const ordered = decideArchiveOrder(
    { archive: 'a', volume: 'vol1' },
    from,
    order,
    [recordOf({ archive: 'b' })],
    5,
  );
  const now = ordered.next;
  assert.ok(now !== undefined);
  assert.equal(now.place, null);
  const none: NonNullable<ArchiveBackup['until']> = [];
  const late = { place: { ...place, number: 91 }, of: { source: from.source, lineage: 0, beganAt: 7 } };
  for (const news of [
    { kind: 'archived', writtenAt: 2, isLevel: false, ...late },
    { kind: 'clean', ...late },
    { kind: 'compare-ended', until: none, ...late },
    { kind: 'source-lost', reason: 'gone', of: late.of },
  ] as const)
    assert.equal(decideArchive(now, news, [], 6).outcome, 'already', news.kind);
  const again = recordOf({ phase: 'backup', backup: { ...backup, beganAt: 8 } });
  assert.equal(decideArchive(again, { kind: 'clean', ...late }, [], 6).outcome, 'already');
  assert.equal(decideArchive(from, { kind: 'clean', ...late }, [], 6).outcome, 'applied');
});

test('a copy goes on with a source that has what it holds, through any number of histories', () => {
  let from = {
    archive: 'a',
    history: 'a:1' as string | null,
    forks: [] as { history: string; number: number }[],
  };
  from = { ...from, ...partedHistory(from, 50, 2) };
  from = { ...from, ...partedHistory(from, 70, 3) };
  from = { ...from, ...partedHistory(from, 60, 4) };
  assert.equal(decideCopy({ history: 'a:1', base: 1 }, 50, from), 'goes-on');
  assert.equal(decideCopy({ history: 'a:1', base: 1 }, 51, from), 'parted');
  assert.equal(decideCopy({ history: 'a:1', base: 0 }, 51, from), 'begins-anew');
  assert.equal(decideCopy({ history: 'a:2', base: 1 }, 60, from), 'goes-on');
  assert.equal(decideCopy({ history: 'a:2', base: 1 }, 61, from), 'parted');
  assert.equal(decideCopy({ history: 'x:1', base: 1 }, 1, from), 'parted');
  assert.equal(decideCopy({ history: null, base: 0 }, 0, from), 'goes-on');
  assert.equal(decideCopy({ history: 'a:1', base: 1 }, 1, noHistory), 'waits');
  for (let now = 5; now < 40; now++) from = { ...from, ...partedHistory(from, 80, now) };
  assert.equal(from.forks.length, archiveForksMax);
  assert.equal(decideCopy({ history: 'a:1', base: 1 }, 50, from), 'parted');
});

test('a record from before archives had histories is one of the history without a name', () => {
  const { history: _, ...old } = recordOf();
  const { history, forks } = archiveSchema.parse(old);
  assert.deepEqual({ history, forks }, { history: '', forks: [] });
});

test('a record that was lost with etcd is brought back so that the archive is compared with its volume first', () => {
  const promised = {
    name: 's',
    state: 'promised' as const,
    generation: 1,
    source: 500,
    sequence: null,
    at: 4,
  };
  const back = archiveBroughtBack(recordOf({ snapshots: [promised] }), 9);
  assert.deepEqual(
    [back.phase, back.place, back.backup?.way, back.backup?.beganAt, back.base],
    ['backup', place, 'hash', 9, 1],
  );
  assert.deepEqual(
    [back.holes, back.snapshots[0]?.state],
    [[{ from: 9, to: null, reason: back.overflow?.reason }], 'lost'],
  );
  // A full backup that was under way is one again; who was stopped stays so, and is compared once it is started.
  assert.equal(archiveBroughtBack(recordOf({ phase: 'backup', backup }), 9).backup?.way, 'full');
  const stopped = archiveBroughtBack(recordOf({ phase: 'stopped' }), 9);
  assert.deepEqual([stopped.phase, stopped.place, stopped.backup?.way], ['stopped', place, 'hash']);
  assert.deepEqual(archiveBroughtBack(copy(), 9), copy());
});
