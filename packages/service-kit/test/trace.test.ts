import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
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

test('what is done in a trace belongs to it, also after a wait, and its lines name it', async () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const script = `
    import { childTraceparent, createLogger, inTrace } from '@salvor/service-kit';
    const log = createLogger({ service: 'traced', level: 'info' });
    await inTrace('${traceparent}', async () => {
      await new Promise((resolve) => setImmediate(resolve));
      log.info({ child: childTraceparent() }, 'inside');
    });
    log.info({}, 'outside');`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    cwd: import.meta.dirname,
  });
  const [inside, outside] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(inside.trace_id, '0af7651916cd43dd8448eb211c80319c');
  assert.equal(inside.span_id, 'b7ad6b7169203331');
  assert.match(inside.child, /^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01$/);
  assert.equal(outside.msg, 'outside');
  assert.equal('trace_id' in outside, false);
});
