/**
 * A second implementation of the hash that places segments, written down from the definitions of MurmurHash3 x64 128 and
 * of the jump consistent hash with 64-bit words as four 16-bit limbs: nothing is shared with the one under test.
 */
type Word = readonly [number, number, number, number];

const C1 = word('87c37b91114253d5');
const C2 = word('4cf5ad432745937f');
const SEED = word((1_661_405_012).toString(16));

export function slowContainerOf(primaryName: string, containers: number): number {
  const state = { hash: firstWord(utf16(primaryName)) };
  let bucket = 0;
  for (;;) {
    state.hash = add(multiply(state.hash, word('27bb2ee687b0b0fd')), word('1'));
    const high = state.hash[3] * 2 ** 15 + (state.hash[2] >>> 1);
    const next = Math.min(2 ** 31 - 1, Math.floor((bucket + 1) / ((high + 1) / 2 ** 31)));
    if (next >= containers) return bucket;
    bucket = next;
  }
}

function firstWord(bytes: readonly number[]): Word {
  let [h1, h2] = [SEED, SEED];
  let at = 0;
  for (; at + 16 <= bytes.length; at += 16) {
    h1 = xor(h1, multiply(rotate(multiply(littleEndian(bytes, at), C1), 31), C2));
    h1 = add(multiply(add(rotate(h1, 27), h2), word('5')), word('52dce729'));
    h2 = xor(h2, multiply(rotate(multiply(littleEndian(bytes, at + 8), C2), 33), C1));
    h2 = add(multiply(add(rotate(h2, 31), h1), word('5')), word('38495ab5'));
  }
  if (bytes.length - at > 8)
    h2 = xor(h2, multiply(rotate(multiply(littleEndian(bytes, at + 8), C2), 33), C1));
  if (bytes.length - at > 0) h1 = xor(h1, multiply(rotate(multiply(littleEndian(bytes, at), C1), 31), C2));
  const length = word(bytes.length.toString(16));
  h1 = xor(h1, length);
  h2 = xor(h2, length);
  h1 = add(h1, h2);
  h2 = add(h2, h1);
  return add(mix(h1), mix(h2));
}

function mix(value: Word): Word {
  const first = multiply(xor(value, shifted33(value)), word('ff51afd7ed558ccd'));
  const second = multiply(xor(first, shifted33(first)), word('c4ceb9fe1a85ec53'));
  return xor(second, shifted33(second));
}

/** Limbs, the lowest first. */
function word(hex: string): Word {
  const digits = hex.padStart(16, '0');
  return [12, 8, 4, 0].map((at) => Number.parseInt(digits.slice(at, at + 4), 16)) as unknown as Word;
}

function littleEndian(bytes: readonly number[], at: number): Word {
  return [0, 2, 4, 6].map(
    (limb) => (bytes[at + limb] ?? 0) + 256 * (bytes[at + limb + 1] ?? 0),
  ) as unknown as Word;
}

function utf16(text: string): number[] {
  return Array.from({ length: text.length }, (_, index) => text.charCodeAt(index)).flatMap((unit) => [
    unit % 256,
    Math.floor(unit / 256),
  ]);
}

function xor(a: Word, b: Word): Word {
  return [a[0] ^ b[0], a[1] ^ b[1], a[2] ^ b[2], a[3] ^ b[3]];
}

function add(a: Word, b: Word): Word {
  return carried([a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]]);
}

function multiply(a: Word, b: Word): Word {
  return carried([
    a[0] * b[0],
    a[0] * b[1] + a[1] * b[0],
    a[0] * b[2] + a[1] * b[1] + a[2] * b[0],
    a[0] * b[3] + a[1] * b[2] + a[2] * b[1] + a[3] * b[0],
  ]);
}

function carried([l0, l1, l2, l3]: Word): Word {
  const second = l1 + Math.floor(l0 / 65_536);
  const third = l2 + Math.floor(second / 65_536);
  const fourth = l3 + Math.floor(third / 65_536);
  return [l0 % 65_536, second % 65_536, third % 65_536, fourth % 65_536];
}

function rotate(value: Word, by: number): Word {
  const bits = toBits(value);
  return fromBits(bits.slice(by) + bits.slice(0, by));
}

function shifted33(value: Word): Word {
  return fromBits('0'.repeat(33) + toBits(value).slice(0, 31));
}

/** The highest bit first. */
function toBits(value: Word): string {
  return [...value]
    .reverse()
    .map((limb) => limb.toString(2).padStart(16, '0'))
    .join('');
}

function fromBits(bits: string): Word {
  return [48, 32, 16, 0].map((at) => Number.parseInt(bits.slice(at, at + 16), 2)) as unknown as Word;
}
