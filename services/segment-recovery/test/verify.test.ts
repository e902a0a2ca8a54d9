import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { SegmentDescription } from '@salvor/contracts';
import { containerOfSegment } from '@salvor/pravega';
import { segmentPartSubject } from '@salvor/segments';
import { runInProcess } from '../../../packages/cli/test/fake-terminal.ts';
import { pathsBelow } from '../../../packages/pravega/test/damaging.ts';
import { removeFolders, writtenTrees } from '../../../packages/pravega/test/trees.ts';
import { chunkPath } from '../../../packages/pravega/test/writers/chunked-writer.ts';
import { Tier1 } from './tier1.ts';
import { everySegment } from './tier1-content.ts';

const FIRST = 'farm/orders/0.#epoch.0';
const TABLE = '_system/_tables/scopes';
const chunked = writtenTrees().find(({ layout }) => layout === 'chunked');

describe('what was brought back, held against the tree', () => {
  let tier1: Tier1;
  let root = '';
  before(async () => {
    tier1 = await Tier1.start();
    root = chunked?.unpack() ?? '';
    await tier1.serve([root]);
    await tier1.recover({ root });
  });
  after(async () => {
    await tier1[Symbol.asyncDispose]();
    removeFolders();
  });

  const verify = (...args: string[]) =>
    runInProcess(['dr', 'verify', root, '--server', tier1.nats.url, ...args]);
  async function onServer(request: { readonly tier1?: boolean } = {}) {
    const { operation } = await tier1.bus.request('dr.verify', { root, ...request }, { timeoutMs: 30_000 });
    const { work } = await tier1.end(operation);
    const { recovery } = await tier1.bus.request('dr.report', { operation });
    return { work, recovery };
  }
  async function described(segment: string): Promise<SegmentDescription> {
    return (await tier1.bus.request('segment.get', { segment })).segment;
  }
  /** A message more at the end of a log, which nobody wrote. */
  async function appendTo(segment: string, part: 'content' | 'entries', data: Buffer): Promise<void> {
    const { stream, subject } = await described(segment);
    const streams = tier1.bus.logStreams;
    const last = await streams.last(stream, segmentPartSubject(subject, part));
    await streams.publish({
      ...{ data, subject: segmentPartSubject(subject, part), id: `of nobody ${Math.random()}` },
      expectedLastSequence: last?.sequence ?? 0,
    });
  }

  it('is the same to the last byte, by the command line and on the server', async () => {
    const { code, stdout } = await verify('--tier1', '--json');
    const { verdict, tier1: compared, segments, damage } = JSON.parse(stdout);
    assert.deepEqual(
      { code, verdict, damage, compared },
      {
        ...{ code: 0, verdict: 'clean', damage: 0 },
        compared: { same: segments.length, differing: 0, missing: 0, onlyInTier1: 0 },
      },
    );
    const { work, recovery } = await onServer();
    assert.equal(work?.status, 'completed');
    assert.deepEqual([recovery?.already, recovery?.differing, recovery?.trouble], [segments.length, 0, []]);
  });

  it('bytes in a log that cannot be decoded are told, and no recovery waits for them', async () => {
    await appendTo(FIRST, 'content', Buffer.from('no message of a log'));
    const { code, stderr } = await verify('--tier1');
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`differs: log of the content of ${FIRST}: .*cannot be decoded`));
    const { work } = await onServer();
    assert.deepEqual([work?.status, work?.code], ['failed', 'tier1-differs']);
    const again = await tier1.recover({ root });
    assert.equal(again.written, 1);
    assert.equal((await verify('--tier1')).code, 0);
  });

  it('what is damaged in the middle of a log is written again with --replace, and only that', async () => {
    await appendTo(TABLE, 'entries', Buffer.from('no message of a log'));
    assert.equal((await verify('--tier1')).code, 1);
    const { written, already, segments } = await tier1.recover({ root, replace: true });
    assert.deepEqual({ written, already }, { written: 1, already: segments - 1 });
    assert.equal((await verify('--tier1')).code, 0);
    assert.equal((await everySegment(tier1.bus)).size, segments);
  });

  it('segments that are missing in Tier-1, or in it alone, are told', async () => {
    const container = containerOfSegment(FIRST, chunked?.containerCount ?? 1);
    const key = (await tier1.store.list(`/salvor/segments/${container}/`)).entries.find(({ value }) =>
      value.includes(FIRST),
    );
    assert.ok(key !== undefined);
    const other = key.value.replaceAll(FIRST, 'farm/orders/8.#epoch.0');
    const put = {
      key: key.key.replace('0.#epoch.0', '8.#epoch.0').replace('0.%23epoch.0', '8.%23epoch.0'),
      value: other,
    };
    await tier1.store.transact({ compare: [], puts: [put], deletes: [key.key] });
    const { code, stdout } = await verify('--tier1', '--json');
    const { tier1: compared, onlyInTier1 } = JSON.parse(stdout);
    assert.equal(code, 1);
    assert.deepEqual([compared.missing, compared.onlyInTier1, onlyInTier1.length], [1, 1, 1]);
    await tier1.store.transact({
      compare: [],
      puts: [{ key: key.key, value: key.value }],
      deletes: [put.key],
    });
    assert.equal((await verify('--tier1')).code, 0);
  });

  it('only directories that were allowed may be named, and no link leads out of them', async () => {
    const outside = chunked?.unpack() ?? '';
    symlinkSync(outside, join(root, 'farm/elsewhere'));
    mkdirSync(join(root, 'farm/backups'));
    for (const path of [outside, join(root, 'farm/elsewhere'), join(root, '..'), '/'])
      await assert.rejects(tier1.bus.request('dr.verify', { root: path }), { code: 'root-not-allowed' });
    await assert.rejects(tier1.begin({ root: outside }), { code: 'root-not-allowed' });
    await assert.rejects(tier1.begin({ root, backupDir: join(outside, 'backup') }), {
      code: 'root-not-allowed',
    });
  });

  it('a damaged tree is told apart from one that differs', async () => {
    const last = pathsBelow(root).filter((path) => path.startsWith(`${FIRST}.E-`)).length - 1;
    const path = join(root, chunkPath(FIRST, 1, last * 300));
    truncateSync(path, 10);
    const { code, stderr, stdout } = await verify();
    assert.equal(code, 1);
    assert.match(stdout, /^verdict +damaged$/m);
    assert.match(stderr, /short-chunk/);
    assert.equal((await onServer({ tier1: false })).work?.code, 'tree-damaged');
    appendFileSync(join(root, 'farm/secret'), 'nobody may read this');
    chmodSync(join(root, 'farm/secret'), 0o000);
    assert.equal((await verify('--json')).code, 1);
  });

  it('a command that names no layout goes by the files of the directory', async () => {
    // Not looked at where the tree itself is read.
    const empty = join(root, 'backup_system/empty');
    mkdirSync(empty, { recursive: true });
    await assert.rejects(tier1.begin({ root: empty, layout: 'auto', dryRun: true }), {
      code: 'unknown-layout',
    });
    mkdirSync(join(empty, '_system/configuration'), { recursive: true });
    writeFileSync(join(empty, '_system/configuration/latest.json.gz'), 'torn');
    await assert.rejects(tier1.bus.request('dr.verify', { root: empty }), { code: 'invalid-layout' });
    await assert.rejects(tier1.begin({ root: empty, layout: 'auto', containers: 4, dryRun: true }), {
      code: 'invalid-containers',
    });
    writeFileSync(join(empty, 'stream$header'), 'maxsize=1&');
    await assert.rejects(tier1.begin({ root: empty, layout: 'auto', dryRun: true }), {
      code: 'both-layouts',
    });
    const { layout } = await tier1.recover({ root, layout: 'auto', dryRun: true });
    assert.equal(layout, 'chunked');
  });

  it('a directory that is no tree ends with 2, and no bus with 3', async () => {
    assert.equal((await runInProcess(['dr', 'verify', join(root, 'nothing')])).code, 2);
    assert.equal((await runInProcess(['dr', 'verify', root, '--layout', 'zip'])).code, 2);
    assert.equal(
      (await runInProcess(['dr', 'verify', root, '--tier1', '--server', 'nats://127.0.0.1:1'])).code,
      3,
    );
  });
});
