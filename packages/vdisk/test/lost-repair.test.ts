import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { attemptOfGuard, decideLeftGuard } from '../src/left-guard.ts';
import { mountPair } from '../src/pair-mount.ts';
import { PairHarness, TestEngine, until } from './pair-harness.ts';

const engines: TestEngine[] = [];
after(async () => {
  for (const engine of engines) await engine.stop();
});

const guardKey = 'salvor:copies:v1';

/**
 * A pair of which `a` was repaired, on record, and lost the end of that, with the copy of block 2; nobody is left who knew, and
 * `b`, which has everything, is away.
 */
async function repairLost(): Promise<{ a: TestEngine; b: TestEngine; h: PairHarness }> {
  const [a, b] = await Promise.all([TestEngine.start(), TestEngine.start()]);
  engines.push(a, b);
  const before = await new PairHarness(a, b).mount();
  await before.write(1, 0x11);
  const old = Buffer.alloc(4096, 0x11);
  await before.write(2, 0x11);
  await a.kill();
  before.record(a.address, 'offline');
  await before.write(2, 0x22);
  await a.start();
  before.repairTemporary(a.address);
  await until(() => before.repairs.length === 1, 'the repair completes');
  const { preparation } = before.pair.member('primary');
  before.pair.close(new Error('the owner died'));
  await b.kill();
  await a.cli('set', guardKey, preparation ?? assert.fail('there was no preparation'));
  await a.cli('hset', 'nondedup:v1', '2', old.toString('latin1'));
  const h = new PairHarness(a, b, { epoch: '8', holdMaxMs: 500 });
  h.onRecord.set('i1', [1]);
  h.record(b.address, 'offline');
  return { a, b, h };
}

const repaired = { incident: 'i1', attempt: 1, kind: 'repair-tmp-outage', completed: true } as const;

test('a new owner does not serve from an engine that lost the end of its repair, while its partner is away', async () => {
  const { a, h } = await repairLost();
  h.record(a.address, 'repair-tmp-outage', repaired);
  await mountPair(h.pair);
  assert.deepEqual(h.failures, [{ address: a.address, fault: 'tail-lost' }]);
  await assert.rejects(h.read(2), /no member/);
  h.pair.close(new Error('done'));
});

test('nor when the end of that repair, which other vdisks had to wait for, brings it online: its failure goes on record', async () => {
  const { a, h } = await repairLost();
  h.record(a.address, 'repair-tmp-outage', repaired);
  await mountPair(h.pair);
  h.record(a.address, 'online');
  await assert.rejects(h.read(2), /no member/);
  await until(() => h.proposals.includes(a.address), 'its owner proposes what nobody has recorded');
  assert.equal(h.primary.status, 'offline');
  await assert.rejects(h.read(2), /no member/);
  h.pair.close(new Error('done'));
});

test('nor after that repair has ended, and while nobody has recorded yet that the partner has gone', async () => {
  const { a, b, h } = await repairLost();
  h.record(b.address, 'online');
  await mountPair(h.pair);
  assert.deepEqual(h.failures.map(({ address }) => address).sort(), [a.address, b.address].sort());
  await assert.rejects(h.read(2), /no member/);
  h.pair.close(new Error('done'));
});

test('such an engine does not vouch for itself: it is held', async () => {
  const { a, h } = await repairLost();
  h.record(a.address, 'offline');
  await mountPair(h.pair);
  h.repairTemporary(a.address, 2);
  await until(() => h.writesLost.length > 0, 'it is refused');
  assert.deepEqual([h.writesLost, h.repairs], [[a.address], []]);
  h.pair.close(new Error('done'));
});

test('it serves when somebody has accepted the loss, and the sign of it is gone', async () => {
  const { a, h } = await repairLost();
  h.primary = { ...h.primary, isLossAccepted: true };
  h.record(a.address, 'online');
  await mountPair(h.pair);
  assert.deepEqual([h.failures, await h.read(2)], [[], 0x11]);
  assert.equal(await a.cli('exists', guardKey), '0');
  h.pair.close(new Error('done'));
});

test('a repair that never came to its end leaves its guard, and that says nothing', async () => {
  const { a, h } = await repairLost();
  h.onRecord.clear();
  h.record(a.address, 'online');
  await mountPair(h.pair);
  assert.deepEqual([h.failures, await h.read(1)], [[], 0x11]);
  h.pair.close(new Error('done'));
});

test('nor does it serve when all of the last attempt is lost, and the guard is that of an earlier one', async () => {
  const { a, h } = await repairLost();
  h.onRecord.set('i1', [2]);
  h.record(a.address, 'repair-tmp-outage', { ...repaired, attempt: 2 });
  await mountPair(h.pair);
  assert.deepEqual(h.failures, [{ address: a.address, fault: 'tail-lost' }]);
  await assert.rejects(h.read(2), /no member/);
  h.pair.close(new Error('done'));
});

test('whatever is found: lost is only what is on record, of that attempt or a later one, and not accepted', () => {
  fc.assert(
    fc.property(
      fc.option(fc.integer({ min: 1, max: 4 })),
      fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
      fc.boolean(),
      (attempt, recorded, isLossAccepted) => {
        const means = decideLeftGuard({ attempt, recorded, isLossAccepted });
        const isEnded = attempt !== null && Math.max(0, ...recorded) >= attempt;
        assert.equal(means === 'lost', isEnded && !isLossAccepted);
        assert.equal(means === 'forgiven', isLossAccepted);
      },
    ),
  );
});

test('a guard names its attempt, and what is no guard names none', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[A-Za-z0-9_:-]{1,64}$/),
      fc.nat(),
      fc.nat(),
      fc.nat(),
      (incident, attempt, epoch, n) => {
        assert.deepEqual(attemptOfGuard(`${incident}/${attempt}/${epoch}/${n}`), { incident, attempt });
      },
    ),
  );
  for (const odd of ['', 'i1', 'i1/1', 'i1/1/7', '/7/1/1', 'i1/x/1/1', 'a/b/c/d/e'])
    assert.equal(attemptOfGuard(odd), null);
});
