import { type ConfigStore, parseKey, type StoreEntry } from '@salvor/config-store';
import { until } from '@salvor/testkit';

/** A member that this version does not know. */
export const ADDED = 'fromNewerVersion';

/** Adds a member to what etcd holds, as a service of a newer version would; the keys, with the revisions that it made. */
export async function addTo(
  store: ConfigStore,
  wanted: (entry: StoreEntry) => boolean,
): Promise<Map<string, string>> {
  const done = new Map<string, string>();
  for (const { key } of (await store.list('')).entries.filter(wanted)) {
    await until(
      async () => {
        const entry = await store.get(key);
        if (entry === null) return true;
        const { value, revision } = entry;
        const compare = [{ key, revision }];
        const result = await store.transact({ compare, puts: [{ key, value: withMember(value) }] });
        if (result.ok) done.set(key, result.revision);
        return result.ok;
      },
      { what: `${key} has another member`, timeoutMs: 10_000 },
    );
  }
  return done;
}

function withMember(value: string): string {
  if (!value.startsWith('{')) return `${value.trimEnd()}\n${ADDED}: kept\n`;
  return JSON.stringify({ ...(JSON.parse(value) as object), [ADDED]: 'kept' });
}

/** What stays, and is changed now and then. */
export const isRecord = ({ key, lease }: StoreEntry): boolean =>
  lease === null &&
  (parseKey(key) !== null || key.endsWith('/archived')) &&
  parseKey(key)?.kind !== 'operation';
