import type { ServerResponse } from 'node:http';
import type { SectionName } from '../page/state.ts';

/** How long a page waits before it connects again. */
const RETRY_MS = 1_000;

/** One page that looks. At most one message is on its way to it. */
export class FeedClient {
  readonly #response: ServerResponse;
  readonly #now: () => number;
  readonly #dirty = new Set<SectionName>();
  #texts: ReadonlyMap<SectionName, string> = new Map();
  #waitsSince: number | null = null;

  constructor(response: ServerResponse, now: () => number, onEnd: () => void) {
    this.#response = response;
    this.#now = now;
    response.on('drain', () => {
      this.#waitsSince = null;
      if (this.#dirty.size > 0) this.#sendDirty();
    });
    response.on('close', onEnd);
    response.on('error', () => response.destroy());
  }

  begin(texts: ReadonlyMap<SectionName, string>): void {
    this.#dirty.clear();
    this.#texts = texts;
    this.#write(`retry: ${RETRY_MS}\n${this.#message('snapshot', [...texts.keys()])}`);
  }

  change(names: readonly SectionName[], texts: ReadonlyMap<SectionName, string>): void {
    this.#texts = texts;
    for (const name of names) this.#dirty.add(name);
    if (this.#waitsSince === null) this.#sendDirty();
  }

  alive(at: number): void {
    if (this.#waitsSince === null) this.#write(`event: alive\ndata: {"at":${at}}\n\n`);
  }

  /** Milliseconds for which it has taken nothing. */
  stalledFor(): number {
    return this.#waitsSince === null ? 0 : this.#now() - this.#waitsSince;
  }

  drop(): void {
    this.#response.destroy();
  }

  end(): void {
    this.#response.end();
  }

  #sendDirty(): void {
    const names = [...this.#dirty];
    this.#dirty.clear();
    this.#write(this.#message('change', names));
  }

  #message(event: string, names: readonly SectionName[]): string {
    // JSON has no line ends of its own, so it fits into one data line.
    const sections = names.map((name) => `${JSON.stringify(name)}:${this.#texts.get(name)}`);
    return `event: ${event}\ndata: {"at":${this.#now()},"sections":{${sections.join(',')}}}\n\n`;
  }

  #write(text: string): void {
    if (!this.#response.write(text)) this.#waitsSince ??= this.#now();
  }
}
