import type { Finding } from '@salvor/pravega';

/** A finding as one line, with its place. */
export function findingLine({ code, message, container, segment, path, from, to }: Finding): string {
  const place = [
    container === undefined ? undefined : `container ${container}`,
    segment,
    path,
    from === undefined ? undefined : `bytes ${from} to ${to ?? 'the end'}`,
  ].filter((part) => part !== undefined);
  return `${code}: ${message}${place.length === 0 ? '' : ` (${place.join(', ')})`}`;
}
