import { type Child, h } from '../dom.ts';
import type { Tone } from '../tone.ts';

/** A part of the page with its heading, a landmark. */
export function section(id: string, title: string, ...children: readonly Child[]): HTMLElement {
  return h(
    'section',
    { id, 'data-key': id, 'aria-labelledby': `${id}-title` },
    h('h2', { id: `${id}-title` }, title),
    ...children,
  );
}

export function card(key: string, tone: Tone, ...children: readonly Child[]): HTMLElement {
  return h('article', { class: `card ${tone}`, 'data-key': key }, ...children);
}
