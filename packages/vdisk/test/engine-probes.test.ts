import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { EngineControl } from '../src/engine-control.ts';
import { identityText } from '../src/engine-keys.ts';
import type { ProbeTarget } from '../src/engine-probe.ts';
import { EngineProbes } from '../src/engine-probes.ts';
import { TestEngine, until } from './pair-harness.ts';

const identity = { cluster: 'p1', role: 'primary', shard: 0, generation: 1 } as const;
const MINUTE_MS = 60_000;

let engine: TestEngine;
let target: ProbeTarget;
before(async () => {
  engine = await TestEngine.start();
  target = { address: engine.address, db: 0, identity: identityText(identity) };
});
beforeEach(async () => {
  await engine.cli('SET', 'salvor:identity', identityText(identity));
});
after(() => engine.stop());

function probing(timeoutMs = 2_000): EngineProbes & Disposable {
  const probes = new EngineProbes({ timeoutMs, observer: 'test', now: () => 42 });
  return Object.assign(probes, { [Symbol.dispose]: () => probes.close() });
}

/** Connections that the engine has accepted, but for the one that asks. */
async function connections(): Promise<number> {
  const stats = await engine.cli('INFO', 'stats');
  return Number(/^total_connections_received:(\d+)/m.exec(stats)?.[1]);
}

async function pings(): Promise<number> {
  const stats = await engine.cli('INFO', 'commandstats');
  return Number(/^cmdstat_ping:calls=(\d+)/m.exec(stats)?.[1] ?? 0);
}

const kindOf = async (probes: EngineProbes, ageMs = MINUTE_MS): Promise<string> =>
  (await probes.probe(target, ageMs)).kind;

describe('probes of an engine, again and again', () => {
  it('need one connection while it is well, and leave nothing behind', async () => {
    using probes = probing();
    const first = await connections();
    for (let i = 0; i < 20; i++) assert.equal(await kindOf(probes), 'healthy');
    assert.equal((await connections()) - first, 2, 'one link, and the question itself');
    assert.equal(probes.linkCount, 1);
    assert.equal(await engine.cli('KEYS', '*'), 'salvor:identity');
  });

  it('begin with the connection where a link may not be that old', async () => {
    using probes = probing();
    const first = await connections();
    for (let i = 0; i < 5; i++) assert.equal(await kindOf(probes, 0), 'healthy');
    assert.equal((await connections()) - first, 6);
  });

  it('begin with the connection after it was found unwell', async () => {
    using probes = probing();
    assert.equal(await kindOf(probes), 'healthy');
    await engine.cli('SET', 'salvor:identity', 'another');
    const first = await connections();
    assert.equal(await kindOf(probes), 'identity-mismatch');
    assert.equal(probes.linkCount, 0);
    assert.equal(await engine.cli('EXISTS', 'salvor:canary:test'), '0');
    await engine.cli('SET', 'salvor:identity', identityText(identity));
    assert.equal(await kindOf(probes), 'healthy');
    assert.ok((await connections()) - first >= 2);
  });

  it('tell at once that it ended its link, and find it gone', async () => {
    using probes = probing();
    const lost: string[] = [];
    probes.onLost = (address) => lost.push(address);
    assert.equal(await kindOf(probes), 'healthy');
    await engine.kill();
    await until(() => lost.length === 1, 'the end of the link is told, without a probe');
    assert.deepEqual(lost, [engine.address]);
    const { kind, detail } = await probes.probe(target);
    assert.equal(kind, 'unreachable');
    assert.match(detail, new RegExp(`${engine.address}.*ECONNREFUSED`));
    await engine.start();
    assert.equal(await kindOf(probes), 'healthy');
    probes.close();
    assert.equal(lost.length, 1, 'what is closed here was not lost');
  });

  it('do not take the end of a link that they kept for how it is now', async () => {
    using probes = probing();
    assert.equal(await kindOf(probes), 'healthy');
    const ended = new Promise<void>((resolve) => {
      probes.onLost = () => resolve();
    });
    await engine.cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    // Whether the end is seen before the next probe or by it.
    assert.equal(await kindOf(probes), 'healthy');
    await engine.cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await ended;
    assert.equal(await kindOf(probes), 'healthy');
  });

  it('that ask at the same time share a look, unless they ask for something else', async () => {
    using probes = probing();
    await engine.cli('CONFIG', 'RESETSTAT');
    const nobody = { ...target, identity: 'nobody' };
    const asked = [target, target, nobody, target].map((who) => probes.probe(who));
    const found = await Promise.all(asked);
    assert.deepEqual(
      found.map(({ kind }) => kind),
      ['healthy', 'healthy', 'identity-mismatch', 'healthy'],
    );
    assert.equal(await pings(), 2);
  });

  it('end at their deadline when it hangs, over a link that was kept too', async () => {
    using probes = probing(200);
    assert.equal(await kindOf(probes), 'healthy');
    engine.pause();
    assert.equal(await kindOf(probes), 'hung');
    assert.equal(await kindOf(probes), 'hung');
    engine.resume();
    await until(async () => (await kindOf(probes)) === 'healthy', 'it is well again');
  });

  it('find an engine whose data is gone', async () => {
    using probes = probing();
    assert.equal(await kindOf(probes), 'healthy');
    await engine.cli('FLUSHALL');
    assert.equal(await kindOf(probes), 'identity-lost');
    await EngineControl.with({ address: engine.address, db: 0, timeoutMs: 2_000 }, (control) =>
      control.claim(identity, { mustBeEmpty: true }),
    );
    assert.equal(await kindOf(probes), 'healthy');
  });
});
