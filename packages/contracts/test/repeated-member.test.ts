import assert from 'node:assert/strict';
import { test } from 'node:test';
import { repeatedMember } from '@salvor/contracts';
import fc from 'fast-check';

const repeated: readonly (readonly [text: string, path: string])[] = [
  ['{"a":1,"a":2}', 'a'],
  ['{"a":{"b":[1,{"c":2,"d":"c","c":3}]}}', 'a.b[1].c'],
  ['{"a":"\\"a\\":1","b":0 , "b" :1}', 'b'],
  ['{"\\u0061":1,"a":2}', 'a'],
  ['{"__proto__":1,"__proto__":2}', '__proto__'],
  ['{"":[],"":[]}', ''],
];

test('a member that an object has twice is named by its path', () => {
  for (const [text, path] of repeated) assert.equal(repeatedMember(text), path, text);
});

test('JSON that was written from a value has no member twice', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => repeatedMember(JSON.stringify(value, null, 1)) === undefined),
  );
  for (const text of ['[{"a":1},{"a":1}]', '{"a":{"a":["a","a"]}}', '{"a":"}","b":"{"}', '"a,a"']) {
    assert.equal(repeatedMember(text), undefined, text);
  }
});
