import type {
  BlockDevice,
  ExportDescription,
  Exports,
  Extent,
  OpenExport,
} from '../../src/nbd/block-device.ts';
import { ExportError } from '../../src/nbd/block-device.ts';

const blockSizeBytes = 4096;

/** A thin device in memory, whose calls can be held back and failed. */
export class MemoryDevice implements BlockDevice {
  readonly blockSizeBytes = blockSizeBytes;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly bytes: Buffer;
  /** Blocks that were written and not zeroed as a whole since. */
  readonly stored: Set<number> = new Set();
  readonly calls: string[] = [];
  /** An answer about extents covers so many bytes at most. */
  extentBytesMax = 2 ** 32;
  recycled = 0;
  failure: unknown;
  #held: (() => void)[] | undefined;

  constructor(sizeBytes: number, readOnly = false) {
    this.sizeBytes = sizeBytes;
    this.readOnly = readOnly;
    this.bytes = Buffer.alloc(sizeBytes);
  }

  /** From now on calls wait for `release`. */
  hold(): void {
    this.#held ??= [];
  }

  get held(): number {
    return this.#held?.length ?? 0;
  }

  /** Lets one held call go on, the newest first, or all and every later one. */
  releaseNewest(): void {
    this.#held?.pop()?.();
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const goOn of held) goOn();
  }

  async read(offsetBytes: number, lengthBytes: number): Promise<Buffer | null> {
    await this.#called(`read ${offsetBytes} ${lengthBytes}`);
    if (!blocksOf(offsetBytes, lengthBytes).some((block) => this.stored.has(block))) return null;
    return Buffer.from(this.bytes.subarray(offsetBytes, offsetBytes + lengthBytes));
  }

  async write(offsetBytes: number, data: Buffer): Promise<void> {
    await this.#called(`write ${offsetBytes} ${data.length}`);
    data.copy(this.bytes, offsetBytes);
    for (const block of blocksOf(offsetBytes, data.length)) this.stored.add(block);
  }

  async zero(offsetBytes: number, lengthBytes: number): Promise<void> {
    await this.#called(`zero ${offsetBytes} ${lengthBytes}`);
    this.#discard(offsetBytes, lengthBytes);
  }

  async trim(offsetBytes: number, lengthBytes: number): Promise<void> {
    await this.#called(`trim ${offsetBytes} ${lengthBytes}`);
    this.#discard(offsetBytes, lengthBytes);
  }

  async extents(offsetBytes: number, lengthBytes: number): Promise<Extent[]> {
    await this.#called(`extents ${offsetBytes} ${lengthBytes}`);
    const end = offsetBytes + Math.min(lengthBytes, this.extentBytesMax);
    return blocksOf(offsetBytes, end - offsetBytes).map((block) => ({
      lengthBytes:
        Math.min((block + 1) * blockSizeBytes, end) - Math.max(block * blockSizeBytes, offsetBytes),
      allocated: this.stored.has(block),
    }));
  }

  async flush(): Promise<void> {
    await this.#called('flush');
  }

  recycle(): void {
    this.recycled += 1;
  }

  #discard(offsetBytes: number, lengthBytes: number): void {
    const end = offsetBytes + lengthBytes;
    this.bytes.fill(0, offsetBytes, end);
    for (const block of blocksOf(offsetBytes, lengthBytes)) {
      const isWhole = block * blockSizeBytes >= offsetBytes && (block + 1) * blockSizeBytes <= end;
      if (isWhole) this.stored.delete(block);
    }
  }

  async #called(call: string): Promise<void> {
    if (this.calls.length < 1000) this.calls.push(call);
    const held = this.#held;
    if (held !== undefined) await new Promise<void>((resolve) => held.push(resolve));
    if (this.failure !== undefined) throw this.failure;
  }
}

function blocksOf(offsetBytes: number, lengthBytes: number): number[] {
  const first = Math.floor(offsetBytes / blockSizeBytes);
  const end = Math.ceil((offsetBytes + lengthBytes) / blockSizeBytes);
  return Array.from({ length: end - first }, (_, i) => first + i);
}

/** Exports that count who has them open. */
export class MemoryExports implements Exports {
  readonly devices: Map<string, MemoryDevice>;
  opened = 0;
  closed = 0;
  /** Set to make `open` wait until `openNow` is called. */
  openGate: Promise<void> | undefined;

  constructor(devices: Record<string, MemoryDevice>) {
    this.devices = new Map(Object.entries(devices));
  }

  async list(): Promise<string[]> {
    return [...this.devices.keys()];
  }

  async describe(name: string): Promise<ExportDescription> {
    const { sizeBytes, blockSizeBytes, readOnly } = this.#device(name);
    return { sizeBytes, blockSizeBytes, readOnly, description: `vdisk ${name}` };
  }

  async open(name: string): Promise<OpenExport> {
    await this.openGate;
    const device = this.#device(name);
    this.opened += 1;
    return {
      device,
      description: `vdisk ${name}`,
      close: async () => {
        this.closed += 1;
      },
    };
  }

  #device(name: string): MemoryDevice {
    if (name === 'forbidden') throw new ExportError('policy', 'forbidden is not for you');
    if (name === 'broken') throw new Error('secret internals');
    const device = this.devices.get(name);
    if (device === undefined) throw new ExportError('unknown', `no vdisk ${name}`);
    return device;
  }
}
