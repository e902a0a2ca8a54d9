import { randomUUID } from 'node:crypto';
import {
  type CommandDefinition,
  DecodeError,
  decodeAs,
  encode,
  fromPlainJson,
  isId,
  isSingleObject,
  MAX_ID_LENGTH,
  type RecordInits,
  type RecordName,
  repeatedMember,
  toPlainJson,
  ValidationError,
} from '@salvor/contracts';
import { messageOf } from '@salvor/service-kit';
import { AVRO_CONTENT_TYPE } from './cloud-events.ts';
import { CommandError } from './command-error.ts';
import type { ReadHeaders } from './message-headers.ts';

export type Encoding = 'avro' | 'json';

export interface ReadRequest {
  request: unknown;
  replyEncoding: Encoding;
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads a request: `Content-Type` (or `ce-datacontenttype`) decides when it names JSON or Avro, else the first bytes.
 * An empty body is the empty JSON object, so that `nats req salvor.cmd.v1.vdisk.list ''` works.
 * @throws CommandError 400 `invalid-json`, `invalid-avro`, `unsupported-encoding`
 */
export function readRequest(
  definition: CommandDefinition,
  data: Uint8Array,
  headers: ReadHeaders,
): ReadRequest {
  const encoding = encodingOf(data, headers);
  if (encoding === undefined) {
    throw new CommandError(
      'unsupported-encoding',
      `${definition.name}: expected a JSON object or Avro single-object encoding (c3 01 …), found ${data.length} bytes of something else; try: nats req ${definition.subject} '${JSON.stringify(definition.example)}'`,
      { status: 400 },
    );
  }
  const request = encoding === 'json' ? readJson(definition, data) : readAvro(definition, data);
  return { request, replyEncoding: replyEncodingOf(headers) ?? encoding };
}

/** The encoding errors are reported in is always JSON; this is for replies. */
export function writeReply(
  record: RecordName,
  reply: unknown,
  encoding: Encoding,
): { data: Uint8Array | string; contentType: string } {
  const value = reply as RecordInits[RecordName];
  return encoding === 'json'
    ? { data: JSON.stringify(toPlainJson(record, value)), contentType: 'application/json' }
    : { data: encode(record, value), contentType: AVRO_CONTENT_TYPE };
}

/**
 * The idempotency key: the request's own, else the `Nats-Msg-Id` header, else a new one.
 * @throws CommandError 400 `invalid-operation-id`
 */
export function operationIdOf(request: unknown, headers: ReadHeaders): string {
  const inRequest = (request as { operationId?: unknown }).operationId;
  const given = typeof inRequest === 'string' ? inRequest : headers.get('nats-msg-id');
  if (given === undefined || given === '') return randomUUID();
  if (isId(given)) return given;
  throw new CommandError(
    'invalid-operation-id',
    `expected an operation id of 1 to ${MAX_ID_LENGTH} of A-Z a-z 0-9 _ : - in operationId or the Nats-Msg-Id header, found ${JSON.stringify(given.slice(0, 100))}`,
    { status: 400 },
  );
}

function encodingOf(data: Uint8Array, headers: ReadHeaders): Encoding | undefined {
  const declared = headers.get('content-type') ?? headers.get('ce-datacontenttype') ?? '';
  if (isSingleObject(data)) return 'avro';
  if (/^application\/([a-z.+-]+\+)?json\b/i.test(declared)) return 'json';
  return looksLikeJson(data) ? 'json' : undefined;
}

function replyEncodingOf(headers: ReadHeaders): Encoding | undefined {
  const accept = headers.get('accept');
  if (accept === undefined) return undefined;
  if (/application\/json/i.test(accept)) return 'json';
  return /avro/i.test(accept) ? 'avro' : undefined;
}

/** `{` after white space and a byte order mark, or nothing at all. */
function looksLikeJson(data: Uint8Array): boolean {
  let start = data[0] === 0xef && data[1] === 0xbb && data[2] === 0xbf ? 3 : 0;
  for (; start < data.length; start += 1) {
    const byte = data[start];
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) return byte === 0x7b;
  }
  return true;
}

function readJson(definition: CommandDefinition, data: Uint8Array): unknown {
  let json: unknown;
  let text: string;
  try {
    // TextDecoder drops a byte order mark.
    text = strictUtf8.decode(data).trim();
    json = text === '' ? {} : JSON.parse(text);
  } catch (error) {
    const message = `${definition.name}: the request is no JSON: ${messageOf(error)}; an example: ${JSON.stringify(definition.example)}`;
    throw new CommandError('invalid-json', message, { status: 400, cause: error });
  }
  const twice = repeatedMember(text);
  if (twice !== undefined) {
    const expected = 'to be given once';
    throw new CommandError(
      'invalid-json',
      `${definition.name}: ${twice}: expected ${expected}, found it twice in one object`,
      {
        status: 400,
        details: [{ path: twice, expected }],
      },
    );
  }
  try {
    return fromPlainJson(definition.request, json);
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error;
    throw new CommandError('invalid-json', error.message, {
      status: 400,
      details: error.details,
      cause: error,
    });
  }
}

function readAvro(definition: CommandDefinition, data: Uint8Array): unknown {
  try {
    return decodeAs(definition.request, data);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const message = `${definition.name}: ${error.message}`;
    const details = [{ path: '$', expected: definition.request }];
    throw new CommandError('invalid-avro', message, { status: 400, details, cause: error });
  }
}
