import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, withStack } from '@salvor/testkit';
import { EventStream } from '../../services/console/test/event-stream.ts';

const WAIT = { timeoutMs: 60_000, intervalMs: 50 };

test('the console of a stack shows an engine that dies, tells the incident, and outlives its own death', async () => {
  const options = { primaries: 1, spares: 0, services: { console: { replicas: 1 } } };
  await withStack(options, async (stack) => {
    const url = (stack.consoleUrl ?? assert.fail('no console')).replace(/\/$/, '');
    const dead = stack.engine('primary', 0);
    {
      await using stream = new EventStream(url);
      await until(() => stream.sections.engines?.length === 2, { ...WAIT, what: 'both engines' });
      await dead.process.kill();
      await until(() => stream.sections.incidents?.length === 1, { ...WAIT, what: 'the incident' });
      await stack.service('console').kill();
      await until(() => stream.ended, { ...WAIT, what: 'the end of the stream' });
    }
    await stack.service('console').start();
    await using stream = new EventStream(url);
    await until(() => stream.sections.incidents?.length === 1, { ...WAIT, what: 'the incident, told again' });
    const [told] = stream.sections.incidents ?? [];
    assert.equal(told?.address, dead.address);
    assert.match(told?.heading ?? '', /the outage of engine/);
    assert.ok(stream.sections.clusters?.some(({ status }) => status !== 'healthy'));
    await dead.process.start();
    await until(() => stream.sections.incidents?.[0]?.closedAt !== null, { ...WAIT, what: 'its end' });
    assert.ok(stream.sections.engines?.every(({ status }) => status === 'online'));
  });
});
