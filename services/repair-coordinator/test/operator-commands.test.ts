import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ownerKey } from '@salvor/config-store';
import type { CommandName } from '@salvor/contracts';
import { EngineLink, killEngine, type RedisHandle, startRedis, tempDir } from '@salvor/testkit';
import { CommandDesk } from './command-desk.ts';

type Json = Record<string, unknown>;

describe('operators steer healing by plain JSON', () => {
  const dir = tempDir('operator-engines');
  let desk: CommandDesk;
  let engines: RedisHandle[];
  let pairs = 0;

  before(async () => {
    const started = Array.from({ length: 8 }, (_, i) => startRedis({ dir: dir.join(`engine-${i}`) }));
    [desk, engines] = await Promise.all([CommandDesk.open(), Promise.all(started)]);
  });
  after(async () => {
    await desk?.[Symbol.asyncDispose]();
    await Promise.all((engines ?? []).map(({ process }) => process.kill()));
    dir.remove();
  });

  /** A pair of one shard on two engines of its own, with a spare, and a vdisk that nobody owns. */
  async function pairOn(primary: number, slave: number, spares: readonly number[] = []): Promise<Pair> {
    const number = ++pairs;
    const ref = (index: number): { address: string } => ({ address: engines[index]?.address ?? '' });
    const [cluster, partner] = [`po${number}`, `so${number}`];
    await desk.done('cluster.create', {
      ...{ cluster, role: 'primary', engines: [ref(primary)], spares: spares.map(ref), partner },
    });
    await desk.done('cluster.create', {
      ...{ cluster: partner, role: 'slave', engines: [ref(slave)], spares: [], partner: cluster },
    });
    const vdisk = `vo${number}`;
    await desk.done('vdisk.create', { vdisk, type: 'db', sizeGiB: 1, cluster, slaveCluster: partner });
    return { cluster, partner, vdisk, address: ref(primary).address, other: ref(slave).address };
  }

  interface Pair {
    readonly cluster: string;
    readonly partner: string;
    readonly vdisk: string;
    readonly address: string;
    readonly other: string;
  }

  async function onEngine(index: number, ...command: string[]): Promise<void> {
    using link = await EngineLink.open(engines[index]?.port ?? 0);
    await link.send(...(command as [string, ...string[]]));
  }

  /** The same operation id twice: one effect, and the same answer. */
  async function twice(command: CommandName, request: object): Promise<Json> {
    const operationId = `twice-${command.replace('.', '-')}-${pairs}`;
    const first = await desk.done(command, { ...request, operationId });
    const again = await desk.done(command, { ...request, operationId });
    const { outcome: _o, reason: _r, ...told } = first;
    const { outcome, reason, ...toldAgain } = again;
    assert.deepEqual([first.outcome, outcome], ['applied', 'already']);
    assert.deepEqual(toldAgain, told);
    assert.ok(String(reason).includes(String(first.reason)));
    return first;
  }

  const wants = { reason: 'new memory', by: 'alice' };
  const statusOf = async (address: string): Promise<unknown> =>
    ((await desk.done('engine.get', { address })).engine as Json).status;
  const incidentOf = async (incident: unknown): Promise<Json> =>
    (await desk.done('incident.get', { incident })).incident as Json;

  it('an engine goes offline and, having missed nothing, comes back as it is', async () => {
    const { address, other } = await pairOn(0, 1);
    const { incident } = await twice('engine.take-offline', { address, ...wants });
    const story = await incidentOf(incident);
    assert.deepEqual((story.hold as Json).kind, 'planned');
    assert.match(String(story.waitsFor), /alice took .* offline \(new memory\)/);
    await desk.refused('engine.take-offline', { address: other, ...wants }, 'last-member');
    const tried = await desk.done('engine.bring-online', { address, ...wants, dryRun: true });
    assert.deepEqual([tried.dryRun, tried.status], [true, 'online']);
    assert.equal(await statusOf(address), 'offline');
    await twice('engine.bring-online', { address, ...wants });
    const closed = await incidentOf(incident);
    assert.deepEqual([closed.status, closed.outcome], ['closed', 'false-alarm']);
    const actions = closed.actions as Json[];
    assert.deepEqual(
      actions.map(({ action, by, reason }) => [action, by, reason]),
      [
        ['engine.take-offline', 'alice', 'new memory'],
        ['engine.bring-online', 'alice', 'new memory'],
      ],
    );
  });

  it('an engine that missed writes, or may miss some, comes back through a repair; that is listed, cancelled and resumed', async () => {
    const [{ address: known }] = [{ address: engines[0]?.address ?? '' }];
    const vdisk = 'vo1';
    await desk.done('engine.take-offline', { address: known, ...wants });
    await onEngine(1, 'SETBIT', `salvor:dirty:${vdisk}`, '4', '1');
    const { incident, status } = await desk.done('engine.bring-online', { address: known, ...wants });
    assert.equal(status, 'repair-tmp-outage');
    const listed = async (): Promise<unknown[]> =>
      ((await desk.done('repair.list', { cluster: 'po1' })).repairs as Json[]).map((repair) => repair.state);
    assert.deepEqual(await listed(), ['waiting']);
    await twice('repair.cancel', { incident, ...wants });
    assert.deepEqual(await listed(), ['cancelled']);
    assert.equal(await statusOf(known), 'offline');
    await twice('repair.resume', { incident, ...wants });
    await desk.done('healing.pause', { cluster: 'po1', ...wants });
    assert.deepEqual(await listed(), ['paused']);
    await desk.done('healing.resume', { cluster: 'po1', ...wants });
    const again = await twice('repair.retry', { incident, ...wants });
    assert.equal(again.status, 'repair-tmp-outage');
    const one = await desk.done('repair.retry', { incident, vdisk, ...wants });
    assert.match(String(one.reason), /had the repair of vdisk vo1 tried again/);
    await twice('incident.acknowledge', { incident, ...wants });
    await desk.refused('repair.cancel', { incident: 'none-0-abc', ...wants }, 'unknown-incident');
  });

  it('a stale engine is refused with what it would lose, and comes back when that is accepted', async () => {
    const { address, other, vdisk } = await pairOn(2, 3);
    await desk.done('engine.take-offline', { address, ...wants });
    for (const bit of ['1', '2', '5']) await onEngine(3, 'SETBIT', `salvor:dirty:${vdisk}`, bit, '1');
    await desk.done('engine.report-failure', { address: other, reason: 'burnt' });
    await desk.cluster.store.transact({ compare: [], puts: [{ key: ownerKey(vdisk), value: '{}' }] });
    const refusal = await desk.refused('engine.bring-online', { address, ...wants }, 'stale-engine');
    assert.match(refusal, new RegExp(`It would lose ${vdisk}: 3 blocks`));
    assert.match(refusal, /--accept-data-loss/);
    const request = { address, ...wants, acceptDataLoss: true };
    const tried = await desk.done('engine.bring-online', { ...request, dryRun: true });
    assert.deepEqual(
      (tried.lost as Json[]).map(({ vdisk: which, blocks }) => [which, blocks]),
      [[vdisk, 3]],
    );
    assert.equal(await statusOf(address), 'offline');
    const { incident, lost } = await twice('engine.bring-online', request);
    assert.deepEqual(lost, tried.lost);
    assert.equal(await statusOf(address), 'online');
    assert.equal(await desk.cluster.store.get(ownerKey(vdisk)), null, 'its owner begins anew');
    const closed = await incidentOf(incident);
    assert.deepEqual([closed.outcome, closed.lost], ['data-loss-accepted', lost]);
  });

  it('what is not known of a loss is said to be unknown', async () => {
    const [address, other] = [engines[2]?.address ?? '', engines[3]?.address ?? ''];
    await desk.done('engine.report-failure', { address, reason: 'gone' });
    await killEngine(engines[3] ?? assert.fail());
    await desk.done('engine.bring-online', { address: other, ...wants }).then(
      () => assert.fail('an engine that does not answer came back'),
      (error: unknown) => assert.match(String(error), /cannot be reached|ECONNREFUSED/),
    );
    const { code } = (await desk.ask('engine.bring-online', { address, ...wants })).body;
    assert.equal(code, undefined, 'it served last');
  });

  it('a spare comes and goes; an engine is replaced by the one that is named, and retired', async () => {
    const [spare, address] = [engines[4]?.address ?? '', engines[5]?.address ?? ''];
    await desk.done('cluster.add-spares', { cluster: 'po1', spares: [{ address: spare }, { address }] });
    await twice('cluster.remove-spare', { cluster: 'po1', address: spare, ...wants });
    await desk.refused('cluster.remove-spare', { cluster: 'po1', address: spare, ...wants }, 'not-a-spare');
    const retired = await twice('engine.retire', { address, ...wants });
    assert.equal(retired.status, 'retired');
    const { cluster, address: old } = await pairOn(6, 7);
    await desk.refused('engine.retire', { address: old, ...wants }, 'no-spare');
    const taken = { address: engines[1]?.address };
    await desk.refused('engine.replace', { address: old, with: taken, ...wants }, 'engine-identity-mismatch');
    const replaced = await twice('engine.replace', { address: old, with: { address: spare }, ...wants });
    assert.deepEqual([replaced.status, replaced.replacement], ['repair-final-outage', spare]);
    const described = (await desk.done('cluster.get', { cluster })).cluster as Json;
    assert.deepEqual(described.spares, []);
  });

  it('downtimes are of an engine or of a cluster, and are listed', async () => {
    const address = engines[0]?.address ?? '';
    const { cluster } = await twice('downtime.begin', { target: address, seconds: 60, ...wants });
    assert.equal(cluster, 'po1');
    await desk.done('downtime.begin', { target: 'po1', seconds: 30, ...wants });
    const { downtimes } = await desk.done('downtime.list', {});
    assert.deepEqual(
      (downtimes as Json[]).map((downtime) => downtime.address),
      [undefined, address],
    );
    await twice('downtime.end', { target: 'po1', ...wants });
    await desk.refused('downtime.begin', { target: 'nowhere', seconds: 1, ...wants }, 'unknown-target');
    await desk.refused('downtime.begin', { target: 'po1', seconds: 0, ...wants }, 'invalid-downtime');
    const status = await desk.done('healing.status', {});
    const own = (status.clusters as Json[]).filter((one) => one.cluster === 'po1');
    assert.deepEqual(
      own.map(({ downtimes: left }) => (left as Json[]).length),
      [1],
    );
  });
});
