/** The configuration in Tier-2 that somebody named for a recovery, in the place of the newest one. */
import { SalvorError } from '@salvor/service-kit';
import {
  CONFIGURATION_FOLDER,
  LogError,
  listConfigurations,
  readConfiguration,
  type StoredConfiguration,
  type Tier2Store,
} from '@salvor/tlog';

const NAMED_MAX = 5;

/**
 * @param choice the path of a file in `_system/configuration/`, or a time: then the newest one that is not younger
 * @param noticed told of files that cannot be read
 * @throws SalvorError `unknown-configuration`; LogError `store`
 */
export async function chooseConfiguration(
  store: Tier2Store,
  choice: string,
  noticed: (path: string, what: string) => void,
): Promise<StoredConfiguration> {
  const all = await listConfigurations(store);
  const at = timeIn(choice);
  const asked = at === null ? [{ path: pathIn(store, choice) }] : all;
  for (const { path } of asked) {
    const found = await readOr(store, path, noticed);
    if (found !== null && (at === null || found.at <= at)) return found;
  }
  const named = all.slice(0, NAMED_MAX).map(({ path }) => path.slice(CONFIGURATION_FOLDER.length));
  throw new SalvorError(
    'unknown-configuration',
    `expected ${at === null ? `a configuration at ${choice}` : `a configuration of ${choice} or before`} in ${store.name}, found ${all.length}, the newest ${named.join(', ') || 'none'}: name one of them, or a time`,
  );
}

async function readOr(
  store: Tier2Store,
  path: string,
  noticed: (path: string, what: string) => void,
): Promise<StoredConfiguration | null> {
  try {
    if ((await store.stat(path)) === null) return null;
    return { ...(await readConfiguration(store, path)), path };
  } catch (error) {
    if (!(error instanceof LogError) || error.code !== 'bad-chunk') throw error;
    noticed(path, error.message);
    return null;
  }
}

/** Its name, or the whole path, also as it is on the machine. */
function pathIn({ name }: Tier2Store, choice: string): string {
  const file = choice.slice(choice.lastIndexOf('/') + 1);
  const folder = choice.slice(0, choice.length - file.length);
  const isThere = folder === '' || folder.endsWith(CONFIGURATION_FOLDER);
  if (!isThere || file === '' || file === '..')
    throw new SalvorError(
      'unknown-configuration',
      `${name}: expected the name of a file in ${CONFIGURATION_FOLDER}, or a time such as 2026-01-31T08:00:00Z, found ${choice}`,
    );
  return `${CONFIGURATION_FOLDER}${file}`;
}

/** Milliseconds since 1970 UTC; null: it is no time. */
function timeIn(choice: string): number | null {
  if (!/^\d{4}-\d{2}-\d{2}/.test(choice)) return null;
  const at = Date.parse(choice);
  return Number.isNaN(at) ? null : at;
}
