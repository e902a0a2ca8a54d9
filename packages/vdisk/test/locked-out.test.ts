import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decideLockedOut, type LoginAnswer } from '../src/locked-out.ts';

test('a server is locked out when it is refused and nobody lets it in, whoever is silent', () => {
  const answers = fc.array(fc.constantFrom<LoginAnswer>('let-in', 'refused', 'silent'), { maxLength: 6 });
  fc.assert(
    fc.property(answers, (given) => {
      const isProven = given.some((answer) => answer === 'let-in');
      const isRefused = given.some((answer) => answer === 'refused');
      assert.equal(decideLockedOut(given), isRefused && !isProven);
    }),
  );
  assert.equal(decideLockedOut(['silent', 'silent']), false, 'engines that are away refuse nobody');
});
