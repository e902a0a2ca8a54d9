import { checkedDescription, type ExportDescription, type Exports, type OpenExport } from './block-device.ts';
import type { NbdLog } from './traffic.ts';

/** What one connection asks of the exports, each with a deadline, and the one it has open. */
export class ExportUse {
  readonly #exports: Exports;
  readonly #timeoutMs: number;
  readonly #log: NbdLog;
  #opened: { name: string; handle: OpenExport } | undefined;

  constructor(exports: Exports, timeoutMs: number, log: NbdLog) {
    this.#exports = exports;
    this.#timeoutMs = timeoutMs;
    this.#log = log;
  }

  get opened(): { name: string; handle: OpenExport } | undefined {
    return this.#opened;
  }

  list(): Promise<string[]> {
    return within(this.#exports.list(), this.#timeoutMs, 'the list of exports');
  }

  async describe(name: string): Promise<ExportDescription> {
    const asked = this.#exports.describe(name);
    return checkedDescription(await within(asked, this.#timeoutMs, 'the export description'));
  }

  /** An export that opens after its deadline is closed again. */
  async open(name: string): Promise<OpenExport> {
    const opening = this.#exports.open(name);
    const handle = await within(opening, this.#timeoutMs, `export ${name}`).catch((error: unknown) => {
      opening.then(
        (late) => this.#close(late, name),
        () => undefined, // it failed: there is nothing to close
      );
      throw error;
    });
    this.#opened = { name, handle };
    return handle;
  }

  /** Closes the export if one is open; never rejects. */
  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    if (opened !== undefined) await this.#close(opened.handle, opened.name);
  }

  async #close(handle: OpenExport, name: string): Promise<void> {
    try {
      await handle.close();
    } catch (error) {
      this.#log.warn({ export: name, error: String(error) }, 'nbd export did not close');
    }
  }
}

async function within<T>(work: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
