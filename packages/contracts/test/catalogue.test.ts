import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  commandNames,
  commandSubject,
  commands,
  decodeAs,
  encode,
  engineToken,
  eventFilter,
  eventRecord,
  eventSubject,
  events,
  eventTypeOfRecord,
  eventTypes,
  fingerprintOf,
  fromPlainJson,
  InvalidIdError,
  isCommandName,
  isEngineAddress,
  isEventType,
  isId,
  parseEventSubject,
  toPlainJson,
} from '@salvor/contracts';
import { schemasFolder } from '../scripts/schema-files.ts';

test('every file in schemas/events and schemas/commands is in the catalogue', () => {
  const eventFiles = readdirSync(join(schemasFolder, 'events')).map((file) => file.replace('.avsc', ''));
  assert.deepEqual(Object.keys(events).sort(), eventFiles.sort());
  const commandFiles = readdirSync(join(schemasFolder, 'commands'));
  assert.deepEqual(
    Object.keys(commands)
      .flatMap((name) => [`${name}.request.avsc`, `${name}.reply.avsc`])
      .sort(),
    commandFiles.sort(),
  );
});

for (const type of eventTypes()) {
  test(`the example of event ${type} is valid, and its subject leads back to it`, () => {
    const { record, example, subject, description, fingerprint } = events[type];
    const payload = fromPlainJson(record, example);
    assert.deepEqual(decodeAs(record, encode(record, payload as never)), payload);
    const published = eventSubject(type, payload as never);
    assert.equal(published.split('.').length, subject.split('.').length);
    assert.equal(parseEventSubject(published)?.type, type);
    assert.ok(published.startsWith(eventFilter(type).replace('*', '')));
    assert.equal(eventTypeOfRecord(record), type);
    assert.equal(fingerprint, fingerprintOf(record));
    assert.notEqual(description, '');
  });
}

for (const name of commandNames()) {
  test(`the examples of command ${name} are valid`, () => {
    const { request, reply, example, replyExample, mutating, description } = commands[name];
    const requested: object = fromPlainJson(request, example);
    const replied: object = fromPlainJson(reply, replyExample);
    assert.deepEqual(decodeAs(request, encode(request, requested as never)), requested);
    assert.deepEqual(decodeAs(reply, encode(reply, replied as never)), replied);
    // Plain JSON has bytes as text.
    assert.deepEqual(fromPlainJson(reply, toPlainJson(reply, replied as never)), replied);
    assert.notEqual(description, '');
    assert.equal(mutating, 'operation' in replied && 'outcome' in replied);
    // Every mutating request takes an operation id, and no other does.
    const withOperation = { ...example, operationId: 'op-1' };
    if (mutating) assert.doesNotThrow(() => fromPlainJson(request, withOperation));
    else assert.throws(() => fromPlainJson(request, withOperation));
  });
}

const mounted = { vdisk: 'v1', server: 'nbd-1', epoch: 1, at: 1 };

test('subjects are built from ids and addresses', () => {
  assert.equal(
    eventSubject('engine.failure-reported', {
      address: '10.100.0.1:22005',
      reporter: 'nbd-1',
      reason: 'gone',
      source: 's',
      detectedAt: 1,
      at: 1,
    }),
    'salvor.evt.v1.engine.failure-reported.10_100_0_1:22005',
  );
  assert.equal(eventSubject('vdisk.mounted', mounted), 'salvor.evt.v1.vdisk.mounted.v1');
  assert.equal(commandSubject('vdisk.create'), 'salvor.cmd.v1.vdisk.create');
  assert.equal(commandSubject('nbdserver.status', 'nbd-1'), 'salvor.cmd.v1.nbdserver.status.nbd-1');
  assert.equal(eventFilter('all'), 'salvor.evt.v1.>');
});

test('what would widen or break a subject is refused', () => {
  for (const vdisk of ['', '*', '>', 'a.b', 'a b', 'é', 'x'.repeat(65), 'a\n', 'a\r\n']) {
    assert.equal(isId(vdisk), false, JSON.stringify(vdisk));
    assert.throws(
      () => eventSubject('vdisk.mounted', { ...mounted, vdisk }),
      InvalidIdError,
      JSON.stringify(vdisk),
    );
  }
  assert.throws(() => commandSubject('nbdserver.status', '>'), InvalidIdError);
  assert.throws(() => eventSubject('vdisk.mounted', {} as never), InvalidIdError);
});

test('an engine token is the address with underscores', () => {
  assert.equal(engineToken('redis-1.example:6379'), 'redis-1_example:6379');
  assert.equal(engineToken('[::1]:6379'), '::1:6379');
  for (const address of [
    '',
    'host',
    'host:',
    ':6379',
    'host:0',
    'host:65536',
    'a b:1',
    'host:1\n',
    `${'h'.repeat(70)}:1`,
  ]) {
    assert.equal(isEngineAddress(address), false, JSON.stringify(address));
    assert.throws(() => engineToken(address), InvalidIdError, JSON.stringify(address));
  }
});

test('names and subjects that are not in the catalogue are told apart', () => {
  assert.ok(isEventType('vdisk.mounted') && !isEventType('vdisk.melted') && !isEventType('toString'));
  assert.ok(isCommandName('vdisk.list') && !isCommandName('vdisk.mounted') && !isCommandName('constructor'));
  assert.equal(eventRecord('vdisk.mounted'), 'VdiskMounted');
  assert.equal(parseEventSubject('salvor.evt.v1.vdisk.melted.v1'), undefined);
  assert.equal(parseEventSubject('salvor.cmd.v1.vdisk.list'), undefined);
  assert.equal(parseEventSubject('salvor.evt.v1.'), undefined);
});
