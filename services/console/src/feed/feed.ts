import type { ServerResponse } from 'node:http';
import type { SectionName, Sections } from '../page/state.ts';
import { FeedClient } from './feed-client.ts';

export interface FeedOptions {
  readonly now: () => number;
  readonly state: () => Sections;
  readonly clientsMax: number;
  /** A word that the feed is alive, so often. */
  readonly aliveMs: number;
  /** Who takes nothing for so long is dropped; the page comes back by itself. */
  readonly stallMs: number;
  readonly dropped: () => void;
}

/** Changes are sent at most so often. */
const SEND_INTERVAL_MS = 250;

/**
 * Server-sent events (WHATWG HTML, section 9.2). A client begins with everything, then gets the sections that changed. One that
 * is slow has nothing waiting for it but one message on its way: what changed meanwhile it gets as it is then.
 */
export class Feed {
  readonly #options: FeedOptions;
  readonly #clients = new Set<FeedClient>();
  #sent = new Map<SectionName, string>();
  #timer: NodeJS.Timeout | undefined;
  readonly #alive: NodeJS.Timeout;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#alive = setInterval(() => this.#beAlive(), options.aliveMs);
  }

  get size(): number {
    return this.#clients.size;
  }

  /** False: there are too many. */
  add(response: ServerResponse): boolean {
    if (this.#clients.size >= this.#options.clientsMax) return false;
    this.#flush();
    const client = new FeedClient(response, this.#options.now, () => this.#clients.delete(client));
    this.#clients.add(client);
    client.begin(this.#sent);
    return true;
  }

  /** Something may have changed: looked at within a moment, and sent if so. */
  changed(): void {
    if (this.#clients.size === 0) return;
    this.#timer ??= setTimeout(() => this.#flush(), SEND_INTERVAL_MS);
  }

  close(): void {
    clearInterval(this.#alive);
    clearTimeout(this.#timer);
    for (const client of this.#clients) client.end();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const texts = textsOf(this.#options.state());
    const changed = [...texts].filter(([name, text]) => this.#sent.get(name) !== text).map(([name]) => name);
    this.#sent = texts;
    if (changed.length === 0) return;
    for (const client of this.#clients) client.change(changed, texts);
  }

  #beAlive(): void {
    const { now, stallMs, dropped } = this.#options;
    for (const client of this.#clients) {
      if (client.stalledFor() < stallMs) {
        client.alive(now());
        continue;
      }
      client.drop();
      dropped();
    }
  }
}

/** Each section as JSON, made once for all clients. */
function textsOf(sections: Sections): Map<SectionName, string> {
  return new Map(
    Object.entries(sections).map(([name, section]) => [name as SectionName, JSON.stringify(section)]),
  );
}
