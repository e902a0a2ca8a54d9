/** Segments in Tier-1, as etcd has them. */
import {
  type ConfigStore,
  parseKey,
  parseRecord,
  SEGMENT_CONTAINERS_PREFIX,
  type SegmentRecord,
  segmentContainerSchema,
  segmentKey,
  segmentSchema,
  segmentsPrefix,
} from '@salvor/config-store';
import type { SegmentDescription } from '@salvor/contracts';
import { containerOfSegment } from '@salvor/pravega';
import { SalvorError } from '@salvor/service-kit';

/** Keys that one call to etcd takes. */
const KEYS_A_CALL = 128;

export interface SegmentPage {
  readonly container: number | undefined;
  readonly prefix: string;
  readonly after: string | undefined;
  readonly limit: number;
}

interface Container {
  readonly container: number;
  readonly containers: number;
}

export async function listSegments(
  store: ConfigStore,
  { container, prefix, after, limit }: SegmentPage,
): Promise<{ segments: SegmentDescription[]; next?: string }> {
  const [, afterContainer = '', afterName = ''] = /^(\d+) (.*)$/s.exec(after ?? '') ?? [];
  if (after !== undefined && afterContainer === '')
    throw new SalvorError(
      'invalid-page',
      `expected after to be the next of a page, found ${JSON.stringify(after)}`,
    );
  const wanted = (await containersIn(store)).filter(
    (each) =>
      (container === undefined || each.container === container) &&
      (after === undefined || each.container >= Number(afterContainer)),
  );
  const keys: string[] = [];
  for (const each of wanted) {
    // One more than a page tells whether there is a next one.
    if (keys.length > limit) break;
    const begin = `${segmentsPrefix(each.container)}${prefix === '' ? '' : encoded(prefix)}`;
    const isFirst = after !== undefined && each.container === Number(afterContainer);
    const behind = isFirst ? `${segmentKey(each.container, afterName)}\0` : '';
    const from = behind > begin ? behind : begin;
    keys.push(...(await store.listKeys({ from, to: endOf(begin) })));
  }
  const segments: SegmentDescription[] = [];
  for (let at = 0; at < Math.min(keys.length, limit); at += KEYS_A_CALL) {
    const part = keys.slice(at, Math.min(at + KEYS_A_CALL, limit));
    const { entries } = await store.getMany(part);
    for (const key of part) {
      const entry = entries.get(key);
      if (entry != null) segments.push(described(parseRecord(segmentSchema, key, entry.value)));
    }
  }
  const last = parseKey(keys[limit - 1] ?? '');
  return keys.length > limit && last?.kind === 'segment'
    ? { segments, next: `${last.container} ${last.segment}` }
    : { segments };
}

/** Throws `unknown-segment`. */
export async function findSegment(store: ConfigStore, name: string): Promise<SegmentDescription> {
  const containers = await containersIn(store);
  // First where its name says that it is; a damaged tree may have it elsewhere.
  const order = [
    ...containers.filter((each) => each.container === containerOfSegment(name, each.containers)),
    ...containers,
  ];
  for (const { container } of name === '' ? [] : order) {
    const key = segmentKey(container, name);
    const entry = await store.get(key);
    if (entry !== null) return described(parseRecord(segmentSchema, key, entry.value));
  }
  throw new SalvorError(
    'unknown-segment',
    `there is no segment ${JSON.stringify(name)} in Tier-1; segment.list has those that there are`,
  );
}

async function containersIn(store: ConfigStore): Promise<Container[]> {
  const { entries } = await store.list(SEGMENT_CONTAINERS_PREFIX);
  return entries
    .map(({ key, value }) => parseRecord(segmentContainerSchema, key, value))
    .sort((a, b) => a.container - b.container);
}

function described({ digest: _, ...record }: SegmentRecord): SegmentDescription {
  return record;
}

/** The beginning of a name as it is in keys. */
function encoded(prefix: string): string {
  return segmentKey(0, prefix).slice(segmentsPrefix(0).length);
}

/** Behind all keys that begin so: they have no character above `~`. */
function endOf(begin: string): string {
  return `${begin}\u007f`;
}
