import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { runTool } from '@salvor/testkit';

/** Files by their path in the tree, with the SHA-256 of their content. */
export type FileHashes = ReadonlyMap<string, string>;

/** A single file above this is left out: the tree should be many files, not few large ones. */
const FILE_MAX_BYTES = 2 << 20;

/** Copies a real directory tree, up to so many files and bytes, and remembers what is in it. */
export function copyTree(from: string, to: string, limits: { files: number; bytes: number }): FileHashes {
  const hashes = new Map<string, string>();
  let bytes = 0;
  for (const path of filesBelow(from)) {
    const size = statSync(path).size;
    if (size > FILE_MAX_BYTES || bytes + size > limits.bytes) continue;
    if (hashes.size >= limits.files) break;
    const name = relative(from, path);
    const target = join(to, name);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(path, target);
    hashes.set(name, hashOf(target));
    bytes += size;
  }
  return hashes;
}

/** Makes an ext4 image that holds the tree. */
export async function makeExt4(tree: string, image: string, sizeMiB: number): Promise<void> {
  await runTool('mkfs.ext4', ['-q', '-F', '-d', tree, image, `${sizeMiB}M`], { timeoutMs: 120_000 });
}

/** `e2fsck -fn`: true when the file system has no flaw at all. */
export async function isClean(image: string): Promise<boolean> {
  try {
    await runTool('e2fsck', ['-fn', image], { timeoutMs: 120_000 });
    return true;
  } catch {
    return false;
  }
}

/** Takes every file out of an ext4 image and compares it with what went in. */
export async function compareFiles(
  image: string,
  into: string,
  expected: FileHashes,
): Promise<{ filesCompared: number; filesDifferent: string[] }> {
  mkdirSync(into, { recursive: true });
  await runTool('debugfs', ['-R', `rdump / ${into}`, image], { timeoutMs: 120_000 });
  const different: string[] = [];
  for (const [name, hash] of expected) {
    try {
      if (hashOf(join(into, name)) !== hash) different.push(name);
    } catch {
      different.push(name);
    }
  }
  return { filesCompared: expected.size, filesDifferent: different };
}

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

function* filesBelow(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}
