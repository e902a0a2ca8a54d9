import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { noPaint, paint, paintFor, paintStatus } from '../src/rendering/paint.ts';
import { printable, properties, shellWord, table } from '../src/rendering/text.ts';
import { clockText, dateTimeText, durationText } from '../src/rendering/time.ts';

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
