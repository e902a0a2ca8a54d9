/** Which of the two layouts a directory has. */
import { SalvorError } from '@salvor/service-kit';
import type { LayoutName } from './layout.ts';
import { CONTAINER_FOLDER } from './naming/segment-name.ts';
import type { TreeFiles } from './tree/tree-files.ts';

const CHUNKED_FILE = /\.E-\d{1,19}-O-\d{1,19}\.[0-9a-f-]{36}$/;
const LEGACY_FILE = /\$header$/;

/** The container metadata tells. Where neither layout has any, or both have, a single file of the other one is in doubt. */
export function detectLayout(files: TreeFiles): LayoutName {
  const counts = { chunked: 0, legacy: 0 };
  const metadata = { chunked: 0, legacy: 0 };
  for (const path of files.paths()) {
    const layout = CHUNKED_FILE.test(path) ? 'chunked' : LEGACY_FILE.test(path) ? 'legacy' : undefined;
    const isJournal = path.startsWith(`${CONTAINER_FOLDER}_sysjournal.`);
    if (layout !== undefined) counts[layout] += 1;
    if (isJournal) metadata.chunked += 1;
    else if (layout !== undefined && path.startsWith(`${CONTAINER_FOLDER}metadata_`)) metadata[layout] += 1;
  }
  for (const found of [metadata, counts]) {
    if (found.chunked > 0 && found.legacy === 0) return 'chunked';
    if (found.legacy > 0 && found.chunked === 0) return 'legacy';
    if (found.chunked > 0 && found.legacy > 0)
      throw new SalvorError(
        'both-layouts',
        `expected one layout below ${files.root}, found ${counts.chunked} files of the chunked and ${counts.legacy} of the legacy one; say which to read`,
      );
  }
  throw new SalvorError(
    'unknown-layout',
    `expected files of Pravega below ${files.root} (<segment>$header, or <segment>.E-<n>-O-<n>.<uuid>), found none; is this the root of Tier-2?`,
  );
}
