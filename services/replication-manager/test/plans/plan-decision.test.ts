import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type PlanRun, type PlanRunKind, type PlanStep, planDocumentSchema } from '@salvor/config-store';
import fc from 'fast-check';
import { decidePlan, type StepSeen } from '../../src/plans/plan-decision.ts';
import { newPlanRun } from '../../src/plans/plan-steps.ts';

const document = planDocumentSchema.parse({
  plan: 'shop',
  zones: ['north', 'south'],
  groups: [
    {
      name: 'web',
      instances: [{ instance: 'web', test: { startHook: 'up', stopHook: 'down' } }],
      after: ['db'],
    },
    { name: 'db', volumes: ['a', 'b'], instances: ['db'] },
  ],
  records: [{ name: 'dns', hook: 'h', content: '' }],
  stepTimeoutSeconds: 10,
});

const about = { plan: 'shop', version: 1, target: 'south', document };
const tested = newPlanRun({ ...about, run: 't', kind: 'test' }, 0);
const tests = [{ ...tested, steps: tested.steps.map((step) => ({ ...step, status: 'done' as const })) }];
const begun = (kind: PlanRunKind): PlanRun =>
  newPlanRun({ ...about, run: 'r', kind, ...(kind === 'cleanup' ? { tests } : {}) }, 0);
const short = ({ act, zone, subject, status }: PlanStep): string =>
  `${act} ${zone[0]}${subject === '' ? '' : ` ${subject}`}${status === 'pending' ? '' : `: ${status}`}`;

/** Two zones with what steps change about them; an order may be lost, be late, or be refused. */
class World {
  readonly primary: Record<string, 'north' | 'south' | null> = { a: 'north', b: 'north' };
  readonly running: Record<string, Set<string>> = {
    web: new Set(['north']),
    db: new Set(['north']),
  };
  clones = new Set<string>();
  tests = new Set<string>();
  /** What must never be. */
  assertSafe(): void {
    for (const [instance, zones] of Object.entries(this.running))
      assert.ok(zones.size <= 1, `instance ${instance} runs in ${[...zones].join(' and ')}`);
    for (const zone of this.running.db ?? [])
      for (const volume of ['a', 'b'])
        assert.equal(this.primary[volume], zone, `volume ${volume} under its instance`);
  }

  ensure(run: PlanRun, { act, subject, zone }: PlanStep, isBack: boolean): StepSeen {
    const done: StepSeen = { kind: 'done', reason: 'so' };
    const of = this.running[subject] ?? new Set();
    switch (act) {
      case 'check':
        return { ...done, notes: { started: ['web', 'db'] } };
      case 'stop':
        if (!isBack) of.delete(zone);
        // As an instance is not started on the copy of a volume.
        else if (subject === 'db' && (this.primary.a !== zone || this.primary.b !== zone))
          return { kind: 'failed', reason: 'its vdisk is a secondary' };
        else if (run.started?.includes(subject) === true) of.add(zone);
        return done;
      case 'demote':
        if (isBack) this.primary[subject] = 'north';
        else if (this.primary[subject] === 'north') this.primary[subject] = null;
        return done;
      case 'level':
        assert.equal(this.primary[subject], null, 'only what nobody writes to is level');
        return done;
      case 'promote':
        assert.ok(run.kind === 'failover' || this.primary[subject] !== 'north', 'one primary at all times');
        this.primary[subject] = 'south';
        return done;
      case 'fence':
        of.delete('north');
        return done;
      case 'start':
        of.add(zone);
        return done;
      case 'clone':
        if (isBack) this.clones.delete(subject);
        else this.clones.add(subject);
        return done;
      case 'start-test':
        if (isBack) this.tests.delete(subject);
        else this.tests.add(subject);
        return done;
      case 'stop-test':
        this.tests.delete(subject);
        return done;
      case 'remove-clone':
        this.clones.delete(subject);
        return done;
      case 'record':
      case 'protect':
        return done;
    }
  }
}

/** What happens at a look: it comes about, not yet, never; or the process dies before, or after, the order. */
const luck = fc.constantFrom(
  'done',
  'done',
  'done',
  'done',
  'late',
  'refused',
  'killed',
  'killed after',
  'cancel',
);

function carriedOut(kind: PlanRunKind, fate: readonly string[], world = new World()): PlanRun {
  let run = begun(kind);
  let seen: StepSeen | null = null;
  let isCancelled = false;
  for (let at = 0; at < 500; at++) {
    const now = at * 1_000;
    const next = decidePlan(run, seen, { now, isCancelled });
    run = next.run;
    const { effect } = next;
    if (effect.kind === 'end') return run;
    const step = run.steps[effect.index];
    assert.ok(step);
    const how = fate[at] ?? 'done';
    isCancelled ||= how === 'cancel';
    if (how === 'late') seen = { kind: 'waiting', reason: 'not yet' };
    else if (how === 'refused') seen = { kind: 'failed', reason: 'refused' };
    else if (how === 'killed') seen = null;
    else {
      seen = world.ensure(run, step, effect.kind === 'ensure-undone');
      world.assertSafe();
      if (how === 'killed after') seen = null;
    }
  }
  return assert.fail(`it never ended: ${run.steps.map(short).join(', ')}`);
}

describe('a run of a recovery plan', () => {
  it('brings a plan over in its order: instances down first, the last group first, and up again last', () => {
    const world = new World();
    const run = carriedOut('planned', [], world);
    assert.equal(run.status, 'completed');
    assert.deepEqual(run.steps.map(short), [
      ...['check s: done', 'stop n web: done', 'stop n db: done', 'demote n a: done', 'demote n b: done'],
      ...['level s a: done', 'level s b: done', 'promote s a: done', 'promote s b: done'],
      ...[
        'record s dns: done',
        'start s db: done',
        'start s web: done',
        'protect n a: done',
        'protect n b: done',
      ],
    ]);
    assert.deepEqual(world.primary, { a: 'south', b: 'south' });
  });

  it('takes everything back when a step fails before the point of no return, and says which', () => {
    const world = new World();
    const run = carriedOut('planned', ['done', 'done', 'done', 'done', 'done', 'refused'], world);
    assert.equal(run.status, 'failed');
    assert.equal(run.reason, 'level a in zone south: refused; everything is as it was before');
    assert.deepEqual(world.primary, { a: 'north', b: 'north' });
    assert.deepEqual([...(world.running.db ?? [])], ['north']);
  });

  it('takes back what it waited for too long, and has as long to take it back', () => {
    const world = new World();
    const run = carriedOut(
      'planned',
      ['done', 'done', 'done', ...Array.from({ length: 12 }, () => 'late')],
      world,
    );
    assert.match(
      run.reason,
      /^demote a in zone north: not done after 10 s: not yet; everything is as it was/,
    );
    assert.deepEqual(world.primary, { a: 'north', b: 'north' });
  });

  it('behind the point of no return it does the rest although an instance does not start, and says so', () => {
    const run = carriedOut('planned', [...Array.from({ length: 10 }, () => 'done'), 'refused']);
    assert.equal(run.status, 'failed');
    assert.equal(run.reason, 'start db in zone south: refused');
    assert.deepEqual(run.steps.slice(-2).map(short), ['protect n a: done', 'protect n b: done']);
  });

  it('says what could not be taken back', () => {
    const fate = ['done', 'done', 'done', 'done', 'done', 'refused', 'refused'];
    const run = carriedOut('planned', fate);
    assert.match(
      run.reason,
      /could not be taken back: stop db in zone north: its vdisk is a secondary; demote b in zone north: refused$/,
    );
  });

  it('ends with one primary of each volume, killed anywhere, whatever is late or fails; a cancelled or failed one as it was', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<PlanRunKind>('planned', 'test', 'cleanup', 'reprotect', 'failover'),
        fc.array(luck, { maxLength: 60 }),
        (kind, fate) => {
          const world = new World();
          if (kind === 'failover') {
            // Its zone is lost, and with it whatever ran there.
            for (const zones of Object.values(world.running)) zones.clear();
          }
          if (kind === 'reprotect') {
            world.primary.a = 'south';
            world.primary.b = 'south';
            for (const zones of Object.values(world.running)) {
              zones.clear();
              zones.add('south');
            }
          }
          const run = carriedOut(kind, fate, world);
          assert.notEqual(run.status, 'running');
          assert.ok(run.endedAt !== null && run.reason !== '');
          const isLeft = run.reason.includes('could not be taken back');
          if (run.direction === 'back' && !isLeft) {
            if (kind === 'planned') {
              assert.deepEqual(world.primary, { a: 'north', b: 'north' });
              assert.deepEqual([...(world.running.db ?? [])], ['north']);
            }
            if (kind === 'test') assert.equal(world.clones.size + world.tests.size, 0);
          }
          if (kind === 'planned' && run.status === 'completed')
            assert.deepEqual(world.primary, { a: 'south', b: 'south' });
          if (kind === 'test' && run.status === 'completed') assert.equal(world.clones.size, 2);
          assert.equal(
            run.steps.some(({ status }) => status === 'running' || status === 'undoing'),
            false,
          );
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
