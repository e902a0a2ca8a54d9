import { maxStringBytes } from './constants.ts';

/** Data of INFO and GO: u32 name length, name, u16 count, u16 each. Undefined when the parts do not fill it exactly. */
export function informationRequest(data: Buffer): { name: string; wanted: number[] } | undefined {
  if (data.length < 6) return undefined;
  const nameBytes = data.readUInt32BE(0);
  if (nameBytes > data.length - 6) return undefined;
  const name = stringOf(data.subarray(4, 4 + nameBytes));
  const count = data.readUInt16BE(4 + nameBytes);
  if (name === undefined || data.length !== 6 + nameBytes + 2 * count) return undefined;
  const wanted = Array.from({ length: count }, (_, i) => data.readUInt16BE(6 + nameBytes + 2 * i));
  return { name, wanted };
}

/** Data of LIST_ and SET_META_CONTEXT: a string, u32 count, that many strings; a string is u32 length and text. */
export function contextRequest(data: Buffer): { name: string; queries: string[] } | undefined {
  let at = 0;
  const number = (): number | undefined => {
    if (data.length - at < 4) return undefined;
    at += 4;
    return data.readUInt32BE(at - 4);
  };
  const string = (): string | undefined => {
    const bytes = number();
    if (bytes === undefined || bytes > data.length - at) return undefined;
    at += bytes;
    return stringOf(data.subarray(at - bytes, at));
  };
  const name = string();
  const count = number();
  // Each query takes four bytes at least, so a count that does not fit costs nothing.
  if (name === undefined || count === undefined || count > (data.length - at) / 4) return undefined;
  const queries: string[] = [];
  for (let i = 0; i < count; i++) {
    const query = string();
    if (query === undefined) return undefined;
    queries.push(query);
  }
  return at === data.length ? { name, queries } : undefined;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Undefined when it is not a string of the protocol (proto.md, "Values"): at most 4096 bytes of UTF-8 without zeroes. */
export function stringOf(bytes: Buffer): string | undefined {
  if (bytes.length > maxStringBytes || bytes.includes(0)) return undefined;
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined; // not UTF-8
  }
}
