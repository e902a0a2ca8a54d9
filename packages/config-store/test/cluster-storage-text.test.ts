import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  ENGINE_STATUSES,
  formatClusterStorage,
  parseClusterStorage,
  type ServerEntry,
  stateOfStatus,
} from '../src/cluster-storage.ts';
import { entryTexts, joinedTexts } from '../src/cluster-storage-text.ts';

const place = fc.record(
  {
    address: fc.oneof(
      fc.integer({ min: 1, max: 65_535 }).map((port) => `10.0.0.1:${port}`),
      fc.constantFrom(
        'engine:1',
        '[::1]:7000',
        'null:1',
        '1:30',
        '1.30:1',
        'yes.no:12',
        'a-.b:7',
        '0x1f:8',
        '10.0.0.256:1',
      ),
    ),
    db: fc.nat(15),
    generation: fc.integer({ min: 1, max: 9 }),
  },
  { noNullPrototype: true },
);
const entry = fc
  .record({
    place,
    status: fc.constantFrom(...ENGINE_STATUSES),
    replacement: fc.option(place, { nil: undefined }),
    extra: fc.option(
      fc.dictionary(
        fc.constantFrom('rack', 'label'),
        fc.oneof(fc.string(), fc.integer(), fc.constantFrom('a: b', '- c', '&d', '*d', 'yes', 'e\n  - f: g')),
        {
          minKeys: 1,
          noNullPrototype: true,
        },
      ),
      { nil: undefined },
    ),
  })
  .map(({ place: at, status, replacement, extra }): ServerEntry => {
    const isRebuilt = status === 'repair-final-outage' && replacement !== undefined;
    return {
      ...at,
      status,
      state: stateOfStatus[status],
      ...(isRebuilt ? { replacement } : {}),
      ...(extra === undefined ? {} : { extra }),
    };
  });
const entries = fc.array(entry, { minLength: 1, maxLength: 5 });

describe('the text of a cluster’s configuration', () => {
  it('is the same engine by engine as it is at once', () => {
    fc.assert(
      fc.property(entries, (servers) => {
        // A member beside the engines has the whole written at once.
        const atOnce = formatClusterStorage({ servers, extra: { zone: 'a' } });
        assert.equal(`zone: a\n${formatClusterStorage({ servers })}`, atOnce);
      }),
    );
  });

  it('means the same engine by engine as it does at once', () => {
    fc.assert(
      fc.property(entries, (servers) => {
        const text = formatClusterStorage({ servers });
        // A comment has the whole read at once.
        assert.equal(entryTexts(`${text}# at once\n`), null);
        assert.deepEqual(parseClusterStorage(text), parseClusterStorage(`${text}# at once\n`));
        assert.deepEqual(parseClusterStorage(text), { servers });
      }),
    );
  });

  it('is taken apart only where each engine’s part means the same alone', () => {
    const plain = 'servers:\n  - address: a:1\n    state: online\n  - address: b:2\n    state: rip\n';
    const texts = entryTexts(plain) ?? assert.fail('it is plain');
    assert.equal(texts.length, 2);
    assert.equal(joinedTexts(texts), plain);
    for (const other of [
      'servers: []\n',
      'zone: a\nservers:\n  - address: a:1\n',
      'servers:\n  - &one\n    address: a:1\n  - *one\n',
      'servers:\n  - address: a:1 # a comment\n',
      'servers:\n  - address: "a:1"\n',
      'servers:\n  - address: a:1\n    label: |\n      - address: b:2\n',
      'servers:\n  - address: a:1\n---\nservers:\n  - address: b:2\n',
      'servers:\n  - address: a:1\r\n',
      'servers:\n- address: a:1\n',
    ])
      assert.equal(entryTexts(other), null, other);
  });

  it('is read word for word only where YAML would read the same', () => {
    const word = fc.oneof(
      fc.constantFrom(
        'online',
        'offline',
        'repair',
        'rip',
        'on',
        'repair-tmp-outage',
        'null',
        '~',
        '0',
        '007',
        '1e3',
      ),
      fc.constantFrom(
        'a:1',
        'a:0',
        'a:99999',
        '10.0.0.1:7000',
        '1:30',
        '-',
        '- a',
        '"a:1"',
        '',
        ' x',
        'x ',
        'a: b',
        '!a',
      ),
      fc.nat(12).map(String),
    );
    const text = fc
      .tuple(word, word, word, word, word, fc.option(fc.tuple(word, word, word), { nil: undefined }))
      .map(([address, db, state, status, generation, spare]) => {
        const own = `  - address: ${address}\n    db: ${db}\n    state: ${state}\n    status: ${status}\n    generation: ${generation}\n`;
        if (spare === undefined) return `servers:\n${own}`;
        const [at, of, next] = spare;
        return `servers:\n${own}    replacement:\n      address: ${at}\n      db: ${of}\n      generation: ${next}\n`;
      });
    const meaning = (value: string): unknown => {
      try {
        return parseClusterStorage(value);
      } catch (error) {
        return String(error);
      }
    };
    fc.assert(
      fc.property(text, (value) => {
        assert.deepEqual(meaning(value), meaning(`${value}# at once\n`));
      }),
      { numRuns: 2_000 },
    );
  });

  it('names the place of what is wrong, whichever engine it is', () => {
    const text = 'servers:\n  - address: a:1\n    state: online\n  - address: b:2\n    state: sleepy\n';
    assert.notEqual(entryTexts(text), null);
    assert.throws(() => parseClusterStorage(text), /servers\[1\]\.state/);
  });
});
