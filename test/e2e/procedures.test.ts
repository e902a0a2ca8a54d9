/** A replay after a disaster and a planned move to another zone, first by the documented requests alone, then on the page of the console alone. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { NbdClient, RawNats, until } from '@salvor/testkit';
import type { Browser } from 'playwright-core';
import { launchBrowser, OpenedPage } from '../../services/console/test/browser/opened-page.ts';
import { DocumentedProcedure } from './documented-requests.ts';
import { TwoZones, VOLUME, type Zone } from './two-zones.ts';

const TOKEN = 'a-token-of-the-tests-0123456789';
const BLOCK = 4096;
const BLOCKS = 96;
const LOST = 1;
const WAIT = { timeoutMs: 120_000 };
let zones: TwoZones;
let browser: Browser;
let natsOf: { readonly north: RawNats; readonly south: RawNats };

before(async () => {
  zones = await TwoZones.start({ isArchived: true, spares: 2, consoleTokens: `alice ${TOKEN}` });
  const [north, south] = [zones.north, zones.south].map(({ healing }) =>
    RawNats.connect(healing.stack.natsUrl),
  );
  if (north === undefined || south === undefined) throw new Error('two zones');
  natsOf = { north: await north, south: await south };
});
after(async () => {
  natsOf?.north.close();
  natsOf?.south.close();
  await browser?.close();
  await zones?.[Symbol.asyncDispose]();
});

const contentOf = (block: number, round: number): Buffer =>
  Buffer.alloc(BLOCK, 1 + ((block + 31 * round) % 250));

/** All blocks, flushed. */
async function write(client: NbdClient, round: number): Promise<void> {
  for (let block = 0; block < BLOCKS; block++) await client.write(block * BLOCK, contentOf(block, round));
  await client.flush();
}

async function verify(client: NbdClient, round: number): Promise<void> {
  const found = await client.read(0, BLOCKS * BLOCK);
  const lost = Array.from({ length: BLOCKS }, (_, block) => block).filter(
    (block) => !found.subarray(block * BLOCK, (block + 1) * BLOCK).equals(contentOf(block, round)),
  );
  assert.deepEqual(lost, []);
}

/** A vdisk with a log and one without, each written to; then both engines of a pair are gone, and nobody uses the vdisks. */
async function strike({ healing }: Zone): Promise<void> {
  const { bus, server, stack } = healing;
  const place = { type: 'db' as const, sizeGiB: 1, cluster: 'p1', slaveCluster: 's1' };
  await bus.request('vdisk.create', { ...place, vdisk: 'd1', tlog: 'block' });
  await bus.request('vdisk.create', { ...place, vdisk: 'v2' });
  const [logged, plain] = [
    await NbdClient.connect(server.unixUri('d1')),
    await NbdClient.connect(server.unixUri('v2')),
  ];
  await write(logged, 0);
  await write(plain, 0);
  const isWhole = async (): Promise<boolean> =>
    (await bus.request('tlog.status', { vdisk: 'd1' })).logs.every(({ status }) => status === 'whole');
  await until(isWhole, { ...WAIT, what: 'a whole log' });
  for (const role of ['primary', 'slave'] as const) {
    const engine = stack.engine(role, LOST);
    await engine.process.kill('SIGKILL');
    rmSync(engine.dataDir, { recursive: true, force: true });
  }
  await assert.rejects(logged.write(LOST * BLOCK, contentOf(0, 9)));
  for (const role of ['primary', 'slave'] as const)
    await healing.untilStatus(stack.engine(role, LOST).address, 'offline', WAIT.timeoutMs);
  await logged.disconnect();
  await plain.disconnect();
  for (const vdisk of ['d1', 'v2']) {
    const isFree = async (): Promise<boolean> =>
      (await bus.request('vdisk.describe', { vdisk })).vdisk.owner === undefined;
    await until(isFree, { ...WAIT, what: `nobody has ${vdisk}` });
  }
}

/** Everything is served again, with everything that the log had; what no log had was given up. */
async function recovered({ healing }: Zone): Promise<void> {
  await healing.untilHealed(WAIT.timeoutMs);
  const logged = await NbdClient.connect(healing.server.unixUri('d1'));
  await verify(logged, 0);
  await logged.disconnect();
  const plain = await NbdClient.connect(healing.server.unixUri('v2'));
  assert.ok((await plain.read(LOST * BLOCK, BLOCK)).equals(Buffer.alloc(BLOCK)));
  assert.ok((await plain.read(0, BLOCK)).equals(contentOf(0, 0)));
  await plain.disconnect();
}

test('both engines of a pair are lost, and everything comes back by the documented requests alone', async () => {
  await strike(zones.north);
  const page = new DocumentedProcedure('docs/runbooks/disaster-recovery.md', { '': natsOf.north });
  const { clusters } = (await page.next('cluster.list')) as { clusters: { status: string }[] };
  assert.ok(clusters.some(({ status }) => status === 'unhealthy'));
  const { recovery } = (await page.next('dr.plan')) as { recovery: { status: string } };
  assert.equal(recovery.status, 'prepared');
  await page.next('dr.replay');
  await page.nextUntil('operation.get', ({ operation }) => {
    const { status, message } = operation as { status: string; message: string };
    assert.ok(status === 'running' || status === 'completed', message);
    return status === 'completed';
  });
  const status = (await page.next('dr.status')) as {
    recovery: { vdisks: { vdisk: string; state: string; lostBlocks?: number }[] };
  };
  const [one, two] = status.recovery.vdisks;
  assert.deepEqual([one?.vdisk, one?.state, two?.vdisk, two?.state], ['d1', 'restored', 'v2', 'lost']);
  await page.next('incident.list');
  await page.next('dr.accept-loss', ['52429', String(two?.lostBlocks)]);
  page.allSent();
  await recovered(zones.north);
});

/** The page of a zone, where a token was typed. */
async function unlocked({ healing }: Zone): Promise<OpenedPage> {
  browser ??= await launchBrowser();
  const opened = await OpenedPage.open(browser, healing.stack.consoleUrl ?? assert.fail('no console'));
  const { page } = opened;
  await page.getByRole('button', { name: 'Unlock actions' }).click();
  await page.keyboard.type(TOKEN);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Lock actions' }).waitFor();
  return opened;
}

/** Presses a button of the page, and types in its dialog what confirms it: with the keyboard alone from there on. */
async function order(
  { page }: OpenedPage,
  button: string,
  what: { within?: string; types?: string; reason?: string; ticks?: RegExp } = {},
): Promise<void> {
  const place = what.within === undefined ? page.locator('body') : page.locator(what.within);
  await place.getByRole('button', { name: button }).first().focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  if (what.ticks !== undefined) {
    await dialog.getByLabel(what.ticks).focus();
    await page.keyboard.press('Space');
  }
  if (what.reason !== undefined) {
    await dialog.getByLabel('Reason').focus();
    await page.keyboard.type(what.reason);
  }
  if (what.types !== undefined) {
    await dialog.getByLabel(/Type/).focus();
    await page.keyboard.type(what.types);
    await page.keyboard.press('Enter');
  } else await dialog.getByRole('button').last().press('Enter');
  await dialog.waitFor({ state: 'hidden' });
}

test('both engines of a pair are lost, and everything comes back on the page alone', async () => {
  await strike(zones.south);
  await using opened = await unlocked(zones.south);
  const { page } = opened;
  await opened.sees('Data is unavailable');
  await order(opened, 'They will not come back …', { types: 'p1' });
  await page.locator('#attention').getByText('Recovery of p1 from the log').waitFor();
  await order(opened, 'Recover from the log …', { types: 'p1' });
  const card = page.locator('#attention .card', { hasText: 'Recovery of p1' });
  await card.getByText(/v2: [\d,]+ blocks? (is|are) lost, and it is locked/).waitFor();
  const [, count = ''] = /v2: ([\d,]+) block/.exec((await card.textContent()) ?? '') ?? [];
  await order(opened, 'Give them up …', { types: count.replaceAll(',', ''), reason: 'it held a cache' });
  await page
    .locator('#recovered')
    .getByText(/d1: [\d,]+ blocks? restored/)
    .waitFor();
  await opened.sees('All is well');
  await recovered(zones.south);
  assert.deepEqual(opened.complaints, []);
});

async function replicated(): Promise<void> {
  await zones.replicate();
  const first = await zones.north.connected();
  await write(first, 1);
  await zones.south.untilStatus('active - secondary');
  await write(first, 2);
  await first.disconnect();
  await zones.north.untilReleased();
}

/** Every write is where the volume is primary now, and the other zone follows. */
async function movedTo(here: Zone, there: Zone, round: number): Promise<void> {
  await here.untilStatus('active - primary');
  const client = await here.connected();
  await verify(client, round);
  await write(client, round + 1);
  await client.disconnect();
  await there.untilStatus('active - secondary');
  await here.untilReleased();
}

test('a volume moves to the other zone and back by the documented requests alone, and no write is lost', async () => {
  await replicated();
  const page = new DocumentedProcedure('docs/runbooks/moving-to-another-zone.md', natsOf);
  await page.next('plan.apply');
  const { members } = (await page.next('plan.status')) as { members: { here: string; there: string }[] };
  assert.deepEqual(
    members.map(({ here, there }) => [here, there]),
    [['active - secondary', 'active - primary']],
  );
  await page.next('plan.run');
  await page.nextUntil('operation.get', ({ operation }) => {
    const { status, message } = operation as { status: string; message: string };
    assert.ok(status === 'running' || status === 'completed', message);
    return status === 'completed';
  });
  const { run } = (await page.next('plan.report')) as { run: { status: string; rpoWrites: number } };
  assert.deepEqual([run.status, run.rpoWrites], ['completed', 0]);
  await movedTo(zones.south, zones.north, 2);
  await page.nextUntil('vdisk.describe', ({ vdisk }) => (vdisk as { owner?: object }).owner === undefined);
  await page.next('volume.demote');
  await page.next('volume.promote');
  await page.nextUntil(
    'volume.status',
    ({ volume }) => (volume as { status: string }).status === 'active - primary',
  );
  await page.nextUntil(
    'volume.status',
    ({ volume }) => (volume as { status: string }).status === 'active - secondary',
  );
  page.allSent();
  await movedTo(zones.north, zones.south, 3);
});

test('a volume moves to the other zone and back on the page alone, and no write is lost', async () => {
  await using south = await unlocked(zones.south);
  await using north = await unlocked(zones.north);
  // The plan that the requests have written is deleted, and written anew.
  await order(south, 'Delete …', { within: '#plans', types: 'shop' });
  await south.page.getByRole('button', { name: 'Write a recovery plan …' }).waitFor();
  await order(south, 'Write a recovery plan …');
  const card = south.page.locator('#plans .card');
  await card.getByText('here active - secondary; there active - primary').waitFor();
  await zones.north.untilReleased();
  await order(south, 'Move here …', { types: 'shop' });
  await card.getByText('lost writes: 0').waitFor();
  await card.getByText('here active - primary; there active - secondary').waitFor();
  await movedTo(zones.south, zones.north, 4);
  await order(south, 'Make a secondary …', { types: VOLUME });
  await order(north, 'Make the primary …', { types: VOLUME });
  await north.page.locator('#replication .card').getByText('primary in north, to south').waitFor();
  await movedTo(zones.north, zones.south, 5);
  assert.deepEqual([south.complaints, north.complaints], [[], []]);
});
