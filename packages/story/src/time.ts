/** Times and durations for people. Times are UTC: operators of one incident may sit in several time zones. */

/** `310 ms`, `8.2 s`, `2 min 5 s`, `3 h 4 min`, `2 d 3 h` */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 3_600) return parts(seconds, 60, 'min', 's');
  if (seconds < 86_400) return parts(Math.round(seconds / 60), 60, 'h', 'min');
  return parts(Math.round(seconds / 3_600), 24, 'd', 'h');
}

/** `2026-03-01 14:03:02.120Z` */
export function dateTimeText(at: number): string {
  return isDate(at) ? new Date(at).toISOString().replace('T', ' ') : `${at}`;
}

/** `14:03:02.120` */
export function clockText(at: number): string {
  return isDate(at) ? new Date(at).toISOString().slice(11, 23) : `${at}`;
}

function parts(count: number, base: number, unit: string, smaller: string): string {
  const rest = count % base;
  return `${Math.floor(count / base)} ${unit}${rest === 0 ? '' : ` ${rest} ${smaller}`}`;
}

function isDate(at: number): boolean {
  return Number.isFinite(new Date(at).getTime());
}
