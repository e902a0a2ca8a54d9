import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commands, fromPlainJson, type VolumeStatusReply } from '@salvor/contracts';
import fc from 'fast-check';
import { toldBy } from '../src/peer-told.ts';
import { managerSettings } from '../src/settings.ts';

const reply = fromPlainJson('VolumeStatusReply', commands['volume.status'].replyExample) as VolumeStatusReply;

test('what another zone says of a volume is taken as it is when it makes sense', () => {
  const told = toldBy('south', reply.volume);
  assert.deepEqual(
    [told.role, told.phase, told.generation],
    ['secondary', 'following', { number: 1, zone: 'north', incarnation: '' }],
  );
  assert.equal(told.sequence, 8190);
});

test('what makes no sense is an error that names the zone, whatever it is', () => {
  assert.throws(() => toldBy('north', reply.volume), {
    code: 'bad-peer',
    message: /calls itself zone south/,
  });
  const wrong: Partial<Record<keyof typeof reply.volume, unknown>>[] = [
    { role: 'king' },
    { phase: '' },
    { generation: -1 },
    { generationZone: 'no zone' },
    { mode: 'sometimes' },
    { bandwidthMib: -1 },
    { compression: 'zip' },
    { begins: -5 },
    { sequence: 1.5 },
    { lineage: [{ number: 1, zone: '', ends: 3 }] },
    { lineage: Array.from({ length: 65 }, () => ({ number: 1, zone: 'north', ends: 3 })) },
    { role: 'primary', generation: 0 },
  ];
  for (const members of wrong)
    assert.throws(
      () => toldBy('south', { ...reply.volume, ...members } as never),
      { code: 'bad-peer' },
      JSON.stringify(members),
    );
});

test('the other zones are read from JSON, and anything else is refused', () => {
  const { schema } = managerSettings.zonePeers;
  assert.deepEqual(schema.parse(undefined), []);
  assert.deepEqual(schema.parse(''), []);
  const [peer] = schema.parse('[{"zone":"south","natsServers":["10.2.0.1:4222"]}]');
  assert.deepEqual([peer?.zone, peer?.natsServers, peer?.tlogStore], ['south', ['10.2.0.1:4222'], '']);
  const twice = '[{"zone":"a","natsServers":["x"]},{"zone":"a","natsServers":["y"]}]';
  for (const bad of [
    '{',
    '[{"zone":"a b","natsServers":["x"]}]',
    '[{"zone":"a","natsServers":[]}]',
    '[{"zone":"a"}]',
    twice,
  ])
    assert.equal(schema.safeParse(bad).success, false, bad);
  fc.assert(
    fc.property(
      fc.string(),
      (text) => schema.safeParse(text).success === (text.trim() === '' || isList(text)),
    ),
  );
});

function isList(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.length === 0;
  } catch {
    return false;
  }
}
