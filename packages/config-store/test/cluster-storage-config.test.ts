import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type ClusterStorage,
  type ConfigProblem,
  ConfigValueError,
  ENGINE_STATUSES,
  formatClusterStorage,
  parseClusterStorage,
  type ServerEntry,
  stateOfStatus,
} from '@salvor/config-store';
import fc from 'fast-check';

const online: ServerEntry = {
  address: '10.0.0.1:22005',
  db: 0,
  state: 'online',
  status: 'online',
  generation: 1,
};

function readOne(members: string): ServerEntry | undefined {
  return parseClusterStorage(`servers:\n  - {address: 'a:1', ${members}}\n`).servers[0];
}

function problemsOf(run: () => unknown): readonly ConfigProblem[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigValueError) return error.details;
    throw error;
  }
  return [];
}

describe('the status of an engine', () => {
  it('is derived from the state where 0-Disk wrote the entry', () => {
    const statuses = ['online', 'offline', 'repair', 'respread', 'rip'].map(
      (state) => readOne(`state: ${state}`)?.status,
    );
    assert.deepEqual(statuses, ENGINE_STATUSES);
  });

  it('keeps an engine from online when only the state says so', () => {
    const entry = readOne('state: online, status: repair-tmp-outage');
    assert.deepEqual([entry?.state, entry?.status], ['repair', 'repair-tmp-outage']);
  });

  it('follows the state when someone took the engine out', () => {
    assert.equal(readOne('state: offline, status: online')?.status, 'offline');
    assert.equal(readOne('state: rip, status: offline')?.status, 'rip');
  });

  it('follows the state when it is no status', () => {
    assert.equal(readOne('state: offline, status: broken')?.status, 'offline');
    assert.equal(readOne('state: offline, status: [1]')?.status, 'offline');
  });
});

describe('generation and replacement', () => {
  it('have defaults, and are ignored where they make no sense', () => {
    const entry = readOne('generation: 1.5, replacement: {address: nowhere}');
    assert.equal(entry?.generation, 1);
    assert.equal(entry?.replacement, undefined);
  });

  it('are read back as written', () => {
    const replacement = { address: '10.0.0.9:22005', db: 2, generation: 3 };
    const storage: ClusterStorage = {
      servers: [{ ...online, state: 'respread', status: 'repair-final-outage', generation: 2, replacement }],
    };
    assert.deepEqual(parseClusterStorage(formatClusterStorage(storage)), storage);
  });
});

describe('a rewrite', () => {
  it('keeps members that nobody here knows, with their meaning', () => {
    const value = [
      'site: {name: ams, racks: [1, 2], open: yes}',
      'note: "007"',
      'servers:',
      '  - address: a:1',
      '    weight: 1.5',
      '    since: 2024-01-01',
      '    owner: ~',
      '',
    ].join('\n');
    const rewritten = formatClusterStorage(parseClusterStorage(value));
    const { extra, servers } = parseClusterStorage(rewritten);
    assert.deepEqual(extra, { site: { name: 'ams', racks: [1, 2], open: true }, note: '007' });
    assert.deepEqual(servers[0]?.extra, { weight: 1.5, since: '2024-01-01', owner: null });
  });

  it('quotes what some reader of YAML 1.1 would take for something else', () => {
    const words = ['<<', '=', '0o17', 'yes', '1:30', '2024-01-01', '~', 'a\u2028b\u0085c', '\ufeffd'];
    const value = formatClusterStorage({ servers: [online], extra: { words } });
    const written = [...value.matchAll(/^ {2}- (.*)$/gm)]
      .map(([, item]) => item ?? '')
      .slice(0, words.length);
    assert.deepEqual(
      written.map((item) => JSON.parse(item)),
      words,
    );
    assert.doesNotMatch(value, /[\u0085\u2028\ufeff]/);
    assert.match(value, /address: 10\.0\.0\.1:22005\n/);
  });

  it('means the same for any entries, whatever their text looks like', () => {
    const tricky = fc.oneof(
      fc.string(),
      fc.constantFrom(
        'yes',
        '~',
        'null',
        '012',
        '0x1',
        '1e3',
        '1:30',
        '<<',
        '=',
        'a: b',
        '# c',
        '- d',
        'e\nf',
        '.5',
        '1_0',
      ),
    );
    const extra = fc.dictionary(
      tricky.filter((name) => !['', '<<', '__proto__', 'servers'].includes(name)),
      fc.oneof(tricky, fc.integer(), fc.boolean(), fc.constant(null), fc.array(tricky)),
      { minKeys: 1, maxKeys: 3, noNullPrototype: true },
    );
    const known = ['address', 'db', 'state', 'status', 'generation', 'replacement', 'acceptedLoss'];
    const entry = fc
      .record({
        port: fc.integer({ min: 1, max: 65_535 }),
        db: fc.nat(),
        status: fc.constantFrom(...ENGINE_STATUSES),
        generation: fc.integer({ min: 1 }),
        extra: fc.option(
          extra.filter((members) => known.every((name) => !(name in members))),
          { nil: undefined },
        ),
        acceptedLoss: fc.option(
          tricky.filter((id) => id !== ''),
          { nil: undefined },
        ),
        replacement: fc.option(
          fc.record(
            { address: fc.constant('spare:1'), db: fc.nat(), generation: fc.integer({ min: 1 }) },
            { noNullPrototype: true },
          ),
          { nil: undefined },
        ),
      })
      .map(
        ({ port, status, extra: members, acceptedLoss, replacement, ...rest }): ServerEntry => ({
          address: `engine:${port}`,
          state: stateOfStatus[status],
          status,
          ...rest,
          ...(replacement === undefined ? {} : { replacement }),
          ...(acceptedLoss === undefined ? {} : { acceptedLoss }),
          ...(members === undefined ? {} : { extra: members }),
        }),
      );
    const any = fc.option(extra, { nil: undefined });
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 4 }), any, (servers, more) => {
        const storage = more === undefined ? { servers } : { servers, extra: more };
        assert.deepEqual(parseClusterStorage(formatClusterStorage(storage)), storage);
      }),
    );
  });
});

describe('an error', () => {
  it('names every wrong place, what is there and what is expected', () => {
    const value = 'servers:\n  - address: nowhere\n    db: -1\n  - {address: "b:1", state: Online}\n';
    assert.deepEqual(
      problemsOf(() => parseClusterStorage(value)),
      [
        {
          path: 'servers[0].address',
          found: '"nowhere"',
          expected: 'host:port, with an IPv6 host in brackets',
        },
        { path: 'servers[0].db', found: '-1', expected: 'a whole number of at least 0' },
        {
          path: 'servers[1].state',
          found: '"Online"',
          expected: 'one of online, offline, repair, respread, rip',
        },
      ],
    );
    assert.throws(() => parseClusterStorage(value), /servers\[0\]\.db is -1, expected a whole number/);
  });

  it('keeps what a stock reader would refuse from being written', () => {
    const unix = { servers: [{ ...online, address: 'unix:///run/redis.sock' }] };
    assert.throws(() => formatClusterStorage(unix), ConfigValueError);
    assert.throws(() => formatClusterStorage({ servers: [] }), ConfigValueError);
  });

  it('keeps what would be read as something else from being written', () => {
    const wrong: [Partial<ServerEntry>, string][] = [
      [{ db: 1.5 }, 'servers[0].db'],
      [{ generation: 0 }, 'servers[0].generation'],
      [{ state: 'online', status: 'offline' }, 'servers[0].state'],
      [{ replacement: { address: 'nowhere', db: 0, generation: 2 } }, 'servers[0].replacement'],
    ];
    for (const [members, path] of wrong) {
      const details = problemsOf(() => formatClusterStorage({ servers: [{ ...online, ...members }] }));
      assert.deepEqual(
        details.map((one) => one.path),
        [path],
      );
    }
  });

  it('shows only the beginning of a long value, and is bounded for values that grow', () => {
    const [long] = problemsOf(() => readOne(`state: ${'x'.repeat(500)}`));
    assert.ok((long?.found.length ?? 500) < 100);
    const bomb = `a: &a [1]\n${Array.from('bcdefghij', (name, index) => {
      const before = 'abcdefghi'[index];
      return `${name}: &${name} [${`*${before},`.repeat(9)}]\n`;
    }).join('')}servers: [{address: 'a:1'}]\n`;
    assert.throws(() => parseClusterStorage(bomb), ConfigValueError);
  });

  it('is the answer to any text that is no cluster storage, never another failure', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        try {
          parseClusterStorage(text);
        } catch (error) {
          assert.ok(error instanceof ConfigValueError, String(error));
        }
      }),
    );
  });
});
