/** A test of a plan removes what it has made, and nothing of anybody else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ConfigStore,
  leftTests,
  OPERATIONS_PREFIX,
  type OperationRecord,
  type PlanRun,
  type PlanRunKind,
  parsePlan,
} from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';
import { checked } from '../../src/plans/plan-check.ts';
import { decidePlan, type StepSeen } from '../../src/plans/plan-decision.ts';
import { newPlanRun } from '../../src/plans/plan-steps.ts';
import { cloned, cloneRemoved, testStarted, testStopped } from '../../src/plans/test-steps.ts';
import { pointAge } from '../../src/plans/volume-steps.ts';
import { seenOf, ZoneHands } from '../../src/plans/zone-hands.ts';

const documentOf = (volumes: readonly string[]) =>
  parsePlan(
    JSON.stringify({
      ...{ plan: 'shop', zones: ['north', 'south'] },
      groups: [
        { name: 'g', volumes, instances: [{ instance: 'app', test: { startHook: 'up', stopHook: 'down' } }] },
      ],
    }),
  );

/** A zone as commands show it, with what operators have there. */
class SmallZone {
  readonly vdisks = new Set(['db', 'files']);
  readonly instances = new Set(['app']);
  readonly runs: PlanRun[] = [];
  afterCheck: () => void = () => undefined;
  readonly #operations = new Map<string, OperationRecord>();
  #at = 1;
  #count = 0;

  /** Commands that are refused, though what they ask for could be done. */
  readonly #refused: ReadonlySet<string>;

  constructor(refused: ReadonlySet<string> = new Set()) {
    this.#refused = refused;
  }

  give(command: string, subject: string, operation = `by-hand-${++this.#count}`): void {
    if (this.#operations.has(operation)) return;
    const things = command.startsWith('vdisk') ? this.vdisks : this.instances;
    if (command.endsWith('delete')) things.delete(subject);
    else things.add(subject);
    const record = { operation, kind: command, subject, at: ++this.#at, request: '', reason: 'so' };
    this.#operations.set(operation, { ...record, outcome: 'applied' });
  }

  run(kind: PlanRunKind, volumes: readonly string[], tests: readonly PlanRun[] = []): Promise<PlanRun> {
    const about = { run: `r${++this.#count}`, plan: 'shop', version: 1, kind, target: 'south' };
    return this.#carryOut(newPlanRun({ ...about, document: documentOf(volumes), tests }, ++this.#at));
  }

  async #carryOut(begun: PlanRun): Promise<PlanRun> {
    let run = begun;
    let seen: StepSeen | null = null;
    for (let i = 0; i < 200; i++) {
      const next = decidePlan(run, seen, { now: ++this.#at, isCancelled: false });
      run = next.run;
      if (next.effect.kind === 'end') {
        this.runs.unshift(run);
        return run;
      }
      const step = run.steps[next.effect.index];
      assert.ok(step);
      seen = await this.#step(run, step.act, step.subject, next.effect.kind === 'ensure-undone').catch(
        seenOf,
      );
    }
    return assert.fail(`it never ended: ${run.reason}`);
  }

  #step(run: PlanRun, act: string, subject: string, isBack: boolean): Promise<StepSeen> {
    const [hands, store] = [this.#hands, this.#store];
    if (act === 'check') return checked(hands, store, run, () => 3).finally(() => this.afterCheck());
    if (act === 'clone' && !isBack) return cloned(hands, run, subject, () => 3);
    if (act === 'start-test' && !isBack) return testStarted(hands, run, subject);
    return act === 'clone' || act === 'remove-clone'
      ? cloneRemoved(hands, store, run, subject)
      : testStopped(hands, store, run, subject);
  }

  get #store(): ConfigStore {
    const records = [...this.#operations].map(([key, value]) => ({ key, value }));
    const list = async (prefix: string) => ({
      entries: (prefix === OPERATIONS_PREFIX
        ? records
        : this.runs.map((value) => ({ key: value.run, value }))
      ).map(({ key, value }) => ({ key, value: JSON.stringify(value) })),
    });
    return { list } as unknown as ConfigStore;
  }

  get #hands(): ZoneHands {
    const request = async (command: string, asked: Readonly<Record<string, string>>) =>
      this.#answer(command, asked);
    return new ZoneHands('south', { request } as never, {
      busOf: () => assert.fail('the other zone is not needed'),
    });
  }

  #answer(
    command: string,
    { volume, vdisk, instance, operation, operationId }: Readonly<Record<string, string>>,
  ): unknown {
    const unknown = (what: string): never => {
      throw new SalvorError(`unknown-${what}`, `there is no such ${what}`);
    };
    if (this.#refused.has(command)) throw new SalvorError('not-permitted', 'it is refused');
    switch (command) {
      case 'volume.status': {
        const point = { ownSequence: 5, writtenAt: 1 };
        return {
          volume: {
            volume,
            role: 'secondary',
            conditions: [],
            phase: 'following',
            vdisk: volume,
            sequence: 9,
            point,
            reason: '',
          },
        };
      }
      case 'operation.get':
        return this.#operations.has(operation ?? '')
          ? { operation: { status: 'completed', message: 'so' } }
          : unknown('operation');
      case 'vdisk.describe':
        return this.vdisks.has(vdisk ?? '') ? {} : unknown('vdisk');
      case 'instance.get':
        return this.instances.has(instance ?? '')
          ? { instance: { status: operation === undefined ? this.#status : '', reason: '', vdisks: ['db'] } }
          : unknown('instance');
      case 'vdisk.clone':
        if (this.vdisks.has(vdisk ?? ''))
          throw new SalvorError('vdisk-exists', `there is a vdisk ${vdisk} already`);
        return this.give(command, vdisk ?? '', operationId);
      case 'instance.start':
        this.#status = 'started';
        return {};
      case 'instance.stop':
        this.#status = 'stopped';
        return {};
      default:
        return this.give(command, vdisk ?? instance ?? '', operationId);
    }
  }

  #status = 'stopped';
}

test('a test refuses to begin where something has the id of what it would make, and a cleanup leaves that alone', async () => {
  for (const [command, id] of [
    ['vdisk.create', 'db-test'],
    ['instance.set', 'app-test'],
  ] as const) {
    const zone = new SmallZone();
    zone.give(command, id);
    const run = await zone.run('test', ['db']);
    assert.equal(run.status, 'failed');
    assert.match(run.reason, new RegExp(`there is an? \\w+ ${id} already`));
    assert.equal((await zone.run('cleanup', ['db'], leftTests(zone.runs))).status, 'completed');
    assert.ok(zone.vdisks.has(id) || zone.instances.has(id), `${id} was removed`);
  }
});

test('what came to be under such an id once the test had begun is not taken back with it', async () => {
  const late = new SmallZone();
  late.afterCheck = () => late.give('vdisk.create', 'db-test');
  const run = await late.run('test', ['files', 'db']);
  assert.equal(run.status, 'failed');
  assert.match(
    run.reason,
    /^clone db in zone south: there is a vdisk db-test already; everything is as it was before$/,
  );
  assert.deepEqual([...late.vdisks], ['db', 'files', 'db-test']);
  late.afterCheck = () => undefined;
  assert.equal((await late.run('cleanup', ['files', 'db'], leftTests(late.runs))).status, 'completed');
  assert.deepEqual([...late.vdisks], ['db', 'files', 'db-test']);
  const refused = new SmallZone(new Set(['instance.set']));
  assert.equal((await refused.run('test', ['db'])).status, 'failed');
  assert.deepEqual([...refused.vdisks], ['db', 'files']);
});

test('a cleanup removes what was tested, whatever the plan is by now, and what was made anew under an id since stays', async () => {
  const zone = new SmallZone();
  assert.equal((await zone.run('test', ['db', 'files'])).status, 'completed');
  assert.deepEqual([...zone.vdisks], ['db', 'files', 'db-test', 'files-test']);
  assert.ok(zone.instances.has('app-test'));
  // Somebody removes one by hand, and has one of its own there now.
  zone.give('vdisk.delete', 'files-test');
  zone.give('vdisk.create', 'files-test');
  const run = await zone.run('cleanup', ['files'], leftTests(zone.runs));
  assert.equal(run.status, 'completed');
  assert.deepEqual([...zone.vdisks], ['db', 'files', 'files-test']);
  assert.deepEqual([...zone.instances], ['app']);
  assert.match(
    run.steps.map(({ reason }) => reason).join(),
    /vdisk files-test stays: no test of plan shop has made it/,
  );
  // And the same once more: there is nothing left.
  assert.equal((await zone.run('test', ['db'])).status, 'completed');
  assert.equal((await zone.run('cleanup', ['db'], leftTests(zone.runs))).status, 'completed');
  assert.deepEqual([...zone.vdisks], ['db', 'files', 'files-test']);
  const none = await zone.run('cleanup', ['db'], leftTests(zone.runs));
  assert.deepEqual([none.status, none.steps], ['completed', []]);
});

test('a point is as old as its last write, or as itself where that is not known; none tells no age', () => {
  const point = { sequence: 9, writtenAt: 40, at: 45, ownSequence: 5 } as NonNullable<
    Parameters<typeof pointAge>[0]
  >;
  assert.equal(pointAge(point, 50), 10);
  assert.equal(pointAge({ ...point, writtenAt: 0 }, 50), 5);
  assert.equal(pointAge(undefined, 50), null);
});
