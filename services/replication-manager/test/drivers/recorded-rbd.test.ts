/** Every answer of a real `rbd` that was recorded, through the parsers and the decisions. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideRbdPromote } from '../../src/drivers/rbd/decide-rbd-promote.ts';
import { decideRbdStatus, type RbdSight } from '../../src/drivers/rbd/decide-rbd-status.ts';
import {
  parseRbdInfo,
  parseRbdLocks,
  parseRbdPoolInfo,
  parseRbdSnapshots,
  parseRbdStatus,
} from '../../src/drivers/rbd/rbd-answers.ts';
import { rbdChain } from '../../src/drivers/rbd/rbd-chain.ts';
import { journalStanding } from '../../src/drivers/rbd/rbd-journal.ts';
import { rbdOutcome } from '../../src/drivers/rbd/rbd-outcome.ts';
import { RecordedSights } from './rbd-sights.ts';
import {
  commandOf,
  derivedSnapshots,
  isRecordingHere,
  laterCalls,
  type RecordedCall,
  recordedCalls,
  sayWhatIsMissing,
} from './recorded-calls.ts';

sayWhatIsMissing();
const calls = recordedCalls();
const NOBODY = { local: null, peer: null };
const FORCED = { operation: 'o1', force: true, point: '', wasForced: false };
const PLANNED = { ...FORCED, force: false };

test('each recorded answer is read, and each exit code stands for what the reference says', () => {
  const outcomes = new Map<string, number>();
  for (const call of calls) {
    const outcome = rbdOutcome({ ...call, timedOut: false });
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    assert.equal(outcome === 'done', call.exitCode === 0, `call ${call.n}`);
    if (call.signal !== null) assert.equal(outcome, 'unknown', `call ${call.n}`);
    if (outcome === 'done' && call.argv.includes('json')) parserOf(commandOf(call))?.(call.stdout);
  }
  if (!isRecordingHere) return;
  assert.equal(outcomes.get('failed') ?? 0, calls.filter(isNeverMet).length);
  assert.deepEqual([outcomes.get('unknown'), outcomes.get('peer-not-demoted')], [2, 3]);
  assert.ok((outcomes.get('not-found') ?? 0) >= 8 && (outcomes.get('not-mirrored') ?? 0) >= 6);
});

/** What the driver never orders: a clone that does not say the format, and the name of a mirror snapshot. */
function isNeverMet(call: RecordedCall): boolean {
  return /parent snapshot must be protected|failed to find snapshot|setting snapshot context/.test(
    call.stderr,
  );
}

function parserOf(command: string): ((text: string) => unknown) | null {
  if (command.startsWith('info ')) return parseRbdInfo;
  if (command.startsWith('snap ls ')) return parseRbdSnapshots;
  if (command.startsWith('mirror image status ')) return parseRbdStatus;
  if (command.startsWith('mirror pool info ')) return parseRbdPoolInfo;
  if (command.startsWith('lock ls ')) return parseRbdLocks;
  return null;
}

test('each recorded list of snapshots says what was derived from it', () => {
  for (const { n, role, ...expected } of derivedSnapshots()) {
    const call = calls.find((each) => each.n === n);
    assert.ok(call !== undefined, `call ${n}`);
    const chain = rbdChain(parseRbdSnapshots(call.stdout));
    const where = `call ${n}`;
    assert.equal(chain.role, role, where);
    if (role !== 'secondary') {
      assert.deepEqual(chain.withPeer, expected.withPeer?.map(String), where);
      continue;
    }
    assert.equal(chain.lastComplete, `${expected.lastComplete}`, where);
    assert.deepEqual(chain.incomplete, expected.incomplete?.map(String), where);
    assert.deepEqual(chain.orphan, expected.orphan?.map(String), where);
    assert.equal(chain.demotedArrived, expected.demotedArrived, where);
    assert.equal(chain.forcePromoteSafe, expected.forcePromoteSafe, where);
    assert.deepEqual(chain.validUserSnapshots, expected.validUserSnapshots, where);
    assert.deepEqual(chain.invalidUserSnapshots, expected.invalidUserSnapshots, where);
  }
});

/** After which call, in which zone, of which image; and what is so then. */
interface Moment {
  readonly after: number;
  readonly at: 'site-a' | 'site-b';
  readonly image: string;
  /** The other cluster does not answer. */
  readonly lost?: true;
  readonly state: string;
  readonly degraded?: true;
  readonly forced?: string;
  readonly planned?: string;
}

const moments: readonly Moment[] = [
  { after: 2, at: 'site-a', image: 'snap1', state: 'disabled', forced: 'not-mirrored' },
  { after: 24, at: 'site-a', image: 'snap1', state: 'active - primary', planned: 'done', forced: 'done' },
  {
    after: 24,
    at: 'site-b',
    image: 'snap1',
    state: 'active - secondary',
    planned: 'peer-is-primary',
    forced: 'peer-is-primary',
  },
  {
    after: 24,
    at: 'site-b',
    image: 'snap1',
    lost: true,
    state: 'active - secondary',
    degraded: true,
    planned: 'peer-unreachable',
    forced: 'promote',
  },
  { after: 84, at: 'site-a', image: 'snap1', state: 'no-primary', planned: 'promote' },
  { after: 84, at: 'site-b', image: 'snap1', state: 'no-primary', planned: 'promote' },
  { after: 84, at: 'site-b', image: 'snap1', lost: true, state: 'error', planned: 'peer-unreachable' },
  {
    after: 104,
    at: 'site-b',
    image: 'fail1',
    lost: true,
    state: 'active - primary',
    degraded: true,
    planned: 'done',
  },
  {
    after: 116,
    at: 'site-a',
    image: 'fail1',
    state: 'dual-primary',
    planned: 'dual-primary',
    forced: 'dual-primary',
  },
  { after: 116, at: 'site-b', image: 'fail1', state: 'dual-primary', planned: 'dual-primary' },
  { after: 124, at: 'site-a', image: 'fail1', state: 'split-brain', forced: 'peer-is-primary' },
  { after: 124, at: 'site-b', image: 'fail1', state: 'split-brain' },
  { after: 128, at: 'site-a', image: 'fail1', state: 'disabled' },
  { after: 137, at: 'site-a', image: 'fail1', state: 'active - secondary' },
  { after: 137, at: 'site-b', image: 'fail1', state: 'active - primary' },
  { after: 218, at: 'site-a', image: 'j1', state: 'dual-primary' },
  { after: 226, at: 'site-a', image: 'j1', state: 'split-brain' },
  { after: 237, at: 'site-a', image: 'j1', state: 'active - secondary', planned: 'peer-is-primary' },
  {
    after: 237,
    at: 'site-a',
    image: 'j1',
    lost: true,
    state: 'active - secondary',
    degraded: true,
    forced: 'promote',
  },
  {
    after: 275,
    at: 'site-b',
    image: 'us7',
    lost: true,
    state: 'changing',
    planned: 'peer-unreachable',
    forced: 'clone dr-2',
  },
  { after: 276, at: 'site-b', image: 'us7', lost: true, state: 'changing', forced: 'clone dr-2' },
];

test('at each recorded turn the state is what the reference calls it, and a promote is decided as it says', () => {
  for (const moment of isRecordingHere ? moments : []) {
    const sights = new RecordedSights();
    for (const call of calls) if (call.n <= moment.after) sights.take(call);
    const { after, at, image, lost = false, state } = moment;
    const sight = sights.sight(at, image, { isPeerLost: lost });
    const last = calls.findLast(({ n }) => n <= after);
    const now = Date.parse(last?.at ?? '') || 0;
    const found = decideRbdStatus(sight, NOBODY, now);
    const where = `after call ${after}, ${at}, ${image}${lost ? ', alone' : ''}: ${found.reason}`;
    assert.equal(found.state, state, where);
    if (moment.degraded)
      assert.ok(
        found.conditions.some(({ condition }) => condition === 'degraded'),
        where,
      );
    if (moment.planned !== undefined) assert.equal(promotion(sight, PLANNED), moment.planned, where);
    if (moment.forced !== undefined) assert.equal(promotion(sight, FORCED), moment.forced, where);
  }
});

function promotion(sight: RbdSight, order: typeof FORCED): string {
  const decided = decideRbdPromote(sight, order);
  if (decided.kind === 'refuse') return decided.code;
  return decided.kind === 'clone' ? `clone ${decided.point}` : decided.kind;
}

test('none of the recorded lists that end badly is promoted by force, with whatever is known beside it', () => {
  const bad = derivedSnapshots().filter((each) => each.forcePromoteSafe === false);
  assert.equal(bad.length, isRecordingHere ? 5 : 0);
  for (const { n, validUserSnapshots = [] } of bad) {
    const call = calls.find((each) => each.n === n);
    assert.ok(call !== undefined);
    const sights = new RecordedSights();
    for (const each of calls) if (each.n <= n && each.step === call.step) sights.take(each);
    const image = /vol\/([a-z0-9]+)/.exec(commandOf(call))?.[1] ?? '';
    const sight = sights.sight(call.site, image, { isPeerLost: true });
    const secondary: RbdSight = { ...sight, local: { ...sight.local, info: mirrored(false) } };
    const expected = validUserSnapshots.length === 0 ? 'no-point' : `clone ${validUserSnapshots.at(-1)}`;
    assert.equal(promotion(secondary, FORCED), expected, `call ${n}`);
    assert.equal(promotion(secondary, { ...FORCED, wasForced: true }), 'promote-unknown');
    const { state } = decideRbdStatus(secondary, NOBODY, Date.parse(call.at));
    const isOrphaned = n === 145 || n === 151;
    assert.equal(state, isOrphaned ? 'interrupted-promote' : expectedMidSync(sight), `call ${n}`);
  }
});

/** Half a point is never the state of a secondary that is level. */
function expectedMidSync({ local }: RbdSight): string {
  return local.status.kind === 'silent' ? 'error' : 'active - updating';
}

function mirrored(primary: boolean): RbdSight['local']['info'] {
  const mirroring = { mode: 'snapshot' as const, state: 'enabled' as const, primary, globalId: 'g' };
  return { kind: 'answered', value: { id: 'i1', sizeBytes: 1, objects: 1, hasParent: false, mirroring } };
}

test('numbers beyond 2^53 and states of journal mode keep what they say', () => {
  const list = parseRbdSnapshots(
    '[{"id":18446744073709551610,"name":".mirror.non_primary.x","size":1,"protected":"false","timestamp":"Sat Nov 21 02:18:23 2026","namespace":{"type":"mirror","state":"non-primary","mirror_peer_uuids":[],"complete":true,"primary_mirror_uuid":"u","primary_snap_id":18446744073709551614,"last_copied_object_number":0}}]',
  );
  assert.equal(list[0]?.id, '18446744073709551610');
  assert.equal(list[0]?.kind.type === 'copy' && list[0].kind.primarySnapId, '18446744073709551614');
  assert.equal(list[0]?.at, Date.UTC(2026, 10, 21, 2, 18, 23));
  const report = parseRbdStatus(
    '{"state":"up+replaying","description":"replaying, {\\"replay_state\\":\\"syncing\\",\\"seconds_until_synced\\":36028797018963968}","last_update":"2026-11-21 02:20:22"}',
  );
  assert.deepEqual(report.members, { replay_state: 'syncing', seconds_until_synced: '36028797018963968' });
  assert.equal(report.at, Date.UTC(2026, 10, 21, 2, 20, 22));
});

test('a copy in the trash is neither a point nor a copy', () => {
  const [call] = laterCalls().filter(({ step }) => step === 'point-replaces-point');
  const snapshots = parseRbdSnapshots(call?.stdout ?? '');
  assert.deepEqual(
    snapshots.map(({ kind }) => kind.type),
    ['other', 'user', 'copy'],
  );
  const { role, incomplete, orphan, forcePromoteSafe, validUserSnapshots } = rbdChain(snapshots);
  assert.deepEqual([role, incomplete, orphan, forcePromoteSafe], ['secondary', [], [], true]);
  assert.deepEqual(validUserSnapshots, ['dr-1']);
});

test('a journal is applied only up to where the image was opened last: no entries behind says nothing about the openings since', () => {
  const said = laterCalls()
    .filter(({ step, site }) => step === 'demoted-by-journal' && site === 'site-a')
    .map(({ stdout, argv }) => (argv.includes('status') ? parseRbdStatus(stdout) : null))
    .filter((report) => report?.word === 'replaying');
  const standings = said.map((report) => journalStanding(report?.members ?? {}).kind);
  assert.deepEqual(
    said.map((report) => report?.members.entries_behind_primary),
    [1, 0, 0],
  );
  assert.deepEqual(standings, ['behind', 'behind', 'applied']);
});
