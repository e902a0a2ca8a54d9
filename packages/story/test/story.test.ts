import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type EventPayloads,
  events,
  eventTypes,
  fromPlainJson,
  type IncidentDescription,
} from '@salvor/contracts';
import { eventSentence, incidentStory, tellIncident } from '../src/index.ts';

const at = Date.UTC(2026, 2, 1, 14, 3, 2);

const open: IncidentDescription = {
  incident: 'inc-1',
  cluster: 'primary-1',
  shard: 2,
  address: '10.0.0.1:6379',
  db: 0,
  status: 'offline',
  attempt: 1,
  openedAt: at,
  reporters: [
    { reporter: 'nbd-1', reason: 'connection refused', at },
    { reporter: 'nbd-2', reason: 'timeout', at: at + 40 },
  ],
  reportedTimes: 5,
  history: [step('online', 'offline', at, 'reported by nbd-1: connection refused')],
  unavailable: [],
  repairs: [],
  earlierRepairs: [],
  actions: [],
  lost: [],
};

const repaired: IncidentDescription = {
  ...open,
  status: 'repair-tmp-outage',
  verdict: {
    verdict: 'temporary',
    reason: 'it answers with its identity',
    evidence: [{ kind: 'ping', detail: 'PONG after 3 ms', observer: '', at: at + 8_000 }],
    by: 'health-analyzer',
    at: at + 8_100,
  },
  history: [
    ...open.history,
    step('offline', 'repair-tmp-outage', at + 8_100, 'judged temporary: it answers with its identity'),
    step('repair-tmp-outage', 'online', at + 21_400, 'every vdisk is repaired'),
  ],
  repairs: [
    {
      vdisk: 'v1',
      incident: 'inc-1',
      attempt: 1,
      server: 'nbd-1',
      dirtyBlocks: 1200,
      copiedBlocks: 1200,
      repairMs: 310,
      at: at + 21_000,
    },
  ],
  closedAt: at + 21_400,
  outcome: 'repaired',
};

describe('the story of an incident', () => {
  test('tells reports, verdict with evidence, steps with durations, repairs and the end, in order', () => {
    assert.equal(
      tellIncident(repaired, at).join('\n'),
      [
        'Incident inc-1: the outage of engine 10.0.0.1:6379, shard 2 of cluster primary-1.',
        'It began 2026-03-01 14:03:02.000Z and ended 2026-03-01 14:03:23.400Z after 21.4 s.',
        '',
        '14:03:02.000Z        +0 ms  nbd-1 reported it: connection refused. (5 reports in all from 2 reporters)',
        '14:03:02.000Z        +0 ms  The engine went from online to offline: reported by nbd-1: connection refused.',
        '                            by repair-coordinator, operation op-1',
        '14:03:02.040Z       +40 ms  nbd-2 reported it: timeout.',
        '14:03:10.100Z       +8.1 s  health-analyzer judged it temporary, 8.1 s after the first report: it answers with its identity.',
        '                            - ping: PONG after 3 ms (14:03:10.000Z)',
        '14:03:10.100Z       +8.1 s  The engine went from offline to repair-tmp-outage after 8.1 s offline.',
        '                            by repair-coordinator, operation op-1',
        '14:03:23.000Z      +21.0 s  nbd-1 repaired vdisk v1: 1200 of 1200 blocks copied in 310 ms.',
        '14:03:23.400Z      +21.4 s  The engine went from repair-tmp-outage to online after 13.3 s repair-tmp-outage: every vdisk is repaired.',
        '                            by repair-coordinator, operation op-1',
        '',
        'The incident is over: repaired after 21.4 s.',
      ].join('\n'),
    );
  });

  test('gives what happened in the order of time, for those who show it otherwise', () => {
    const { heading, happenings, ending } = incidentStory(repaired, at);
    assert.deepEqual(
      happenings.map((happening) => happening.at),
      [0, 0, 40, 8_100, 8_100, 21_000, 21_400].map((after) => at + after),
    );
    assert.equal(heading.length, 2);
    assert.equal(ending, 'The incident is over: repaired after 21.4 s.');
  });

  test('says what an open incident waits for', () => {
    const permanent = { verdict: 'permanent' as const, reason: 'empty', evidence: [], by: 'alice', at };
    const replacement = { address: '10.0.0.9:6379', db: 0, generation: 2 };
    assert.match(last(open), /Now \(2\.0 s later\): it waits for a verdict/);
    assert.match(last({ ...open, verdict: permanent }), /waits for a spare/);
    assert.match(last({ ...open, status: 'repair-tmp-outage' }), /copied back.*0 vdisks repaired/);
    assert.match(
      last({ ...open, status: 'repair-final-outage', replacement }),
      /rebuilt on 10\.0\.0\.9:6379/,
    );
  });

  test('tells what was done by hand, what was given up, and what it waits for', () => {
    const held = {
      ...open,
      hold: { kind: 'planned', by: 'alice', reason: 'new memory', at },
      actions: [
        { action: 'engine.take-offline', by: 'alice', reason: 'new memory', operation: 'op-1', at },
        {
          action: 'healing.pause',
          by: 'bob',
          reason: 'bob paused the healing',
          operation: 'op-2',
          at: at + 60,
        },
      ],
      waitsFor: "alice took 10.0.0.1:6379 offline (new memory); it stays so until 'salvor engine online'",
    };
    const told = tellIncident(held, at + 1_000).join('\n');
    assert.match(told, /bob gave the command healing\.pause: bob paused the healing\./);
    assert.match(told, /it is held offline and its partner serves\. It waits for: alice took/);
    const lost = [
      { vdisk: 'v1', blocks: 12, detail: 'its partner took them alone' },
      { vdisk: 'v2', atMost: 65_536, detail: 'its partner cannot be asked' },
    ];
    const given = tellIncident({ ...repaired, outcome: 'data-loss-accepted', lost }, at + 30_000).join('\n');
    assert.match(given, /What the engine missed was given up:/);
    assert.match(given, /vdisk v1: 12 blocks \(its partner took them alone\)/);
    assert.match(given, /vdisk v2: at most 65536 blocks/);
  });

  test('tells repairs of attempts that did not end', () => {
    const [repair] = repaired.repairs;
    assert.ok(repair !== undefined);
    const told = tellIncident({ ...repaired, attempt: 2, earlierRepairs: [repair] }, at + 30_000).join('\n');
    assert.match(told, /1200 of 1200 blocks copied in 310 ms, in attempt 1, which did not end\./);
  });

  test('tells a second attempt', () => {
    const again = { ...step('repair-tmp-outage', 'offline', at + 9_000, 'failed again'), attempt: 2 };
    const story = tellIncident({ ...open, attempt: 2, history: [...open.history, again] }, at).join('\n');
    assert.match(story, /attempt 2 begins: failed again\./);
  });

  test('does not let a reporter draw on the terminal', () => {
    const reporters = [{ reporter: 'nbd-1', reason: 'x\u001b[2J\ny', at }];
    assert.match(tellIncident({ ...open, reporters }, at).join('\n'), /reported it: x y\./);
  });

  test('of an engine that was lost with its partner goes on to the end of the recovery', () => {
    const closed = { ...repaired, status: 'closed', closedAt: at + 30_000, outcome: 'recovered' };
    const told = (more: Partial<IncidentDescription>): string =>
      tellIncident({ ...closed, recovery: 'p1-dr-a', ...more }, at + 90_000).join('\n');
    assert.match(told({}), /recovered after 30\.0 s\. Recovery p1-dr-a is bringing its blocks back/);
    assert.match(
      told({ recoveryResult: '4 of 4 vdisks are whole again', recoveredAt: at + 60_000 }),
      /brought its blocks back from the log, 1 min after the first report: 4 of 4 vdisks are whole again\./,
    );
  });
});

describe('event sentences', () => {
  test('every event is one readable line', () => {
    for (const type of eventTypes()) {
      const payload = fromPlainJson(events[type].record, events[type].example) as EventPayloads[typeof type];
      const sentence = eventSentence(type, payload);
      assert.match(sentence, /^\S.{15,}$/, type);
      assert.doesNotMatch(sentence, /undefined|null|NaN|\[object/, type);
    }
  });

  test('a rejected line is shown', () => {
    const line = Buffer.from('panic: \u001b[31mout of memory');
    const sentence = eventSentence('log.line-rejected', { source: 'nbd-1', reason: 'no JSON', line, at });
    assert.equal(sentence, 'a log line of nbd-1 was not understood: no JSON; it is: panic: out of memory');
  });
});

function step(from: string, to: string, when: number, reason: string) {
  return { from, to, attempt: 1, reason, by: 'repair-coordinator', operation: 'op-1', at: when };
}

function last(incident: IncidentDescription): string {
  return tellIncident(incident, at + 2_000).at(-1) ?? '';
}
