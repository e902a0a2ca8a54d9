import { CONTAINER_FOLDER } from './segment-name.ts';

/** Files of a container: its segments, their chunks and headers, its journal, its epoch. */
const TRACES = [
  /^(?:storage_)?metadata_(\d{1,10})(?:\$|\.E-|$)/,
  /^_sysjournal\.(?:epoch\d{1,15}\.)?container(\d{1,10})\./,
  /^container_(\d{1,10})_epoch$/,
  /^event_processor_GC\.(?:failed\.)?queue\.(\d{1,10})_\d{1,10}(?:\$|\.E-|$)/,
];
/** Java's `Integer.MAX_VALUE`. */
const MAX_CONTAINER = 2 ** 31 - 1;
/** A cluster has some hundreds at most; numbers in names that nobody checked may be anything. */
export const MAX_CONTAINERS = 100_000;

/** Every container of which any file is there, ascending: also those whose metadata is lost. */
export function findContainers(paths: Iterable<string>): number[] {
  const found = new Set<number>();
  for (const path of paths) {
    if (!path.startsWith(CONTAINER_FOLDER)) continue;
    const name = path.slice(CONTAINER_FOLDER.length);
    const digits = TRACES.map((trace) => trace.exec(name)?.[1]).find((match) => match !== undefined);
    const container = Number(digits ?? Number.NaN);
    if (container <= MAX_CONTAINER && found.size < MAX_CONTAINERS) found.add(container);
  }
  return [...found].sort((a, b) => a - b);
}
