import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Bus, type CommandHandlers, connectBus } from '@salvor/bus';
import { silentLogger } from '@salvor/service-kit';
import { type NatsHandle, startNats, type TempDir, tempDir } from '@salvor/testkit';
import type { Word } from '../src/observation.ts';
import { Observers } from '../src/observers.ts';

const address = '10.0.0.1:22005';

describe('the observers on the bus', () => {
  let dir: TempDir;
  let nats: NatsHandle;
  const buses: Bus[] = [];
  const connect = async (name: string): Promise<Bus> => {
    const bus = await connectBus({ servers: [nats.url], name, log: silentLogger });
    buses.push(bus);
    return bus;
  };
  /** A service of its own connection, as every process has one. */
  const serve = async (name: string, instance: string, handlers: CommandHandlers): Promise<void> => {
    const bus = await connect(instance);
    await bus.serve({ name, version: '0.1.0', description: 'for a test', instance, handlers });
  };
  const analyzer = (instance: string, status: string): Promise<void> =>
    serve('health-analyzer', instance, {
      'engine.probe': async () => ({ address, status, reason: `${instance} saw it`, evidence: [], at: 1 }),
    });
  before(async () => {
    dir = tempDir('observers');
    nats = await startNats({ dir: dir.path });
    for (const [server, status] of [
      ['nbd-1', 'unreachable'],
      ['nbd-2', 'healthy'],
      ['nbd-3', 'a new word'],
    ] as const)
      await serve('nbd-server', server, {
        'nbdserver.probe': async ({ identity }) => ({
          ...{ server, address, status, reason: `asked for ${identity}`, at: 1 },
          vdisks: server === 'nbd-2' ? [{ vdisk: 'v2', missedWrites: false }, { vdisk: 'v3' }] : [],
        }),
      });
    await serve('nbd-server', 'nbd-silent', { 'nbdserver.probe': () => new Promise(() => undefined) });
    await analyzer('analyzer-1', 'healthy');
    await analyzer('analyzer-2', 'hung');
  });
  after(async () => {
    await Promise.all(buses.map((bus) => bus.close({ deadlineMs: 0 })));
    await nats.process.kill();
    dir.remove();
  });

  it('are all asked at once, by name and without the one that asks; who does not answer has no say', async () => {
    const bus = await connect('analyzer-1-asks');
    const log = silentLogger;
    const observers = new Observers({ bus, log, self: 'analyzer-1', timeoutMs: 300, now: () => 42 });
    const seen: Word[] = [];
    await observers.ask({ address, db: 0, identity: 'p1/0' }, (one) => seen.push(one));
    const words = seen.map(({ observer, role, kind }) => `${observer} (${role}): ${kind}`).sort();
    assert.deepEqual(words, [
      'analyzer-2 (analyzer): hung',
      'nbd-1 (server): unreachable',
      'nbd-2 (server): healthy',
      // No word of this version is taken for a good one.
      'nbd-3 (server): refuses-commands',
    ]);
    const second = seen.find(({ observer }) => observer === 'nbd-2');
    assert.deepEqual([second?.detail, second?.at], ['asked for p1/0', 42]);
    assert.deepEqual(second?.vdisks, [
      { vdisk: 'v2', missedWrites: false },
      { vdisk: 'v3', missedWrites: null },
    ]);
  });

  it('are looked for once, however many engines they are asked about at the same time', async () => {
    const bus = await connect('analyzer-1-asks-much');
    let discoveries = 0;
    const counting: Pick<Bus, 'discover' | 'request'> = {
      discover: (options) => {
        discoveries++;
        return bus.discover(options);
      },
      request: (...args) => bus.request(...args),
    };
    const log = silentLogger;
    const observers = new Observers({
      bus: counting,
      log,
      self: 'analyzer-1',
      timeoutMs: 300,
      now: () => 42,
    });
    const target = { address, db: 0, identity: 'p1/0' };
    await Promise.all(Array.from({ length: 50 }, () => observers.ask(target, () => undefined)));
    assert.equal(discoveries, 2, 'one for servers, one for analyzers');
  });

  it('are none where there are none', async () => {
    await using alone = tempDir('alone');
    const other = await startNats({ dir: alone.path });
    const bus = await connectBus({ servers: [other.url], name: 'alone', log: silentLogger });
    const seen: Word[] = [];
    const observers = new Observers({ bus, log: silentLogger, self: 'a', timeoutMs: 300, now: () => 42 });
    await observers.ask({ address, db: 0, identity: null }, (one) => seen.push(one));
    assert.deepEqual(seen, []);
    await bus.close({ deadlineMs: 0 });
    await other.process.kill();
  });
});
