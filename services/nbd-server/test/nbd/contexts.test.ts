import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExportError } from '../../src/nbd/block-device.ts';
import { Handshake, type HandshakeAction } from '../../src/nbd/handshake.ts';
import { defaultNbdLimits } from '../../src/nbd/limits.ts';
import type { Session } from '../../src/nbd/session.ts';
import { contextData, goOption, hex, infoData, option } from './raw-client.ts';

const replyMagic = '0003e889045565a9';
const [structured, listContexts, setContexts] = [8, 9, 10];
const allocation = Buffer.from('base:allocation').toString('hex');
const disk = { sizeBytes: 2 ** 30, blockSizeBytes: 4096, readOnly: false };

test('STRUCTURED_REPLY is acknowledged, carries no data, and adds SEND_DF to the flags', () => {
  const handshake = started(false);
  assert.equal(replyType(handshake.receive(option(structured, hex('00')))), 0x80000003);
  const ack = handshake.receive(hex('49484156454f5054 00000008 00000000'));
  assert.equal(sent(ack), `${replyMagic}000000080000000100000000`);
  handshake.receive(option(6, infoData('d')));
  assert.ok(sent(handshake.described(disk)).includes('00000000400000000ded'));
  handshake.receive(goOption('d'));
  const actions = handshake.opened({ ...disk, readOnly: true });
  assert.ok(sent(actions).includes('0000000040000000058f'));
  assert.deepEqual(sessionOf(actions), { structuredReplies: true, allocation: false });
});

test('contexts need structured replies', () => {
  for (const code of [listContexts, setContexts]) {
    assert.equal(replyType(started(false).receive(option(code, contextData('d')))), 0x80000003);
  }
});

test('SET_META_CONTEXT selects base:allocation by its name, and answers its id', () => {
  const handshake = started();
  const asked = handshake.receive(
    hex(`49484156454f5054 0000000a 0000001c 00000001 64 00000001 0000000f ${allocation}`),
  );
  assert.deepEqual(asked, [{ kind: 'describe', name: 'd' }]);
  const id = '00000001';
  assert.equal(
    sent(handshake.described(disk)),
    `${replyMagic}0000000a0000000400000013${id}${allocation}${replyMagic}0000000a0000000100000000`,
  );
  handshake.receive(goOption('d'));
  assert.deepEqual(sessionOf(handshake.opened(disk)), { structuredReplies: true, allocation: true });
});

test('what SET_META_CONTEXT does not know, or only a namespace, selects nothing', () => {
  for (const queries of [[], ['base:'], ['base:alloc'], ['qemu:dirty-bitmap:x'], ['nonsense', '']]) {
    const handshake = started();
    handshake.receive(option(setContexts, contextData('d', ...queries)));
    assert.equal(sent(handshake.described(disk)), `${replyMagic}0000000a0000000100000000`);
    handshake.receive(goOption('d'));
    assert.equal(sessionOf(handshake.opened(disk))?.allocation, false, String(queries));
  }
});

test('LIST_META_CONTEXT lists all without a query, a namespace by its prefix, and selects nothing', () => {
  const cases: [string[], boolean][] = [
    [[], true],
    [['base:'], true],
    [['x:y', 'base:allocation'], true],
    [['base'], false],
    [['x:'], false],
  ];
  for (const [queries, isListed] of cases) {
    const handshake = started();
    handshake.receive(option(listContexts, contextData('d', ...queries)));
    const bytes = sent(handshake.described(disk));
    assert.equal(bytes.startsWith(`${replyMagic}00000009000000040000001300000000${allocation}`), isListed);
    assert.ok(bytes.endsWith(`${replyMagic}000000090000000100000000`));
    handshake.receive(goOption('d'));
    assert.equal(sessionOf(handshake.opened(disk))?.allocation, false);
  }
});

test('a context is selected for its export only, and the last SET counts, even one that failed', () => {
  const select = (handshake: Handshake, name: string) => {
    handshake.receive(option(setContexts, contextData(name, 'base:allocation')));
    handshake.described(disk);
  };
  const other = started();
  select(other, 'a');
  other.receive(goOption('b'));
  assert.equal(sessionOf(other.opened(disk))?.allocation, false);

  for (const wrong of [hex('00'), Buffer.alloc(100_000)]) {
    const malformed = started();
    select(malformed, 'a');
    malformed.receive(option(setContexts, wrong));
    malformed.receive(goOption('a'));
    assert.equal(sessionOf(malformed.opened(disk))?.allocation, false);
  }

  const unknown = started();
  select(unknown, 'a');
  unknown.receive(option(setContexts, contextData('x', 'base:allocation')));
  assert.equal(replyType(unknown.refused(new ExportError('unknown', 'no x'))), 0x80000006);
  unknown.receive(goOption('a'));
  assert.equal(sessionOf(unknown.opened(disk))?.allocation, false);

  const kept = started();
  select(kept, 'a');
  kept.receive(option(listContexts, contextData('b')));
  kept.described(disk);
  kept.receive(option(1, Buffer.from('a')));
  const actions = kept.opened(disk);
  assert.ok(sent(actions).endsWith('0ded'));
  assert.equal(sessionOf(actions)?.allocation, true, 'EXPORT_NAME keeps what was agreed on');
});

test('malformed context options are invalid, too long ones too big', () => {
  const malformed = {
    'no count': hex('00000001 64'),
    'name beyond the data': hex('000000ff 64 00000000'),
    'count beyond the data': hex('00000001 64 ffffffff'),
    'query beyond the data': hex('00000001 64 00000001 00000005 6162'),
    'bytes left over': hex('00000001 64 00000000 00'),
    'a query that is not UTF-8': hex('00000001 64 00000001 00000001 ff'),
  };
  for (const code of [listContexts, setContexts]) {
    for (const [what, data] of Object.entries(malformed)) {
      assert.equal(replyType(started().receive(option(code, data))), 0x80000003, what);
    }
    assert.equal(replyType(started().receive(option(code, Buffer.alloc(100_000)))), 0x80000009);
  }
});

function started(isStructured = true): Handshake {
  const handshake = new Handshake(defaultNbdLimits);
  handshake.receive(hex('00000003'));
  if (isStructured) handshake.receive(option(structured));
  return handshake;
}

function sessionOf(actions: readonly HandshakeAction[]): Session | undefined {
  const last = actions.at(-1);
  return last?.kind === 'transmit' ? last.session : undefined;
}

function sent(actions: readonly HandshakeAction[]): string {
  return actions.map((action) => (action.kind === 'send' ? action.bytes.toString('hex') : '')).join('');
}

function replyType(actions: readonly HandshakeAction[]): number {
  return Buffer.from(sent(actions), 'hex').readUInt32BE(12);
}
