import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ExportError } from '../../src/nbd/block-device.ts';
import { Handshake, type HandshakeAction } from '../../src/nbd/handshake.ts';
import { defaultNbdLimits } from '../../src/nbd/limits.ts';
import { greeting } from '../../src/nbd/option-replies.ts';
import { plainSession } from '../../src/nbd/session.ts';
import { goOption, hex, infoData, option } from './raw-client.ts';

const bothFlags = hex('00000003');
const replyMagic = '0003e889045565a9';
const gigabyteDisk = { sizeBytes: 2 ** 30, blockSizeBytes: 4096, readOnly: false, description: 'a disk' };

test('the server greets with both magics, fixed newstyle and no zeroes', () => {
  assert.deepEqual(greeting(), hex('4e42444d41474943 49484156454f5054 0003'));
});

test('GO asks for the export and answers size, flags and block sizes before the ACK', () => {
  const handshake = started();
  assert.deepEqual(handshake.receive(hex('49484156454f5054 00000007 00000009 00000003 663a31 0000')), [
    { kind: 'open', name: 'f:1' },
  ]);
  const actions = handshake.opened(gigabyteDisk);
  assert.deepEqual(
    sent(actions),
    [
      `${replyMagic} 00000007 00000003 0000000c 0000 0000000040000000 0d6d`,
      `${replyMagic} 00000007 00000003 0000000e 0003 00000001 00001000 02000000`,
      `${replyMagic} 00000007 00000001 00000000`,
    ]
      .join('')
      .replaceAll(' ', ''),
  );
  assert.equal(actions.at(-1)?.kind, 'transmit');
});

test('a read-only export is offered without the flags of writing', () => {
  const handshake = started();
  handshake.receive(goOption('r'));
  const bytes = sent(handshake.opened({ ...gigabyteDisk, readOnly: true }));
  assert.ok(bytes.includes('0000000040000000050f'), bytes);
});

test('INFO sends name and description when asked, and does not start the transmission', () => {
  const handshake = started();
  assert.deepEqual(handshake.receive(option(6, infoData('d', 1, 2, 3))), [{ kind: 'describe', name: 'd' }]);
  const actions = handshake.described(gigabyteDisk);
  const bytes = sent(actions);
  assert.ok(bytes.includes(`${replyMagic}0000000600000003000000030001${Buffer.from('d').toString('hex')}`));
  assert.ok(bytes.includes(`0002${Buffer.from('a disk').toString('hex')}`));
  assert.ok(actions.every((action) => action.kind === 'send'));
  assert.deepEqual(handshake.receive(goOption('d')), [{ kind: 'open', name: 'd' }]);
});

test('EXPORT_NAME answers with 124 zeroes, unless both sides agreed to go without', () => {
  for (const [flags, paddingBytes] of [
    ['00000001', 124],
    ['00000003', 0],
    ['00000000', 124],
  ] as const) {
    const handshake = new Handshake(defaultNbdLimits);
    handshake.receive(hex(flags));
    assert.deepEqual(handshake.receive(option(1, Buffer.from('d'))), [{ kind: 'open', name: 'd' }]);
    assert.equal(sent(handshake.opened(gigabyteDisk)), `00000000400000000d6d${'00'.repeat(paddingBytes)}`);
  }
});

test('EXPORT_NAME of an unknown export can only disconnect', () => {
  const handshake = started();
  handshake.receive(option(1, Buffer.from('x')));
  assert.deepEqual(kinds(handshake.refused(new ExportError('unknown', 'no x'))), ['close']);
});

test('LIST answers one reply for each export', () => {
  const handshake = started();
  assert.deepEqual(handshake.receive(option(3)), [{ kind: 'list' }]);
  assert.equal(
    sent(handshake.listed(['a', 'bc'])),
    `${replyMagic}00000003000000020000000500000001${'61'}` +
      `${replyMagic}00000003000000020000000600000002${'6263'}${replyMagic}000000030000000100000000`,
  );
});

test('LIST with data is invalid, and the session goes on', () => {
  const handshake = started();
  assert.equal(replyType(handshake.receive(option(3, hex('00')))), 0x80000003);
  assert.deepEqual(kinds(handshake.receive(option(3))), ['list']);
});

test('a list that is too long is refused as a whole', () => {
  const handshake = new Handshake({ ...defaultNbdLimits, maxListedExports: 1 });
  handshake.receive(Buffer.concat([bothFlags, option(3)]));
  assert.equal(replyType(handshake.listed(['a', 'b'])), 0x80000009);
});

test('ABORT is acknowledged and closes', () => {
  const actions = started().receive(option(2));
  assert.equal(replyType(actions), 1);
  assert.deepEqual(kinds(actions), ['send', 'close']);
});

test('unknown options are unsupported, whatever data they bring', () => {
  for (const code of [4, 11, 12, 0xffffffff]) {
    const handshake = started();
    assert.equal(replyType(handshake.receive(option(code, Buffer.alloc(100_000, 1)))), 0x80000001);
    assert.deepEqual(kinds(handshake.receive(option(3))), ['list']);
  }
});

test('an export that is unknown, forbidden, gone or broken is refused with its own reply', () => {
  const refusals: [unknown, number, RegExp][] = [
    [new ExportError('unknown', 'no vdisk x'), 0x80000006, /no vdisk x/],
    [new ExportError('policy', 'not yours'), 0x80000002, /not yours/],
    [new ExportError('shutdown', 'stopping'), 0x80000007, /stopping/],
    [new Error('secret internals'), 0x80000006, /not available now/],
  ];
  for (const [error, type, message] of refusals) {
    const handshake = started();
    handshake.receive(goOption('x'));
    const actions = handshake.refused(error);
    assert.equal(replyType(actions), type);
    assert.match(Buffer.from(sent(actions), 'hex').toString('latin1'), message);
    assert.deepEqual(kinds(handshake.receive(option(3))), ['list']);
  }
});

test('malformed GO data is invalid', () => {
  const malformed = {
    'name length beyond the data': hex('00000005 6162 0000'),
    'too short': hex('0000000000'),
    'count beyond the data': hex('00000001 61 0002 0000'),
    'bytes left over': hex('00000001 61 0000 00'),
    'not UTF-8': hex('00000001 ff 0000'),
    'a zero byte in the name': hex('00000001 00 0000'),
    'name length of 4 GiB': hex('ffffffff 6162 0000'),
  };
  for (const [what, data] of Object.entries(malformed)) {
    assert.equal(replyType(started().receive(option(7, data))), 0x80000003, what);
  }
});

test('an export name longer than a string may be is too big', () => {
  const handshake = started();
  assert.equal(replyType(handshake.receive(option(7, infoData('n'.repeat(5000))))), 0x80000009);
  assert.deepEqual(kinds(handshake.receive(option(1, Buffer.alloc(5000, 97)))), ['close']);
});

test('unknown client flags, a wrong magic, huge options and too many of them close', () => {
  assert.deepEqual(kinds(new Handshake(defaultNbdLimits).receive(hex('00000007'))), ['close']);
  assert.deepEqual(kinds(started().receive(Buffer.alloc(16, 7))), ['close']);
  assert.deepEqual(kinds(started().receive(hex('49484156454f5054 00000008 ffffffff'))), ['close']);
  const handshake = new Handshake({ ...defaultNbdLimits, maxOptions: 2 });
  assert.deepEqual(kinds(handshake.receive(Buffer.concat([bothFlags, option(8), option(8), option(8)]))), [
    'send',
    'send',
    'close',
  ]);
});

test('a client without fixed newstyle may only name its export', () => {
  const handshake = new Handshake(defaultNbdLimits);
  handshake.receive(hex('00000000'));
  assert.deepEqual(kinds(handshake.receive(option(3))), ['close']);
});

test('no option is looked at while a question is open, and what follows GO goes to the transmission', () => {
  const handshake = started();
  assert.deepEqual(
    kinds(handshake.receive(Buffer.concat([option(3), option(6, infoData('d')), goOption('d')]))),
    ['list'],
  );
  assert.deepEqual(kinds(handshake.listed([])), ['send', 'describe']);
  assert.deepEqual(kinds(handshake.described(gigabyteDisk)), ['send', 'open']);
  handshake.receive(hex('256095'));
  const last = handshake.opened(gigabyteDisk).at(-1);
  assert.deepEqual(last, { kind: 'transmit', rest: hex('256095'), session: plainSession });
});

test('the way bytes are cut into packets changes nothing', () => {
  const conversation = Buffer.concat([
    bothFlags,
    option(8, hex('0102')),
    option(3),
    option(9),
    goOption('d'),
  ]);
  const whole = converse([conversation]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: conversation.length }), { maxLength: 20 }), (cuts) => {
      const edges = [0, ...cuts.sort((a, b) => a - b), conversation.length];
      const parts = edges.slice(1).map((end, i) => conversation.subarray(edges[i], end));
      assert.deepEqual(converse(parts), whole);
    }),
  );
});

function converse(parts: Buffer[]): string {
  const handshake = new Handshake(defaultNbdLimits);
  let bytes = '';
  const act = (actions: HandshakeAction[]): void => {
    bytes += sent(actions);
    const last = actions.at(-1)?.kind;
    if (last === 'list') act(handshake.listed(['d']));
    if (last === 'open') act(handshake.opened(gigabyteDisk));
  };
  for (const part of parts) act(handshake.receive(part));
  return bytes;
}

function started(): Handshake {
  const handshake = new Handshake(defaultNbdLimits);
  assert.deepEqual(handshake.receive(bothFlags), []);
  return handshake;
}

function kinds(actions: HandshakeAction[]): string[] {
  return actions.map((action) => action.kind);
}

function sent(actions: HandshakeAction[]): string {
  return actions.map((action) => (action.kind === 'send' ? action.bytes.toString('hex') : '')).join('');
}

function replyType(actions: HandshakeAction[]): number {
  return Buffer.from(sent(actions), 'hex').readUInt32BE(12);
}
