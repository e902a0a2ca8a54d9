import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Bus, CommandError, connectBus } from '@salvor/bus';
import { commands, fromPlainJson } from '@salvor/contracts';
import { silentLogger } from '@salvor/service-kit';
import { CommandRate } from '../src/command-rate.ts';
import { NatsProcess } from './nats-process.ts';

describe('how many commands a second are taken', () => {
  const taken = (rate: CommandRate, caller: string, count: number, nowMs: number): number =>
    Array.from({ length: count }, () => rate.take(caller, nowMs)).filter((refusal) => refusal === null)
      .length;

  it('of a caller: two seconds of its limit at once, then its limit', () => {
    const rate = new CommandRate({ perSecond: 0, perCaller: 10 });
    assert.equal(taken(rate, 'anna', 50, 1_000), 20);
    assert.deepEqual(rate.take('anna', 1_000), { of: 'caller', limit: 10, retryAfterMs: 100 });
    assert.equal(taken(rate, 'anna', 50, 2_000), 10);
    assert.equal(taken(rate, 'bob', 50, 2_000), 20, 'others are not concerned');
    assert.equal(taken(rate, 'anna', 50, 1_500), 0, 'a clock that goes back gives nothing');
    assert.equal(taken(rate, 'anna', 50, 60_000), 20);
  });

  it('of all callers: the limit of the service, however many they are', () => {
    const rate = new CommandRate({ perSecond: 100, perCaller: 10 });
    const each = Array.from({ length: 30 }, (_, i) => taken(rate, `caller-${i}`, 10, 5_000));
    assert.equal(
      each.reduce((sum, one) => sum + one, 0),
      200,
    );
    assert.equal(rate.take('caller-29', 5_000)?.of, 'service');
  });

  it('without limits: all; and a bounded number of callers is remembered', () => {
    assert.equal(taken(new CommandRate({ perSecond: 0, perCaller: 0 }), 'anna', 10_000, 0), 10_000);
    const rate = new CommandRate({ perSecond: 0, perCaller: 1 });
    for (let caller = 0; caller < 5_000; caller++) rate.take(`caller-${caller}`, 0);
    assert.equal(rate.callers, 1_024);
  });
});

describe('a service with limits', () => {
  let server: NatsProcess;
  let service: Bus;
  let greedy: Bus;
  let modest: Bus;
  before(async () => {
    server = await NatsProcess.started();
    const connected = (name: string, more: object = {}) =>
      connectBus({ servers: [server.address], name, log: silentLogger, ...more });
    service = await connected('service', { commandLimits: { perSecond: 0, perCaller: 1 } });
    [greedy, modest] = await Promise.all([connected('greedy'), connected('modest')]);
    const { reply, replyExample } = commands['vdisk.list'];
    await service.serve({
      ...{ name: 'repair-coordinator', version: '0.1.0', description: 'test' },
      handlers: { 'vdisk.list': async () => fromPlainJson(reply, replyExample) },
    });
  });
  after(async () => {
    await Promise.all([service, greedy, modest].map((bus) => bus?.close()));
    await server?.remove();
  });

  it('answers too many commands of a caller with 429 and when to come again, and the others as ever', async () => {
    const answers = await Promise.allSettled(
      Array.from({ length: 200 }, () => greedy.request('vdisk.list', {})),
    );
    const refused = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
    const done = answers.length - refused.length;
    assert.ok(done >= 2 && refused.length > 0, `${done} done, ${refused.length} refused`);
    for (const error of refused) {
      assert.ok(error instanceof CommandError);
      assert.deepEqual([error.code, error.status], ['rate-limited', 429]);
      assert.match(error.message, /more than 1 commands a second; try again in \d+ ms/);
    }
    await modest.request('vdisk.list', {});
  });
});
