import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CUT_PAUSE_MAX_MS, decideCutPause } from '../../src/groups/decide-cut-pause.ts';

test('each cut that fails doubles the pause to the next one, up to a bound; one that was made ends that', () => {
  const pauses = Array.from({ length: 6 }, (_, failures) => decideCutPause(1_000, failures));
  assert.deepEqual(pauses, [1_000, 2_000, 4_000, 8_000, CUT_PAUSE_MAX_MS, CUT_PAUSE_MAX_MS]);
  assert.equal(decideCutPause(1_000, 1e9), CUT_PAUSE_MAX_MS);
  assert.equal(decideCutPause(60_000, 3), 60_000);
});
