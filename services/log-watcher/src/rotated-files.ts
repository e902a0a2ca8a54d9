import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** `nbd.log.1`, `nbd.log-20240131`; not compressed ones, which cannot be read on. */
const ROTATED_SUFFIX = /^[.-]\d[\d.:_-]*$/;

interface FoundFile {
  readonly path: string;
  readonly inode: string;
  readonly modifiedAtNs: bigint;
  readonly sizeBytes: number;
}

/** Where the file with this inode was renamed to, if it is still beside the path. */
export async function findRotated(path: string, inode: string): Promise<string | null> {
  return (await rotatedFiles(path)).find((file) => file.inode === inode)?.path ?? null;
}

/**
 * The file that the writer of `path` wrote after the one with this inode: a rotated one when there were several rotations,
 * else the one at the path. Null while that has no content: its writer may still write to the earlier one.
 */
export async function nextFile(
  path: string,
  current: { inode: string; modifiedAtNs: bigint },
): Promise<string | null> {
  const newest = await look(path);
  if (newest?.inode === current.inode) return null;
  const later = (await rotatedFiles(path))
    .filter(({ inode, modifiedAtNs }) => inode !== current.inode && modifiedAtNs > current.modifiedAtNs)
    .sort((a, b) => Number(a.modifiedAtNs - b.modifiedAtNs));
  if (later[0] !== undefined) return later[0].path;
  return newest !== null && newest.sizeBytes > 0 ? path : null;
}

async function rotatedFiles(path: string): Promise<FoundFile[]> {
  const name = basename(path);
  const names = (await readdir(dirname(path))).filter(
    (other) => other.startsWith(name) && ROTATED_SUFFIX.test(other.slice(name.length)),
  );
  const found = await Promise.all(names.map((other) => look(join(dirname(path), other))));
  return found.filter((file) => file !== null);
}

async function look(path: string): Promise<FoundFile | null> {
  try {
    const { ino, mtimeNs, size } = await stat(path, { bigint: true });
    return { path, inode: String(ino), modifiedAtNs: mtimeNs, sizeBytes: Number(size) };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
