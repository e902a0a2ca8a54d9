import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { until } from '@salvor/testkit';
import type { Browser } from 'playwright-core';
import { PlayedConsole, TOKEN } from '../played-console.ts';
import { healthy, openIncident, withEngine } from '../played-state.ts';
import { launchBrowser, OpenedPage, type OpenOptions } from './opened-page.ts';
import { closed, moving, repairing, replication, splitBrain, unavailable } from './scenes.ts';

const PHONE = { width: 390, height: 844 };

describe('the page of the console', () => {
  let played: PlayedConsole;
  let browser: Browser;
  before(async () => {
    [played, browser] = await Promise.all([PlayedConsole.start(), launchBrowser()]);
    const at = Date.now() - 3_600_000;
    await played.bus.publishEvent('nbdserver.started', { server: 'nbd-2', pid: 4711, at });
    for (const [vdisk, server, epoch] of [
      ['v1', 'nbd-1', 41],
      ['v2', 'nbd-2', 57],
    ] as const)
      await played.bus.publishEvent('vdisk.mounted', { vdisk, server, epoch, at: at + epoch * 100 });
  });
  after(async () => {
    await browser?.close();
    await played?.[Symbol.asyncDispose]();
  });

  const open = (options?: OpenOptions) => OpenedPage.open(browser, played.url, options);
  const unlock = async ({ page }: OpenedPage): Promise<void> => {
    await page.getByRole('button', { name: 'Unlock actions' }).click();
    await page.getByLabel('Token').fill(TOKEN);
    await page.getByRole('button', { name: 'Unlock', exact: true }).click();
    await page.getByRole('button', { name: 'Lock actions' }).waitFor();
  };

  it('says first that all is well, then shows pairs, vdisks and their owners', async () => {
    played.state = healthy();
    await using opened = await open();
    const { page } = opened;
    await opened.sees('All is well');
    await opened.sees('8 engines online, 3 vdisks, 2 in use.');
    assert.equal(await page.locator('.pair').count(), 4);
    assert.equal(await page.locator('.pair.good .member .status').filter({ hasText: 'online' }).count(), 8);
    assert.match((await page.locator('tr', { hasText: 'v2' }).textContent()) ?? '', /in use\s*nbd-2/);
    for (const [role, name] of [
      ['banner', undefined],
      ['main', undefined],
      ['region', 'Clusters'],
      ['region', 'Vdisks'],
      ['region', 'Incidents'],
    ] as const)
      assert.equal(
        await page.getByRole(role, name === undefined ? {} : { name }).count(),
        1,
        `${role} ${name ?? ''}`,
      );
    assert.equal(await page.title(), 'All is well – Salvor');
    assert.deepEqual(opened.complaints, []);
    await opened.screenshot('healthy');
  });

  it('shows an engine that is down, then its repair with rate, time left and course, without a reload', async () => {
    const at = Date.now();
    const incident = openIncident(at - 9_000);
    played.state = {
      ...withEngine(healthy(), 1, { status: 'offline', state: 'offline' }),
      incidents: [incident],
    };
    await using opened = await open();
    const { page } = opened;
    await opened.sees('Everything is served, with less redundancy');
    await page.locator('.pair.warn .member', { hasText: '127.0.0.1:22002' }).getByText('offline').waitFor();
    await opened.sees('127.0.0.1:22002 (p1 shard 1) is down, its partner serves.');
    await opened.screenshot('engine-offline');
    played.state = repairing(at);
    const about = { incident: incident.incident, attempt: 1, address: incident.address };
    for (let n = 0; n <= 30; n++)
      for (const [vdisk, total, pace] of [
        ['v1', 131_072, 2_900],
        ['v2', 20_000, 610],
      ] as const)
        await played.bus.publishEvent('repair.progress', {
          ...{ ...about, vdisk, totalBlocks: total, at: at - 30_000 + n * 1_000 },
          doneBlocks: Math.min(total, Math.round(n * pace + 900 * Math.sin(n / 3) + (n > 12 ? n * 160 : 0))),
        });
    await opened.sees('Everything is served, a repair is under way');
    const card = page.locator('.card', { hasText: 'Repair of v1' });
    await card.getByText(/of 131,072 blocks · [\d,]+ blocks\/s · about \d+ s left/).waitFor();
    await card.getByRole('img', { name: /^blocks done: from/ }).waitFor();
    await page.getByRole('progressbar', { name: 'Repair of v1' }).waitFor();
    await page.locator('.card', { hasText: 'Repair of backup' }).getByText('nobody owns it').waitFor();
    assert.deepEqual(opened.complaints, []);
    await opened.screenshot('repair');
  });

  it('puts data without a copy first, and recovers it for who typed the name of the cluster', async () => {
    played.state = unavailable(Date.now());
    await using opened = await open();
    const { page } = opened;
    await opened.sees('Data is unavailable');
    await opened.sees('1 pair has no live copy; 2 vdisks are hit.');
    assert.equal(await page.locator('main > section').first().getAttribute('id'), 'attention');
    assert.equal(
      await page.getByRole('button', { name: 'Recover from the log' }).count(),
      0,
      'it only shows',
    );
    await unlock(opened);
    await opened.screenshot('data-unavailable');
    await page.getByRole('button', { name: 'Recover from the log …' }).click();
    const dialog = page.getByRole('dialog', { name: 'Recover from the log' });
    const go = dialog.getByRole('button', { name: 'Recover from the log' });
    assert.ok(await go.isDisabled());
    await dialog.getByLabel(/Type/).fill('p2');
    assert.ok(await go.isDisabled());
    await dialog.getByLabel(/Type/).fill('p1');
    await opened.screenshot('confirmation');
    await go.click();
    await dialog.waitFor({ state: 'hidden' });
    const [done] = played.acted.splice(0);
    assert.deepEqual([done?.command, done?.request.cluster, done?.request.by], ['dr.replay', 'p1', 'alice']);
    assert.deepEqual(opened.complaints, []);
  });

  it('tells why an action is refused, and forgets a token that is wrong', async () => {
    played.state = healthy();
    played.refused.set('engine.take-offline', 'its partner is down');
    await using opened = await open();
    const { page } = opened;
    await unlock(opened);
    await page.getByRole('button', { name: 'Take offline …' }).first().click();
    await page.getByLabel('Reason').fill('new memory');
    await page.getByLabel(/Type/).fill('127.0.0.1:22001');
    await page.getByRole('button', { name: 'Take the engine offline' }).click();
    await page.getByRole('alert').getByText('its partner is down').waitFor();
    await page.keyboard.press('Escape');
    await page.evaluate("sessionStorage.setItem('salvor-console-token', 'not-the-token')");
    await page.getByRole('button', { name: 'Pause all healing …' }).click();
    await page.getByLabel('Reason').fill('maintenance');
    await page.getByRole('button', { name: 'Pause all healing', exact: true }).click();
    await page.getByRole('alert').getByText('this needs a token').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Unlock actions' }).waitFor();
    assert.deepEqual(played.acted, []);
  });

  it('tells an incident that is over as a timeline', async () => {
    played.state = closed(Date.now());
    await using opened = await open();
    const { page } = opened;
    const incident = page.locator('details', { hasText: 'p1-1-mwpytthw' });
    await incident.getByText('nbd-1 repaired vdisk v1: 4096 of 4096 blocks copied in 1.2 s.').waitFor();
    await incident.getByText('The incident is over: repaired after 21.4 s.').waitFor();
    const order = await incident.locator('.timeline time').allTextContents();
    assert.deepEqual([order[0], order.at(-1)], ['+0 s', 'end']);
    await opened.screenshot('incident');
    await page.locator('details', { hasText: 's1-3-mwp0aaaa' }).locator('summary').click();
    await opened.sees('The incident is over: false-alarm');
    assert.deepEqual(opened.complaints, []);
  });

  it('shows replays and replication with lag over time', async () => {
    const begun = Date.now();
    await played.startReplication();
    const playing = setInterval(() => {
      const at = Date.now();
      const n = (at - begun) / 200;
      const lag = 900 + 700 * Math.sin(n / 6) + (n > 18 && n < 40 ? (40 - n) * 160 : 0);
      played.state = replication(begun, at, Math.round(Math.max(60, lag)), Math.round(n * 420));
    }, 100);
    try {
      await using opened = await open();
      const { page } = opened;
      const lagPlot = page.getByRole('img', { name: /^behind: from/ });
      const line = page.locator('.card', { hasText: 'customers' }).locator('polyline');
      await lagPlot.waitFor();
      await until(async () => ((await line.getAttribute('points')) ?? '').split(' ').length >= 16, {
        ...{ what: 'lag over time', timeoutMs: 60_000, intervalMs: 200 },
      });
      await page
        .locator('.card', { hasText: 'dr.replay v1' })
        .getByText(/steps\/s · about .* left/)
        .waitFor();
      await page.getByRole('progressbar', { name: 'hash copy of mail' }).waitFor();
      assert.deepEqual(opened.complaints, []);
      await opened.screenshot('replication');
    } finally {
      clearInterval(playing);
      played.state = { ...healthy(), volumes: [] };
    }
  });

  it('prepares a recovery where nobody has judged, stops one, and gives lost blocks up by their number', async () => {
    const { recovery, ...unjudged } = unavailable(Date.now());
    played.state = unjudged;
    await using opened = await open();
    const { page } = opened;
    const dialog = page.getByRole('dialog');
    const confirmed = async (button: string, typed: string): Promise<void> => {
      await page.getByRole('button', { name: button }).first().click();
      await dialog.getByLabel(/Type/).fill(typed);
      await page.keyboard.press('Enter');
      await dialog.waitFor({ state: 'hidden' });
    };
    await unlock(opened);
    await confirmed('They will not come back …', 'p1');
    await opened.sees('Prepare a recovery from the log: p1');
    await page.getByRole('button', { name: 'Hide' }).click();
    await page.getByText('Prepare a recovery from the log: p1').waitFor({ state: 'hidden' });
    const vdisks = (recovery?.vdisks ?? []).map((each) =>
      each.vdisk === 'v2' ? { ...each, state: 'lost', lostBlocks: 1_536 } : { ...each, state: 'locked' },
    );
    const begun = recovery ?? assert.fail('no recovery');
    played.state = { ...unjudged, recovery: { ...begun, status: 'replaying', vdisks } };
    await page.getByRole('button', { name: 'They will not' }).waitFor({ state: 'hidden' });
    await confirmed('Stop it …', 'p1');
    played.state = { ...healthy(), recovery: { ...begun, status: 'done', endedAt: Date.now(), vdisks } };
    await page.locator('#attention').getByText('v2: 1,536 blocks are lost, and it is locked').waitFor();
    await page.getByRole('button', { name: 'Give them up …' }).first().click();
    await dialog.getByLabel('Reason').fill('it held a cache');
    await dialog.getByLabel(/Type/).fill('1535');
    const go = dialog.getByRole('button', { name: 'Give lost blocks up' });
    assert.ok(await go.isDisabled());
    await dialog.getByLabel(/Type/).fill('1536');
    await go.click();
    await dialog.waitFor({ state: 'hidden' });
    assert.deepEqual(
      played.acted.splice(0).map(({ command, request }) => [command, request.cluster ?? request.blocks]),
      [
        ['dr.plan', 'p1'],
        ['dr.cancel', 'p1'],
        ['dr.accept-loss', 1_536],
      ],
    );
    const again = { ...begun, status: 'failed', reason: 'engine 127.0.0.1:22201 is full', vdisks };
    played.state = { ...unjudged, recovery: again };
    await page.locator('#attention').getByText('Engine 127.0.0.1:22201 is full.').waitFor();
    await page.getByRole('button', { name: 'Recover from the log …' }).click();
    await dialog.getByLabel(/Take vdisks away/).check();
    await dialog.getByLabel(/Type/).fill('p1');
    await page.keyboard.press('Enter');
    await dialog.waitFor({ state: 'hidden' });
    const [forced] = played.acted.splice(0);
    assert.deepEqual([forced?.command, forced?.request.force], ['dr.replay', true]);
    const endedAt = Date.now();
    played.state = { ...healthy(), recovery: { ...begun, status: 'done', endedAt, reason: 'all is back' } };
    await page.locator('#recovered').getByText('All is back.').waitFor();
    assert.deepEqual(opened.complaints, []);
  });

  it('writes a recovery plan, and shows its members, its run step by step, and what it came to', async () => {
    const at = Date.now();
    played.state = moving(at, 'running');
    await using opened = await open();
    const { page } = opened;
    await unlock(opened);
    const card = page.locator('#plans .card');
    await card.getByText('here active - secondary; there active - primary').waitFor();
    await card.getByText('level in south: 41 MB of the log are not applied yet').waitFor();
    await page.getByRole('button', { name: 'Write another plan …' }).click();
    const dialog = page.getByRole('dialog', { name: 'Write a recovery plan' });
    const text = dialog.getByLabel('The plan, as YAML or JSON');
    assert.match(await text.inputValue(), /^plan: shop\n/);
    await text.fill('plan: crm\nzones: [north, south]\ngroups: []\n');
    played.refused.set('plan.apply', 'groups: expected at least one, found none');
    await dialog.getByRole('button', { name: 'Write a recovery plan' }).click();
    await page.getByRole('alert').getByText('expected at least one').waitFor();
    played.refused.delete('plan.apply');
    await dialog.getByRole('button', { name: 'Write a recovery plan' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await card.getByRole('button', { name: 'Cancel the run …' }).click();
    await page.getByRole('button', { name: 'Cancel the operation' }).click();
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    assert.deepEqual(
      played.acted.splice(0).map(({ command, request }) => [command, request.create ?? request.operation]),
      [
        ['plan.apply', true],
        ['operation.cancel', 'move-1'],
      ],
    );
    played.state = moving(at, 'completed');
    await card.getByText('lost writes: 0 · served after 8.4 s').waitFor();
    assert.equal(await card.locator('ol.steps li').count(), 5);
    // The refusal.
    const complaints = opened.complaints.filter((said) => !said.includes('status of 409'));
    assert.deepEqual(complaints, []);
    await opened.screenshot('plan');
  });

  it('gives up the writes of this zone after a split brain, for who typed the name of the volume', async () => {
    played.state = splitBrain(Date.now());
    await using opened = await open();
    const { page } = opened;
    await unlock(opened);
    await opened.sees('1 volume needs a decision');
    await page.getByRole('button', { name: 'Give up the writes of north …' }).click();
    await page.getByLabel(/Type/).fill('customers');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    const [done] = played.acted.splice(0);
    assert.deepEqual(
      [done?.command, done?.request.volume, done?.request.discard],
      ['volume.resync', 'customers', 'north'],
    );
    assert.deepEqual(opened.complaints, []);
  });

  it('runs a recovery plan for who typed its name', async () => {
    const plan = {
      plan: 'shop',
      version: 3,
      writtenIn: 'north',
      deleted: false,
      zones: ['north', 'south'],
      changedAt: 1,
    };
    played.state = { ...healthy(), volumes: [], plans: [plan, { ...plan, plan: 'gone', deleted: true }] };
    await using opened = await open();
    const { page } = opened;
    await unlock(opened);
    const card = page.locator('#plans .card');
    await card.getByText('zones north and south, version 3').waitFor();
    assert.equal(await card.count(), 1);
    await card.getByRole('button', { name: 'Fail over …' }).click();
    const dialog = page.getByRole('dialog', { name: 'Fail over to this zone' });
    await dialog.getByLabel(/Type/).fill('shop');
    await dialog.getByRole('button', { name: 'Fail over to this zone' }).click();
    await dialog.waitFor({ state: 'hidden' });
    const [done] = played.acted.splice(0);
    assert.deepEqual(
      [done?.command, done?.request.plan, done?.request.kind],
      ['plan.run', 'shop', 'failover'],
    );
    assert.deepEqual(opened.complaints, []);
  });

  it('is used with the keyboard alone, and an update moves nothing under the reader', async () => {
    played.state = closed(Date.now());
    await using opened = await open();
    const { page } = opened;
    await opened.sees('All is well');
    await page.keyboard.press('Tab');
    assert.equal(await page.locator(':focus').textContent(), 'Skip to what matters');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    assert.equal(await page.locator(':focus').textContent(), 'Dark');
    assert.equal(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle'), 'solid');
    const summary = page.locator('details', { hasText: 'p1-1-mwpytthw' }).locator('summary');
    await summary.focus();
    await page.keyboard.press('Enter');
    const story = page.getByText('The incident is over: repaired after 21.4 s.');
    await story.waitFor({ state: 'hidden' });
    const before = await page.locator('.live').textContent();
    await until(async () => (await page.locator('.live').textContent()) !== before, {
      ...{ what: 'an update', timeoutMs: 30_000, intervalMs: 100 },
    });
    assert.equal(await story.isVisible(), false, 'what was folded stays so');
    assert.equal(await page.evaluate('document.activeElement.tagName'), 'SUMMARY');
  });

  it('is dark where the system is, or where somebody wants it, also after a reload', async () => {
    played.state = repairing(Date.now());
    const background = 'getComputedStyle(document.body).backgroundColor';
    await using dark = await open({ scheme: 'dark' });
    await dark.sees('a repair is under way');
    const darkColour = await dark.page.evaluate(background);
    await dark.screenshot('dark');
    await using light = await open();
    await light.sees('a repair is under way');
    assert.notEqual(await light.page.evaluate(background), darkColour);
    await light.page.getByRole('button', { name: 'Dark' }).click();
    await light.page.reload();
    await light.sees('a repair is under way');
    assert.equal(await light.page.evaluate(background), darkColour);
  });

  it('fits a phone, whatever it shows', async () => {
    const at = Date.now();
    for (const [state, says] of [
      [healthy(), 'All is well'],
      [closed(at), 'The incident is over'],
      [unavailable(at), 'Data is unavailable'],
      [replication(at, at, 2_000, 700), 'customers'],
      [repairing(at), 'a repair is under way'],
      [moving(at, 'running'), 'level in south'],
    ] as const) {
      played.state = state;
      await using opened = await open(PHONE);
      await opened.sees(says);
      assert.ok((await opened.overflow()) <= 0, says);
      if (says === 'Data is unavailable') await opened.screenshot('phone');
    }
  });

  it('says that the bus is away, or the console itself, and comes back by itself', async () => {
    played.state = {
      ...healthy(),
      healing: {
        everywhere: { by: 'bob', reason: 'the switches are replaced', at: Date.now() },
        clusters: [],
      },
    };
    await using opened = await open();
    const { page } = opened;
    await opened.sees('Healing is paused');
    await opened.sees(/By bob since .*: the switches are replaced\./);
    await played.nats.process.kill();
    await opened.sees('The console has no connection to NATS');
    await opened.sees('When last heard: all is well');
    await page.locator('.live.old').waitFor();
    await opened.screenshot('bus-away');
    await played.nats.process.start();
    await page.locator('.live:not(.old)').waitFor();
    await played.console.kill();
    await opened.sees('The console has not been heard');
    await played.console.start();
    await page.locator('.live:not(.old)').waitFor();
    await opened.sees('All is well');
    assert.equal(await page.locator('.pair').count(), 4);
  });

  it('shows what others wrote as text', async () => {
    const evil = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>';
    const incident = openIncident(Date.now(), { address: `${evil}:1` });
    played.state = {
      ...withEngine(healthy(), 1, { status: 'offline', address: `${evil}:1` }),
      incidents: [{ ...incident, reporters: [{ reporter: evil, reason: evil, at: Date.now() }] }],
      vdisks: healthy().vdisks.map((vdisk) => ({ ...vdisk, owner: { server: evil, epoch: 1 } })),
      alerts: [{ alert: evil, kind: evil, subject: evil, message: evil, since: 1, raisedAt: 1 }],
      healing: { everywhere: { by: evil, reason: evil, at: 1 }, clusters: [] },
    };
    await played.bus.publishEvent('vdisk.mounted', { vdisk: 'v1', server: evil, epoch: 1, at: Date.now() });
    await using opened = await open();
    const { page } = opened;
    await page.locator('#map').getByText(`${evil}:1`).waitFor();
    await page.locator('#incidents').getByText(`${evil} reported it: ${evil}.`).waitFor();
    await page.locator('#news').getByText(`${evil} owns vdisk v1`).waitFor();
    assert.equal(await page.locator('body img, body script').count(), 0);
    assert.equal(await page.evaluate('window.hit'), undefined);
    assert.deepEqual(opened.complaints, []);
  });
});
