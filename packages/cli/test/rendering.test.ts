import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { noPaint, paint, paintFor, paintStatus } from '../src/rendering/paint.ts';
import { type StackSummary, stackScreen } from '../src/rendering/stack-screen.ts';
import { printable, properties, shellWord, table } from '../src/rendering/text.ts';
import { clockText, dateTimeText, durationText } from '../src/rendering/time.ts';
import { zonesScreen } from '../src/rendering/zones-screen.ts';

describe('tables', () => {
  test('columns are as wide as their widest cell, lines have no trailing blanks', () => {
    const text = table(
      noPaint,
      ['id', 'status'],
      [
        ['v1', 'ok'],
        ['vdisk-2', ''],
      ],
      'none',
    );
    assert.equal(text, 'ID       STATUS\nv1       ok\nvdisk-2\n');
  });

  test('colors do not shift columns', () => {
    const plain = table(
      noPaint,
      ['a', 'b'],
      [
        ['online', 'x'],
        ['rip', 'y'],
      ],
      '',
    );
    const rows = [
      [paintStatus(paint, 'online'), 'x'],
      [paintStatus(paint, 'rip'), 'y'],
    ];
    assert.equal(printableLines(table(paint, ['a', 'b'], rows, '')), plain);
  });

  test('no rows give the words for it', () => {
    assert.equal(table(noPaint, ['a'], [], 'no vdisks'), 'no vdisks\n');
  });

  test('properties without a value are left out', () => {
    assert.equal(
      properties(noPaint, [
        ['a', '1'],
        ['long', '2'],
        ['b', undefined],
      ]),
      'a     1\nlong  2\n',
    );
  });
});

describe('colors', () => {
  for (const [name, env, isInteractive, colored] of [
    ['a terminal', {}, true, true],
    ['a pipe', {}, false, false],
    ['NO_COLOR', { NO_COLOR: '1' }, true, false],
    ['an empty NO_COLOR', { NO_COLOR: '' }, true, true],
    ['a dumb terminal', { TERM: 'dumb' }, true, false],
  ] as const) {
    test(`${name} ${colored ? 'gets' : 'gets no'} colors`, () => {
      assert.equal(paintFor({ env, isInteractive })('red', 'x') !== 'x', colored);
    });
  }
});

describe('the screen of a stack', () => {
  const stack: StackSummary = {
    zone: null,
    dir: '/srv/salvor',
    contextFile: '/srv/salvor/salvor.json',
    tokenFile: '/srv/salvor/console-tokens',
    natsUrl: 'nats://127.0.0.1:4222',
    etcd: '127.0.0.1:2379',
    processes: [
      { name: 'nats', pid: 1, at: 'nats://127.0.0.1:4222', logFile: '/srv/salvor/nats/nats.log' },
      { name: 'p1-0', pid: 2, at: '127.0.0.1:6379', logFile: '/srv/salvor/engines/p1-0.log' },
    ],
    nbdServers: [
      {
        server: 'nbd-1',
        pid: 3,
        uri: 'nbd://127.0.0.1:10809/',
        unixUri: 'nbd+unix:///?socket=/srv/salvor/n.sock',
      },
    ],
    clusters: [
      { cluster: 'p1', role: 'primary', engines: ['127.0.0.1:6379'] },
      { cluster: 's1', role: 'slave', engines: ['127.0.0.1:6380'] },
    ],
    spares: [],
    certificates: null,
  };

  test('says what runs where and what to type', () => {
    const screen = stackScreen(noPaint, stack, true);
    for (const part of [
      'Salvor runs in /srv/salvor\n',
      /nats +nats:\/\/127\.0\.0\.1:4222 +1 +nats\/nats\.log/,
      /nbd-1 +nbd:\/\/127\.0\.0\.1:10809\/<vdisk> +3/,
      'salvor vdisk create v1 --size 1 --cluster p1 --slave-cluster s1\n',
      "nbdinfo 'nbd+unix:///v1?socket=/srv/salvor/n.sock'\n",
      'kill -STOP 2; sleep 5; kill -CONT 2\n',
      'nats --server nats://127.0.0.1:4222 micro ls\n',
      /spares +none/,
    ]) {
      assert.ok(
        typeof part === 'string' ? screen.includes(part) : part.test(screen),
        `${part} in\n${screen}`,
      );
    }
    assert.doesNotMatch(screen, /NATS_URL/);
  });

  test('of two zones says how to reach each, and how a volume comes to be in both', () => {
    const inZone = (zone: string, port: number): StackSummary => ({
      ...{ ...stack, zone, dir: `/srv/salvor/${zone}`, natsUrl: `nats://127.0.0.1:${port}` },
      processes: [
        ...stack.processes,
        { name: 'console', pid: 9, at: `http://127.0.0.1:${port + 1}/`, logFile: '/srv/c.log' },
      ],
    });
    const screen = zonesScreen(noPaint, '/srv/salvor', [inZone('north', 4222), inZone('south', 5222)]);
    for (const part of [
      'Zone north runs in /srv/salvor/north\n',
      'Zone south runs in /srv/salvor/south\n',
      /To work in zone south\n +commands in a terminal +export NATS_URL=nats:\/\/127\.0\.0\.1:5222\n/,
      "cut -d' ' -f2 /srv/salvor/console-tokens\n",
      /in south +salvor volume enable vol1 --vdisk v1 --from north\n/,
      'salvor volume replicate vol1 --to south\n',
    ])
      assert.ok(
        typeof part === 'string' ? screen.includes(part) : part.test(screen),
        `${part} in\n${screen}`,
      );
  });

  test('tells how to find a stack in another folder', () => {
    assert.match(stackScreen(noPaint, stack, false), /export NATS_URL=nats:\/\/127\.0\.0\.1:4222\n/);
  });
});

describe('text of others', () => {
  test('cannot move the cursor, ring, or begin a line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.doesNotMatch(printable(`\u001b[2J${text}\r\n\u0007`), /\p{Cc}/u);
      }),
    );
  });

  test('is quoted for the shell when it must be', () => {
    assert.equal(shellWord('v1'), 'v1');
    assert.equal(shellWord(`it's {"a":1}`), `'it'\\''s {"a":1}'`);
  });
});

describe('times', () => {
  for (const [ms, text] of [
    [0, '0 ms'],
    [310, '310 ms'],
    [8_200, '8.2 s'],
    [59_949, '59.9 s'],
    [59_950, '1 min'],
    [125_000, '2 min 5 s'],
    [11_040_000, '3 h 4 min'],
    [183_600_000, '2 d 3 h'],
    [-5, '0 ms'],
  ] as const) {
    test(`${ms} ms is ${text}`, () => assert.equal(durationText(ms), text));
  }

  test('are UTC, with milliseconds', () => {
    assert.equal(dateTimeText(1_700_000_000_123), '2023-11-14 22:13:20.123Z');
    assert.equal(clockText(1_700_000_000_123), '22:13:20.123');
    assert.equal(dateTimeText(2 ** 53), `${2 ** 53}`);
  });
});

function printableLines(text: string): string {
  return text
    .split('\n')
    .map((line) => printable(line))
    .join('\n');
}
