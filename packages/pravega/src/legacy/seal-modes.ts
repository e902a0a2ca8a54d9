/** In this layout a seal is the mode of a file, which most copies lose: whether the modes of a tree still tell. */
import { CONTAINER_FOLDER } from '../naming/segment-name.ts';
import type { TreeFiles } from '../tree/tree-files.ts';

const METADATA_FILE = new RegExp(
  `^${CONTAINER_FOLDER}metadata_(\\d{1,10})\\$(?:header|offset\\.(\\d{1,19}))$`,
);

/**
 * Why the modes tell nothing, or undefined. The headers of the containers' metadata are never sealed, and all of its
 * chunks but the last are: where it is otherwise, modes were changed by whoever copied the tree.
 */
export function lostModes(files: TreeFiles): string | undefined {
  const headers: boolean[] = [];
  const chunks = new Map<string, { readonly offset: number; readonly isWritable: boolean }[]>();
  for (const path of files.paths()) {
    const match = METADATA_FILE.exec(path);
    if (match === null) continue;
    const isWritable = files.file(path)?.isOwnerWritable ?? false;
    const container = match[1] ?? '';
    if (match[2] === undefined) headers.push(isWritable);
    else chunks.set(container, [...(chunks.get(container) ?? []), { offset: Number(match[2]), isWritable }]);
  }
  const full = [...chunks.values()].flatMap((some) => some.sort((a, b) => a.offset - b.offset).slice(0, -1));
  if (headers.length > 0 && headers.every((isWritable) => !isWritable))
    return 'files that are never sealed are read-only: the modes of the files were lost';
  if (full.length > 0 && full.every(({ isWritable }) => isWritable))
    return 'files that are always sealed are writable: the modes of the files were lost';
  return undefined;
}
