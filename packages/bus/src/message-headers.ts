import { headers as createHeaders, type Msg, type MsgHdrs } from 'nats';

/** Headers of a received message: names in lower case, first value of each, because senders choose the case. */
export type ReadHeaders = ReadonlyMap<string, string>;

/**
 * Reads the headers of a received message. Malformed headers (a name with a space, with bytes outside ASCII) make
 * the client library throw on access; a throw inside a subscription callback would end its read loop, so every
 * access goes through here.
 * @returns undefined when the header block cannot be read
 */
export function readHeaders(message: Pick<Msg, 'headers'>): ReadHeaders | undefined {
  const found = new Map<string, string>();
  try {
    for (const [name, values] of message.headers ?? []) {
      const key = name.toLowerCase();
      if (!found.has(key)) found.set(key, values[0] ?? '');
    }
  } catch {
    return undefined;
  }
  return found;
}

/** Status code of a control message of the server (100, 404, 408, 409, 503 …), 0 when it has none. */
export function statusCode(message: Pick<Msg, 'headers'>): { code: number; description: string } {
  try {
    return { code: message.headers?.code ?? 0, description: message.headers?.description ?? '' };
  } catch {
    return { code: 0, description: '' };
  }
}

/** Builds headers; values lose line breaks, which the client library refuses to send. */
export function writeHeaders(values: Record<string, string | undefined>): MsgHdrs {
  const built = createHeaders();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) built.append(name, oneLine(value));
  }
  return built;
}

/** Size of a header block on the wire. */
export function headerBytes(headers: MsgHdrs): number {
  let bytes = 'NATS/1.0\r\n\r\n'.length;
  for (const [name, values] of headers) {
    for (const value of values) bytes += name.length + ': \r\n'.length + Buffer.byteLength(value);
  }
  return bytes;
}

/** A header value cannot hold line breaks or other control characters. */
export function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced
  return text.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim();
}
