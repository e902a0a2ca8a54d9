/** A zone is given up, killed, or cut off in the middle of writes that are on their way to it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type NbdClient, SeededRandom, testSeed, until } from '@salvor/testkit';
import { TwoZones, VOLUME, type Zone } from './two-zones.ts';
import { Counting, countFrom, follows, hashOf, lastWriteOf, untilLevel } from './zone-load.ts';

/** Forced promotes at random moments; kills of what follows; writes during which a line is disturbed. */
const PROMOTES = countFrom('SALVOR_FORCED_PROMOTES', 1);
const KILLS = countFrom('SALVOR_TARGET_KILLS', 1);
const CUT_WRITES = countFrom('SALVOR_CUT_WRITES', 60);
const seed = testSeed();
const random = new SeededRandom(seed);
const load = new Counting();
let zones: TwoZones;
/** The primary, and the zone that follows it. */
let roles: [Zone, Zone];

before(async () => {
  zones = await TwoZones.start({ isArchived: false });
  roles = [zones.north, zones.south];
  await zones.replicate();
  // Nothing can be followed before somebody has used it.
  const first = await zones.north.connected();
  await zones.south.untilStatus('active - secondary');
  await first.disconnect();
});
after(async () => {
  await zones?.[Symbol.asyncDispose]();
});

/** Which writes may be the last one of the zone that is promoted. */
type Allowed = (last: number) => boolean;

/** Nobody is told; only what is asked does not come back. */
function silence(): void {
  for (const zone of roles) zones.lineOf(zone).disturb('silent');
}

/** The line is cut, or silent, or neither, while it follows. */
async function whileFollowing(there: NbdClient, isCut: boolean): Promise<Allowed> {
  load.start(there);
  await load.more(1 + random.below(150));
  if (isCut) (random.below(2) === 0 ? silence : () => zones.cut())();
  return (last) => last >= load.first - 1 && last <= load.acked + 1;
}

/** The line is cut in the middle of a copy: what was there before is what counts, or the copy when it was complete. */
async function whileCopied(there: NbdClient, to: Zone): Promise<Allowed> {
  load.start(there);
  await load.more(20);
  await load.stop();
  await there.flush();
  await untilLevel(to);
  const level = load.acked;
  zones.cut();
  load.start(there);
  await load.more(100);
  await load.stop();
  await there.flush();
  await to.healing.bus.request('volume.resync', { volume: VOLUME });
  const wanted = (await to.log()).newest + 1 + random.below(16);
  zones.mend();
  const isThere = async (): Promise<boolean> =>
    (await to.status()).phase === 'following' || (await to.log()).newest >= wanted;
  await until(isThere, { what: 'some of the copy', timeoutMs: 120_000, intervalMs: 5 });
  zones.cut();
  return (last) => last === level || last === load.acked;
}

test('a forced promote at any moment ends exactly in a state that the primary had, and in none from before it was level', async (t) => {
  const seen = { following: 0, copying: 0 };
  for (let round = 0; round < PROMOTES; round++) {
    const [from, to] = roles;
    const what = `seed ${seed}, round ${round}`;
    const there = await from.connected();
    const isAllowed =
      round % 3 === 2 ? await whileCopied(there, to) : await whileFollowing(there, round % 3 === 0);
    const { phase } = await to.status();
    seen[phase === 'copying' ? 'copying' : 'following']++;
    await to.healing.bus.request('volume.promote', { volume: VOLUME, force: true });
    await to.untilStatus('active - primary');
    await load.stop();
    await there.disconnect().catch(() => undefined);
    const here = await to.connected();
    const last = await lastWriteOf(here);
    assert.ok(isAllowed(last), `${what}: write ${last} of ${load.first} to ${load.acked}, ${phase}`);
    await here.disconnect();
    zones.mend();
    await follows(from);
    const back = await to.connected();
    assert.equal(await lastWriteOf(back), last, `${what}: what the promoted zone had is what both have`);
    await back.disconnect();
    load.acked = last;
    load.first = last + 1;
    roles = [to, from];
  }
  t.diagnostic(
    `forced promotes: ${seen.following} while it followed, ${seen.copying} in the middle of a copy`,
  );
});

/** Both zones hold the same, and all that was acknowledged. */
async function assertEqual(there: NbdClient): Promise<void> {
  const [from, to] = roles;
  await load.stop();
  await there.flush();
  await untilLevel(to);
  const hash = await hashOf(there);
  await there.disconnect();
  await from.untilReleased();
  await from.healing.bus.request('volume.demote', { volume: VOLUME });
  await to.healing.bus.request('volume.promote', { volume: VOLUME });
  await to.untilStatus('active - primary');
  roles = [to, from];
  const here = await to.connected();
  assert.equal(await lastWriteOf(here), load.acked);
  assert.equal(await hashOf(here), hash);
  await here.disconnect();
  await from.untilStatus('active - secondary');
}

test('what follows is killed again and again under load, and comes to the same', async () => {
  const [from, to] = roles;
  const there = await from.connected();
  load.start(there);
  for (let kill = 0; kill < KILLS; kill++) {
    await load.more(1 + random.below(120));
    await to.killManager();
    await load.more(1 + random.below(60));
    await to.startManager();
    const { sequence } = await to.status();
    await to.until('it goes on', (volume) => (volume.sequence ?? 0) > (sequence ?? 0));
  }
  await assertEqual(there);
});

test('lines that are cut, silent, or carry one way only are made up for with no help', async () => {
  const [from, to] = roles;
  const there = await from.connected();
  load.start(there);
  const disturbances = [
    () => zones.cut(),
    () => zones.lineOf(to).disturb('cut'),
    () => zones.lineOf(from).disturb('cut'),
    () => zones.lineOf(to).disturb('mute'),
    silence,
  ];
  for (const disturb of disturbances) {
    await load.more(10);
    disturb();
    await load.more(CUT_WRITES);
    zones.mend();
    const { sequence } = await to.status();
    await to.until('it goes on', (volume) => (volume.sequence ?? 0) > (sequence ?? 0));
  }
  const { copy } = await to.status();
  await assertEqual(there);
  assert.equal((await roles[0].status()).divergence, undefined);
  assert.ok(copy === undefined || copy.endedAt !== undefined);
});
