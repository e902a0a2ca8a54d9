import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeadlineError, deadline, InFlight, pause } from '@salvor/service-kit';

test('a deadline passes on what arrives in time, value or error', async () => {
  assert.equal(await deadline(Promise.resolve(7), 1_000, 'an answer'), 7);
  await assert.rejects(deadline(Promise.reject(new Error('no')), 1_000, 'an answer'), /^Error: no$/);
});

test('a deadline that passes names what was waited for', async () => {
  await assert.rejects(
    deadline(new Promise(() => {}), 5, 'the answer of etcd'),
    (error: unknown) =>
      error instanceof DeadlineError &&
      error.code === 'deadline' &&
      error.message === 'the answer of etcd did not happen within 5 ms',
  );
});

test('a pause ends early when its signal aborts, and at once when it has aborted', async () => {
  const abort = new AbortController();
  const paused = pause(60_000, abort.signal);
  abort.abort();
  await deadline(paused, 1_000, 'the end of the pause');
  await deadline(pause(60_000, abort.signal), 1_000, 'the end of the pause');
});

test('a drain waits for work under way, failed work too, and for work that begins meanwhile', async () => {
  const inFlight = new InFlight();
  let finishFirst = (): void => {};
  const first = inFlight.track(
    new Promise<void>((resolve) => {
      finishFirst = resolve;
    }),
  );
  const failed = inFlight.track(Promise.reject(new Error('its caller handles this')));
  await assert.rejects(failed);
  let finishSecond = (): void => {};
  const second = first.then(() =>
    inFlight.track(
      new Promise<void>((resolve) => {
        finishSecond = resolve;
      }),
    ),
  );
  const drained = inFlight.drain(1_000);
  finishFirst();
  await first;
  assert.equal(inFlight.count, 1);
  finishSecond();
  await Promise.all([second, drained]);
  assert.equal(inFlight.count, 0);
});

test('a drain gives up at its deadline', async () => {
  const inFlight = new InFlight();
  void inFlight.track(new Promise(() => {}));
  await assert.rejects(inFlight.drain(5), DeadlineError);
});
