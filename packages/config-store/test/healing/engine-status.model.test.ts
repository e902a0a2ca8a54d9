/**
 * Random lives of a pair of clusters: engines fail, reports arrive late, twice and out of order, verdicts and
 * completions come from services that look at old states, operators intervene, spares run out and are added, and what no
 * spare is left for is spread.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { stateOfStatus } from '../../src/cluster-storage.ts';
import type { ClusterState } from '../../src/healing/cluster-state.ts';
import { judgeCluster } from '../../src/healing/cluster-status.ts';
import { decideEngineStatus } from '../../src/healing/engine-status.ts';
import type {
  EngineStatusDecision,
  EngineStatusInput,
  FailureReported,
} from '../../src/healing/engine-status-decision.ts';
import type { IncidentRecord, Verdict } from '../../src/healing/records.ts';
import { engineMoves, isIncidentStatus } from '../../src/healing/status-words.ts';
import { decideVdiskCreate, decideVdiskDelete } from '../../src/healing/vdisk-admission.ts';
import { pairOfClusters } from './cluster-fixture.ts';

const shards = 3;
/** So that some lives have an engine that flaps. */
const policy = { flapping: { failures: 2, windowMs: 2_000 } };
const vdisks = ['v0', 'v1', 'v2'];

type Command =
  | { do: 'fail'; shard: number; spare: boolean; reporters: number }
  | { do: 'deliver'; pick: number; keep: boolean }
  | { do: 'judge'; pick: number; verdict: Verdict; missedWrites: boolean | undefined; attemptsBack: number }
  | { do: 'override'; shard: number; verdict: Verdict }
  | { do: 'repair'; pick: number; vdisk: number }
  | { do: 'complete'; pick: number; attemptsBack: number }
  | { do: 'repeat'; pick: number }
  | { do: 'spread'; pick: number; attemptsBack: number; hindered: boolean; isDue: boolean }
  | { do: 'partner'; shard: number }
  | { do: 'add-spare' }
  | { do: 'take-offline' | 'retire' | 'acknowledge' | 'cancel' | 'retry'; shard: number }
  | { do: 'bring-online'; shard: number; missedWrites: boolean | undefined; accepts: boolean }
  | { do: 'pause' | 'resume' };

const pick = fc.nat({ max: 1_000 });
const shard = fc.nat({ max: shards - 1 });
const verdict = fc.constantFrom<Verdict>('temporary', 'permanent', 'false_alarm');
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('fail' as const),
      shard,
      spare: fc.boolean(),
      reporters: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('deliver' as const), pick, keep: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('judge' as const),
      pick,
      verdict,
      missedWrites: fc.constantFrom(true, false, undefined),
      attemptsBack: fc.constantFrom(0, 0, 0, 1),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('override' as const), shard, verdict }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('repair' as const),
      pick,
      vdisk: fc.nat({ max: vdisks.length - 1 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('complete' as const),
      pick,
      attemptsBack: fc.constantFrom(0, 0, 1),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('repeat' as const), pick }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('spread' as const),
      pick,
      attemptsBack: fc.constantFrom(0, 0, 0, 1),
      hindered: fc.constantFrom(false, false, false, true),
      isDue: fc.constantFrom(true, true, true, false),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('partner' as const), shard }) },
  { weight: 1, arbitrary: fc.constant({ do: 'add-spare' as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('take-offline', 'retire', 'acknowledge', 'cancel', 'retry'),
      shard,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('bring-online' as const),
      shard,
      missedWrites: fc.constantFrom(false, undefined),
      accepts: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('pause', 'resume', 'resume') }) },
);

class World {
  state: ClusterState;
  now = 1_000_000;
  /** Reports on their way. */
  readonly reports: FailureReported[] = [];
  readonly inputs: EngineStatusInput[] = [];
  /** Every incident ever seen, open or not: services remember what they read. */
  readonly seen: IncidentRecord[] = [];
  readonly closed = new Set<string>();
  readonly outcomes = new Set<string>();
  readonly holds = new Set<string>();
  /** Repair records, by incident and attempt, as their owners wrote them. */
  readonly repaired = new Map<string, Set<string>>();
  failures = 0;
  fallsOffline = 0;
  spares: number;
  operations = 0;

  constructor(spares: number) {
    this.spares = spares;
    this.state = pairOfClusters(
      shards,
      Array.from({ length: spares }, (_, spare) => `spare${spare}:1`),
    );
  }

  run(command: Command): void {
    this.now += 10;
    switch (command.do) {
      case 'fail':
        return this.fail(command.shard, command.spare, command.reporters);
      case 'deliver': {
        const index = command.pick % Math.max(1, this.reports.length);
        const report = this.reports[index];
        if (report === undefined) return;
        if (!command.keep) this.reports.splice(index, 1);
        return this.decide(report);
      }
      case 'judge': {
        const incident = this.seen[command.pick % Math.max(1, this.seen.length)];
        if (incident === undefined) return;
        const { missedWrites } = command;
        return this.decide({
          kind: 'verdict',
          incident: incident.id,
          attempt: Math.max(1, (this.open(incident.id)?.attempt ?? incident.attempt) - command.attemptsBack),
          verdict: command.verdict,
          reason: 'probe',
          evidence: [],
          by: 'analyzer',
          operation: this.operation(),
          ...(missedWrites === undefined ? {} : { missedWrites }),
        });
      }
      case 'override':
        return this.decide({
          kind: 'verdict',
          operator: true,
          address: this.state.storage.servers[command.shard]?.address ?? '',
          verdict: command.verdict,
          reason: 'I looked',
          evidence: [],
          by: 'ops',
          operation: this.operation(),
        });
      case 'repair': {
        const incident = this.seen[command.pick % Math.max(1, this.seen.length)];
        const open = incident === undefined ? undefined : this.open(incident.id);
        if (open === undefined || open.status === 'offline') return;
        this.repairsOf(open.id, open.attempt).add(vdisks[command.vdisk] ?? '');
        return;
      }
      case 'complete': {
        const incident = this.seen[command.pick % Math.max(1, this.seen.length)];
        if (incident === undefined) return;
        const attempt = Math.max(
          1,
          (this.open(incident.id)?.attempt ?? incident.attempt) - command.attemptsBack,
        );
        return this.decide({
          kind: 'repairs-complete',
          incident: incident.id,
          attempt,
          repaired: new Set(this.repairsOf(incident.id, attempt)),
          vdisks: new Set(vdisks),
          by: 'coordinator',
          operation: this.operation(),
        });
      }
      case 'spread': {
        const incident = this.seen[command.pick % Math.max(1, this.seen.length)];
        if (incident === undefined) return;
        const attempt = (this.open(incident.id)?.attempt ?? incident.attempt) - command.attemptsBack;
        return this.decide({
          kind: 'spread',
          incident: incident.id,
          attempt: Math.max(1, attempt),
          afterMs: command.isDue ? 0 : Number.MAX_SAFE_INTEGER,
          hindrance: command.hindered ? 'a vdisk that cannot be spread' : null,
          by: 'coordinator',
          operation: this.operation(),
        });
      }
      case 'partner':
        return this.movePartner(command.shard);
      case 'repeat': {
        const input = this.inputs[command.pick % Math.max(1, this.inputs.length)];
        return input === undefined ? undefined : this.decide(input);
      }
      case 'take-offline':
      case 'retire':
      case 'bring-online':
      case 'acknowledge':
      case 'cancel':
      case 'retry':
        return this.order(command);
      case 'pause':
      case 'resume': {
        const by = { by: 'ops', at: this.now, reason: 'work', operation: this.operation() };
        const cluster = { downtimes: [], log: [], ...(command.do === 'pause' ? { pause: by } : {}) };
        this.state = { ...this.state, controls: { cluster } };
        return;
      }
      case 'add-spare': {
        const address = `spare${this.spares++}:1`;
        const { record } = this.state;
        this.state = { ...this.state, record: { ...record, spares: [...record.spares, { address, db: 0 }] } };
      }
    }
  }

  order(command: Extract<Command, { shard: number }>): void {
    const entry = this.state.storage.servers[command.shard];
    const incident = this.state.incidents.get(command.shard);
    const about = { by: 'ops', reason: 'I want it so', operation: this.operation() };
    const engine = { ...about, address: entry?.address ?? '' };
    const named = { ...about, incident: incident?.id ?? 'none' };
    const at = { single: [], mirrored: vdisks };
    switch (command.do) {
      case 'take-offline':
        return this.decide({ ...engine, kind: 'take-offline', vdisks: at, force: false });
      case 'retire':
        return this.decide({ ...engine, kind: 'retire', vdisks: at });
      case 'bring-online': {
        const known = command.missedWrites === undefined ? {} : { missedWrites: command.missedWrites };
        const lost = { vdisks: vdisks.map((vdisk) => ({ vdisk, detail: 'not known' })) };
        const given = command.accepts ? { accepts: lost } : {};
        return this.decide({ ...engine, kind: 'bring-online', ...known, ...given });
      }
      case 'acknowledge':
        return this.decide({ ...named, kind: 'acknowledge' });
      case 'cancel':
        return this.decide({ ...named, kind: 'cancel-repair' });
      case 'retry': {
        const repaired = new Set(this.repairsOf(named.incident, incident?.attempt ?? 1));
        return this.decide({ ...named, kind: 'retry-repair', repaired });
      }
      default:
    }
  }

  /** An engine (or the spare being rebuilt) that was up breaks, and several servers see it. */
  fail(shard: number, spare: boolean, reporters: number): void {
    const entry = this.state.storage.servers[shard];
    if (entry === undefined || !['online', 'repair-tmp-outage', 'repair-final-outage'].includes(entry.status))
      return;
    if (entry.status === 'repair-final-outage' && !spare) return;
    this.failures += 1;
    for (let reporter = 0; reporter < reporters; reporter++) {
      this.reports.push({
        kind: 'failure-reported',
        address: entry.replacement?.address ?? entry.address,
        reporter: `nbd-${reporter}`,
        reason: 'broken link',
        operation: this.operation(),
        detectedAt: this.now,
      });
    }
  }

  /** An engine of the other cluster fails, or comes back. */
  movePartner(shard: number): void {
    const { partner, storage, record } = this.state;
    const entry = partner?.storage.servers[shard];
    if (partner === undefined || entry === undefined || entry.status === 'rip') return;
    const [status, state] =
      entry.status === 'online' ? (['offline', 'offline'] as const) : (['online', 'online'] as const);
    const servers = partner.storage.servers.with(shard, { ...entry, status, state });
    const judged = judgeCluster(storage.servers, record.role, servers);
    this.state = {
      ...this.state,
      record: { ...record, status: judged.status },
      partner: { ...partner, storage: { servers } },
    };
  }

  decide(input: EngineStatusInput): void {
    const before = this.state;
    const decision = decideEngineStatus(before, input, this.now, policy);
    this.inputs.push(input);
    this.check(before, input, decision);
    if (decision.next === undefined) return;
    this.state = decision.next;
    if (decision.closed !== undefined) {
      assert.ok(!this.closed.has(decision.closed.id), 'an incident closes once');
      this.closed.add(decision.closed.id);
      this.outcomes.add(`${decision.closed.outcome} ${decision.closed.attempt > 1 ? 'at last' : 'at once'}`);
    } else if (decision.incident !== undefined) {
      assert.ok(!this.closed.has(decision.incident.id), 'an incident id is never used again');
      this.seen.push(decision.incident);
    }
    const repeat = decideEngineStatus(this.state, input, this.now, policy);
    assert.notEqual(repeat.outcome, 'applied', `the same input again changes nothing: ${repeat.reason}`);
  }

  check(before: ClusterState, input: EngineStatusInput, decision: EngineStatusDecision): void {
    const after = decision.next ?? before;
    if (decision.outcome !== 'applied') {
      assert.equal(after.storage, before.storage);
      assert.equal(after.record, before.record);
    }
    checkWords(after);
    checkMoves(before, after, decision);
    checkStatus(after);
    checkAdmission(after);
    checkAddresses(before, after);
    this.checkOnline(before, after, input);
    this.checkSpread(before, after, input);
    this.checkHeld(before, input, decision);
    this.checkSpareKept(before, after, input);
    this.fallsOffline += decision.effects.filter(
      (event) =>
        event.type === 'engine.status-changed' &&
        event.payload.to === 'offline' &&
        event.payload.by !== 'ops',
    ).length;
    assert.ok(this.fallsOffline <= this.failures, 'reports of one failure make one move');
  }

  /** What an operator, or the rule about flapping, holds back is not moved by what an analyzer finds. */
  checkHeld(before: ClusterState, input: EngineStatusInput, decision: EngineStatusDecision): void {
    if (decision.incident?.hold !== undefined) this.holds.add(decision.incident.hold.kind);
    if (input.kind !== 'verdict' || input.operator === true || decision.outcome !== 'applied') return;
    const hold = decision.shard === undefined ? undefined : before.incidents.get(decision.shard)?.hold;
    assert.ok(hold === undefined || (hold.kind === 'flapping' && input.verdict === 'permanent'));
    assert.equal(before.controls?.cluster?.pause, undefined);
  }

  /** A spare under rebuild may alone have the newest writes: without a partner that serves, no report and no doubt ends it. */
  checkSpareKept(before: ClusterState, after: ClusterState, input: EngineStatusInput): void {
    for (const [shard, { replacement, status }] of before.storage.servers.entries()) {
      const now = after.storage.servers[shard];
      const isAlone = before.partner?.storage.servers[shard]?.status !== 'online';
      if (status === 'offline' && replacement !== undefined) this.outcomes.add('a spare is waited for');
      if (replacement === undefined || !isAlone || now?.address === replacement.address) continue;
      if (now?.replacement?.address === replacement.address) {
        const isFilled = status === 'offline' && now.status === 'repair-final-outage';
        if (isFilled) this.outcomes.add('a spare is filled again');
        assert.equal(now.replacement.generation, replacement.generation);
        continue;
      }
      const isGivenUp =
        (input.kind === 'verdict' && input.verdict === 'permanent') ||
        (input.kind === 'bring-online' && input.accepts !== undefined);
      assert.ok(
        isGivenUp,
        `${input.kind} lets go of ${replacement.address}, which may be the last that has it all`,
      );
      assert.equal(status, 'offline');
    }
  }

  /** Invariant 4. */
  checkOnline(before: ClusterState, after: ClusterState, input: EngineStatusInput): void {
    for (const [shard, entry] of after.storage.servers.entries()) {
      const from = before.storage.servers[shard]?.status;
      if (entry.status !== 'online' || from === 'online') continue;
      const incident = before.incidents.get(shard) ?? assert.fail('an engine comes back from an incident');
      if (input.kind === 'bring-online') {
        const partner = before.partner?.storage.servers[shard]?.status;
        if (input.accepts !== undefined && partner !== 'online') {
          assert.ok(
            after.partner?.storage.servers[shard]?.status !== 'online',
            'only for want of a survivor',
          );
          continue;
        }
        assert.deepEqual([input.missedWrites, incident.attempt, from], [false, 1, 'offline']);
        continue;
      }
      if (input.kind === 'verdict') {
        assert.deepEqual([input.verdict, input.missedWrites, incident.attempt], ['false_alarm', false, 1]);
        assert.equal(from, 'offline');
        continue;
      }
      assert.equal(input.kind, 'repairs-complete');
      const done = this.repairsOf(incident.id, incident.attempt);
      assert.ok(
        vdisks.every((vdisk) => done.has(vdisk)),
        'every vdisk is repaired, for that incident and attempt',
      );
    }
  }

  /** A pair is given up as a whole, by repairs of every vdisk; and only for want of a spare, with a partner that has all. */
  checkSpread(before: ClusterState, after: ClusterState, input: EngineStatusInput): void {
    for (const [shard, entry] of after.storage.servers.entries()) {
      const from = before.storage.servers[shard]?.status;
      const isSpread = entry.status === 'repair-final-outage' && entry.replacement === undefined;
      if (isSpread && from === 'offline') {
        assert.deepEqual([input.kind, before.record.spares.length], ['spread', 0]);
        assert.equal(before.incidents.get(shard)?.verdict?.verdict, 'permanent');
        assert.equal(before.partner?.storage.servers[shard]?.status, 'online');
        assert.ok(
          before.storage.servers.some(
            ({ status }, other) =>
              other !== shard &&
              status === 'online' &&
              before.partner?.storage.servers[other]?.status === 'online',
          ),
          'there is a pair with two members to take the blocks',
        );
        const spreads = after.storage.servers.filter(
          ({ status, replacement }) => status === 'repair-final-outage' && replacement === undefined,
        );
        assert.equal(
          spreads.length,
          1,
          'one shard is spread at a time: the others need to know where its blocks go',
        );
      }
      assert.equal(
        entry.status === 'rip',
        after.partner?.storage.servers[shard]?.status === 'rip',
        'both members of a pair are given up at once',
      );
      if (entry.status !== 'rip' || from === 'rip') continue;
      const incident = before.incidents.get(shard) ?? assert.fail('a shard is given up in an incident');
      assert.deepEqual([incident.repairKind, incident.status], ['spread', 'repair-final-outage']);
      const done = this.repairsOf(incident.id, incident.attempt);
      assert.ok(
        vdisks.every((vdisk) => done.has(vdisk)),
        'the blocks of every vdisk are elsewhere',
      );
    }
    assert.ok(
      after.storage.servers.some(({ status }) => status !== 'rip'),
      'a shard is left',
    );
  }

  open(id: string): IncidentRecord | undefined {
    return [...this.state.incidents.values()].find((incident) => incident.id === id);
  }

  repairsOf(incident: string, attempt: number): Set<string> {
    const key = `${incident}/${attempt}`;
    const known = this.repaired.get(key) ?? new Set<string>();
    this.repaired.set(key, known);
    return known;
  }

  operation(): string {
    return `op-${this.operations++}`;
  }
}

/** Invariant 3, its first half: words match, and one incident is open for exactly each engine that is down. */
function checkWords(state: ClusterState): void {
  for (const [shard, entry] of state.storage.servers.entries()) {
    assert.equal(entry.state, stateOfStatus[entry.status]);
    const incident = state.incidents.get(shard);
    assert.equal(incident !== undefined, isIncidentStatus(entry.status), `shard ${shard} is ${entry.status}`);
    assert.equal(incident?.status ?? entry.status, entry.status);
    assert.deepEqual(incident?.replacement, entry.replacement);
  }
}

/** Invariant 3, its second half: one engine moves, along the table, and every step of the way is announced. */
function checkMoves(before: ClusterState, after: ClusterState, decision: EngineStatusDecision): void {
  const moved = after.storage.servers.flatMap((entry, shard) => {
    return entry.status === before.storage.servers[shard]?.status ? [] : [shard];
  });
  assert.ok(moved.length <= 1);
  const steps = decision.effects.flatMap((event) =>
    event.type === 'engine.status-changed' && event.payload.cluster === after.cluster ? [event.payload] : [],
  );
  // A repair that is begun anew goes offline and back.
  const mover = moved[0] ?? steps[0]?.shard;
  if (mover === undefined) return;
  let at = before.storage.servers[mover]?.status;
  for (const { from, to, shard } of steps) {
    assert.deepEqual([from, shard], [at, mover]);
    assert.ok(engineMoves[from].includes(to), `${from} to ${to}`);
    at = to;
  }
  assert.equal(at, after.storage.servers[mover]?.status);
}

function checkStatus({ storage, record, partner }: ClusterState): void {
  assert.equal(record.status, judgeCluster(storage.servers, record.role, partner?.storage.servers).status);
}

/** Invariant 6. */
function checkAdmission({ cluster, storage, record }: ClusterState): void {
  const own = { cluster, servers: storage.servers, record };
  const isWhole = storage.servers.every(({ status }) => status === 'online' || status === 'rip');
  const expected = isWhole ? 'applied' : 'refused';
  const request = { vdisk: 'new', type: 'db', sizeGiB: 1, blockSize: 4096, cluster, readOnly: false };
  const create = decideVdiskCreate(
    { primary: own, slave: null, exists: false, lifecycle: null, mark: null },
    request,
    'r',
  );
  const remove = decideVdiskDelete(
    { exists: true, clusters: [own], owner: null, lifecycle: null, mark: null },
    'v0',
    'r',
  );
  assert.deepEqual([create.outcome, remove.outcome], [expected, expected]);
}

/** No engine is lost from the books, and none stands in two places. */
function checkAddresses(before: ClusterState, after: ClusterState): void {
  assert.deepEqual(addressesOf(after), addressesOf(before));
  assert.equal(new Set(addressesOf(after)).size, addressesOf(after).length);
}

function addressesOf({ storage, record }: ClusterState): string[] {
  const engines = storage.servers.flatMap(({ address, replacement }) => [
    address,
    ...(replacement ? [replacement.address] : []),
  ]);
  return [...engines, ...[...record.spares, ...record.retired].map(({ address }) => address)].sort();
}

/** The same lives every time: whether they are rich must not be a matter of luck. */
const RICH_SEED = 1;

const lives = (reached: Set<string>) =>
  fc.property(
    fc.nat({ max: 2 }),
    fc.array(command, { minLength: 20, maxLength: 120 }),
    (spares, commands) => {
      const world = new World(spares);
      for (const one of commands) world.run(one);
      for (const outcome of world.outcomes) reached.add(outcome);
      for (const hold of world.holds) reached.add(`held: ${hold}`);
    },
  );

it('holds its invariants over any life of a cluster', () => {
  fc.assert(lives(new Set()), { numRuns: 700 });
});

it('lives lives that are rich enough to mean something', () => {
  const reached = new Set<string>();
  fc.assert(lives(reached), { numRuns: 2_000, seed: RICH_SEED });
  assert.deepEqual([...reached].sort(), [
    'a spare is filled again',
    'a spare is waited for',
    'data-loss-accepted at last',
    'data-loss-accepted at once',
    'false-alarm at once',
    'held: cancelled',
    'held: flapping',
    'held: planned',
    'repaired at last',
    'repaired at once',
    'replaced at last',
    'replaced at once',
    'spread at once',
  ]);
});

it('makes one move and one incident of many reports, in any order and with repeats', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 9 }), { minLength: 10, maxLength: 40 }),
      fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 10, maxLength: 10 }),
      (order, delays) => {
        let state = pairOfClusters();
        let moves = 0;
        const incidents = new Set<string>();
        for (const reporter of order) {
          const decision = decideEngineStatus(
            state,
            {
              kind: 'failure-reported',
              address: 'p1:1',
              reporter: `nbd-${reporter}`,
              reason: 'timeout',
              operation: `report-${reporter}`,
              detectedAt: 1_000 + (delays[reporter] ?? 0),
            },
            5_000,
          );
          if (decision.outcome === 'applied') moves += 1;
          if (decision.incident !== undefined) incidents.add(decision.incident.id);
          state = decision.next ?? state;
        }
        assert.deepEqual([moves, incidents.size], [1, 1]);
        assert.equal(state.incidents.get(1)?.reporters.length, new Set(order).size);
      },
    ),
  );
});
