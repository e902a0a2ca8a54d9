import type { BusEvent } from '@salvor/bus';
import type { EventType } from '@salvor/contracts';
import { eventSentence, isAlarming } from '@salvor/story';
import type { News } from '../page/state.ts';

const NEWS_MAX = 40;
/** Said by bars and plots, many times a second. */
const UNTOLD: ReadonlySet<EventType> = new Set<EventType>(['repair.progress', 'operation.progress']);

/** The last events, as sentences, the latest first. */
export class NewsBook {
  #news: readonly News[] = [];

  get news(): readonly News[] {
    return this.#news;
  }

  add({ type, payload }: BusEvent): void {
    if (UNTOLD.has(type)) return;
    const told = {
      at: payload.at,
      type,
      text: eventSentence(type, payload as never),
      alarming: isAlarming(type),
    };
    this.#news = [told, ...this.#news].slice(0, NEWS_MAX);
  }
}
