/** Small plots, drawn here. */
import { h, svg } from './dom.ts';
import type { Sample } from './state.ts';
import { durationText } from './words.ts';

const WIDTH = 320;
const HEIGHT = 56;

export interface PlotOptions {
  /** For those who do not see it: what it shows. */
  readonly label: string;
  readonly text: (value: number) => string;
  /** The top of the plot is at least this. */
  readonly atLeast: number;
}

/** A line over time from zero up; nothing while there are no two samples. */
export function plot(samples: readonly Sample[], { label, text, atLeast }: PlotOptions): HTMLElement | null {
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined || last[0] <= first[0]) return null;
  const top = Math.max(atLeast, ...samples.map(([, value]) => value));
  const points = plotPoints(samples, top);
  const line = points.map(([x, y]) => `${x},${y}`).join(' ');
  const spoken = `${label}: from ${text(first[1])} to ${text(last[1])} over ${durationText(last[0] - first[0])}, at most ${text(top)}`;
  return h(
    'figure',
    { class: 'plot' },
    h('figcaption', {}, h('span', {}, label), h('span', {}, text(top))),
    svg(
      'svg',
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': spoken },
      svg('path', { class: 'grid', d: `M0 ${HEIGHT - 0.5}H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 .5H${WIDTH}` }),
      svg('polygon', { class: 'area', points: `0,${HEIGHT} ${line} ${WIDTH},${HEIGHT}` }),
      svg('polyline', { class: 'line', points: line }),
    ),
    h(
      'div',
      { class: 'axis', 'aria-hidden': 'true' },
      h('span', {}, `${durationText(last[0] - first[0])} ago`),
      h('span', {}, 'now'),
    ),
  );
}

/** Places in the plot, the first sample at its left edge, the last at its right one. */
export function plotPoints(samples: readonly Sample[], top: number): [number, number][] {
  const from = samples[0]?.[0] ?? 0;
  const span = Math.max(1, (samples.at(-1)?.[0] ?? 0) - from);
  return samples.map(([at, value]) => [
    round(((at - from) / span) * WIDTH),
    round(HEIGHT - 1 - (Math.min(value, top) / Math.max(top, 1e-9)) * (HEIGHT - 2)),
  ]);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
