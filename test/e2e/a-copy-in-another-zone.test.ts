/** Two complete zones on one machine: each with its own NATS, etcd, engines and services. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { NbdClient, until } from '@salvor/testkit';
import { PLAIN, TwoZones, VDISK, VOLUME, type Zone } from './two-zones.ts';

const BLOCK = 4096;
const BLOCKS = 256;
let zones: TwoZones;

before(async () => {
  zones = await TwoZones.start({ isArchived: true });
});
after(async () => {
  await zones?.[Symbol.asyncDispose]();
});

/** What the vdisk holds, by the first byte of each block. */
const expected = new Map<number, number>();
/** What it holds since both zones wrote. */
const kept = new Map<number, number>();
let fill = 0;

/** Writes blocks with values of their own, and flushes. */
async function write(client: NbdClient, count: number, model = expected): Promise<void> {
  for (let i = 0; i < count; i++) {
    fill = (fill % 250) + 1;
    const block = (fill * 37) % BLOCKS;
    await client.write(block * BLOCK, Buffer.alloc(BLOCK, fill));
    model.set(block, fill);
  }
  await client.flush();
}

async function assertHolds(client: NbdClient, model: ReadonlyMap<number, number> = expected): Promise<void> {
  const found = await client.read(0, BLOCKS * BLOCK);
  for (let block = 0; block < BLOCKS; block++) {
    const content = found.subarray(block * BLOCK, (block + 1) * BLOCK);
    assert.ok(
      content.every((byte) => byte === (model.get(block) ?? 0)),
      `block ${block}: ${content[0]}, expected ${model.get(block) ?? 0}`,
    );
  }
}

/** The server is there and serves what it may; the volume it refuses for this reason. */
async function assertRefused(zone: Zone, reason: RegExp): Promise<void> {
  const plain = await NbdClient.connect(zone.healing.server.unixUri(PLAIN));
  await plain.disconnect();
  await assert.rejects(NbdClient.connect(zone.healing.server.unixUri(VDISK)), reason);
}

const SECONDARY = /is a secondary|secondary/;

/** Until the secondary has at least what the primary's vdisk had when this was called, and knows it. */
async function untilLevel(secondary: Zone, since: number): Promise<void> {
  await secondary.until(
    'level',
    ({ status, lag }) => status === 'active - secondary' && (lag?.observedAt ?? 0) > since + 1_500,
  );
}

test('a volume is copied to another zone with what it holds, and follows; nobody else can write to the copy', async () => {
  await zones.replicate();
  const client = await zones.north.connected();
  await write(client, 300);
  await zones.south.untilStatus('active - secondary');
  await assertRefused(zones.south, SECONDARY);
  await write(client, 100);
  await untilLevel(zones.south, Date.now());
  const north = await zones.north.status();
  assert.deepEqual([north.status, north.generation], ['active - primary', 1]);
  const { point } = await zones.south.until('a point', (volume) => volume.point !== undefined);
  assert.equal(point?.zone, 'north');
  await client.disconnect();
});

/** Of a few letters, and never twice the same. */
function text(bytes: number): Buffer {
  fill = (fill % 250) + 1;
  const words = Array.from({ length: bytes / 8 }, (_, i) => `${(i * fill) % 9_973}`.padEnd(8, '.'));
  return Buffer.from(words.join(''));
}

test('what comes over is compressed and bounded as the primary says, while it follows and afterwards', async () => {
  const client = await zones.north.connected();
  const order = { volume: VOLUME, to: 'south', compression: 'brotli', bandwidthMib: 64 };
  await zones.north.healing.bus.request('volume.replicate', order);
  await zones.south.until(
    'the link',
    ({ bandwidthMib, compression }) => bandwidthMib === 64 && compression === 'brotli',
  );
  await untilLevel(zones.south, Date.now());
  const before = zones.bytesToSouth;
  const TEXT_FROM = 64 * 1024 * 1024;
  const written = 8 * 1024 * 1024;
  for (let at = 0; at < written; at += BLOCK * 64) await client.write(TEXT_FROM + at, text(BLOCK * 64));
  await client.flush();
  await untilLevel(zones.south, Date.now());
  const came = zones.bytesToSouth - before;
  assert.ok(came < (written * 3) / 4, `${came} bytes came over of ${written}`);
  const { point } = await zones.south.until('a point of it', (volume) => (volume.point?.bytes ?? 0) > 0);
  assert.ok((point?.beganAt ?? Number.POSITIVE_INFINITY) <= (point?.at ?? 0));
  await zones.north.healing.bus.request('volume.replicate', {
    ...order,
    compression: 'none',
    bandwidthMib: 0,
  });
  await zones.south.until('no link of its own', ({ compression }) => compression === 'none');
  await client.disconnect();
});

test('one run for each order, and runs by a schedule, go on where a killed manager left off', async () => {
  const { north, south } = zones;
  const order = (wanted: { readonly mode: string; readonly everyMs?: number }) =>
    north.healing.bus.request('volume.replicate', { volume: VOLUME, to: 'south', ...wanted });
  const client = await north.connected();
  await write(client, 20);
  await order({ mode: 'one-time' });
  const once = await south.until(
    'the first run',
    ({ sync, status }) => sync?.runs === 1 && status === 'active - secondary',
  );
  assert.equal(once.point?.sequence, once.sync?.lastSequence);
  await write(client, 20);
  const behind = await south.until('it rests', ({ lag }) => (lag?.bytes ?? 0) > 0 && lag?.level === true);
  await south.killManager();
  await south.startManager();
  const still = await south.until(
    'it rests again',
    ({ lag }) => (lag?.observedAt ?? 0) > (behind.lag?.observedAt ?? 0),
  );
  assert.deepEqual([still.sequence, still.sync?.runs], [once.sequence, 1]);
  await order({ mode: 'one-time' });
  const twice = await south.until('the second run', ({ sync }) => sync?.runs === 2);
  assert.ok((twice.sequence ?? 0) >= (once.sequence ?? 0) + 20);
  await order({ mode: 'periodic', everyMs: 1_000 });
  const first = await south.until('a run by the schedule', ({ sync }) => (sync?.runs ?? 0) > 2);
  await write(client, 20);
  await south.killManager();
  await south.startManager();
  const later = await south.until(
    'runs go on',
    ({ sync, sequence }) =>
      (sync?.runs ?? 0) > (first.sync?.runs ?? 0) && (sequence ?? 0) >= (twice.sequence ?? 0) + 20,
  );
  assert.deepEqual(later.schedule && [later.schedule.everyMs, later.schedule.missed], [1_000, 'run-once']);
  await order({ mode: 'instant' });
  await south.until('it follows', ({ mode, schedule }) => mode === 'instant' && schedule === undefined);
  await untilLevel(south, Date.now());
  await client.disconnect();
});

test('a killed manager and a cut line are made up for by themselves', async () => {
  const client = await zones.north.connected();
  const load = write(client, 400);
  await zones.south.killManager();
  await load;
  await zones.south.startManager();
  await untilLevel(zones.south, Date.now());
  const { reason } = await zones.south.status();
  zones.cut();
  await write(client, 200);
  await zones.north.untilTrimmed();
  const degraded = await zones.south.until('degraded', ({ conditions }) =>
    conditions.some(({ condition }) => condition === 'degraded'),
  );
  assert.equal(degraded.status, 'active - updating');
  zones.mend();
  await untilLevel(zones.south, Date.now());
  assert.equal((await zones.south.status()).reason, reason, 'it follows, and is not copied anew');
  await client.disconnect();
});

test('an archive in another zone takes a volume, over a cut line and from what is in Tier-2 alone, and gives it back there', async () => {
  const { bus, server } = zones.south.healing;
  const named = { archive: 'archive-south', volume: VOLUME };
  const isProtected = async (): Promise<boolean> =>
    (await bus.request('archive.status', named)).archives[0]?.status === 'protected';
  const untilRestorable = async (name: string): Promise<void> => {
    await bus.request('archive.snapshot', { ...named, name });
    const is = async (): Promise<boolean> =>
      (await bus.request('archive.status', named)).archives[0]?.snapshots.find((each) => each.name === name)
        ?.state === 'restorable';
    await until(is, { what: `snapshot ${name} is restorable`, timeoutMs: 120_000 });
  };
  const client = await zones.north.connected();
  await bus.request('archive.start-synchronizing', { ...named, zone: 'north' });
  await write(client, 50);
  await until(isProtected, { what: 'the archive is complete', timeoutMs: 120_000 });
  await untilRestorable('first');
  const first = new Map(expected);
  zones.cut();
  await write(client, 100);
  await zones.north.untilTrimmed();
  await until(async () => (await bus.request('archive.is-send-error', named)).isSendError, {
    ...{ what: 'the archive waits', timeoutMs: 120_000 },
  });
  zones.mend();
  await until(isProtected, { what: 'the archive goes on', timeoutMs: 120_000 });
  await untilRestorable('second');
  assert.equal((await bus.request('archive.status', named)).archives[0]?.generation, 1);
  const vdisk = 'from-archive';
  for (const [atSnapshot, model] of [
    ['second', expected],
    ['first', first],
  ] as const) {
    const made = atSnapshot === 'second' ? { cluster: 'p1', slaveCluster: 's1' } : {};
    const { operation } = await bus.request('archive.restore', { ...named, vdisk, ...made, atSnapshot });
    const isDone = async (): Promise<boolean> =>
      (await bus.request('operation.get', { operation })).operation.status === 'completed';
    await until(isDone, { what: `${atSnapshot} is restored`, timeoutMs: 120_000 });
    // Whoever restored it lets go of it a moment later, as does the server when its client has gone.
    const isFree = async (): Promise<boolean> =>
      (await bus.request('vdisk.describe', { vdisk })).vdisk.owner === undefined;
    await until(isFree, { what: `${vdisk} is given back`, timeoutMs: 120_000 });
    const restored = await NbdClient.connect(server.unixUri(vdisk));
    await assertHolds(restored, model);
    await restored.disconnect();
    await until(isFree, { what: `${vdisk} is given back`, timeoutMs: 120_000 });
  }
  await bus.request('archive.stop-synchronizing', { ...named, forget: true });
  await client.disconnect();
});

test('a resync compares hashes while the primary is written, and goes on when its manager was killed', async () => {
  const client = await zones.north.connected();
  await zones.south.healing.bus.request('volume.resync', { volume: VOLUME });
  const load = write(client, 200);
  await zones.south.until('it compares', ({ copy }) => copy?.way === 'compare');
  await zones.south.killManager();
  await load;
  await zones.south.startManager();
  await untilLevel(zones.south, Date.now());
  const { copy } = await zones.south.status();
  assert.equal(copy?.way, 'compare');
  assert.ok((copy?.sentBlocks ?? BLOCKS) < BLOCKS, `${copy?.sentBlocks} blocks came over`);
  await client.disconnect();
});

test('a planned failover loses nothing, and the other way round neither', async () => {
  for (const [from, to] of [
    [zones.north, zones.south],
    [zones.south, zones.north],
  ] as const) {
    const client = await from.connected();
    await write(client, 100);
    await assert.rejects(to.healing.bus.request('volume.promote', { volume: VOLUME }), {
      code: 'peer-is-primary',
    });
    await assert.rejects(from.healing.bus.request('volume.demote', { volume: VOLUME }), {
      code: 'vdisk-owned',
    });
    await client.disconnect();
    await from.untilReleased();
    await from.healing.bus.request('volume.demote', { volume: VOLUME });
    await to.healing.bus.request('volume.promote', { volume: VOLUME });
    await to.untilStatus('active - primary');
    const moved = await to.connected();
    await assertHolds(moved);
    await write(moved, 50);
    await from.untilStatus('active - secondary');
    await untilLevel(from, Date.now());
    await assertRefused(from, SECONDARY);
    await moved.disconnect();
  }
});

test('both zones wrote after they parted: it is reported, nothing is dropped before an operator says which, and then they agree', async () => {
  const { north, south } = zones;
  await untilLevel(south, Date.now());
  zones.cut();
  await south.healing.bus.request('volume.promote', { volume: VOLUME, force: true });
  await south.untilStatus('active - primary');
  const lost = new Map(expected);
  for (const [block, value] of expected) kept.set(block, value);
  const there = await north.connected();
  await write(there, 60, lost);
  const here = await south.connected();
  await assertHolds(here);
  await write(here, 80, kept);
  zones.mend();
  const split = await north.until('split brain', ({ phase }) => phase === 'split');
  assert.ok(split.conditions.some(({ condition }) => condition === 'split-brain'));
  assert.equal(split.divergence?.records, 60);
  await there.disconnect().catch(() => undefined);
  await assertRefused(north, SECONDARY);
  await assert.rejects(north.healing.bus.request('volume.promote', { volume: VOLUME }), {
    code: 'split-brain',
  });
  await assert.rejects(north.healing.bus.request('volume.resync', { volume: VOLUME }), {
    code: 'split-brain',
  });
  await assert.rejects(north.healing.bus.request('volume.resync', { volume: VOLUME, discard: 'south' }), {
    code: 'wrong-zone',
  });
  await north.healing.bus.request('volume.resync', { volume: VOLUME, discard: 'north' });
  const { copy } = await north.untilStatus('active - secondary');
  assert.equal(copy?.way, 'since-fork');
  assert.ok((copy?.blocks ?? BLOCKS) <= 140, `${copy?.blocks} blocks were looked at`);
  await untilLevel(north, Date.now());
  await here.disconnect();
  await south.untilReleased();
  await south.healing.bus.request('volume.demote', { volume: VOLUME });
  await north.healing.bus.request('volume.promote', { volume: VOLUME });
  await north.untilStatus('active - primary');
  const back = await north.connected();
  await assertHolds(back, kept);
  await back.disconnect();
});

test('a zone that comes back after it was given up does not serve before it has asked, and follows when it wrote nothing since', async () => {
  const { north, south } = zones;
  await untilLevel(south, Date.now());
  zones.cut();
  await south.healing.bus.request('volume.promote', { volume: VOLUME, force: true });
  await south.untilStatus('active - primary');
  await north.untilReleased();
  await north.killManager();
  // What the manager saw last is still on record, as it would be after a power failure.
  await assertRefused(north, /not known yet whether zone south was promoted/);
  zones.mend();
  await north.startManager();
  const back = await north.untilStatus('active - secondary');
  assert.equal(back.divergence, undefined);
  await assertRefused(north, SECONDARY);
});

const REGION_FROM = 4 * 1024 * 1024;
const REGION_BYTES: number = 16 * 1024 * 1024;
const PART: number = 256 * 1024;

async function fillRegion(client: NbdClient, value: number): Promise<void> {
  for (let at = 0; at < REGION_BYTES; at += PART)
    await client.write(REGION_FROM + at, Buffer.alloc(PART, value));
  await client.flush();
}

test('a zone that is lost in the middle of a copy leaves the other one what it had before', async () => {
  const [from, to] = [zones.south, zones.north];
  const client = await from.connected();
  await fillRegion(client, 1);
  await untilLevel(to, Date.now());
  const { point } = await to.until('a point of what it follows', (volume) => volume.point?.zone === 'south');
  zones.cut();
  await fillRegion(client, 2);
  await from.untilTrimmed();
  await to.until('the line is cut', ({ conditions }) =>
    conditions.some(({ condition }) => condition === 'degraded'),
  );
  await to.healing.bus.request('volume.resync', { volume: VOLUME });
  const { newest } = await to.log();
  zones.mend();
  await to.until('it compares', ({ copy }) => copy?.way === 'compare');
  await until(async () => (await to.log()).newest > newest + 12, {
    what: 'blocks that were written over',
    timeoutMs: 120_000,
  });
  zones.cut();
  // A comparison that lost its place has no way until it begins anew.
  assert.equal((await to.status()).phase, 'copying');
  await assert.rejects(to.healing.bus.request('volume.promote', { volume: VOLUME }), {
    code: 'not-complete',
  });
  await to.healing.bus.request('volume.promote', { volume: VOLUME, force: true });
  const promoted = await to.untilStatus('active - primary');
  assert.ok(promoted.lineage.some(({ zone, ends }) => zone === 'south' && ends >= (point?.sequence ?? 0)));
  const here = await to.connected();
  for (let at = 0; at < REGION_BYTES; at += PART) {
    const found = await here.read(REGION_FROM + at, PART);
    assert.ok(
      found.every((byte) => byte === 1),
      `at ${at}: ${found[0]}`,
    );
  }
  await assertHolds(here, new Map([...expected, ...kept]));
  await here.disconnect();
  await client.disconnect().catch(() => undefined);
});
