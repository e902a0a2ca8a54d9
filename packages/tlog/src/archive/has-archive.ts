import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '@salvor/service-kit';
import { LOG_ROOT, parseChunkName } from '../chunk/chunk-name.ts';
import { CONFIGURATION_FOLDER, isConfigurationFile } from '../configuration-snapshots.ts';

/** Whether a directory has any file that Salvor archives: a configuration, or a chunk of a log. */
export async function hasArchive(root: string): Promise<boolean> {
  for (const name of await namesIn(join(root, CONFIGURATION_FOLDER)))
    if (isConfigurationFile(`${CONFIGURATION_FOLDER}${name}`)) return true;
  const logs = join(root, LOG_ROOT);
  for (const container of (await namesIn(logs)).filter((name) => /^\d{1,5}$/.test(name)))
    for (const vdisk of await namesIn(join(logs, container)))
      for (const name of await namesIn(join(logs, container, vdisk)))
        if (parseChunkName(name) !== null) return true;
  return false;
}

/** None where there is no such folder, or it cannot be read: whoever reads it says so. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'EPERM'].includes(codeOf(error))) return [];
    throw error;
  }
}
