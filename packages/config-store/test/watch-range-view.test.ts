import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Change, StoreEntry } from '@salvor/config-store';
import fc from 'fast-check';
import { type RangeEvent, RangeView } from '../src/range-view.ts';
import { prefixRange, selectedRanges } from '../src/ranges.ts';

/** A history of one store: at revision i + 1, a key is put or deleted. */
const history = fc.array(
  fc.record({ key: fc.constantFrom('a', 'b', 'c'), kind: fc.constantFrom('put', 'put', 'delete') }),
  { maxLength: 40 },
);
/** What reaches the watch: lists at any revision reached so far, and events from anywhere, also repeated. */
const arrivals = fc.array(fc.record({ list: fc.boolean(), back: fc.nat(5), forward: fc.nat(8) }), {
  maxLength: 30,
});

describe('what a watch knows of a range', () => {
  it('follows the store through lists and repeated events, delivering each change once', () => {
    fc.assert(
      fc.property(history, arrivals, (steps, deliveries) => {
        const events = steps.map(({ key, kind }, index): RangeEvent => {
          const revision = String(index + 1);
          const entry = { key, value: revision, revision, createRevision: revision, lease: null };
          return { key, revision, entry: kind === 'put' ? entry : null };
        });
        const stateAt = (revision: number) => {
          const state = new Map<string, StoreEntry>();
          for (const { key, entry } of events.slice(0, revision)) {
            if (entry === null) state.delete(key);
            else state.set(key, entry);
          }
          return state;
        };
        const view = new RangeView(prefixRange(''));
        const followed = new Map<string, StoreEntry>();
        const follow = (changes: readonly Change[]) => {
          for (const { key, entry, previous } of changes) {
            assert.deepEqual(previous, followed.get(key) ?? null);
            assert.notDeepEqual(entry, previous);
            if (entry === null) followed.delete(key);
            else followed.set(key, entry);
          }
        };
        let reached = 0;
        for (const { list, back, forward } of deliveries) {
          const to = Math.min(reached + forward, events.length);
          if (list) {
            follow(view.reconcile({ revision: String(to), entries: [...stateAt(to).values()] }));
          } else {
            follow(view.apply(events.slice(Math.max(reached - back, 0), to)));
          }
          reached = to;
          assert.deepEqual(new Map(view.entries), stateAt(reached));
          assert.deepEqual(followed, stateAt(reached));
        }
      }),
    );
  });

  it('takes a list of an older store as it is, for the store may have been set back', () => {
    const view = new RangeView(prefixRange(''));
    const entry = (revision: string) => ({ key: 'a', value: '', revision, createRevision: '1', lease: null });
    view.reconcile({ revision: '9', entries: [entry('9')] });
    assert.equal(view.reconcile({ revision: '5', entries: [entry('5')] }).length, 1);
    assert.equal(view.apply([{ key: 'a', revision: '6', entry: entry('6') }]).length, 1);
  });
});

describe('the ranges of a selection', () => {
  it('do not overlap', () => {
    const ranges = selectedRanges({ keys: ['a/b', 'c', 'c'], prefixes: ['a/', 'a/b/', 'd'] });
    assert.deepEqual(
      ranges.map(({ start, end }) => [String(start), end === null ? null : String(end)]),
      [
        ['a/', 'a0'],
        ['d', 'e'],
        ['c', null],
      ],
    );
  });
});
