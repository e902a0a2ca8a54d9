/** The live feed, and how old what is shown is. */
import type { Message, Sections } from './state.ts';

/** The console says that it is there every 3 s. */
const SILENT_MS = 10_000;
const RETRY_MS = 2_000;

export interface Live {
  readonly state: Sections | null;
  /** By the clock of the console. */
  readonly now: number;
  /** Null while the console is heard; else since when it is not. */
  readonly silentSince: number | null;
}

/** Connects, and connects again for ever; every connection begins with a whole snapshot. */
export class LiveFeed {
  readonly #onChange: () => void;
  #source: EventSource | null = null;
  #state: Sections | null = null;
  /** Clock of the console minus that of this browser. */
  #offsetMs = 0;
  #heardAt = Date.now();
  #lost = false;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  start(): void {
    this.#connect();
    setInterval(() => this.#look(), RETRY_MS);
  }

  live(): Live {
    const silent = this.#lost || Date.now() - this.#heardAt > SILENT_MS;
    return {
      state: this.#state,
      now: Date.now() + this.#offsetMs,
      silentSince: silent ? this.#heardAt + this.#offsetMs : null,
    };
  }

  #connect(): void {
    this.#source?.close();
    const source = new EventSource('/events');
    this.#source = source;
    for (const event of ['snapshot', 'change', 'alive'])
      source.addEventListener(event, ({ data }: MessageEvent<string>) =>
        this.#hear(event, JSON.parse(data) as Message),
      );
    source.addEventListener('error', () => {
      this.#lost = true;
      this.#onChange();
    });
  }

  #hear(event: string, { at, sections }: Message): void {
    this.#lost = false;
    this.#heardAt = Date.now();
    this.#offsetMs = at - this.#heardAt;
    if (event === 'snapshot') this.#state = sections as Sections;
    else if (event === 'change' && this.#state !== null) this.#state = { ...this.#state, ...sections };
    this.#onChange();
  }

  /** A browser gives up after some answers, and does not notice a console whose machine is gone. */
  #look(): void {
    if (this.#source?.readyState === EventSource.CLOSED || Date.now() - this.#heardAt > 2 * SILENT_MS)
      this.#connect();
  }
}
