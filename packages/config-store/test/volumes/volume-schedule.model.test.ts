/** Random lives of a schedule: whoever keeps the volume is away at times, starts again, and runs take as long as they take. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type MissedPolicy,
  type VolumeSchedule,
  type VolumeSync,
  volumeSyncSchema,
} from '../../src/volumes/volume-records.ts';
import { decideSchedule, noSync, scheduled } from '../../src/volumes/volume-schedule.ts';

const schedule = fc.record({
  everyMs: fc.constantFrom(0, 1_000, 60_000, 900_000),
  startAt: fc.integer({ min: 0, max: 2_000_000 }),
  missed: fc.constantFrom<MissedPolicy>('skip', 'run-once'),
});
/** The next look, this much later; a run ends before it, or does not. */
const look = fc.record({
  afterMs: fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 5_000_000 })),
  endsRun: fc.boolean(),
});

/** What a manager keeps in etcd, and another one reads. */
function kept(sync: VolumeSync): VolumeSync {
  return volumeSyncSchema.parse(JSON.parse(JSON.stringify(sync)));
}

test('every slot is run, missed or skipped once, runs never overlap, and the policy for missed ones is kept', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(schedule, fc.array(look, { maxLength: 60 }), (plan, looks) => {
      let sync = kept(noSync);
      let now = 0;
      let began = 0;
      let first: number | null = null;
      for (const { afterMs, endsRun } of looks) {
        now += afterMs;
        if (endsRun && sync.run !== null) sync = kept({ ...sync, run: null, runs: sync.runs + 1 });
        const before = sync;
        const decision = decideSchedule(plan, before, now);
        seen.add(`${decision.kind} ${plan.everyMs === 0 ? 'once' : plan.missed}`);
        if (decision.kind === 'wait') {
          assert.ok(decision.until === null || decision.until > now);
          continue;
        }
        assert.ok(decision.slotAt <= now && decision.slotAt >= plan.startAt);
        sync = kept(scheduled(before, decision, now));
        assert.equal(decideSchedule(plan, sync, now).kind, 'wait', 'dealt with once');
        if (decision.kind === 'begin') {
          assert.equal(before.run, null, 'no run begins while another one is under way');
          assert.equal(sync.run?.beganAt, now);
          began++;
          first ??= decision.slotAt;
          const late = now - decision.slotAt;
          const isFirst = before.slotAt === null;
          if (plan.missed === 'skip' && plan.everyMs > 0 && !isFirst)
            assert.ok(late <= Math.min(60_000, plan.everyMs / 2), `begun ${late} ms late`);
        }
        if (decision.kind === 'missed') assert.equal(plan.missed, 'skip');
        if (decision.kind === 'overlap') assert.notEqual(before.run, null);
      }
      if (plan.everyMs === 0) {
        assert.equal(began, now >= plan.startAt && looks.length > 0 ? 1 : 0, 'once, however late');
        assert.deepEqual([sync.missed, sync.overlaps], [0, 0]);
        return;
      }
      if (first === null || sync.slotAt === null) return;
      const slots = (sync.slotAt - first) / plan.everyMs + 1;
      assert.equal(began + sync.missed + sync.overlaps, slots);
    }),
    { numRuns: 500 },
  );
  for (const wanted of [
    'begin once',
    'begin skip',
    'begin run-once',
    'missed skip',
    'overlap skip',
    'overlap run-once',
  ])
    assert.ok(seen.has(wanted), `no history had ${wanted}`);
});

test('what was missed is caught up once, or not at all', () => {
  const plan = { everyMs: 60_000, startAt: 0 };
  const dealt = { slotAt: 600_000, run: null };
  const now = 600_000 + 5 * 60_000 + 40_000;
  assert.deepEqual(decideSchedule({ ...plan, missed: 'run-once' }, dealt, now), {
    ...{ kind: 'begin', slotAt: 900_000, missed: 4 },
  });
  assert.deepEqual(decideSchedule({ ...plan, missed: 'skip' }, dealt, now), {
    ...{ kind: 'missed', slotAt: 900_000, missed: 5 },
  });
});

test('a schedule that was replaced begins with a run when its start is over, whatever was missed before', () => {
  const plan: VolumeSchedule = { everyMs: 1_000, startAt: 0, missed: 'skip' };
  assert.deepEqual(decideSchedule(plan, { slotAt: null, run: null }, 86_400_700), {
    ...{ kind: 'begin', slotAt: 86_400_000, missed: 0 },
  });
  assert.deepEqual(decideSchedule({ ...plan, startAt: 5 }, { slotAt: null, run: null }, 4), {
    ...{ kind: 'wait', until: 5 },
  });
});

test('what is ordered while a run is under way is run after it', () => {
  const ordered = { everyMs: 0, startAt: 2_000, missed: 'run-once' } as const;
  const before = scheduled(noSync, { kind: 'begin', slotAt: 1_000, missed: 0 }, 1_500);
  assert.equal(decideSchedule(ordered, before, 2_100).kind, 'wait');
  assert.deepEqual(decideSchedule(ordered, { ...before, run: null }, 2_200), {
    ...{ kind: 'begin', slotAt: 2_000, missed: 0 },
  });
});
