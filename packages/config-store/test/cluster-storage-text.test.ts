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
      fc.constantFrom('engine:1', '[::1]:7000', 'null:1', '1:30', 'yes.no:12'),
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

  it('names the place of what is wrong, whichever engine it is', () => {
    const text = 'servers:\n  - address: a:1\n    state: online\n  - address: b:2\n    state: sleepy\n';
    assert.notEqual(entryTexts(text), null);
    assert.throws(() => parseClusterStorage(text), /servers\[1\]\.state/);
  });
});
