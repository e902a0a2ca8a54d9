import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { beginOperation, claimSegmentRecovery, segmentKey } from '@salvor/config-store';
import { until } from '@salvor/testkit';
import { pathsBelow } from '../../../packages/pravega/test/damaging.ts';
import { removeFolders, writtenTrees } from '../../../packages/pravega/test/trees.ts';
import { RECOVERY_KIND } from '../src/recovery/recovery-request.ts';
import { Tier1 } from './tier1.ts';
import { everySegment } from './tier1-content.ts';

const FIRST = 'farm/orders/0.#epoch.0';
const legacy = writtenTrees().find(({ layout }) => layout === 'legacy');

describe('a recovery of segments', () => {
  let tier1: Tier1;
  let root = '';
  before(async () => {
    tier1 = await Tier1.start();
    await tier1.serve();
    root = legacy?.unpack() ?? '';
  });
  after(async () => {
    await tier1[Symbol.asyncDispose]();
    removeFolders();
  });

  it('writes nothing without the exact word yes', async () => {
    for (const confirm of [undefined, 'y', 'YES', 'yes '])
      await assert.rejects(
        tier1.bus.request('dr.recover', {
          root,
          layout: 'pravega',
          ...(confirm === undefined ? {} : { confirm }),
        }),
        { code: 'not-confirmed' },
      );
    assert.equal((await tier1.store.list('/salvor/operations/')).entries.length, 0);
  });

  it('only tells what it would do in a dry run', async () => {
    const files = pathsBelow(root);
    const plan = await tier1.recover({ root, dryRun: true });
    assert.deepEqual(
      { dryRun: plan.dryRun, segments: plan.segments, written: plan.written },
      { dryRun: true, segments: 8, written: 8 },
    );
    assert.deepEqual(pathsBelow(root), files);
    assert.deepEqual((await tier1.store.list('/salvor/segments/')).entries, []);
    await assert.rejects(tier1.bus.logStreams.facts('SEGMENTS_0'), { code: 'no-stream' });
  });

  it('says who has the lease, and leaves the work to that one', async () => {
    const held = await claimSegmentRecovery(tier1.store, {
      operation: 'other',
      worker: 'w-7',
      ttlSeconds: 60,
    });
    assert.ok('claim' in held);
    const busy = { code: 'recovery-busy', message: /operation other, carried out by w-7 since/ };
    await assert.rejects(tier1.begin({ root }), busy);
    // One that got past the first look finds out when it begins.
    const checkpoint = { root, dryRun: false, replace: false };
    const operation = 'past-the-first-look';
    await beginOperation(tier1.store, {
      ...{
        operation,
        kind: RECOVERY_KIND,
        request: checkpoint,
        subject: root,
        message: 'begins',
        checkpoint,
      },
    });
    const { work } = await tier1.end(operation);
    assert.equal(work?.code, busy.code);
    assert.match(work?.message ?? '', busy.message);
    assert.deepEqual((await tier1.store.list('/salvor/segments/')).entries, []);
    await held.claim.release();
  });

  it('writes once when two are asked for at the same time', async () => {
    const asked = await Promise.allSettled([tier1.begin({ root }), tier1.begin({ root })]);
    const begun = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const ends = await Promise.all(begun.map(async (operation) => (await tier1.end(operation)).work));
    const written = ends.filter((work) => work?.status === 'completed');
    const busy = ends.filter((work) => work?.code === 'recovery-busy');
    assert.ok(written.length >= 1);
    assert.equal(written.length + busy.length, begun.length);
    const found = await everySegment(tier1.bus);
    assert.equal(found.size, 8);
  });

  it('answers the same to the same operation id, and refuses it for another request', async () => {
    const again = await tier1.bus.request(
      'dr.recover',
      { root, layout: 'pravega', dryRun: true },
      { operationId: 'same' },
    );
    assert.equal(again.outcome, 'applied');
    const request = { root, layout: 'pravega', dryRun: true };
    assert.equal(
      (await tier1.bus.request('dr.recover', request, { operationId: 'same' })).outcome,
      'already',
    );
    await assert.rejects(
      tier1.bus.request('dr.recover', { ...request, containers: 9 }, { operationId: 'same' }),
      { code: 'operation-reused' },
    );
    await tier1.end('same');
  });

  it('brings a log back that JetStream lost, and leaves the others alone', async () => {
    const { described } = (await everySegment(tier1.bus)).get(FIRST) ?? {};
    assert.ok(described !== undefined);
    const { lastSequence } = await tier1.bus.logStreams.facts(described.stream);
    await tier1.bus.logStreams.purge(described.stream, `${described.subject}.content`, lastSequence + 1);
    const recovery = await tier1.recover({ root });
    assert.deepEqual({ written: recovery.written, already: recovery.already }, { written: 1, already: 7 });
    const content = (await everySegment(tier1.bus)).get(FIRST);
    assert.equal(content?.sha256, described.sha256);
  });

  it('registers a log that etcd lost, without writing it again', async () => {
    const { described } = (await everySegment(tier1.bus)).get(FIRST) ?? {};
    assert.ok(described !== undefined);
    const before = await tier1.bus.logStreams.facts(described.stream);
    await tier1.store.transact({ compare: [], deletes: [segmentKey(described.container, FIRST)] });
    const recovery = await tier1.recover({ root });
    assert.deepEqual({ written: recovery.written, already: recovery.already }, { written: 1, already: 7 });
    assert.equal((await tier1.bus.logStreams.facts(described.stream)).lastSequence, before.lastSequence);
  });

  it('leaves a segment that Tier-1 has otherwise, and writes it again only when asked to', async () => {
    const last = pathsBelow(root)
      .filter((path) => path.startsWith(`${FIRST}$offset.`))
      .sort((a, b) => Number(a.split('.').at(-1)) - Number(b.split('.').at(-1)))
      .at(-1);
    appendFileSync(join(root, last ?? ''), Buffer.from('0000000000000003616263', 'hex'));
    const before = (await everySegment(tier1.bus)).get(FIRST);
    const left = await tier1.recover({ root });
    assert.deepEqual({ differing: left.differing, already: left.already }, { differing: 1, already: 7 });
    assert.match(left.trouble.join('\n'), new RegExp(`segment ${FIRST} is left as Tier-1 has it`));
    assert.deepEqual((await everySegment(tier1.bus)).get(FIRST), before);
    const replaced = await tier1.recover({ root, replace: true });
    assert.deepEqual(
      { differing: replaced.differing, written: replaced.written },
      { differing: 0, written: 1 },
    );
    const content = (await everySegment(tier1.bus)).get(FIRST);
    assert.equal(content?.described.length, (before?.described.length ?? 0) + 11);
    assert.equal(content?.sha256, content?.described.sha256);
  });

  it('never replaces an earlier backup', async () => {
    const [file = ''] = pathsBelow(join(root, 'backup_system/containers'));
    writeFileSync(join(root, 'backup_system/containers', file), 'something else', { flag: 'w' });
    await assert.rejects(tier1.recover({ root }), /an earlier backup has other bytes/);
    const backupDir = join(tier1.dir.path, 'elsewhere');
    await tier1.recover({ root, backupDir });
    assert.deepEqual(pathsBelow(join(backupDir, 'containers')), pathsBelow(join(root, '_system/containers')));
    await assert.rejects(
      tier1.recover({ root, backupDir: join(root, 'farm') }),
      /expected a folder outside of/,
    );
  });

  for (const [what, asked, code] of [
    ['no directory', { root: '/nonexistent/tier2' }, 'no-tree'],
    ['a directory of something else', { root: import.meta.dirname }, 'unknown-layout'],
  ] as const)
    it(`ends with the reason for ${what}`, async () => {
      const { work } = await tier1.end(await tier1.begin(asked));
      assert.deepEqual({ status: work?.status, code: work?.code }, { status: 'failed', code });
    });

  it('refuses a path that is not absolute, and a layout that does not exist', async () => {
    await assert.rejects(tier1.begin({ root: 'tier2' }), { code: 'invalid-path' });
    await assert.rejects(tier1.begin({ root, layout: 'other' }), { code: 'invalid-layout' });
  });

  it('waits for a lease of its own that a dead process left', async () => {
    const operation = 'after-a-death';
    const held = await claimSegmentRecovery(tier1.store, { operation, worker: 'dead', ttlSeconds: 60 });
    assert.ok('claim' in held);
    const checkpoint = { root, dryRun: false, replace: false, backupDir: join(tier1.dir.path, 'elsewhere') };
    await beginOperation(tier1.store, {
      ...{
        operation,
        kind: RECOVERY_KIND,
        request: checkpoint,
        subject: root,
        message: 'begins',
        checkpoint,
      },
    });
    await until(async () => (await tier1.bus.request('dr.report', { operation })).code === 'lease-not-over', {
      timeoutMs: 30_000,
      what: 'the wait for the lease',
    });
    await held.claim.release();
    assert.equal((await tier1.end(operation)).work?.status, 'completed');
  });
});
