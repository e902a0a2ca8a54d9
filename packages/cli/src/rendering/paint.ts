/** Colors, for a terminal that wants them (https://no-color.org). */
import type { Terminal } from '../terminal.ts';

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';
export type Paint = (style: Style, text: string) => string;

const codes: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
};

export const noPaint: Paint = (_style, text) => text;
export const paint: Paint = (style, text) => `\u001b[${codes[style][0]}m${text}\u001b[${codes[style][1]}m`;

export function paintFor({ env, isInteractive }: Pick<Terminal, 'env' | 'isInteractive'>): Paint {
  const wanted = isInteractive && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
  return wanted ? paint : noPaint;
}

const good: ReadonlySet<string> = new Set([
  'online',
  'healthy',
  'mounted',
  'completed',
  'both',
  'temporary',
  'succeeded',
  'started',
]);
const bad: ReadonlySet<string> = new Set([
  'offline',
  'unhealthy',
  'unavailable',
  'unreachable',
  'failed',
  'fenced',
  'timed-out',
  'stop-failed',
  'start-failed',
  'permanent',
]);

/** A status word in its color: green serves, red does not, yellow is on its way. */
export function paintStatus(paintText: Paint, status: string): string {
  if (good.has(status)) return paintText('green', status);
  if (bad.has(status)) return paintText('red', status);
  return status === 'rip' || status === '-' ? paintText('dim', status) : paintText('yellow', status);
}
