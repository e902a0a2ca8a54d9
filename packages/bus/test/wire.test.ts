import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { commands, engineToken } from '@salvor/contracts';
import fc from 'fast-check';
import { decodeAttribute, encodeAttribute } from '../src/cloud-events.ts';
import { commandErrorFrom, errorBody, errorHeaders, wireErrorOf } from '../src/command-error.ts';
import { readRequest } from '../src/command-wire.ts';
import { parseDelivery } from '../src/delivery.ts';
import { writeHeaders } from '../src/message-headers.ts';

describe('CloudEvents attributes in headers', () => {
  it('encodes as the binding says', () => {
    assert.equal(encodeAttribute('Euro € 😀'), 'Euro%20%E2%82%AC%20%F0%9F%98%80');
    assert.equal(encodeAttribute('50% "off"'), '50%25%20%22off%22');
    assert.equal(decodeAttribute('%zz'), '%zz');
    assert.equal(decodeAttribute('%FF'), undefined);
  });

  it('gives back every string, through characters that headers can hold', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (value) => {
        const encoded = encodeAttribute(value);
        assert.match(encoded, /^[\u0021-\u007e]*$/);
        assert.equal(decodeAttribute(encoded), value);
      }),
    );
  });
});

describe('errors on the wire', () => {
  it('survive the way for any message, in headers that can be sent', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (message) => {
        const error = wireErrorOf(new Error(message));
        writeHeaders(errorHeaders(error));
        const back = commandErrorFrom(String(error.status), '', errorBody(error));
        assert.deepEqual([back.status, back.code, back.message], [500, 'internal', message]);
      }),
    );
  });

  it('are understood from services that send headers only, or nonsense', () => {
    assert.equal(commandErrorFrom('404', 'gone', '').message, 'gone');
    assert.equal(commandErrorFrom('x', 'm', '{"details":"?"}').status, 500);
    assert.deepEqual(
      commandErrorFrom('400', '', '{"code":"c","message":"m","details":[1,{"path":"p","expected":"e"}]}')
        .details,
      [{ path: 'p', expected: 'e' }],
    );
  });
});

describe('requests', () => {
  it('are refused when a field is given twice, by its path', () => {
    const body = '{"target":"a","reason":"b","by":"c","reason":"d","seconds":1}';
    assert.throws(() => readRequest(commands['downtime.begin'], Buffer.from(body), new Map()), {
      ...{ code: 'invalid-json', status: 400 },
      details: [{ path: 'reason', expected: 'to be given once' }],
    });
  });

  it('with an address that is none are the fault of who asks', () => {
    assert.throws(
      () => engineToken('💥'),
      (error) => wireErrorOf(error).status === 400 && wireErrorOf(error).code === 'invalid-id',
    );
  });
});

describe('delivery subjects', () => {
  it('are read in the old form and in the one with domain and account', () => {
    const expected = {
      stream: 'S',
      consumer: 'C',
      deliveries: 2,
      streamSeq: 7,
      storedAtMs: 1_700_000_000_000,
    };
    assert.deepEqual(parseDelivery('$JS.ACK.S.C.2.7.5.1700000000000000000.0'), expected);
    assert.deepEqual(parseDelivery('$JS.ACK._.hash.S.C.2.7.5.1700000000000000000.0.rnd'), expected);
  });

  it('are nothing else, whatever it is', () => {
    for (const reply of [
      undefined,
      '',
      '_INBOX.x',
      '$JS.ACK.S.C',
      '$JS.ACK.S.C.x.7.5.17.0',
      '$JS.ACK.S.C.0.7.5.17.0',
    ]) {
      assert.equal(parseDelivery(reply), undefined);
    }
    fc.assert(fc.property(fc.string(), (reply) => parseDelivery(reply) === undefined));
  });
});
