import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PeerTold, unlimitedLink } from '@salvor/config-store';
import { decideHeld } from '../../src/groups/decide-held.ts';
import { copyOf, NORTH, promotionOf } from './records.ts';

const held = { bytes: 10, maxBytes: 1_000, hinderedMs: 600_000 };
const primary: PeerTold = {
  ...{
    zone: 'north',
    role: 'primary',
    phase: 'serving',
    generation: NORTH,
    lineage: [],
    begins: 0,
    begun: null,
  },
  ...{
    sequence: null,
    peer: 'south',
    mode: 'instant',
    link: unlimitedLink,
    schedule: null,
    promotionAt: null,
  },
};
const demoted: PeerTold = { ...primary, role: 'secondary', phase: 'waiting', sequence: 90 };
const NOW = 5_000_000;

test('what waits for a cut waits up to the bound, but for nothing while it is promoted by force', () => {
  assert.equal(decideHeld(copyOf('vol1'), held, primary, NOW), null);
  assert.match(
    decideHeld(copyOf('vol1'), { ...held, bytes: 1_000 }, null, NOW) ?? '',
    /waited for a cut of group shop\/database/,
  );
  const forced = copyOf('vol1', { promotion: promotionOf(true) });
  assert.equal(decideHeld(forced, { ...held, bytes: 1_000 }, demoted, NOW), null);
  assert.equal(decideHeld({ ...copyOf('vol1'), group: null }, { ...held, bytes: 1_000 }, null, NOW), null);
});

test('a planned promote goes to the end of the log once nobody writes it any more, and not before', () => {
  const record = copyOf('vol1', { promotion: promotionOf(false) });
  assert.match(decideHeld(record, held, demoted, NOW) ?? '', /promoted as planned/);
  assert.equal(decideHeld(record, { ...held, bytes: 0 }, demoted, NOW), null);
  assert.equal(decideHeld(copyOf('vol1'), held, demoted, NOW), null);
  const later = { ...NORTH, number: 2 };
  for (const told of [
    primary,
    null,
    { ...demoted, phase: 'settling' as const },
    { ...demoted, generation: later },
  ])
    assert.equal(decideHeld(record, held, told, NOW), null);
});

test('where no cut can come as the group is, it is waited for so long and no longer, and never while the other zone is silent', () => {
  const hindered = (hinderedAt: number) =>
    copyOf('vol1', { inGroup: { hinderedAt, reason: 'vol2 is missing' } });
  assert.equal(decideHeld(hindered(NOW - 600_000), held, primary, NOW), 'vol2 is missing');
  assert.equal(decideHeld(hindered(NOW - 599_999), held, primary, NOW), null);
  assert.equal(decideHeld(hindered(NOW - 600_000), held, null, NOW), null);
  assert.equal(decideHeld(hindered(NOW - 600_000), held, demoted, NOW), null);
});
