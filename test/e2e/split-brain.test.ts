/** Both zones write the same volume, in five ways of coming to that: it is told, nothing is resolved by itself, and nothing is lost. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { NbdClient } from '@salvor/testkit';
import { TwoZones, VOLUME, type Zone } from './two-zones.ts';
import { Counting, countFrom, follows, lastWriteOf, untilLevel } from './zone-load.ts';

const WAYS = countFrom('SALVOR_SPLIT_BRAINS', 1);
let zones: TwoZones;
/** The primary, and the zone that follows it. */
let roles: [Zone, Zone];
/** The last write that both have, and the loads of both sides since. */
let common = 0;
let tags = 0;

before(async () => {
  zones = await TwoZones.start({ isArchived: false });
  roles = [zones.north, zones.south];
  await zones.replicate();
  const first = await zones.north.connected();
  await zones.south.untilStatus('active - secondary');
  await first.disconnect();
});
after(async () => {
  await zones?.[Symbol.asyncDispose]();
});

interface Side {
  readonly zone: Zone;
  readonly load: Counting;
}

function sideOf(zone: Zone): Side {
  const load = new Counting();
  load.acked = common;
  load.tag = ++tags;
  return { zone, load };
}

async function promoted(zone: Zone): Promise<void> {
  await zone.healing.bus.request('volume.promote', { volume: VOLUME, force: true });
  await zone.untilStatus('active - primary');
}

/** Writes so many more, all of them flushed. */
async function writes({ load }: Side, client: NbdClient, count: number): Promise<void> {
  load.start(client);
  await load.more(count);
  await load.stop();
  await client.flush();
}

async function wrote(side: Side, count: number): Promise<void> {
  const client = await side.zone.connected();
  await writes(side, client, count);
  await client.disconnect();
}

interface Split {
  /** Goes on as the primary. */
  readonly winner: Side;
  /** Says that it has writes of its own. */
  readonly loser: Side;
}

/** The line is cut, the follower is promoted, and the primary goes on writing. */
async function whileItWrites(): Promise<Split> {
  const [loser, winner] = roles.map(sideOf) as [Side, Side];
  const there = await loser.zone.connected();
  zones.cut();
  await writes(loser, there, 30);
  await promoted(winner.zone);
  await writes(loser, there, 30);
  await wrote(winner, 50);
  zones.mend();
  await loser.zone.until('split', ({ phase }) => phase === 'split');
  await there.disconnect().catch(() => undefined);
  return { winner, loser };
}

/** Nobody is primary, and both are promoted while they do not hear each other. */
async function bothAtOnce(): Promise<Split> {
  const [from] = roles;
  await from.untilReleased();
  await from.healing.bus.request('volume.demote', { volume: VOLUME });
  await from.untilStatus('active - secondary');
  zones.cut();
  await Promise.all(roles.map(promoted));
  // Of the same generation the name decides.
  const [loser, winner] = [sideOf(zones.north), sideOf(zones.south)];
  await wrote(loser, 40);
  await wrote(winner, 60);
  zones.mend();
  await loser.zone.until('split', ({ phase }) => phase === 'split');
  return { winner, loser };
}

/** Its manager is down; its server goes on serving whoever has the vdisk. */
async function managerDown(): Promise<Split> {
  const [loser, winner] = roles.map(sideOf) as [Side, Side];
  const there = await loser.zone.connected();
  await loser.zone.killManager();
  await promoted(winner.zone);
  await wrote(winner, 40);
  await writes(loser, there, 40);
  await loser.zone.startManager();
  await loser.zone.until('split', ({ phase }) => phase === 'split');
  await there.disconnect().catch(() => undefined);
  return { winner, loser };
}

/** One direction of the line is back, the other one is not. */
async function oneWay(): Promise<Split> {
  const [loser, winner] = roles.map(sideOf) as [Side, Side];
  const there = await loser.zone.connected();
  zones.cut();
  await promoted(winner.zone);
  await writes(loser, there, 30);
  await wrote(winner, 30);
  zones.lineOf(loser.zone).mend();
  await loser.zone.until('split', ({ phase }) => phase === 'split');
  await there.disconnect().catch(() => undefined);
  zones.mend();
  return { winner, loser };
}

/** The one that was given up is promoted again while the other one is away, and that one comes back. */
async function backAndForth(): Promise<Split> {
  const { winner: loser, loser: winner } = await whileItWrites();
  zones.cut();
  await promoted(winner.zone);
  await wrote(winner, 20);
  await wrote(loser, 20);
  zones.mend();
  await loser.zone.until('split', ({ phase }) => phase === 'split');
  return { winner, loser };
}

async function assertHas({ zone, load }: Side): Promise<void> {
  const client = await zone.connected();
  assert.equal(await lastWriteOf(client, { since: common, tag: load.tag }), load.acked, `zone ${zone.name}`);
  await client.disconnect();
}

/** It is told, and stays as it is, whoever is restarted. */
async function assertKept({ winner, loser }: Split): Promise<void> {
  const isTold = ({ phase, conditions }: Awaited<ReturnType<Zone['status']>>): boolean =>
    phase === 'split' && conditions.some(({ condition }) => condition === 'split-brain');
  const told = await loser.zone.until('it is told', isTold);
  for (const { zone } of [loser, winner]) {
    await zone.killManager();
    await zone.startManager();
  }
  const since = Date.now();
  const later = await loser.zone.until('asked again', ({ peerSeenAt }) => (peerSeenAt ?? 0) > since);
  assert.ok(isTold(later), JSON.stringify(later.conditions));
  assert.deepEqual(later.divergence, told.divergence);
  await assert.rejects(loser.zone.healing.bus.request('volume.resync', { volume: VOLUME }), {
    code: 'split-brain',
  });
  await assert.rejects(loser.zone.healing.bus.request('volume.promote', { volume: VOLUME }), {
    code: 'split-brain',
  });
  await assertHas(winner);
}

/** The other side is what an operator wants after all: it has all of it, and so has the one that is given up then. */
async function assertReversible({ winner, loser }: Split): Promise<void> {
  zones.cut();
  await promoted(loser.zone);
  await assertHas(loser);
  await assertHas(winner);
  zones.mend();
  const other = await winner.zone.until('split the other way round', ({ phase }) => phase === 'split');
  assert.ok(other.conditions.some(({ condition }) => condition === 'split-brain'));
  await follows(winner.zone);
  common = loser.load.acked;
  roles = [loser.zone, winner.zone];
  await assertHas(loser);
}

const ways: readonly (readonly [string, () => Promise<Split>])[] = [
  ['both are promoted at once', bothAtOnce],
  ['promoted back and forth, and the other one comes back', backAndForth],
  ['the other zone is promoted by force while the primary still writes', whileItWrites],
  ['the manager of the primary was down, and comes back', managerDown],
  ['one direction of the line comes back', oneWay],
];

for (const [name, made] of ways.slice(0, WAYS))
  test(`split brain: ${name}`, async () => {
    const [, to] = roles;
    await untilLevel(to);
    const split = await made();
    await assertKept(split);
    await assertReversible(split);
  });
