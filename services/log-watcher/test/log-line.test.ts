import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LogLineParser, type LogRecord, MAX_BLOCK_CHARS } from '../src/log-line.ts';

interface Vector {
  readonly note: string;
  readonly text: string;
  readonly expect: Readonly<Record<string, unknown>>[];
}

const CAPTURED = join(import.meta.dirname, '../../../../shared/fixtures/0disk/zero-log.json');
const OWN = join(import.meta.dirname, 'vectors/zero-log.json');

/** All records of a text, as the watcher would read it. */
function records(text: string): LogRecord[] {
  const parser = new LogLineParser();
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return [...lines.map((line) => parser.read(line)), parser.end()].filter((record) => record !== null);
}

function only(text: string): LogRecord {
  const [record, ...more] = records(text);
  assert.ok(record !== undefined && more.length === 0, `expected one record of ${text}`);
  return record;
}

describe('0-log lines', () => {
  const files = [OWN, CAPTURED].filter((file) => existsSync(file));
  if (!files.includes(CAPTURED)) process.stderr.write('reduced: without the captured 0-log vectors\n');
  for (const file of files) {
    for (const { note, text, expect } of JSON.parse(readFileSync(file, 'utf8')) as Vector[]) {
      it(note, () => {
        const found = records(text).map((record) => {
          if (record.kind !== 'invalid') return record;
          const { reason, ...broken } = record;
          assert.notEqual(reason, '');
          return broken;
        });
        assert.deepEqual(found, expect);
      });
    }
  }
});

describe('contract lines', () => {
  it('are a failure with what the server knows of it', () => {
    const line =
      '{"type":"storageengine-failure","data":"10.100.0.1:22005","server":"nbd-1","vdisk":"v1","reason":"refused","at":1700000000000,"more":[]}';
    const record = only(line);
    assert.ok(record.kind === 'contract' && record.message.type === 'storageengine-failure');
    const { address, vdisk, reason, at } = record.message;
    assert.deepEqual(
      { address, vdisk, reason, at },
      { address: '10.100.0.1:22005', vdisk: 'v1', reason: 'refused', at: 1_700_000_000_000 },
    );
  });

  for (const kind of ['repair-tmp-outage', 'repair-final-outage']) {
    it(`are a finished ${kind}, without the optional members too`, () => {
      const record = only(
        `{"data":{"vdiskid":"23","address":"10.100.0.1:22005"},"type":"${kind}-complete"}\r`,
      );
      assert.ok(record.kind === 'contract' && record.message.type === 'repair-complete');
      const { repair, address, vdisk } = record.message;
      assert.deepEqual(
        { repair, address, vdisk },
        { repair: kind, address: '10.100.0.1:22005', vdisk: '23' },
      );
    });
  }

  it('keep a report whose optional members are wrong', () => {
    const record = only('{"type":"storageengine-failure","data":"[::1]:6379","vdisk":7,"at":"soon"}');
    assert.ok(record.kind === 'contract' && record.message.type === 'storageengine-failure');
    assert.equal(record.message.address, '[::1]:6379');
  });

  for (const [what, line] of [
    ['no JSON', '{"type":'],
    ['no type', '{"data":"10.0.0.1:1"}'],
    ['an unknown type', '{"type":"storageengine-failed","data":"10.0.0.1:1"}'],
    ['no address', '{"type":"storageengine-failure"}'],
    ['an address without a port', '{"type":"storageengine-failure","data":"10.0.0.1"}'],
    ['a port out of range', '{"type":"storageengine-failure","data":"10.0.0.1:65536"}'],
    ['an address that would break a subject', '{"type":"storageengine-failure","data":"a.>:1"}'],
    ['a repair without a vdisk', '{"type":"repair-tmp-outage-complete","data":{"address":"10.0.0.1:1"}}'],
    [
      'a vdisk that is no id',
      '{"type":"repair-tmp-outage-complete","data":{"address":"10.0.0.1:1","vdiskid":"a.b"}}',
    ],
    ['text for data', '{"type":"repair-final-outage-complete","data":"10.0.0.1:1"}'],
  ] as const) {
    it(`with ${what} are invalid, with a reason`, () => {
      const record = only(line);
      assert.ok(record.kind === 'invalid' && record.reason.includes('expected'), JSON.stringify(record));
    });
  }
});

describe('any input', () => {
  const fragment = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc.constantFrom(
      '20::',
      '20:::',
      ':::',
      '10::',
      '{"type":"storageengine-failure","data":',
      '\r',
      '|',
      '=',
    ),
  );

  it('never makes the parser throw', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.array(fragment, { maxLength: 4 }), fc.boolean())), (lines) => {
        const parser = new LogLineParser();
        for (const [fragments, cut] of lines) parser.read(fragments.join(''), cut);
        parser.end();
      }),
    );
  });

  it('ends a block that never ends', () => {
    const parser = new LogLineParser();
    parser.read('20:::');
    const line = 'x'.repeat(1_000);
    let given: LogRecord | null = null;
    for (let n = 0; given === null && n <= MAX_BLOCK_CHARS / 1_000 + 1; n++) given = parser.read(line);
    assert.equal(given?.kind, 'invalid');
    assert.equal(parser.read('1::after')?.kind, 'text');
  });

  it('is reported as invalid when only its beginning was kept', () => {
    assert.equal(new LogLineParser().read('{"type":"stor', true)?.kind, 'invalid');
  });
});
