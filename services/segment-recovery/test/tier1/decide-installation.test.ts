import assert from 'node:assert/strict';
import { test } from 'node:test';
import { installationKey, ownerKey, vdiskStaticKey } from '@salvor/config-store';
import { decideInstallation, installationId } from '../../src/tier1/decide-installation.ts';
import type { EngineTrace, Tier1Sources, VdiskEvents } from '../../src/tier1/tier1-sources.ts';

const at = 1_700_000_000_000;
const name = (id: string): string => JSON.stringify({ id, at });

function sourcesOf(
  etcd: Readonly<Record<string, string>>,
  more: Partial<Pick<Tier1Sources, 'tails' | 'events' | 'engines'>> = {},
): Tier1Sources {
  const entries = new Map(
    Object.entries(etcd).map(([key, value]) => [
      key,
      { key, value, revision: '1', createRevision: '1', lease: null },
    ]),
  );
  const kept = new Map([
    [installationKey, name('here')],
    [vdiskStaticKey('v1'), 'size: 1'],
  ]);
  return {
    configuration: { path: 'c', revision: 500n, at, entries: kept },
    ...{ damaged: [], archives: new Map(), tails: new Map(), lostStreams: [], events: new Map() },
    ...{ eventEpoch: 0n, keptRevision: 500n, replace: false, asked: { operation: 'op-9', at, since: null } },
    ...{ etcd: { revision: 3n, entries }, engines: [] },
    ...more,
  };
}

const kindOf = (sources: Tier1Sources): string | undefined => decideInstallation(sources)?.kind;
const eventsOf = (events: Readonly<Record<string, VdiskEvents>>) => new Map(Object.entries(events));
const created = (createdAt: number): NonNullable<VdiskEvents['created']> => ({
  ...{ at: createdAt, type: 'db', sizeGiB: 1, blockSize: 4096, cluster: 'p1', slaveCluster: 's1' },
});
const segment = { number: 1, first: 1, last: 1, epoch: 1, base: 1, lastAt: at };
const tail = { container: 0, oldest: segment, newest: segment, lost: [] };

test('an etcd that has a name says whether the directory is of its installation', () => {
  assert.equal(kindOf(sourcesOf({ [installationKey]: name('here') })), undefined);
  const other = decideInstallation(sourcesOf({ [installationKey]: name('there') }));
  assert.deepEqual([other?.kind, /found there/.test(other?.reason ?? '')], ['name', true]);
  assert.equal(installationId(name('here')), 'here');
  assert.equal(installationId('no json'), 'no json');
});

test('an empty etcd beside streams of vdisks that the directory does not know is another installation', () => {
  const tails = (...vdisks: string[]) => new Map(vdisks.map((vdisk) => [vdisk, [tail]]));
  assert.equal(kindOf(sourcesOf({})), undefined);
  assert.equal(kindOf(sourcesOf({}, { tails: tails('x1', 'x2') })), 'vdisks');
  assert.equal(kindOf(sourcesOf({}, { tails: tails('x1', 'v1') })), undefined, 'one of them is known');
  const older = eventsOf({ x1: { deletedAt: null, created: created(at - 120_000) } });
  assert.equal(kindOf(sourcesOf({}, { events: older })), 'vdisks');
  const younger = eventsOf({ x1: { deletedAt: null, created: created(at + 1) } });
  assert.equal(kindOf(sourcesOf({}, { events: younger, tails: tails('x1') })), undefined, 'made since');
  const deleted = eventsOf({ x1: { deletedAt: at - 1, created: created(at - 120_000) } });
  assert.equal(kindOf(sourcesOf({}, { events: deleted })), undefined);
});

test('an owner at the engines that the empty etcd does not know has its right from another one', () => {
  const engines: EngineTrace[] = [
    {
      ...{ address: '10.0.0.1:1', db: 0, cluster: 'p1', shard: 0, trouble: null, identity: null },
      ...{ epochs: new Map(), isComplete: true, owners: ['v1'] },
    },
  ];
  const doubt = decideInstallation(sourcesOf({}, { engines }));
  assert.equal(doubt?.kind, 'owners');
  assert.match(doubt?.reason ?? '', /v1 on 10\.0\.0\.1:1/);
  assert.equal(kindOf(sourcesOf({ [ownerKey('v1')]: '{}' }, { engines })), undefined, 'it follows this etcd');
});
