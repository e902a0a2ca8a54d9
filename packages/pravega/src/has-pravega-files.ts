import { type Dirent, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '@salvor/service-kit';
import { CONTAINER_FOLDER } from './naming/segment-name.ts';
import { BACKUP_FOLDER } from './tree/tree-walk.ts';

/** A tree without any metadata has a chunk or a header among its first files. */
const MAX_LOOKED = 100_000;
const CONTAINER_FILE =
  /^(?:_sysjournal\.|container_\d{1,10}_epoch$|(?:storage_)?metadata_\d{1,10}(?:\$|\.E-))/;
const SEGMENT_FILE = /\$(?:header|offset\.\d{1,19})$|\.E-\d{1,19}-O-\d{1,19}\.[0-9a-f-]{36}$/;

/** Whether a directory has any file of Pravega, in either layout: the containers' own, or a part of a segment. */
export function hasPravegaFiles(root: string): boolean {
  if (entriesIn(join(root, CONTAINER_FOLDER)).some(({ name }) => CONTAINER_FILE.test(name))) return true;
  const folders = [''];
  for (let looked = 0; looked < MAX_LOOKED; ) {
    const folder = folders.pop();
    if (folder === undefined) return false;
    for (const entry of entriesIn(join(root, folder))) {
      looked += 1;
      if (entry.isFile() && SEGMENT_FILE.test(entry.name)) return true;
      if (entry.isDirectory() && join(folder, entry.name) !== BACKUP_FOLDER)
        folders.push(join(folder, entry.name));
    }
  }
  return false;
}

/** None where there is no such folder, or it cannot be read: whoever reads it says so. */
function entriesIn(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'EPERM', 'ENAMETOOLONG'].includes(codeOf(error))) return [];
    throw error;
  }
}
