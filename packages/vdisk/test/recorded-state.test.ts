import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type StoreEntry, type TlogState, TlogStateChangedError } from '@salvor/config-store';
import fc from 'fast-check';
import { RecordedState } from '../src/log/recorded-state.ts';

const state = (status: TlogState['status'], since: number, reason = 'r'): TlogState => ({
  ...{ status, reason, since, sequence: 1 },
});

/** The key in etcd, with others who write to it. */
class Key {
  entry: StoreEntry | null = null;
  #revision = 0;

  write(value: TlogState): string {
    const revision = String(++this.#revision);
    this.entry = {
      ...{ key: 'k', value: JSON.stringify(value), revision, createRevision: '1', lease: null },
    } as StoreEntry;
    return revision;
  }

  putter(value: TlogState, { isAnswerLost = false } = {}): (after: string | null) => Promise<string | null> {
    return async (after) => {
      if (after !== null && this.entry?.revision !== after) throw new TlogStateChangedError('v1', this.entry);
      const revision = this.write(value);
      if (isAnswerLost) throw new Error('etcd does not answer');
      return revision;
    };
  }
}

function known(key: Key, first: TlogState): RecordedState {
  const stateRevision = key.write(first);
  return new RecordedState('v1', { state: first, stateRevision });
}

describe('the state of a log, as its owner knows it', () => {
  it('is news once when somebody else puts it on record, and never when the owner did', async () => {
    const key = new Key();
    const recorded = known(key, state('whole', 1));
    recorded.notice(key.entry);
    assert.equal(recorded.takeNews(), null);
    key.write(state('broken', 2, 'segments are lost'));
    recorded.notice(key.entry);
    assert.equal(recorded.takeNews()?.reason, 'segments are lost');
    assert.equal(recorded.takeNews(), null);
    assert.equal(recorded.state?.status, 'broken');
    await recorded.put(state('basing', 3), key.putter(state('basing', 3)));
    recorded.notice(key.entry);
    assert.equal(recorded.takeNews(), null);
  });

  it('is not made whole over what somebody else has found meanwhile', async () => {
    const key = new Key();
    const recorded = known(key, state('basing', 1));
    key.write(state('broken', 2, 'segments are lost'));
    await assert.rejects(recorded.put(state('whole', 3), key.putter(state('whole', 3))), {
      code: 'log-state-changed',
    });
    assert.equal(recorded.state?.status, 'broken');
    assert.equal(JSON.parse(key.entry?.value ?? '').status, 'broken');
  });

  it('is put although the answer of etcd was lost', async () => {
    const key = new Key();
    const recorded = known(key, state('basing', 1));
    const whole = state('whole', 2);
    await assert.rejects(recorded.put(whole, key.putter(whole, { isAnswerLost: true })), /does not answer/);
    assert.equal(await recorded.put(whole, key.putter(whole)), true);
    assert.deepEqual(recorded.state, whole);
  });

  it('tells whatever others and lost answers do: what is broken is whole again only after its owner has seen that', async () => {
    const step = fc.constantFrom('broken-by-other', 'notice', 'put-basing', 'put-whole', 'put-whole-lost');
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const key = new Key();
        const recorded = known(key, state('whole', 0));
        let isSeen = true;
        for (const [i, what] of steps.entries()) {
          if (what === 'broken-by-other') {
            key.write(state('broken', i + 1, 'others'));
            isSeen = false;
          } else if (what === 'notice') {
            recorded.notice(key.entry);
            const news = recorded.takeNews();
            assert.equal(news !== null, !isSeen, 'news exactly when there are some');
            isSeen = true;
          } else {
            const next = state(what === 'put-basing' ? 'basing' : 'whole', i + 1, 'own');
            const isAnswerLost = what === 'put-whole-lost';
            const wasSeen: boolean = isSeen;
            const error = await recorded.put(next, key.putter(next, { isAnswerLost })).then(
              () => null,
              (failed: unknown) => failed,
            );
            const isRefused = error instanceof TlogStateChangedError;
            if (next.status === 'whole') assert.equal(isRefused, !wasSeen);
            // A base that begins now has what was broken before; a refusal tells it as well.
            isSeen = true;
            if (isAnswerLost && !isRefused)
              assert.equal(await recorded.put(next, key.putter(next)), true, 'again');
          }
        }
      }),
    );
  });
});
