/** Copies what containers keep of their own, before anything is written anywhere. */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, lstat, mkdir, open, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import type { TreeOutline } from '@salvor/pravega';
import { codeOf, messageOf, SalvorError } from '@salvor/service-kit';

/** Not a part of the tree for whoever reads it. */
const BACKUP_FOLDER = 'backup_system';
const COPY_BYTES: number = 1024 * 1024;
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export interface BackedUp {
  /** With `containers/` and `reports/`. */
  readonly folder: string;
  readonly files: number;
  /** Files that could not be read; what is known of them is in the findings. */
  readonly unreadable: readonly string[];
}

/** Where the backup goes: the folder that was asked for, or one in the tree. Throws `backup-in-tree`, `backup-failed`. */
export async function backupFolder(root: string, asked: string | undefined): Promise<string> {
  const folder = asked ?? join(root, BACKUP_FOLDER);
  const way = relative(root, await realpath(folder).catch(() => folder));
  const isInside = way === '' || !(way.startsWith('..') || way.startsWith('/'));
  if (isInside && way !== BACKUP_FOLDER && !way.startsWith(`${BACKUP_FOLDER}/`))
    throw new SalvorError(
      'backup-in-tree',
      `expected a folder outside of ${root}, which is only read, or ${join(root, BACKUP_FOLDER)}; found ${folder}`,
    );
  if (asked === undefined) await refuseLink(folder);
  return folder;
}

/**
 * Copies the files with their modes, and reads both again. What is there already must be the same: nothing is ever replaced.
 * Throws `backup-failed` and `backup-differs`.
 */
export async function backUp(outline: TreeOutline, folder: string): Promise<BackedUp> {
  const unreadable: string[] = [];
  let files = 0;
  const target = join(folder, 'containers');
  try {
    await mkdir(target, { recursive: true });
    for (const { path, isOwnerWritable } of outline.containerFiles) {
      const copied = await copy(join(outline.root, path), join(target, basename(path)), isOwnerWritable);
      if (copied) files += 1;
      else unreadable.push(path);
    }
  } catch (error) {
    if (error instanceof SalvorError) throw error;
    throw new SalvorError(
      'backup-failed',
      `${folder}: the containers' metadata cannot be copied there (${messageOf(error)}); name another folder with --backup-dir`,
      [],
      { cause: error },
    );
  }
  return { folder, files, unreadable };
}

/** False when the source cannot be read. */
async function copy(source: string, target: string, isOwnerWritable: boolean): Promise<boolean> {
  const wanted = await digestOf(source);
  if (wanted === null) return false;
  const present = await digestOf(target);
  if (present === wanted) return true;
  if (present !== null || (await lstat(target).catch(() => null)) !== null)
    throw new SalvorError(
      'backup-differs',
      `${target}: an earlier backup has other bytes, and is not replaced; name another folder with --backup-dir`,
    );
  const temporary = `${target}.${process.pid}.tmp`;
  await rm(temporary, { force: true });
  await copyBytes(source, temporary);
  await chmod(temporary, isOwnerWritable ? 0o644 : 0o444);
  const [written, again] = [await digestOf(temporary), await digestOf(source)];
  if (written !== wanted || again !== wanted) {
    await rm(temporary, { force: true });
    throw new SalvorError(
      'backup-failed',
      `${source}: the copy is not the same as the file; does anyone write to the tree?`,
    );
  }
  await rename(temporary, target);
  await syncFolder(dirname(target));
  return true;
}

async function copyBytes(source: string, target: string): Promise<void> {
  const from = await open(source, READ);
  try {
    const to = await open(target, 'wx');
    try {
      const piece = Buffer.allocUnsafe(COPY_BYTES);
      for (;;) {
        const { bytesRead } = await from.read(piece, 0, COPY_BYTES, null);
        if (bytesRead === 0) break;
        await to.writeFile(piece.subarray(0, bytesRead));
      }
      await to.sync();
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

/** SHA-256 of a file; null for what is none, or cannot be read. */
async function digestOf(path: string): Promise<string | null> {
  try {
    const file = await open(path, READ);
    try {
      if (!(await file.stat()).isFile()) return null;
      const hash = createHash('sha256');
      const piece = Buffer.allocUnsafe(COPY_BYTES);
      for (;;) {
        const { bytesRead } = await file.read(piece, 0, COPY_BYTES, null);
        if (bytesRead === 0) return hash.digest('hex');
        hash.update(piece.subarray(0, bytesRead));
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    if (['ENOENT', 'EACCES', 'EPERM', 'ELOOP', 'EIO', 'ENXIO', 'EISDIR'].includes(codeOf(error))) return null;
    throw error;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const file = await open(folder, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function refuseLink(folder: string): Promise<void> {
  const found = await lstat(folder).catch(() => null);
  if (found?.isSymbolicLink() === true)
    throw new SalvorError('backup-failed', `${folder}: expected a folder, found a symbolic link`);
}
