/** Chunks of one group of bits, and how many groups are remembered: 1 TiB of 4 KiB blocks in 2 MiB of memory, at most 16. */
const GROUP_CHUNKS = 1 << 16;
const GROUPS_MAX = 2048;

/**
 * Chunks that this owner has made the engines reserve as a whole. Only a saving of commands: where it is wrong, as after
 * an engine was replaced, a chunk takes more memory than it needs. What is copied to an engine does not rely on it.
 */
export class ReservedChunks {
  readonly #groups = new Map<number, Uint8Array>();

  /** Remembers a chunk; tells whether it was known. */
  add(chunk: number): 'known' | 'new' {
    const group = this.#group(Math.floor(chunk / GROUP_CHUNKS));
    const { byte, bit } = placeOf(chunk);
    const before = group[byte] ?? 0;
    if ((before & bit) !== 0) return 'known';
    group[byte] = before | bit;
    return 'new';
  }

  delete(chunk: number): void {
    const group = this.#groups.get(Math.floor(chunk / GROUP_CHUNKS));
    if (group === undefined) return;
    const { byte, bit } = placeOf(chunk);
    group[byte] = (group[byte] ?? 0) & ~bit;
  }

  #group(number: number): Uint8Array {
    let group = this.#groups.get(number);
    if (group !== undefined) return group;
    // What is forgotten is reserved once more.
    if (this.#groups.size >= GROUPS_MAX) this.#groups.clear();
    group = new Uint8Array(GROUP_CHUNKS / 8);
    this.#groups.set(number, group);
    return group;
  }
}

function placeOf(chunk: number): { byte: number; bit: number } {
  const at = chunk % GROUP_CHUNKS;
  return { byte: at >> 3, bit: 1 << (at & 7) };
}
