/**
 * CloudEvents attribute values in NATS headers (CloudEvents NATS protocol binding, binary mode): space, `"`, `%` and
 * everything outside U+0021-U+007E travel percent-encoded as UTF-8, and are decoded exactly once.
 */
export const AVRO_CONTENT_TYPE = 'application/vnd.apache.avro+binary';

export function encodeAttribute(value: string): string {
  return value.replace(/[^\u0021\u0023\u0024\u0026-\u007e]+/g, (part) =>
    [...Buffer.from(part, 'utf8')]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  );
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

/** @returns undefined when the encoded bytes are no UTF-8 */
export function decodeAttribute(value: string): string | undefined {
  const bytes: number[] = [];
  for (let i = 0; i < value.length; i += 1) {
    const escaped = value[i] === '%' ? /^[0-9A-Fa-f]{2}/.exec(value.slice(i + 1, i + 3)) : null;
    if (escaped) {
      bytes.push(Number.parseInt(escaped[0], 16));
      i += 2;
    } else {
      const point = value.codePointAt(i) ?? 0;
      bytes.push(...Buffer.from(String.fromCodePoint(point), 'utf8'));
      if (point > 0xffff) i += 1;
    }
  }
  try {
    return strictUtf8.decode(Uint8Array.from(bytes));
  } catch {
    return undefined;
  }
}

export interface EventAttributes {
  id: string;
  /** Name of the publishing service, becomes `/salvor/<source>`. */
  source: string;
  /** Event type of the catalogue, `engine.failure-reported`; becomes `salvor.engine.failure-reported.v1`. */
  type: string;
  atMs: number;
  /** 16 hex digits, key of the schema in the bucket `salvor_schemas`. */
  fingerprint: string;
  traceparent: string;
}

/** Headers of an event; `Nats-Msg-Id` equals `ce-id`, so a retried publish is stored once. */
export function eventHeaders(attributes: EventAttributes): Record<string, string> {
  return {
    'ce-specversion': '1.0',
    'ce-id': encodeAttribute(attributes.id),
    'ce-source': encodeAttribute(`/salvor/${attributes.source}`),
    'ce-type': encodeAttribute(`salvor.${attributes.type}.v1`),
    'ce-time': new Date(attributes.atMs).toISOString(),
    'ce-datacontenttype': AVRO_CONTENT_TYPE,
    'ce-dataschema': `nats-kv:salvor_schemas/${attributes.fingerprint}`,
    'Content-Type': AVRO_CONTENT_TYPE,
    'Nats-Msg-Id': attributes.id,
    traceparent: attributes.traceparent,
  };
}
