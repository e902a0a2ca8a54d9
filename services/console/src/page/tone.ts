/** How a status is shown: by a word, a shape and a colour, so that none of them is needed alone. */
import { h, svg } from './dom.ts';

export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'idle';

const tones: Readonly<Record<string, Tone>> = {
  online: 'good',
  healthy: 'good',
  'in-use': 'good',
  done: 'good',
  active: 'good',
  offline: 'bad',
  unhealthy: 'bad',
  failed: 'bad',
  'repair-tmp-outage': 'busy',
  'repair-final-outage': 'busy',
  repairing: 'busy',
  replaying: 'busy',
  verifying: 'busy',
  running: 'busy',
  prepared: 'warn',
  paused: 'warn',
  cancelled: 'warn',
  waiting: 'warn',
  rip: 'idle',
  available: 'idle',
};

export function toneOf(status: string): Tone {
  return tones[status] ?? 'busy';
}

const words: Readonly<Record<string, string>> = {
  'repair-tmp-outage': 'catching up',
  'repair-final-outage': 'being rebuilt',
  rip: 'given up',
  'in-use': 'in use',
  available: 'not in use',
};

export function wordOf(status: string): string {
  return words[status] ?? status.replaceAll('-', ' ');
}

/** The shape before the word. */
export function mark(tone: Tone): SVGElement {
  return svg(
    'svg',
    { class: `mark ${tone}`, viewBox: '0 0 16 16', 'aria-hidden': 'true' },
    ...shapes[tone](),
  );
}

export function statusWord(status: string, tone: Tone = toneOf(status)): HTMLElement {
  return h('span', { class: `status ${tone}` }, mark(tone), wordOf(status));
}

const shapes: Readonly<Record<Tone, () => SVGElement[]>> = {
  good: () => [
    svg('circle', { cx: 8, cy: 8, r: 7 }),
    svg('path', { class: 'cut', d: 'M4.5 8.2 7 10.8l4.6-5' }),
  ],
  busy: () => [
    svg('circle', { class: 'ring', cx: 8, cy: 8, r: 6 }),
    svg('path', { d: 'M8 2a6 6 0 0 1 0 12z' }),
  ],
  warn: () => [svg('path', { d: 'M8 1 15.5 14.5H.5z' }), svg('path', { class: 'cut', d: 'M8 6v4M8 12v.8' })],
  bad: () => [
    svg('rect', { x: 1, y: 1, width: 14, height: 14, rx: 2 }),
    svg('path', { class: 'cut', d: 'm5 5 6 6M11 5l-6 6' }),
  ],
  idle: () => [svg('circle', { class: 'ring', cx: 8, cy: 8, r: 6 })],
};
