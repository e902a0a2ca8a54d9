import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redact } from '../src/redaction.ts';

test('secrets are redacted by name at any depth', () => {
  const fields = { config: { natsNkeySeed: 'SUA', engines: [{ enginePassword: 'hunter2', db: 0 }] } };
  assert.deepEqual(redact(fields), {
    config: { natsNkeySeed: '[redacted]', engines: [{ enginePassword: '[redacted]', db: 0 }] },
  });
});

test('the login part of a URL is redacted, an address is not', () => {
  assert.deepEqual(redact({ servers: ['nats://me:pw@10.0.0.1:4222'], engine: '10.0.0.1:6379' }), {
    servers: ['nats://[redacted]@10.0.0.1:4222'],
    engine: '10.0.0.1:6379',
  });
});

test('an unset secret shows that it is unset', () => {
  assert.deepEqual(redact({ password: '' }), { password: '' });
});

test('errors are passed on, deep and circular values end', () => {
  const error = new Error('no');
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  assert.equal(redact({ err: error }).err, error);
  assert.doesNotThrow(() => redact({ circle }));
});
