/** Numbers and times for people. */

/** `1 engine`, `2 engines` */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

/** `8 s`, `2 min 5 s`, `3 h 4 min`, `2 d 3 h`: as coarse as one reads at a glance. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return two(seconds, 60, 'min', 's');
  if (seconds < 86_400) return two(Math.round(seconds / 60), 60, 'h', 'min');
  return two(Math.round(seconds / 3_600), 24, 'd', 'h');
}

/** `870 ms` or as a duration. */
export function lagText(ms: number): string {
  return ms < 1_000
    ? `${Math.round(ms)} ms`
    : ms < 10_000
      ? `${(ms / 1_000).toFixed(1)} s`
      : durationText(ms);
}

/** `14:03:02`, UTC: operators of one incident may sit in several time zones. */
export function clockText(at: number): string {
  return new Date(at).toISOString().slice(11, 19);
}

/** `1 Mar 14:03`, UTC. */
export function dateText(at: number): string {
  const date = new Date(at);
  const month = date.toLocaleString('en', { month: 'short', timeZone: 'UTC' });
  return `${date.getUTCDate()} ${month} ${date.toISOString().slice(11, 16)}`;
}

export function rateText(perSecond: number, noun: string): string {
  const figure = perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond).toLocaleString('en');
  return `${figure} ${noun}s/s`;
}

/** Reasons are told in the middle of sentences; here they begin one. */
export function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function two(count: number, base: number, unit: string, smaller: string): string {
  const rest = count % base;
  return `${Math.floor(count / base)} ${unit}${rest === 0 ? '' : ` ${rest} ${smaller}`}`;
}
