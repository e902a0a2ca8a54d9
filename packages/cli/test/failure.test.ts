import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BusError, CommandError } from '@salvor/bus';
import { encode } from '@salvor/contracts';
import { CliError, exitCodes, failureOf, usageError } from '../src/failure.ts';

describe('exit codes', () => {
  for (const [what, error, code] of [
    ['a wrong command line', usageError('no'), 2],
    ['no server to connect to', new CliError(exitCodes.unreachable, 'no-server', 'no'), 3],
    ['a server that does not answer', new BusError('connect-timeout', 'no'), 3],
    ['a login that is refused', new BusError('not-authorized', 'no'), 3],
    ['a connection that is gone', new BusError('bus-closed', 'no'), 3],
    ['a command nobody answers', new BusError('no-responders', 'no'), 1],
    ['a command that takes too long', new BusError('request-timeout', 'no'), 1],
    ['something that is not there', new CommandError('unknown-vdisk', 'no', { status: 404 }), 1],
    ['a service that fails', new CommandError('internal', 'no', { status: 500 }), 1],
    ['a cluster that is not healthy', new CommandError('cluster-not-healthy', 'no', { status: 409 }), 4],
    ['a conflict', new CommandError('conflict', 'no', { status: 409 }), 4],
    ['a type that is refused', new CommandError('type-refused', 'no', { status: 422 }), 4],
    ['a defect', new TypeError('x is undefined'), 1],
  ] as const) {
    test(`${what} exits ${code}`, () => assert.equal(failureOf(error).exitCode, code));
  }
});

describe('failures', () => {
  test('of validation name every field by path', () => {
    const wrong = { vdisk: 7, type: 'disk', sizeGiB: 1, cluster: 'c' };
    const failure = failureOf(caught(() => encode('VdiskCreateRequest', wrong as never)));
    assert.equal(failure.exitCode, 2);
    assert.equal(failure.message, 'some fields do not fit VdiskCreateRequest');
    assert.deepEqual(failure.details.map(({ path }) => path).sort(), ['type', 'vdisk']);
  });

  test('of a service keep its code, sentence and details', () => {
    const details = [{ path: 'engines[0].address', expected: 'host:port', found: 'x' }];
    const failure = failureOf(
      new CommandError('invalid-engine', 'an engine is wrong', { status: 400, details }),
    );
    assert.deepEqual(failure, {
      exitCode: 1,
      code: 'invalid-engine',
      message: 'an engine is wrong',
      details,
    });
  });

  test('bear details of any shape', () => {
    const details = [null, 7, { path: 1 }, { path: 'a', expected: 'b' }] as never;
    const failure = failureOf(new CommandError('odd', 'odd', { details }));
    assert.deepEqual(failure.details, [{ path: 'a', expected: 'b' }]);
  });

  test('bear whatever was thrown', () => {
    for (const thrown of [undefined, null, 'text', 7, {}]) assert.equal(failureOf(thrown).exitCode, 1);
  });
});

function caught(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}
