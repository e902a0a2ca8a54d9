import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { runCli, type Terminal } from '@salvor/cli';
import { removeFolders, writtenTrees } from '../../packages/pravega/test/trees.ts';
import { event, smallTree } from '../../packages/pravega/test/writers/planned-tree.ts';
import { Tier1 } from '../../services/segment-recovery/test/tier1.ts';

const STREAM = 'farm/orders/0.#epoch.0';
const TRUNCATED = 'farm/orders/1.#epoch.0';
const TABLE = '_system/_tables/scopes';

interface Run {
  readonly code: number;
  readonly stdout: Buffer;
  readonly text: string;
  readonly stderr: string;
}

describe('salvor brings segments back, and reads them', () => {
  let tier1: Tier1;
  let root = '';
  before(async () => {
    tier1 = await Tier1.start();
    await tier1.serve();
    root =
      writtenTrees()
        .find(({ layout }) => layout === 'chunked')
        ?.unpack() ?? '';
  });
  after(async () => {
    await tier1[Symbol.asyncDispose]();
    removeFolders();
  });

  async function salvor(words: readonly string[], line = ''): Promise<Run> {
    const out: Buffer[] = [];
    let stderr = '';
    const terminal: Terminal = {
      ...{ env: { NATS_URL: tier1.nats.url }, cwd: tier1.dir.path, isInteractive: false },
      out: (text) => void out.push(Buffer.from(text)),
      err: (text) => {
        stderr += text;
      },
      readStdin: async () => Buffer.alloc(0),
      readLine: async () => line,
      interrupted: () => new AbortController().signal,
    };
    const code = await runCli(words, terminal);
    const stdout = Buffer.concat(out);
    return { code, stdout, text: stdout.toString('utf8'), stderr };
  }
  /** What Tier-1 says, and the tree itself; both have to say the same. */
  async function both(...words: string[]): Promise<Run> {
    const fromTier1 = await salvor(['segment', ...words]);
    const fromTree = await salvor(['segment', ...words, '--root', root]);
    assert.deepEqual([fromTree.code, fromTree.text], [fromTier1.code, fromTier1.text], fromTier1.stderr);
    return fromTier1;
  }
  const planned = (name: string) => smallTree().segments.find((segment) => segment.name === name);

  it('prints the plan, and stops without the exact word yes', async () => {
    const recover = ['dr', 'recover', root];
    const plan = await salvor([...recover, '--dry-run']);
    assert.equal(plan.code, 0, plan.stderr);
    assert.match(plan.text, /to write\s+8\n/);
    const refused = await salvor(recover, 'y');
    assert.equal(refused.code, 4);
    assert.match(refused.stderr, /expected the word yes, found 'y'; nothing was changed/);
    assert.match((await salvor(['segment', 'list'])).text, /no segments/);
  });

  it('brings all back after the word yes, and nothing more when asked again', async () => {
    const recover = ['dr', 'recover', root];
    const done = await salvor(recover, 'yes');
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.text, /written\s+8\n/);
    const again = await salvor([...recover, '--yes', '--json']);
    const { recovery } = JSON.parse(again.text);
    assert.deepEqual([recovery.written, recovery.already], [0, 8]);
    assert.match((await salvor(['dr', 'report'])).text, /already there\s+8\n/);
  });

  it('lists and describes the same as the tree itself', async () => {
    const list = await both('list');
    assert.equal(list.text.trimEnd().split('\n').length, 9);
    await both('list', '--prefix', 'farm/orders/', '--json');
    for (const { name } of smallTree().segments) await both('get', name);
    const missing = await salvor(['segment', 'get', 'farm/nothing']);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /there is no segment "farm\/nothing"/);
  });

  it('reads whole events, also of a segment that was truncated inside of one', async () => {
    const lines = (await both('read', STREAM, '--json')).text.trimEnd().split('\n');
    assert.equal(lines.length, 40);
    const raw = await both('read', STREAM, '--raw');
    assert.ok(raw.stdout.equals(planned(STREAM)?.bytes ?? Buffer.alloc(0)));
    const events = (await both('read', TRUNCATED, '--json')).text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { offset: number; payload: string });
    const bytes = planned(TRUNCATED)?.bytes ?? Buffer.alloc(0);
    assert.ok((events[0]?.offset ?? 0) >= 200);
    for (const { offset, payload } of events)
      assert.ok(bytes.subarray(offset, offset + 8 + payload.length).equals(event(payload)), `${offset}`);
    const from = events[5]?.offset ?? 0;
    const later = (await both('read', TRUNCATED, '--json', '--from', String(from))).text
      .trimEnd()
      .split('\n');
    assert.equal(later.length, events.length - 5);
  });

  it('reads tables, key by key', async () => {
    const { text } = await both('table', 'list', TABLE, '--json');
    assert.equal(text.trimEnd().split('\n').length, 151);
    assert.equal((await both('table', 'get', TABLE, 'key-7')).text, 'value 7');
    assert.equal((await both('table', 'get', TABLE, '6b65792d37', '--hex')).text, 'value 7');
    assert.equal((await both('table', 'get', TABLE, 'empty')).text, '');
    assert.equal((await salvor(['segment', 'table', 'get', TABLE, 'gone'])).code, 1);
    assert.equal((await salvor(['segment', 'table', 'list', STREAM])).code, 2);
  });

  it('exports events, entries and bytes, and never over a file that is there', async () => {
    for (const [name, items] of [
      [STREAM, 40],
      [TABLE, 151],
      ['farm/never/0.#epoch.0', 0],
    ] as const)
      for (const format of ['avro', 'ndjson']) {
        const files = ['tier1', 'tree'].map((from) => `${from}-${items}.${format}`);
        for (const [index, file] of files.entries()) {
          const source = index === 0 ? [] : ['--root', root];
          const done = await salvor([
            'segment',
            'export',
            name,
            file,
            '--format',
            format,
            '--json',
            ...source,
          ]);
          assert.equal(done.code, 0, done.stderr);
          assert.equal(JSON.parse(done.text).items, items);
        }
        const [first, second] = files.map((file) => readFileSync(join(tier1.dir.path, file)));
        assert.ok(first?.equals(second ?? Buffer.alloc(0)), `${name} as ${format}`);
        if (format === 'avro') assert.equal(first?.toString('latin1', 0, 4), 'Obj\u0001');
      }
    const again = await salvor(['segment', 'export', STREAM, 'tier1-40.avro']);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /is there already/);
  });

  it('publishes event by event, and no event twice', async () => {
    const refused = await salvor(['segment', 'publish', STREAM, 'salvor.segment.v1.0.out']);
    assert.match(refused.stderr, /expected a subject without wildcards that is not Salvor's own/);
    const nobody = await salvor(['segment', 'publish', STREAM, 'orders.recovered']);
    assert.equal(nobody.code, 1);
    assert.match(
      nobody.stderr,
      /no stream of JetStream takes orders\.recovered.*0 events were published, go on with --from 0/,
    );
    await tier1.makeStream('ORDERS', 'orders.>');
    for (const there of [0, 40]) {
      const { code, text, stderr } = await salvor([
        'segment',
        'publish',
        STREAM,
        'orders.recovered',
        '--json',
      ]);
      assert.equal(code, 0, stderr);
      assert.deepEqual(JSON.parse(text), { events: 40, duplicates: there });
    }
    const { messages } = await tier1.bus.logStreams.readWindow({
      ...{ stream: 'ORDERS', subject: 'orders.recovered', from: 1, maxBytes: 1_000_000 },
    });
    const published = Buffer.concat(messages.map(({ data }) => event(data.toString('utf8'))));
    assert.ok(published.equals(planned(STREAM)?.bytes ?? Buffer.alloc(0)));
  });
});
