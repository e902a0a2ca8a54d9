import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { until } from '@salvor/testkit';
import type { Sections } from '../src/page/state.ts';
import { EventStream } from './event-stream.ts';
import { PlayedConsole, TOKEN } from './played-console.ts';
import { healthy, openIncident, withEngine } from './played-state.ts';

const WAIT = { timeoutMs: 30_000 };

describe('a console', () => {
  let played: PlayedConsole;
  before(async () => {
    played = await PlayedConsole.start();
  });
  after(() => played[Symbol.asyncDispose]());

  const get = (path: string, init?: RequestInit) => fetch(`${played.url}${path}`, init);

  it('serves its page with everything of its own, and a policy that takes nothing else', async () => {
    const page = await get('/');
    const html = await page.text();
    assert.equal(page.status, 200);
    assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'; script-src 'self'/);
    assert.equal(page.headers.get('x-content-type-options'), 'nosniff');
    assert.doesNotMatch(
      html,
      /<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=|https?:/,
      'nothing inline, nothing external',
    );
    const linked = [...html.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map(([, path = '']) => path);
    assert.ok(linked.length >= 3);
    for (const path of linked) {
      const asset = await get(path);
      assert.equal(asset.status, 200, path);
      await asset.body?.cancel();
    }
    const again = await get('/', { headers: { 'if-none-match': page.headers.get('etag') ?? '' } });
    assert.equal(again.status, 304);
  });

  it('begins with a snapshot, then sends the sections that differ', async () => {
    await using stream = new EventStream(played.url);
    await until(() => stream.sections.engines?.length === 8, { ...WAIT, what: 'a snapshot of all engines' });
    assert.equal(stream.events[0]?.event, 'snapshot');
    assert.deepEqual(stream.sections.incidents, []);
    assert.equal(stream.sections.vdisks?.total, 3);
    assert.deepEqual(stream.sections.troubles, [], 'an installation without replication lacks nothing');
    const at = Date.now();
    const sent = stream.events.length;
    played.state = { ...withEngine(healthy(), 1, { status: 'offline' }), incidents: [openIncident(at)] };
    await until(() => stream.sections.incidents?.length === 1, { ...WAIT, what: 'the incident' });
    const [told] = snapshotOf(stream).incidents;
    assert.match(told?.heading ?? '', /^Incident p1-1-mwpytthw: the outage of engine 127\.0\.0\.1:22002/);
    assert.deepEqual(told?.happenings[0]?.lines, [
      'nbd-1 reported it: connection refused. (2 reports in all from 2 reporters)',
    ]);
    assert.match(told?.ending ?? '', /it waits for a verdict/);
    const changes = stream.events.slice(sent).filter(({ event }) => event !== 'alive');
    assert.ok(changes.every(({ event, data }) => event === 'change' && !data.includes('"vdisks"')));
    played.state = {
      ...healthy(),
      incidents: [openIncident(at, { status: 'online', closedAt: at + 9_000, outcome: 'repaired' })],
    };
    await until(() => stream.sections.incidents?.[0]?.outcome === 'repaired', {
      ...WAIT,
      what: 'the end of it',
    });
    played.state = healthy();
  });

  it('hears events: news as sentences, and a repair with its rate and the time that is left', async () => {
    await using stream = new EventStream(played.url);
    const at = Date.now();
    const about = { vdisk: 'v1', incident: 'p1-1-mwpytthw', attempt: 1, address: '127.0.0.1:22002' };
    played.state = {
      ...healthy(),
      repairs: [
        {
          ...{ ...about, cluster: 'p1', shard: 1, kind: 'repair-tmp-outage' },
          ...{ state: 'repairing', server: 'nbd-1', waitsFor: 'nbd-1 owns it and copies' },
        },
      ],
    };
    for (const [afterMs, doneBlocks] of [
      [0, 0],
      [2_000, 400],
      [4_000, 800],
    ] as const)
      await played.bus.publishEvent('repair.progress', {
        ...about,
        doneBlocks,
        totalBlocks: 4_000,
        at: at + afterMs,
      });
    await played.bus.publishEvent('vdisk.mounted', { vdisk: 'v1', server: 'nbd-1', epoch: 41, at });
    await until(() => stream.sections.repairs?.[0]?.progress?.done === 800, { ...WAIT, what: 'progress' });
    assert.deepEqual(stream.sections.repairs?.[0]?.progress, {
      ...{ done: 800, total: 4_000, perSecond: 200, leftMs: 16_000 },
      samples: [
        [at, 0],
        [at + 2_000, 400],
        [at + 4_000, 800],
      ],
    });
    await until(() => stream.sections.news?.[0]?.text === 'nbd-1 owns vdisk v1 now, epoch 41', {
      ...WAIT,
      what: 'news',
    });
    played.state = healthy();
  });

  it('acts for who has a token, as the one whom it names, and once', async () => {
    const reply = await act(played, {
      command: 'healing.pause',
      request: { reason: 'a test' },
      operationId: 'op-77',
    });
    assert.equal(reply.status, 200);
    const [{ command, request } = assert.fail('nothing was asked')] = played.acted.splice(0);
    assert.equal(command, 'healing.pause');
    assert.deepEqual([request.by, request.reason, request.operationId], ['alice', 'a test', 'op-77']);
  });

  it('refuses what has no token, comes from another site, is no action, or was not confirmed', async () => {
    const pause = { command: 'healing.pause', request: { reason: 'x' }, operationId: 'op-1' };
    const offline = {
      command: 'engine.take-offline',
      request: { address: '127.0.0.1:22002', reason: 'x' },
      operationId: 'op-2',
    };
    const refusals: [number, object, Record<string, string>][] = [
      [401, pause, { authorization: '' }],
      [401, pause, { authorization: `Bearer ${TOKEN}x` }],
      [401, pause, { authorization: `Basic ${TOKEN}` }],
      [403, pause, { 'sec-fetch-site': 'cross-site' }],
      [403, { ...pause, command: 'vdisk.delete' }, {}],
      [403, { ...pause, command: 'constructor' }, {}],
      [409, offline, {}],
      [409, { ...offline, confirm: '127.0.0.1:22003' }, {}],
      [400, { ...pause, request: { reason: 'x', by: 'bob' } }, {}],
      [400, { ...pause, request: { reason: 7 } }, {}],
      [400, { ...pause, operationId: 'no id!' }, {}],
      [400, { ...pause, more: 1 }, {}],
      [400, [], {}],
    ];
    for (const [status, body, headers] of refusals)
      assert.equal((await act(played, body, headers)).status, status, JSON.stringify([body, headers]));
    assert.deepEqual(played.acted, []);
    played.refused.set('engine.take-offline', 'its partner is down');
    const refused = await act(played, { ...offline, confirm: '127.0.0.1:22002' });
    assert.equal(refused.status, 409);
    assert.deepEqual(refused.body, { code: 'refused-now', message: 'its partner is down' });
  });

  it('answers malformed requests with clean errors', async () => {
    const post = {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    };
    const cases: [number, string, RequestInit][] = [
      [404, '/nothing', {}],
      [404, '/page/../../package.json', {}],
      [404, '/page/%2e%2e/main.js', {}],
      [405, '/', { method: 'DELETE' }],
      [405, '/events', { method: 'POST', body: '{}' }],
      [405, '/actions', {}],
      [415, '/actions', { method: 'POST', body: '{}' }],
      [400, '/actions', { ...post, body: '{"command":' }],
      [413, '/actions', { ...post, body: JSON.stringify({ command: 'x'.repeat(300_000) }) }],
    ];
    for (const [status, path, init] of cases) {
      const answer = await get(path, init);
      const body = (await answer.json()) as { code?: string; message?: string };
      assert.equal(answer.status, status, `${init.method ?? 'GET'} ${path}`);
      assert.ok(body.code !== undefined && body.message !== undefined);
      assert.ok(answer.headers.has('content-security-policy'));
    }
    for (const bytes of ['GARBAGE\r\n\r\n', `GET / HTTP/1.1\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`])
      assert.match(await rawAnswer(played.url, bytes), /^HTTP\/1\.1 4\d\d /);
    assert.equal((await get('/')).status, 200);
  });

  it('is back with a whole snapshot after it was killed', async () => {
    await using before = new EventStream(played.url);
    await until(() => before.sections.engines?.length === 8, { ...WAIT, what: 'a snapshot' });
    await played.console.kill();
    await until(() => before.ended, { ...WAIT, what: 'the end of the stream' });
    await played.console.start();
    await using stream = new EventStream(played.url);
    await until(() => stream.sections.engines?.length === 8, {
      ...WAIT,
      what: 'the snapshot of the next process',
    });
    assert.equal(stream.events[0]?.event, 'snapshot');
  });

  it('says that the bus is away, and since when, and shows what was known', async () => {
    await using stream = new EventStream(played.url);
    await until(() => stream.sections.engines?.length === 8, { ...WAIT, what: 'a snapshot' });
    await played.nats.process.kill();
    await until(() => stream.sections.bus?.connected === false, { ...WAIT, what: 'word of it' });
    assert.equal(stream.sections.engines?.length, 8);
    assert.equal((await fetch(`${played.healthUrl}/readyz`)).status, 503);
    await using second = new EventStream(played.url);
    await until(() => second.sections.engines?.length === 8, { ...WAIT, what: 'a page that came meanwhile' });
    await played.nats.process.start();
    await until(() => stream.sections.bus?.connected === true, { ...WAIT, what: 'the bus' });
  });
});

describe('a console without tokens', () => {
  it('only shows', async () => {
    await using played = await PlayedConsole.start({ tokens: false, env: { SALVOR_PAGES_MAX: '1' } });
    const refused = await act(played, {
      command: 'healing.pause',
      request: { reason: 'x' },
      operationId: 'op-1',
    });
    assert.equal(refused.status, 403);
    await using stream = new EventStream(played.url);
    await until(() => stream.sections.actions?.length === 0, { ...WAIT, what: 'a page that offers nothing' });
    assert.equal((await fetch(`${played.url}/events`)).status, 503, 'one page is enough for this one');
    assert.deepEqual(played.acted, []);
  });
});

/** What was told so far; a page that has its snapshot has every section. */
function snapshotOf(stream: EventStream): Sections {
  return stream.sections as Sections;
}

async function act(
  played: PlayedConsole,
  body: object,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(`${played.url}/actions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}`, ...headers },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: await answer.json() };
}

function rawAnswer(url: string, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
  });
}
