import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReadAhead } from '../src/read-ahead.ts';
import type { SourceWindow } from '../src/source-log.ts';
import { segmentOf } from './segments.ts';

/** A log of windows, of which it is noted when they are read, confirmed and closed. */
function logOf(...windows: (Partial<SourceWindow> | Error)[]) {
  const done: string[] = [];
  let carried = 0;
  let next = 0;
  const source = {
    next: async (): Promise<SourceWindow> => {
      done.push(`read ${next}`);
      const window = windows[next++];
      carried += 100;
      if (window instanceof Error) throw window;
      return { segments: [], isLevel: true, bytesAhead: 0, ...window };
    },
    close: async (): Promise<void> => {
      done.push('closed');
    },
  };
  const confirm = async (): Promise<number | null> => {
    done.push(`confirmed ${next - 1}`);
    return next;
  };
  return { done, confirm, log: new ReadAhead(source, () => carried) };
}

const one = (number: number): Partial<SourceWindow> => ({
  segments: [segmentOf(number, number, [{ block: 0, fill: number }])],
  isLevel: false,
});

test('a window that was begun is the next one, confirmed after it was read; none is read twice or left out', async () => {
  const { log, done, confirm } = logOf(one(1), one(2), one(3));
  const first = await log.take(confirm);
  log.begin(confirm);
  log.begin(confirm);
  const [second, third] = [await log.take(confirm), await log.take(confirm)];
  const taken = [first, second, third].map(({ segments, bound }) => [segments[0]?.segment.number, bound]);
  assert.deepEqual(taken, [
    [1, 1],
    [2, 2],
    [3, 3],
  ]);
  assert.deepEqual(done, ['read 0', 'confirmed 0', 'read 1', 'confirmed 1', 'read 2', 'confirmed 2']);
  assert.deepEqual([first.began.carried, second.began.carried], [0, 100]);
});

test('of nothing nothing is confirmed', async () => {
  const { log, done, confirm } = logOf({});
  assert.deepEqual([(await log.take(confirm)).bound, done], [null, ['read 0']]);
});

test('who takes a window that could not be read learns why, and the next one is read anew', async () => {
  const { log, confirm } = logOf(one(1), new Error('gone'), one(2));
  await log.take(confirm);
  log.begin(confirm);
  await assert.rejects(log.take(confirm), /gone/);
  assert.equal((await log.take(confirm)).segments[0]?.segment.number, 2);
});

test('what was begun and not taken is dropped with the log', async () => {
  const { log, done, confirm } = logOf(new Error('gone'), one(1));
  log.begin(confirm);
  await log.close();
  assert.equal((await log.take(confirm)).segments[0]?.segment.number, 1);
  assert.deepEqual(done, ['read 0', 'closed', 'read 1', 'confirmed 1']);
});
