const CHUNK = 1 << 16;
const FIELDS = 5;

/** What is remembered of each write of the run. */
export interface LoggedWrite {
  readonly value: number;
  readonly device: number;
  readonly client: number;
  readonly firstSector: number;
  readonly sectors: number;
  readonly sentAt: number;
}

/** Every write of a run by its value, in 20 bytes each, so that a value that should be gone can be told from one never written. */
export class WriteLog {
  readonly #chunks: Int32Array[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The value of the next write: they count up from 1. */
  add(device: number, client: number, firstSector: number, sectors: number, sentAt: number): number {
    const index = this.#count++;
    const at = (index % CHUNK) * FIELDS;
    if (at === 0) this.#chunks.push(new Int32Array(CHUNK * FIELDS));
    const chunk = this.#chunks[this.#chunks.length - 1];
    if (chunk === undefined) throw new Error('a chunk was just added');
    chunk[at] = device;
    chunk[at + 1] = client;
    chunk[at + 2] = firstSector;
    chunk[at + 3] = sectors;
    chunk[at + 4] = sentAt;
    return index + 1;
  }

  find(value: number): LoggedWrite | null {
    const index = value - 1;
    if (index < 0 || index >= this.#count) return null;
    const chunk = this.#chunks[Math.floor(index / CHUNK)];
    const at = (index % CHUNK) * FIELDS;
    const field = (i: number): number => chunk?.[at + i] ?? 0;
    const [device, client, firstSector] = [field(0), field(1), field(2)];
    return { value, device, client, firstSector, sectors: field(3), sentAt: field(4) };
  }
}
