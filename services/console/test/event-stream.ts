import { request } from 'node:http';
import type { Message } from '../src/page/state.ts';

export interface StreamedEvent {
  readonly event: string;
  readonly data: string;
}

/** Reads server-sent events as a page does, without coming back by itself. */
export class EventStream implements AsyncDisposable {
  readonly events: StreamedEvent[] = [];
  /** All that was told so far, put together. */
  sections: Message['sections'] = {};
  ended = false;
  readonly #request: ReturnType<typeof request>;
  #text = '';

  constructor(url: string) {
    this.#request = request(`${url}/events`, (response) => {
      response.setEncoding('utf8');
      response.on('data', (text: string) => this.#take(text));
      response.on('close', () => {
        this.ended = true;
      });
    });
    this.#request.on('error', () => {
      this.ended = true;
    });
    this.#request.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#request.destroy();
  }

  #take(text: string): void {
    const blocks = `${this.#text}${text}`.split('\n\n');
    this.#text = blocks.pop() ?? '';
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? '';
      const event = { event: field('event'), data: field('data') };
      this.events.push(event);
      if (event.event === 'alive') continue;
      const { sections } = JSON.parse(event.data) as Message;
      this.sections = event.event === 'snapshot' ? sections : { ...this.sections, ...sections };
    }
  }
}
