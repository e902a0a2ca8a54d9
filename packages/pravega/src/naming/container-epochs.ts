/** Which epochs of containers left their traces in a tree: a recovered container must be above all of them. */

import { ByteReader } from '../format/byte-reader.ts';
import { FormatError } from '../format/format-error.ts';
import { readFrame } from '../format/frame.ts';
import type { TreeFiles } from '../tree/tree-files.ts';
import { parseChunkName } from './chunk-name.ts';
import { CONTAINER_FOLDER } from './segment-name.ts';

const JOURNAL = /^_sysjournal\.epoch(\d{1,15})\.container(\d{1,10})\./;
const EPOCH_FILE = /^container_(\d{1,10})_epoch$/;
const MAX_EPOCH_FILE_BYTES = 64;

/**
 * The highest epoch in the names of chunks, in the names of journals, and in the files `container_N_epoch`; 0 where there is
 * none. Over all containers: a merged transaction has chunks of others.
 */
export async function highestEpoch(files: TreeFiles): Promise<number> {
  let highest = 0;
  for (const path of files.paths()) {
    const chunk = parseChunkName(path);
    if (chunk !== undefined) highest = Math.max(highest, chunk.epoch);
    if (!path.startsWith(CONTAINER_FOLDER)) continue;
    const name = path.slice(CONTAINER_FOLDER.length);
    const journal = JOURNAL.exec(name)?.[1];
    if (journal !== undefined) highest = Math.max(highest, Number(journal));
    if (EPOCH_FILE.test(name)) highest = Math.max(highest, await epochIn(files, path));
  }
  return highest;
}

async function epochIn(files: TreeFiles, path: string): Promise<number> {
  try {
    return readFrame(new ByteReader(await files.read(path, 0, MAX_EPOCH_FILE_BYTES))).compactOffset();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    files.findings.damage('bad-journal', `the epoch of the container is damaged: ${error.message}`, { path });
    return 0;
  }
}
