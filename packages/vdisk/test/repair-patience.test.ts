import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import type { EngineFault } from '../src/errors.ts';
import type { MemberView } from '../src/pair-mode.ts';
import { decideMemberTrouble, REPAIR_TIMEOUTS_MAX } from '../src/repair-patience.ts';
import { PairHarness, stored, TestEngine, until } from './pair-harness.ts';

const engines: TestEngine[] = [];
after(async () => {
  for (const engine of engines) {
    engine.resume();
    await engine.stop();
  }
});

/** A pair whose primary was away for many writes and is back, and whose repair has its first step held up. */
async function copying(): Promise<{ a: TestEngine; b: TestEngine; h: PairHarness; goOn: () => void }> {
  const [a, b] = await Promise.all([TestEngine.start(), TestEngine.start()]);
  engines.push(a, b);
  const h = await new PairHarness(a, b).mount();
  await h.write(0, 0x11);
  await a.kill();
  h.record(a.address, 'offline');
  await Promise.all(Array.from({ length: 500 }, (_, block) => h.write(block, 0x22)));
  await a.start();
  h.failures.length = 0;
  let goOn = (): void => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const { copied } = h.pair;
  let isUnderWay = false;
  h.pair.copied = async (...args) => {
    isUnderWay = true;
    await held;
    await copied.apply(h.pair, args);
  };
  h.repairTemporary(a.address);
  await until(() => isUnderWay, 'the copy is under way');
  return { a, b, h, goOn };
}

describe('an engine under repair that does not answer in time', () => {
  it('is not reported: its partner goes on alone, and the repair begins anew in the same attempt', async () => {
    const { a, b, h, goOn } = await copying();
    a.pause();
    await h.write(700, 0x33);
    assert.equal(h.pair.mode.kind, 'alone');
    assert.deepEqual(h.interrupted, [a.address]);
    // The step that is held up may hold these: what is written there waits for its end.
    const written = [h.write(3, 0x33), h.write(4, 0x34)];
    goOn();
    await Promise.all(written);
    a.resume();
    await until(() => h.repairs.length === 1, 'the repair completes', 30_000);
    assert.deepEqual([h.failures, h.proposals, h.repairs[0]?.attempt], [[], [], 1]);
    assert.equal(h.pair.mode.kind, 'mirrored');
    h.record(a.address, 'online');
    await h.write(5, 0x35);
    assert.deepEqual(await stored(a), await stored(b));
    assert.deepEqual([await h.read(3), await h.read(4), await h.read(700)], [0x33, 0x34, 0x33]);
    h.pair.close(new Error('done'));
  });

  it('has failed when it goes on like that', async () => {
    const { a, h, goOn } = await copying();
    a.pause();
    goOn();
    await until(() => h.failures.length > 0, 'it is reported', 60_000);
    assert.deepEqual(h.failures, [{ address: a.address, fault: 'timeout' }]);
    assert.equal(h.interrupted.length, REPAIR_TIMEOUTS_MAX);
    h.pair.close(new Error('done'));
  });

  it('has failed at once when its process is gone', async () => {
    const { a, h, goOn } = await copying();
    await a.kill();
    goOn();
    await until(() => h.failures.length > 0, 'it is reported');
    assert.deepEqual([h.failures[0]?.fault, h.interrupted], ['unreachable', []]);
    h.pair.close(new Error('done'));
  });
});

const faults: EngineFault[] = [
  'unreachable',
  'timeout',
  'loading',
  'refused-command',
  'identity-lost',
  'tail-lost',
];
const view = fc.record<MemberView>({
  status: fc.constantFrom('online', 'offline', 'repair-tmp-outage', 'repair-final-outage', 'rip'),
  repaired: fc.boolean(),
  prepared: fc.boolean(),
  failed: fc.constant(false),
});

it('whoever must have every write has failed when it does not answer, and nobody is waited for endlessly', () => {
  fc.assert(
    fc.property(view, fc.constantFrom(...faults), fc.nat(10), (member, fault, timeouts) => {
      const decided = decideMemberTrouble({ view: member, fault, timeouts });
      const isStale = member.status.startsWith('repair') && !member.repaired;
      if (!isStale || fault !== 'timeout' || timeouts >= REPAIR_TIMEOUTS_MAX) assert.equal(decided, 'fail');
      else assert.equal(decided, 'repair-again');
    }),
  );
});
