/** Files of users and their secrets: what is there stays, and nothing is ever half there. */
import { constants } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';

/** A secret that is kept in a file, or made and put there, readable by its owner alone. */
export async function keptSecret(
  file: string,
  make: () => string,
): Promise<{ readonly secret: string; readonly isNew: boolean }> {
  const kept = await readFile(file, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  });
  if (kept !== null) return { secret: kept.trim(), isNew: false };
  const secret = make();
  await replaceFile(file, `${secret}\n`, 0o600);
  return { secret, isNew: true };
}

/** Whole or not at all: a server may be reading it. */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const next = `${path}.new`;
  await rm(next, { force: true });
  const file = await open(next, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(next, path);
}
