import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rememberingReader } from '../src/last-read.ts';

describe('a reader that remembers', () => {
  it('reads a value once, and shares what nobody can change', () => {
    const asked: string[] = [];
    const read = rememberingReader((value) => {
      asked.push(value);
      return { servers: [{ address: value }] };
    }, 2);
    const first = read('a');
    assert.equal(read('a'), first);
    assert.deepEqual(asked, ['a']);
    assert.throws(() => first.servers.push({ address: 'b' }), TypeError);
    assert.throws(() => Object.assign(first.servers[0] ?? assert.fail(), { address: 'b' }), TypeError);
  });

  it('forgets the oldest beyond its bound', () => {
    const asked: string[] = [];
    const read = rememberingReader((value) => {
      asked.push(value);
      return { value };
    }, 2);
    for (const value of ['a', 'b', 'c', 'c', 'b', 'a']) read(value);
    assert.deepEqual(asked, ['a', 'b', 'c', 'a']);
  });

  it('reads anew what could not be read', () => {
    let isBroken = true;
    const read = rememberingReader((value) => {
      if (isBroken) throw new Error('broken');
      return { value };
    }, 2);
    assert.throws(() => read('a'), /broken/);
    isBroken = false;
    assert.deepEqual(read('a'), { value: 'a' });
  });
});
