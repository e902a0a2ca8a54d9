/** What the decisions about mirrored images never do, whatever both clusters say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PointSchedule, PointSlots } from '@salvor/config-store';
import fc from 'fast-check';
import { decideRbdPoint } from '../../src/drivers/rbd/decide-rbd-point.ts';
import {
  decideRbdClaim,
  decideRbdPromote,
  decideRbdResync,
} from '../../src/drivers/rbd/decide-rbd-promote.ts';
import { type Asked, decideRbdStatus, type RbdSide } from '../../src/drivers/rbd/decide-rbd-status.ts';
import {
  parseRbdInfo,
  parseRbdSnapshots,
  parseRbdStatus,
  type RbdImageStatus,
  type RbdInfo,
  type RbdSnapshot,
  type RbdSnapshotKind,
} from '../../src/drivers/rbd/rbd-answers.ts';
import { rbdChain } from '../../src/drivers/rbd/rbd-chain.ts';
import { rbdOutcome } from '../../src/drivers/rbd/rbd-outcome.ts';

const NOW = 1_000_000_000;
const NOBODY = { local: null, peer: null };

const asked = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<Asked<T>> =>
  fc.oneof(
    { weight: 5, arbitrary: value.map((each) => ({ kind: 'answered' as const, value: each })) },
    { weight: 1, arbitrary: fc.constant({ kind: 'silent' as const, reason: 'it timed out' }) },
  );
const mirroring = fc.record({
  mode: fc.constantFrom('snapshot' as const, 'journal' as const),
  state: fc.constantFrom('enabled' as const, 'enabled' as const, 'disabling' as const),
  primary: fc.boolean(),
  globalId: fc.constant('g'),
});
const info: fc.Arbitrary<RbdInfo | null> = fc.option(
  fc.record({
    id: fc.constantFrom('i1', 'i2'),
    sizeBytes: fc.constant(1),
    objects: fc.constant(1),
    hasParent: fc.constant(false),
    mirroring: fc.option(mirroring, { freq: 8 }),
  }),
  { freq: 8 },
);
const kind: fc.Arbitrary<RbdSnapshotKind> = fc.oneof(
  fc.constant({ type: 'user' as const }),
  fc.record({
    ...{ type: fc.constant('own' as const), demoted: fc.boolean(), complete: fc.constant(true) },
    withPeer: fc.boolean(),
  }),
  fc.record({
    ...{ type: fc.constant('copy' as const), demoted: fc.boolean(), complete: fc.boolean() },
    ...{ primaryMirrorUuid: fc.constantFrom('a', 'b'), copiedObjects: fc.constant('1') },
    primarySnapId: fc.nat(20).map(String),
  }),
  fc.constant({ type: 'orphan' as const }),
  fc.constant({ type: 'other' as const }),
);
const snapshots = fc
  .array(kind, { maxLength: 6 })
  .map((kinds): RbdSnapshot[] =>
    kinds.map((each, i) => ({ id: `${i + 1}`, name: `dr-${i + 1}`, at: NOW - 10_000, kind: each })),
  );
const report = fc.record({
  up: fc.boolean(),
  word: fc.constantFrom('replaying', 'stopped', 'unknown', 'error', 'syncing', 'a-new-word'),
  text: fc.constantFrom('replaying', 'local image is primary', 'split-brain detected', 'something new', ''),
  members: fc.constantFrom<Record<string, unknown>[]>(
    {},
    { replay_state: 'idle' },
    { replay_state: 'syncing' },
    { replay_state: 'a-new-word' },
    { entries_behind_primary: 0 },
    { entries_behind_primary: 4 },
    { entries_behind_primary: 'many' },
  ),
  at: fc.constantFrom(null, NOW - 5_000, NOW - 500_000),
});
const status: fc.Arbitrary<RbdImageStatus | null> = fc.option(
  report.map((each) => ({ ...each, state: `${each.up ? 'up' : 'down'}+${each.word}`, peers: [] })),
  { freq: 8 },
);
const side = (zone: string): fc.Arbitrary<RbdSide> =>
  fc.record({
    ...{ zone: fc.constant(zone), info: asked(info), snapshots: asked(snapshots), status: asked(status) },
    mirrorUuid: fc.constantFrom('a', 'b', null),
  });
const sight = fc.record({ local: side('north'), peer: side('south') });
const order = fc.record({
  ...{ operation: fc.constant('o1'), force: fc.boolean(), wasForced: fc.boolean() },
  point: fc.constantFrom('', '', 'dr-1', 'dr-3'),
});

test('a promote is forced only by word of a human, and only where nothing is unfinished, no copy half, no promote begun before', () => {
  const property = fc.property(sight, order, (seen, asks) => {
    const decided = decideRbdPromote(seen, asks);
    const { local, peer } = seen;
    if (decided.kind === 'promote' && decided.force) {
      assert.ok(asks.force && !asks.wasForced && asks.point === '');
      assert.ok(local.snapshots.kind === 'answered' && local.info.kind === 'answered');
      const chain = rbdChain(local.snapshots.value);
      assert.deepEqual([chain.orphan, chain.incomplete], [[], []]);
      assert.equal(local.info.value?.mirroring?.state, 'enabled');
    }
    if (decided.kind === 'promote' || decided.kind === 'clone') {
      const there = peer.info.kind === 'answered' ? peer.info.value?.mirroring : undefined;
      assert.notEqual(there?.primary, true, 'never a second primary that could be seen');
      if (!asks.force) assert.equal(peer.info.kind, 'answered');
    }
    if (decided.kind === 'clone') {
      assert.ok(asks.force && local.snapshots.kind === 'answered');
      assert.ok(rbdChain(local.snapshots.value).validUserSnapshots.includes(decided.point));
    }
  });
  fc.assert(property, { numRuns: 3_000 });
});

test('silence, unknown words and missing members never read as a healthy image, nor an old report', () => {
  const property = fc.property(sight, (seen) => {
    const found = decideRbdStatus(seen, NOBODY, NOW);
    const { local, peer } = seen;
    assert.notEqual(found.conditions.length === 0 && found.status === null, true);
    const isHealthy = found.conditions.length === 0;
    if (!isHealthy) return;
    for (const each of [local.info, local.status, local.snapshots, peer.info])
      assert.equal(each.kind, 'answered');
    const own = local.status.kind === 'answered' ? local.status.value : null;
    assert.ok(own?.up && own.at !== null && NOW - own.at <= 60_000 && !found.stale);
    if (found.status === 'active - secondary') {
      assert.equal(own.text, 'replaying');
      assert.ok(own.members.replay_state === 'idle' || own.members.entries_behind_primary === 0);
    }
    if (found.status === 'active - primary') assert.equal(own.text, 'local image is primary');
  });
  fc.assert(property, { numRuns: 3_000 });
});

test('a resync is never begun where nothing is known to be copied from, nor without the name of what is given up', () => {
  const property = fc.property(sight, fc.constantFrom('north', 'south', ''), (seen, discard) => {
    const decided = decideRbdResync(seen, { discard, clones: [] });
    if (decided.kind === 'refuse') return;
    assert.equal(discard, 'north');
    const there = seen.peer.info.kind === 'answered' ? seen.peer.info.value : null;
    const here = seen.local.info.kind === 'answered' ? seen.local.info.value : null;
    assert.deepEqual([there?.mirroring?.primary, here?.mirroring?.primary], [true, false]);
  });
  fc.assert(property, { numRuns: 1_000 });
  const clones = decideRbdResync(
    { local: known('north', false), peer: known('south', true) },
    { discard: 'north', clones: ['look'] },
  );
  assert.equal(clones.kind === 'refuse' && clones.code, 'has-clones');
});

function known(zone: string, primary: boolean): RbdSide {
  const none = { kind: 'answered' as const, value: null };
  const one = { mode: 'snapshot' as const, state: 'enabled' as const, primary, globalId: 'g' };
  const value = { id: 'i1', sizeBytes: 1, objects: 1, hasParent: false, mirroring: one };
  return {
    ...{ zone, status: none, mirrorUuid: null, snapshots: { kind: 'answered', value: [] } },
    info: { kind: 'answered', value },
  };
}

/** Each zone: write the claim, read the other one's, decide, and write what was decided. */
test('of two zones that are to be promoted at the same time one goes on, in every order of what they do', () => {
  const turn = fc.array(fc.boolean(), { minLength: 40, maxLength: 40 });
  const property = fc.property(turn, fc.nat(2), fc.nat(2), (turns, atA, atB) => {
    type Zone = {
      at: number;
      claim: boolean;
      going: boolean;
      step: 'claim' | 'read' | 'act' | 'end';
      read: string;
    };
    const zones: Record<'a' | 'b', Zone> = {
      a: { at: atA, claim: false, going: false, step: 'claim', read: 'go' },
      b: { at: atB, claim: false, going: false, step: 'claim', read: 'go' },
    };
    const step = (name: 'a' | 'b'): void => {
      const [own, other] = [zones[name], zones[name === 'a' ? 'b' : 'a']];
      if (own.step === 'claim') {
        own.claim = true;
        own.step = 'read';
      } else if (own.step === 'read') {
        const theirs = other.claim
          ? { zone: name === 'a' ? 'b' : 'a', at: other.at, isGoing: other.going }
          : null;
        own.read = decideRbdClaim({ zone: name, at: own.at, isGoing: own.going }, theirs);
        own.step = 'act';
      } else if (own.step === 'act') {
        if (own.read === 'give-way') own.claim = false;
        own.going = own.read === 'go';
        own.step = own.read === 'wait' ? 'read' : 'end';
      }
    };
    for (const isA of turns) {
      step(isA ? 'a' : 'b');
      assert.ok(!(zones.a.going && zones.b.going), 'two went on');
    }
    for (let i = 0; i < 20; i++) {
      step('a');
      step('b');
    }
    assert.ok(zones.a.going !== zones.b.going, 'exactly one went on in the end');
  });
  fc.assert(property, { numRuns: 2_000 });
});

const MINUTE = 60_000;
const schedule: PointSchedule = { everyMs: 15 * MINUTE, startAt: 0, missed: 'run-once', backlogMax: 3 };
const FRESH: PointSlots = { last: null, owed: false, missed: 0, coalesced: 0, runs: 0 };
const FINE = { isPrimary: true, lastIsComplete: true, backlog: 0 };

test('slots that passed while nobody was there are skipped or run once, as the policy says, and counted', () => {
  for (const missed of ['skip', 'run-once'] as const) {
    const first = decideRbdPoint({ ...schedule, missed }, FRESH, FINE, 30 * MINUTE);
    assert.equal(first.action, 'take');
    assert.equal(first.nextAt, 45 * MINUTE);
    const again = decideRbdPoint({ ...schedule, missed }, first.slots, FINE, 30 * MINUTE + 200);
    assert.equal(again.action, 'none');
    // Nobody was there at 45, 60 and 75 minutes; somebody is again at 80.
    const back = decideRbdPoint({ ...schedule, missed }, again.slots, FINE, 80 * MINUTE);
    assert.equal(back.action, missed === 'skip' ? 'none' : 'take');
    assert.equal(back.slots.missed, 3);
    const next = decideRbdPoint({ ...schedule, missed }, back.slots, FINE, 90 * MINUTE + 100);
    assert.equal(next.action, 'take');
  }
});

test('whatever the times: a slot gives one point at most, none while the last one travels or the other zone lacks too many', () => {
  const moment = fc.record({
    after: fc.nat(40 * MINUTE),
    isPrimary: fc.boolean(),
    lastIsComplete: fc.boolean(),
    backlog: fc.option(fc.nat(5)),
  });
  const cases = fc.tuple(
    fc.array(moment, { maxLength: 40 }),
    fc.constantFrom('skip' as const, 'run-once' as const),
  );
  const property = fc.property(cases, ([moments, missed]) => {
    let now = 0;
    let slots = FRESH;
    let taken = 0;
    for (const { after, ...facts } of moments) {
      now += after;
      const found = decideRbdPoint({ ...schedule, missed }, slots, facts, now);
      assert.ok(found.nextAt > now && found.nextAt <= now + schedule.everyMs);
      if (found.action === 'take') {
        taken++;
        assert.ok(facts.isPrimary && facts.lastIsComplete);
        assert.ok(facts.backlog !== null && facts.backlog < schedule.backlogMax);
        const same = decideRbdPoint({ ...schedule, missed }, found.slots, facts, now);
        assert.equal(same.action, 'none');
      }
      slots = found.slots;
    }
    assert.ok(taken <= Math.floor(now / schedule.everyMs) + 1);
  });
  fc.assert(property, { numRuns: 1_000 });
});

test('text that is no answer of rbd is an error, never an image', () => {
  const parsers = [parseRbdInfo, parseRbdSnapshots, parseRbdStatus];
  for (const parse of parsers) {
    for (const text of ['', '{', 'null', '42', '{"state":"fine"}', '[{"id":-1}]', '{"mirroring":{}}'])
      assert.throws(() => parse(text), { code: 'rbd-answer' });
    fc.assert(
      fc.property(fc.json(), (text) => {
        try {
          parse(text);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'rbd-answer');
        }
      }),
    );
  }
  const half = parseRbdStatus(
    '{"state":"up+replaying","description":"replaying, {\\"replay_st","last_update":""}',
  );
  assert.deepEqual([half.members, half.text, half.at], [{}, 'replaying', null]);
});

test('a call that crashed or did not end has done nobody knows what, and no unknown failure reads as done', () => {
  const end = { exitCode: null, signal: 'SIGSEGV', timedOut: false, stdout: '', stderr: '' };
  assert.equal(rbdOutcome(end), 'unknown');
  assert.equal(rbdOutcome({ ...end, signal: null, timedOut: true }), 'unknown');
  const any = fc.record({ exitCode: fc.integer({ min: 1, max: 255 }), stderr: fc.string() });
  fc.assert(fc.property(any, (each) => rbdOutcome({ ...end, signal: null, ...each }) !== 'done'));
});
