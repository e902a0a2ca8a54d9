import { gzipSync } from 'node:zlib';
import {
  type CommandDefinition,
  commandNames,
  commands,
  encode,
  fromPlainJson,
  type RecordInits,
  type RecordName,
} from '@salvor/contracts';
import type { SeededRandom } from '@salvor/testkit';

/** A request that no service may carry out. */
export interface MalformedCommand {
  readonly definition: CommandDefinition;
  readonly subject: string;
  /** What is wrong with it. */
  readonly fault: string;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

type Json = Record<string, unknown>;
type Broken = { body: Buffer | string; headers?: Record<string, string> };
type Fault = (request: Json, random: SeededRandom, definition: CommandDefinition) => Broken;

/**
 * Requests of all commands in turn, each with one fault; the rest of it is a request that could be carried out.
 * @param present what examples name, and what is there instead
 */
export function* malformedCommands(
  count: number,
  random: SeededRandom,
  present: readonly (readonly [named: string, there: string])[],
): Generator<MalformedCommand> {
  const names = commandNames();
  const kinds = Object.entries(faults);
  for (let index = 0; index < count; index++) {
    const definition = commands[pick(names, random)];
    const [fault, make] = pick(kinds, random);
    const text = present.reduce(
      (sofar, [named, there]) => sofar.replaceAll(named, there),
      JSON.stringify(definition.example),
    );
    const { body, headers = {} } = make(JSON.parse(text) as Json, random, definition);
    const ofInstance = definition.service === 'nbd-server' && random.below(2) === 0;
    yield {
      ...{ definition, fault, headers, body: Buffer.from(body) },
      subject: ofInstance ? `${definition.subject}.nbd-1` : definition.subject,
    };
  }
}

const faults: Readonly<Record<string, Fault>> = {
  'random bytes': (_request, random) => ({
    body: Buffer.concat([Buffer.from([0xfe]), randomBytes(random, random.below(300))]),
  }),
  'cut JSON': (request, random) => {
    const text = JSON.stringify(request);
    return { body: text.slice(0, 1 + random.below(text.length - 1)) };
  },
  'JSON of another dialect': (request, random) => {
    const text = JSON.stringify(request);
    return {
      body: pick(
        [
          ...[
            text.replaceAll('"', "'").replace('{}', "{'a':1}"),
            `${text}x`,
            `${text}${text}`,
            `{,${text.slice(1)}`,
          ],
          ...[text.replace(/\}$/, ',}'), text.replace('{', '{/* a comment */'), text.replace('{', '{\u0000')],
          ...[
            `"${text}"`,
            `[${text}]`,
            'null',
            'true',
            '17',
            '""',
            '[]',
            'NaN',
            '{"a":NaN}',
            '{"a":01}',
            '{"a":.5}',
          ],
          ...[
            '{'.repeat(5_000),
            `{"a":${'['.repeat(50_000)}`,
            `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
          ],
          ...[
            `{"a":${'{"a":'.repeat(9_000)}1${'}'.repeat(9_001)}`,
            '{"a":"\ud800',
            '{"a":"\\ud8"}',
            '{"a":"\\x41"}',
          ],
        ],
        random,
      ),
    };
  },
  'a field of another type': (request, random) => {
    const key = pick([...Object.keys(request), 'operationId'], random);
    const wrong = wrongTypes.filter(
      (value) => typeof value !== typeof request[key] || isList(value) !== isList(request[key]),
    );
    // An optional field that is null is one that is not there; `operationId` is a string.
    return json({ ...request, [key]: pick(wrong, random) });
  },
  'a value out of range': (request, random) => {
    const key = pick([...Object.keys(request), 'operationId'], random);
    const value = request[key];
    if (typeof value === 'number') return json({ ...request, [key]: pick(wrongNumbers, random) });
    return json({ ...request, [key]: 'x', operationId: pick(wrongIds, random) });
  },
  'an id that is none': (request, random) => {
    const keys = Object.keys(request).filter((key) => identifying.has(key));
    const key = keys.length === 0 ? 'operationId' : pick(keys, random);
    return json({ ...request, [key]: pick(wrongIds, random) });
  },
  'a field that there is not': (request, random) => json({ ...request, [pick(strangeKeys, random)]: 1 }),
  'a field given twice': (request, random) => {
    const text = JSON.stringify({ ...request, operationId: 'one' });
    const key = pick([...Object.keys(request), 'operationId'], random);
    const again = `${JSON.stringify(key)}:${JSON.stringify(request[key] ?? 'two')}`;
    return { body: `{${again},${text.slice(1)}` };
  },
  'a template left over': (request, random) => {
    const left = pick(
      ['{{.Count}}', '{{Count}}', '{{ID}}', '{{Random 10 20}}', '{{TimeStamp}}', '{{.Request}}'],
      random,
    );
    const key =
      pick(
        Object.keys(request).filter((name) => identifying.has(name)),
        random,
      ) ?? 'operationId';
    const text = JSON.stringify({ ...request, [key]: left });
    return { body: pick([left, `{${left}}`, text, text.replace(`"${left}"`, left)], random) };
  },
  'another encoding': (request, random, definition) => {
    const avro = avroOf(definition.request, request);
    const text = JSON.stringify(request);
    const other = Buffer.from(avro);
    other.writeUInt8(other.readUInt8(4) ^ 0x55, 4);
    return pick<() => Broken>(
      [
        () => ({ body: avro.subarray(0, 2 + random.below(8)) }),
        () => ({ body: other }),
        () => ({ body: Buffer.concat([avro, Buffer.from([0])]) }),
        () => ({ body: Buffer.concat([avro.subarray(0, 10), Buffer.alloc(40, 0xff)]) }),
        () => ({ body: Buffer.concat([Buffer.from([0xc2]), avro.subarray(1)]) }),
        () => ({ body: other, headers: { 'Content-Type': 'application/json' } }),
        () => ({
          body: Buffer.concat([Buffer.from([0xfe]), avro]),
          headers: { 'Content-Type': 'application/json' },
        }),
        () => ({
          body: avroOf(definition.reply, definition.replyExample),
          headers: { Accept: 'application/json' },
        }),
        () => ({ body: Buffer.from(`\ufeff${text}`, 'utf16le') }),
        () => ({ body: gzipSync(text), headers: { 'Content-Encoding': 'gzip' } }),
        () => ({
          body: Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.from(',"\xff":1}', 'latin1')]),
        }),
        () => ({ body: Buffer.from(text).toString('base64') }),
        () => ({ body: encodeURIComponent(text) }),
      ],
      random,
    )();
  },
  // Without the id that a request may have in its body, which would count instead.
  'wrong headers': ({ operationId: _, ...request }, random) => ({
    body: JSON.stringify(request),
    headers: pick(
      [
        { 'Nats-Msg-Id': 'an id with spaces' },
        { 'Nats-Msg-Id': 'x'.repeat(65) },
        { 'Nats-Msg-Id': '{{ID}}' },
        { 'nats-msg-id': 'ünïcode' },
        { 'Nats-Msg-Id': 'a.b.*' },
        { 'a header with spaces': '1' },
        { schlüssel: '1' },
        { 'X-Long': 'x'.repeat(20_000), 'Nats-Msg-Id': ';' },
        { traceparent: 'nonsense', 'Content-Type': 'text/plain', 'Nats-Msg-Id': '>' },
      ],
      random,
    ),
  }),
  'a huge request': (request, random) =>
    pick<() => Broken>(
      [
        () => json({ ...request, operationId: 'x'.repeat(900_000) }),
        () => json({ ...request, ['k'.repeat(500_000)]: 1 }),
        () =>
          json({
            ...request,
            ...Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`key${i}`, i])),
          }),
        () => json({ ...request, operationId: Array.from({ length: 100_000 }, () => 1) }),
        () => ({ body: Buffer.alloc(900_000, 0xfe) }),
        () => ({ body: ' '.repeat(900_000).concat('[') }),
      ],
      random,
    )(),
};

/** Fields that name something; others may be free text. */
const identifying: ReadonlySet<string> = new Set([
  ...[
    'vdisk',
    'volume',
    'cluster',
    'slaveCluster',
    'address',
    'archive',
    'instance',
    'plan',
    'incident',
    'operation',
  ],
  ...[
    'source',
    'target',
    'hook',
    'name',
    'to',
    'server',
    'partner',
    'atSnapshot',
    'segment',
    'operationId',
    'file',
  ],
]);
const wrongTypes: readonly unknown[] = [
  {},
  [],
  [[]],
  { a: 1 },
  1.5,
  -0.1,
  true,
  [null],
  { string: 7 },
  { int: 'x' },
];
const wrongNumbers: readonly unknown[] = [
  ...[
    -1,
    -2147483649,
    2147483648.5,
    1e308,
    9007199254740993e3,
    '',
    'x',
    '1e3',
    '0x10',
    ' 1',
    '٣',
    '9'.repeat(40),
  ],
];
const wrongIds: readonly string[] = [
  ...[
    'a b',
    'a.b.c',
    '*',
    '>',
    'a/b',
    '../../etc/passwd',
    'ü',
    '💥',
    'x'.repeat(65),
    'a\u0000b',
    '\u202eabc',
    'a\nb',
  ],
  ...[
    '\ud800',
    ' ',
    "'; drop",
    '$SRV',
    '%2e%2e',
    '\ufeffv1',
    'x'.repeat(100_000),
    '{{ID}}',
    'v1\u0000',
    '/salvor/',
    'ａ',
  ],
];
const strangeKeys: readonly string[] = [
  ...[
    '',
    ' ',
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'a.b',
    'a[0]',
    '\u0000',
    '💥',
    '\ud800',
    '$',
    '\n',
  ],
  ...[
    'k'.repeat(10_000),
    'Vdisk',
    'vdisk ',
    'operationid',
    'length',
    'prototype',
    '{{.Count}}',
    '../..',
    '"',
  ],
];

function json(value: Json): Broken {
  return { body: JSON.stringify(value) };
}

function avroOf(record: RecordName, example: unknown): Buffer {
  return encode(record, fromPlainJson(record, example) as RecordInits[RecordName]);
}

function isList(value: unknown): boolean {
  return Array.isArray(value);
}

function randomBytes(random: SeededRandom, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.below(256)));
}

function pick<T>(list: readonly T[], random: SeededRandom): T {
  return list[random.below(list.length)] as T;
}
