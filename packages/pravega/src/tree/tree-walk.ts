/** What is in the directory: one walk, which follows no links and opens nothing. */
import { type Dirent, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '@salvor/service-kit';
import type { Findings } from './finding.ts';

/** Four files for each of 250,000 segments. What lies beyond is not read, and reported. */
export const MAX_FILES = 1_000_000;
const MAX_DEPTH = 64;
/** Salvor's own copies of container metadata; not a part of the tree. */
export const BACKUP_FOLDER = 'backup_system';
const OWNER_WRITE = 0o200;

export interface TreeFile {
  /** Below the root. Where a path is kept, this one is: there are very many. */
  readonly path: string;
  /** At the time of the walk: what is written later is not looked at. */
  readonly sizeBytes: number;
  /** By the mode bits. To ask the system would not do: to root everything is writable. */
  readonly isOwnerWritable: boolean;
}

/** Every regular file below the root, by its path relative to the root with `/`. */
export function walkTree(root: string, findings: Findings): Map<string, TreeFile> {
  const files = new Map<string, TreeFile>();
  const folders: { readonly path: string; readonly depth: number }[] = [{ path: '', depth: 0 }];
  for (;;) {
    const folder = folders.pop();
    if (folder === undefined) return files;
    for (const entry of entriesOf(root, folder.path, findings)) visit(entry, folder);
    if (files.size >= MAX_FILES) {
      findings.damage(
        'too-many-files',
        `expected at most ${MAX_FILES} files, found more; the others are not read`,
      );
      return files;
    }
  }

  function visit(entry: Dirent<Buffer>, folder: { path: string; depth: number }): void {
    const name = entry.name.toString('utf8');
    const path = folder.path === '' ? name : `${folder.path}/${name}`;
    if (!Buffer.from(name, 'utf8').equals(entry.name)) {
      findings.damage('foreign-file', 'a name that is not UTF-8 is no name of a segment', { path });
    } else if (entry.isSymbolicLink()) {
      findings.damage('symbolic-link', 'a symbolic link is not followed', { path });
    } else if (entry.isDirectory()) {
      if (path === BACKUP_FOLDER) return;
      if (folder.depth < MAX_DEPTH) folders.push({ path, depth: folder.depth + 1 });
      else findings.damage('foreign-file', `folders nested deeper than ${MAX_DEPTH} are not read`, { path });
    } else if (!entry.isFile()) {
      findings.damage('foreign-file', 'expected a file or a folder, found a pipe, socket or device', {
        path,
      });
    } else {
      try {
        const { size, mode } = lstatSync(join(root, path));
        files.set(path, { path, sizeBytes: size, isOwnerWritable: (mode & OWNER_WRITE) !== 0 });
      } catch (error) {
        findings.damage('unreadable', `the file cannot be looked at (${codeOf(error)})`, { path });
      }
    }
  }
}

function entriesOf(root: string, path: string, findings: Findings): Dirent<Buffer>[] {
  try {
    return readdirSync(join(root, path), { withFileTypes: true, encoding: 'buffer' });
  } catch (error) {
    // Without its root there is no tree to report on.
    if (path === '') throw error;
    findings.damage('unreadable', `the folder cannot be read (${codeOf(error)})`, { path });
    return [];
  }
}
