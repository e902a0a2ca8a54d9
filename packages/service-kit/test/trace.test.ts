import assert from 'node:assert/strict';
import { test } from 'node:test';
import { childTraceparent, parseTraceparent } from '@salvor/service-kit';

const PARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

test('a child keeps the trace and gets a span of its own', () => {
  const child = parseTraceparent(childTraceparent(PARENT));
  assert.equal(child?.traceId, '4bf92f3577b34da6a3ce929d0e0e4736');
  assert.notEqual(child?.spanId, '00f067aa0ba902b7');
  assert.equal(child?.sampled, true);
});

test('a child of an unsampled parent is unsampled', () => {
  assert.equal(parseTraceparent(childTraceparent(PARENT.replace(/01$/, '00')))?.sampled, false);
});

for (const [what, header] of [
  ['nothing', undefined],
  ['a header of another version', PARENT.replace(/^00/, 'ff')],
  ['a trace id of zeros', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`],
  ['a span id of zeros', `00-4bf92f3577b34da6a3ce929d0e0e4736-${'0'.repeat(16)}-01`],
  ['upper case', PARENT.toUpperCase()],
  ['noise', 'x'.repeat(10_000)],
] as const) {
  test(`${what} begins a new trace`, () => {
    assert.equal(parseTraceparent(header), null);
    assert.notEqual(parseTraceparent(childTraceparent(header)), null);
  });
}
