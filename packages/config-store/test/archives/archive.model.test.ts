/** Random lives of a volume's archives: writers that die, logs that are let go too early, stores that lose what they held. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import type { ArchiveRecord } from '../../src/index.ts';
import { ArchiveWorld } from './archive-world.ts';

const archives = ['a1', 'a2'] as const;

const step = fc.record({
  kind: fc.constantFrom(
    ...(['write', 'write', 'write', 'step', 'step', 'step', 'step', 'step', 'die', 'trim'] as const),
    ...(['lose end', 'lose all', 'start', 'copy', 'stop', 'full', 'hash', 'primary', 'force'] as const),
    ...(['snapshot', 'snapshot', 'kick'] as const),
  ),
  archive: fc.constantFrom(...archives),
  pick: fc.nat(1_000),
});

interface Named {
  readonly archive: string;
  readonly name: string;
  /** Record of the log that it names. */
  readonly source: number;
}

function run(world: ArchiveWorld, steps: readonly { kind: string; archive: string; pick: number }[]): void {
  const named: Named[] = [];
  for (const { kind, archive, pick } of steps) {
    const before = new Map(world.records);
    switch (kind) {
      case 'write':
        world.write(pick % 8, pick + 1);
        break;
      case 'step':
      case 'die':
        world.step(archive, kind === 'die');
        break;
      case 'trim':
        world.trim(pick % (world.writes.length + 1));
        break;
      case 'lose end':
      case 'lose all':
        world.lose(
          archive,
          kind === 'lose all' ? 0 : Math.max(0, world.storeOf(archive).end - (pick % 3) - 1),
        );
        break;
      case 'start':
        world.order(archive, { kind: 'start-synchronizing', source: { kind: 'zone', zone: 'north' } });
        break;
      case 'copy':
        world.order(archive, {
          ...{ kind: 'start-synchronizing' },
          source: { kind: 'archive', archive: archive === 'a1' ? 'a2' : 'a1' },
        });
        break;
      case 'stop':
        world.order(archive, { kind: 'stop-synchronizing' });
        break;
      case 'full':
      case 'hash':
        world.order(archive, { kind: 'backup', way: kind });
        break;
      case 'primary':
      case 'force':
        world.order(archive, { kind: 'make-primary', force: kind === 'force' });
        break;
      case 'kick':
        world.order(archive, { kind: 'kick' });
        break;
      case 'snapshot': {
        const order = { kind: 'snapshot', name: `s${pick}`, sourceLast: world.writes.length } as const;
        if (world.order(archive, order).outcome === 'applied')
          named.push({ archive, name: order.name, source: order.sourceLast });
        break;
      }
    }
    for (const record of world.records.values()) check(world, record, before.get(record.archive), named);
    checkHistories(world);
    const primaries = [...world.records.values()].filter(({ role }) => role === 'primary');
    assert.ok(primaries.length === (world.records.size === 0 ? 0 : 1), 'there is one primary archive');
  }
}

function check(
  world: ArchiveWorld,
  record: ArchiveRecord,
  before: ArchiveRecord | undefined,
  named: readonly Named[],
): void {
  const { phase, backup, source, overflow, base } = record;
  if (phase === 'backup') assert.ok(backup !== null && source.kind === 'zone');
  if (phase === 'following') assert.ok(backup === null);
  if (phase === 'following' && source.kind === 'zone') assert.ok(base > 0 && overflow === null);
  if (overflow !== null && phase !== 'stopped' && source.kind === 'zone') assert.equal(phase, 'backup');
  assert.ok(record.generation >= (source.kind === 'zone' ? (before?.generation ?? 0) : 0));
  assert.ok(record.holes.filter(({ to }) => to === null).length <= 1);
  for (const snapshot of record.snapshots) {
    const was = before?.snapshots.find(({ name }) => name === snapshot.name);
    if (was?.state === 'lost') assert.equal(snapshot.state, 'lost');
    if (was?.state === 'restorable') assert.notEqual(snapshot.state, 'promised');
    const ordered = named.find(({ name }) => name === snapshot.name);
    const { sequence } = snapshot;
    if (snapshot.state !== 'restorable' || sequence === null || ordered === undefined) continue;
    // What was lost since the last look is found out at the next one.
    const held = world.storeOf(record.archive).states[sequence - 1];
    if (held === undefined) continue;
    assert.ok(held.isClean, `${snapshot.name} names a state within a backup`);
    assert.deepEqual([...held.image].toSorted(), [...(world.images[ordered.source] ?? [])].toSorted());
  }
}

/** What has the same numbers is the same. */
function checkHistories(world: ArchiveWorld): void {
  const [one, other] = [...world.records.values()];
  if (one === undefined || other === undefined || one.history === null || one.history !== other.history)
    return;
  const [a, b] = [world.storeOf(one.archive).states, world.storeOf(other.archive).states];
  for (let i = 0; i < Math.min(a.length, b.length); i++)
    assert.ok(a[i] === b[i], `segment ${i + 1} of history ${one.history} is another one in each archive`);
}

/** Nothing fails any more: each archive is told of what it lacks, and ends up with what the volume holds. */
function settle(world: ArchiveWorld): void {
  world.write(0, 5_000);
  for (const { archive, phase, source } of [...world.records.values()])
    if (phase === 'stopped') world.order(archive, { kind: 'start-synchronizing', source });
  for (let i = 0; i < 4 * world.writes.length + 60; i++)
    for (const record of [...world.records.values()]) {
      if (world.hasParted(record)) giveUp(world, record);
      world.step(record.archive, false);
    }
}

/** What an operator does with a copy whose source was begun anew. */
function giveUp(world: ArchiveWorld, { archive, source }: ArchiveRecord): void {
  world.forget(archive);
  assert.equal(world.order(archive, { kind: 'start-synchronizing', source }).outcome, 'applied');
}

it('an archive never takes for a state what is none, and always comes to what the volume holds', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 120 }), (steps) => {
      const world = new ArchiveWorld();
      run(world, steps);
      settle(world);
      for (const record of world.records.values()) {
        const isRing = [...world.records.values()].every(({ source }) => source.kind === 'archive');
        assert.ok(!isRing, 'one archive at least takes the volume itself');
        assert.equal(record.phase, 'following', record.reason);
        assert.ok(record.levelAt !== null, record.reason);
        const { states } = world.storeOf(record.archive);
        assert.deepEqual(
          [...(states.at(-1)?.image ?? [])].toSorted(),
          [...(world.images.at(-1) ?? [])].toSorted(),
        );
      }
    }),
    { numRuns: Number(process.env.SALVOR_ARCHIVE_MODEL_RUNS ?? 400) },
  );
});
