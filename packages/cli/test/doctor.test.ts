import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CommandError, type DiscoveredService } from '@salvor/bus';
import { commands, fromPlainJson } from '@salvor/contracts';
import { findCommand } from '../src/commands/index.ts';
import { judgeCertificates } from '../src/doctor/certificates.ts';
import type { Finding } from '../src/doctor/finding.ts';
import {
  judgeAlerts,
  judgeClocks,
  judgeClusters,
  judgeEngines,
  judgeHealing,
  judgeLogs,
  judgeManifest,
  judgeServices,
  judgeVolumes,
} from '../src/doctor/judgements.ts';
import { type FakeServices, startFakeServices } from './fake-services.ts';
import { runInProcess } from './fake-terminal.ts';

const service = (name: string, more: Partial<DiscoveredService> = {}): DiscoveredService => ({
  ...{ type: 'io.nats.micro.v1.info_response', name, id: `${name}-1`, version: '0.1.0', metadata: {} },
  ...{ description: '', endpoints: [], clockAheadMs: 0, ...more },
});
const healing = ['nbd-server', 'health-analyzer', 'repair-coordinator'];
const twoOfEach = healing.flatMap((name) => [service(name), service(name)]);

const levels = (findings: readonly Finding[]) => findings.map(({ level }) => level);
const worst = (findings: readonly Finding[]) => findings.filter(({ level }) => level !== 'ok');

/** What a command would answer, with the examples of the catalogue for what is not given. */
const [cluster] = fromPlainJson('ClusterListReply', commands['cluster.list'].replyExample).clusters;
const [engine] = fromPlainJson('EngineListReply', commands['engine.list'].replyExample).engines;
const probe = fromPlainJson('EngineProbeReply', commands['engine.probe'].replyExample);
const [log] = fromPlainJson('TlogStatusReply', commands['tlog.status'].replyExample).logs;
const [volume] = fromPlainJson('VolumeListReply', commands['volume.list'].replyExample).volumes;
assert.ok(cluster && engine && log && volume);

const healthy = { ...cluster, status: 'healthy', partner: 's1', spares: 1, unavailable: [] };
const online = { ...engine, status: 'online' };
const whole = { ...log, status: 'whole', replicas: 3, problem: undefined };

describe('what salvor doctor makes of answers', () => {
  it('warns of certificates that expire within a month, and is a problem when one has expired or is not there', () => {
    const day = 86_400_000;
    const now = Date.parse('2026-03-01');
    const until = (days: number | null) => ({
      ...{ setting: 'etcdTlsCa', file: '/tls/ca.pem', expiresAt: days === null ? null : now + days * day },
    });
    const holding = (days: number | null) =>
      service('nbd-server', { metadata: { 'salvor-certificates': JSON.stringify([until(days)]) } });
    assert.deepEqual(judgeCertificates([], [service('nbd-server')], now), []);
    assert.deepEqual(levels(judgeCertificates([until(90)], [holding(31)], now)), ['ok']);
    assert.deepEqual(levels(judgeCertificates([until(90)], [holding(29)], now)), ['warning']);
    assert.deepEqual(levels(judgeCertificates([until(0)], [holding(90), holding(null)], now)), [
      'problem',
      'problem',
    ]);
    const [told] = judgeCertificates([], [holding(29)], now);
    assert.equal(told?.found, 'nbd-server nbd-server-1: etcdTlsCa (/tls/ca.pem) expires on 2026-03-30');
    const broken = service('nbd-server', { metadata: { 'salvor-certificates': '{"no":"list"}' } });
    assert.deepEqual(judgeCertificates([], [broken], now), []);
  });

  it('is a problem when a service that serves or repairs does not answer, a warning when it is alone', () => {
    assert.deepEqual(worst(judgeServices(twoOfEach, '0.1.0')), []);
    for (const name of healing) {
      const without = twoOfEach.filter((one) => one.name !== name);
      const [missing] = worst(judgeServices(without, '0.1.0'));
      assert.deepEqual([missing?.level, missing?.found], ['problem', `no ${name} answers`]);
    }
    const alone = worst(
      judgeServices(
        healing.map((name) => service(name)),
        '0.1.0',
      ),
    );
    assert.deepEqual(levels(alone), ['warning', 'warning'], 'NBD servers may be alone');
  });

  it('tells versions that differ, and clocks that are off', () => {
    const [other] = worst(
      judgeServices([...twoOfEach, service('nbd-server', { version: '0.2.0' })], '0.1.0'),
    );
    assert.match(other?.found ?? '', /services of version 0\.2\.0/);
    const clocks = [service('a', { clockAheadMs: 5_000 }), service('b', { clockAheadMs: -5_000 })];
    const found = judgeClocks([...clocks, service('c', { clockAheadMs: null }), ...twoOfEach]);
    assert.deepEqual(levels(found), ['warning', 'warning']);
    assert.match(found[0]?.found ?? '', /^a a-1: its clock is 5000 ms ahead/);
    assert.match(found[1]?.found ?? '', /5000 ms behind/);
  });

  it('takes more copies of a stream than asked for as no fault', () => {
    const stream = { kind: 'stream', name: 'SALVOR_EVENTS' } as const;
    const copies = { ...stream, setting: 'num_replicas', expected: 1, found: 3 };
    assert.equal(judgeManifest([copies]).level, 'ok');
    assert.equal(judgeManifest([{ ...copies, expected: 3, found: 1 }]).level, 'problem');
    const missing = judgeManifest([copies, { ...stream, expected: {}, found: undefined }]);
    assert.match(missing.found, /^1 difference .* stream SALVOR_EVENTS is missing$/);
  });

  it('tells clusters that are not healthy, blocks without a live copy, and what there is only one of', () => {
    assert.deepEqual(worst(judgeClusters([healthy])), []);
    const [sick] = worst(judgeClusters([{ ...healthy, status: 'unhealthy' }]));
    assert.equal(sick?.level, 'problem');
    const [repairing] = worst(judgeClusters([{ ...healthy, status: 'repairing' }]));
    assert.equal(repairing?.level, 'warning');
    const dark = {
      cluster: 'p1',
      shard: 0,
      since: 1,
      blocks: 12,
      counted: true,
      reason: 'both down',
      vdisks: [],
    };
    const [data] = worst(judgeClusters([{ ...healthy, unavailable: [dark] }]));
    assert.match(data?.found ?? '', /12 blocks without a live copy: both down/);
    const bare = judgeClusters([{ ...healthy, role: 'primary', partner: undefined, spares: 0 }]);
    assert.deepEqual(levels(worst(bare)), ['warning', 'warning']);
  });

  it('tells engines that look other than they are recorded, and those that nobody could probe', () => {
    const well = { ...probe, status: 'healthy' };
    assert.deepEqual(worst(judgeEngines([{ engine: online, probe: well }])), []);
    const hung = { ...probe, status: 'hung', reason: 'no reply' };
    const [found] = judgeEngines([{ engine: online, probe: hung }]);
    assert.match(found?.found ?? '', /recorded as online, and a probe says hung: no reply/);
    const known = { ...online, status: 'offline' };
    assert.deepEqual(worst(judgeEngines([{ engine: known, probe: hung }])), [], 'its cluster tells');
    assert.deepEqual(levels(judgeEngines([{ engine: online, probe: null }])), ['warning']);
  });

  it('tells all that is held back, raised, broken, or has one copy', () => {
    const pause = { by: 'anna', reason: 'moving racks', at: 1 };
    const hold = { kind: 'flapping', by: 'salvor', reason: 'it failed 5 times', at: 1 };
    const held = [{ address: '10.0.0.1:6379', incident: 'p1-0-x', hold }];
    const findings = judgeHealing({
      everywhere: pause,
      clusters: [{ cluster: 'p1', pause, downtimes: [], held }],
    });
    assert.deepEqual(levels(findings), ['problem', 'problem', 'problem']);
    assert.match(findings[2]?.fix ?? '', /incident explain p1-0-x/);
    const alert = {
      alert: 'a',
      kind: 'no-spare',
      subject: 'p1',
      message: 'none left',
      since: 1,
      raisedAt: 1,
    };
    assert.deepEqual(levels(judgeAlerts([alert, { ...alert, clearedAt: 2 }])), ['problem']);
    assert.deepEqual(levels(judgeAlerts([{ ...alert, clearedAt: 2 }])), ['ok']);
    const replayer = [{ name: 'tlog-replayer' }];
    assert.deepEqual(levels(judgeLogs([whole], replayer)), ['ok']);
    assert.deepEqual(levels(judgeLogs([whole], [])), ['problem'], 'nobody archives it');
    assert.deepEqual(levels(judgeLogs([{ ...whole, status: 'broken' }], replayer)), ['problem']);
    assert.deepEqual(levels(judgeLogs([{ ...whole, replicas: 1 }], replayer)), ['warning']);
    assert.deepEqual(levels(judgeLogs([{ ...whole, problem: 'timeout' }], replayer)), ['warning']);
    const split = { condition: 'split-brain', reason: 'both wrote' };
    const degraded = { condition: 'degraded', reason: 'the line is cut' };
    const volumes = judgeVolumes([{ ...volume, conditions: [split, degraded] }]);
    assert.deepEqual(levels(volumes), ['problem', 'warning']);
    assert.deepEqual(levels(judgeVolumes([{ ...volume, conditions: [] }])), ['ok']);
  });

  it('names commands that there are', () => {
    const pause = { by: 'anna', reason: 'r', at: 1 };
    const hold = { kind: 'planned', by: 'anna', reason: 'r', at: 1 };
    const held = [{ address: '10.0.0.1:6379', incident: 'i', hold }];
    const dark = { cluster: 'p1', shard: 0, since: 1, blocks: 1, counted: true, reason: 'r', vdisks: [] };
    const findings = [
      judgeManifest([{ kind: 'stream', name: 'S', expected: 1, found: undefined }]),
      ...judgeClusters([{ ...healthy, status: 'unhealthy', spares: 0, unavailable: [dark] }]),
      ...judgeEngines([{ engine: online, probe: { ...probe, status: 'hung' } }]),
      ...judgeHealing({ everywhere: pause, clusters: [{ cluster: 'p1', pause, downtimes: [], held }] }),
      ...judgeAlerts([{ alert: 'a', kind: 'k', subject: 's', message: 'm', since: 1, raisedAt: 1 }]),
      ...judgeLogs([{ ...whole, status: 'broken', replicas: 1 }], []),
      ...judgeVolumes([{ ...volume, conditions: [{ condition: 'error', reason: 'r' }] }]),
    ];
    const named = findings.flatMap(({ fix = '' }) => fix.match(/salvor [a-z]+(?: [a-z-]+)?/g) ?? []);
    assert.ok(named.length >= 10, named.join(', '));
    for (const line of named) assert.ok(findCommand(line.split(' ').slice(1)), line);
  });
});

describe('salvor doctor', () => {
  let services: FakeServices;
  let isAnalyzerSick = false;
  before(async () => {
    services = await startFakeServices({
      'engine.probe': async () => {
        if (isAnalyzerSick) throw new CommandError('overloaded', 'too much at once', { status: 503 });
        return { ...probe, status: 'hung', reason: 'no reply for 1500 ms' };
      },
    });
    await services.bus.applyManifest();
  });
  after(() => services.stop());

  it('says what to do about each problem, and exits with 1', async () => {
    const { code, stdout, stderr } = await runInProcess(['doctor', '--server', services.url]);
    assert.equal(code, 1);
    assert.match(stderr, /\d+ problems found/);
    assert.match(
      stdout,
      /problem {2}services {4}no repair-coordinator answers\n +to do: start repair-coordinator/,
    );
    assert.match(
      stdout,
      /problem {2}engines .* a probe says hung: no reply for 1500 ms\n +to do: salvor engine show/,
    );
    assert.doesNotMatch(stdout, /^ok /m);
    const all = await runInProcess(['doctor', '--all', '--server', services.url]);
    assert.match(
      all.stdout,
      /^ok {7}jetstream {3}streams, consumers and schemas are as this version needs them$/m,
    );
  });

  it('goes on with the rest where one part cannot be asked', async () => {
    isAnalyzerSick = true;
    const { code, stdout } = await runInProcess(['doctor', '--json', '--server', services.url]);
    assert.equal(code, 1);
    const { findings } = JSON.parse(stdout) as { findings: Finding[] };
    const engines = findings.filter(({ check }) => check === 'engines');
    assert.deepEqual(levels(engines), ['problem']);
    assert.match(engines[0]?.found ?? '', /could not be asked: too much at once/);
    assert.ok(findings.some(({ check }) => check === 'tlog'));
  });
});
