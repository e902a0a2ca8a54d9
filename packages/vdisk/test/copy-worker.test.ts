import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CopyError, copier } from '../src/copy/copier.ts';
import { copyGuardKey, epochKey } from '../src/engine-keys.ts';
import { FencedError } from '../src/errors.ts';
import type { LayoutSpec } from '../src/layout/layout-spec.ts';
import { VolumeLayout } from '../src/layout/volume.ts';
import { Frame } from '../src/resp.ts';
import { RespLink, throwIfError } from '../src/resp-link.ts';
import { put, startCopyEngines } from './copy-engines.ts';
import { stored, type TestEngine } from './pair-harness.ts';

const BLOCKS = [1, 2, 3, 4, 1_000_000];

test('a copy brings the target to what the source holds: data stored, holes removed, the rest left alone', async () => {
  const { source, target, spec } = await startCopyEngines();
  await put(source, { 1: 'a', 3: 'c', 1000000: 'z', 9: 'x' });
  await put(target, { 1: 'q', 2: 'q', 7: 'q' });
  const job = copier.open(spec);
  assert.deepEqual(await job.copy(BLOCKS, 'all'), { stored: 3, differing: [] });
  assert.deepEqual(
    await stored(target),
    new Map([
      [1, 97],
      [3, 99],
      [7, 113],
      [1_000_000, 122],
    ]),
  );
  job.close();
});

test('a copy of what differs writes nothing else', async () => {
  const { source, target, spec } = await startCopyEngines();
  await put(source, { 1: 'a', 2: 'b', 3: 'c' });
  await put(target, { 1: 'a', 2: 'q', 4: 'q' });
  const job = copier.open(spec);
  assert.deepEqual(await job.copy(BLOCKS, 'differing'), { stored: 2, differing: [] });
  assert.deepEqual(await stored(target), await stored(source));
  const before = await target.cli('INFO', 'commandstats');
  assert.deepEqual(await job.copy(BLOCKS, 'differing'), { stored: 0, differing: [] });
  const calls = (info: string): string | undefined => /cmdstat_exec:calls=(\d+)/.exec(info)?.[1];
  assert.equal(calls(await target.cli('INFO', 'commandstats')), calls(before));
  job.close();
});

test('a comparison names the blocks that differ, and blocks that one side lacks', async () => {
  const { source, target, spec } = await startCopyEngines();
  await put(source, { 1: 'a', 2: 'b', 3: 'c' });
  await put(target, { 1: 'a', 2: 'q', 4: 'q' });
  const job = copier.open({ ...spec, guard: null });
  assert.deepEqual((await job.compare(BLOCKS)).differing, [2, 3, 4]);
  job.close();
});

test('of a volume only the maps are compared, and what differs is copied, corrupt blocks as such', async () => {
  const { source, target, spec } = await startCopyEngines();
  const layout = new VolumeLayout('v1', 4096, 1);
  const store = async (engine: TestEngine, letters: Readonly<Record<number, string>>): Promise<void> => {
    const blocks = Object.entries(letters).map(([b, text]) => [Number(b), Buffer.alloc(4096, text)] as const);
    const frame = new Frame();
    layout.addStore(frame, new Map(blocks), true);
    const link = await RespLink.connect({ ...spec.source, ...linkTo(engine) });
    for (const reply of await link.request(frame)) throwIfError(engine.address, reply);
    link.close();
  };
  const common = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [i, 'a']));
  await store(source, { ...common, 7: 'b', 200: 'c' });
  await store(target, { ...common, 61: 'x' });
  const job = copier.open({ ...spec, layout: { ...spec.layout, kind: 'volume' } });
  const blocks = [...Array(80).keys(), 200];
  const calls = async (engine: TestEngine): Promise<number> =>
    Number(/cmdstat_getrange:calls=(\d+)/.exec(await engine.cli('INFO', 'commandstats'))?.[1] ?? 0);
  assert.deepEqual(await job.copy(blocks, 'differing'), { stored: 2, differing: [] });
  const before = [await calls(source), await calls(target)];
  assert.deepEqual(await job.copy(blocks, 'differing'), { stored: 0, differing: [] });
  assert.deepEqual([await calls(source), await calls(target)], [(before[0] ?? 0) + 2, (before[1] ?? 0) + 2]);
  assert.deepEqual((await job.compare(blocks)).differing, []);
  await source.cli('SETRANGE', 'salvor:chunk:v1:0', '100', 'rotten');
  assert.deepEqual((await job.compare(blocks)).differing, [0]);
  assert.equal((await job.copy([0, 1], 'all')).stored, 2);
  // Neither side has it intact any more, and both say so.
  assert.deepEqual((await job.compare([0, 1])).differing, []);
  job.close();
});

test('once the epoch is raised on the target, nothing of the older owner lands', async () => {
  const { source, target, spec } = await startCopyEngines();
  await put(source, { 1: 'a', 2: 'b' });
  const job = copier.open(spec);
  await job.copy([1], 'all');
  await target.cli('SET', epochKey('v1'), '8');
  const error = await refused(job.copy([2], 'all'));
  assert.equal(error.side, 'target');
  assert.ok(error.cause instanceof FencedError, error.message);
  assert.deepEqual([...(await stored(target)).keys()], [1]);
  job.close();
});

test('what a deposed owner reads on the source is not copied', async () => {
  const { source, target, spec } = await startCopyEngines();
  await put(source, { 1: 'a' });
  await source.cli('SET', epochKey('v1'), '8');
  const job = copier.open(spec);
  const error = await refused(job.copy([1], 'all'));
  assert.equal(error.side, 'source');
  assert.ok(error.cause instanceof FencedError, error.message);
  assert.equal((await stored(target)).size, 0);
  job.close();
});

test('once the target is prepared anew, the copies of the preparation before are refused', async () => {
  const { source, target, spec } = await startCopyEngines();
  await put(source, { 1: 'a', 2: 'b' });
  const job = copier.open(spec);
  await job.copy([1], 'all');
  await target.cli('SET', copyGuardKey('v1'), 'i1/2/7/2');
  const error = await refused(job.copy([2], 'all'));
  assert.match(error.message, /prepared for i1\/2\/7\/2/);
  assert.deepEqual([...(await stored(target)).keys()], [1]);
  job.close();
});

for (const side of ['source', 'target'] as const) {
  test(`a ${side} that is killed in the middle of a copy fails its steps, and another job goes on`, async () => {
    const engines = await startCopyEngines();
    const { source, target, spec } = engines;
    const blocks = Array.from({ length: 64 }, (_, i) => i);
    await put(source, Object.fromEntries(blocks.map((block) => [block, 'a'])));
    const job = copier.open(spec);
    await job.copy(blocks, 'all');
    const steps = blocks.map((block) => refusal(job.copy([block], 'all')));
    await engines[side].kill();
    const later = await refused(job.copy(blocks, 'all'));
    assert.equal(later.side, side);
    await Promise.all(steps);
    job.close();
    await engines[side].start();
    const next = copier.open(spec);
    assert.equal((await next.copy(blocks, 'all')).stored, 64);
    assert.deepEqual(await stored(target), await stored(source));
    next.close();
  });
}

test('a hung target fails its steps by the deadline', async () => {
  const { source, target, spec } = await startCopyEngines();
  await put(source, { 1: 'a' });
  const job = copier.open({ ...spec, commandTimeoutMs: 200 });
  await job.copy([1], 'all');
  target.pause();
  const error = await refused(job.copy([1], 'all'));
  target.resume();
  assert.equal(error.side, 'target');
  assert.match(error.message, /gave no reply within 200 ms/);
  job.close();
});

test('steps of a job that is closed end at once', async () => {
  const { source, target, spec } = await startCopyEngines();
  await put(source, { 1: 'a' });
  const job = copier.open(spec);
  await job.copy([1], 'all');
  target.pause();
  const step = refused(job.copy([1], 'all'));
  job.close();
  await step;
  target.resume();
});

function linkTo({ address }: TestEngine) {
  return { address, connectTimeoutMs: 1_000, commandTimeoutMs: 1_000, clientName: 'test' };
}

test('when the worker dies, what it was doing fails, and the next job has another one', async () => {
  const { source, target, spec } = await startCopyEngines();
  await put(source, { 1: 'a' });
  const job = copier.open(spec);
  await job.copy([1], 'all');
  // A job that makes no sense ends the thread.
  const broken = copier.open({ ...spec, layout: undefined as unknown as LayoutSpec });
  assert.match((await refused(broken.copy([1], 'all'))).message, /the copy worker is gone/);
  assert.match((await refused(job.copy([1], 'all'))).message, /the copy worker is gone/);
  const next = copier.open(spec);
  assert.equal((await next.copy([1], 'all')).stored, 1);
  assert.deepEqual(await stored(target), await stored(source));
  next.close();
});

async function refused(step: Promise<unknown>): Promise<CopyError> {
  const error = await refusal(step);
  assert.ok(error instanceof CopyError, 'expected the step to fail');
  return error;
}

function refusal(step: Promise<unknown>): Promise<unknown> {
  return step.then(
    () => null,
    (error: unknown) => error,
  );
}
