/** A copy of what is there, before anything is written: all of etcd, and the configuration that is used. */
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { StoreEntry } from '@salvor/config-store';
import { codeOf, messageOf, SalvorError } from '@salvor/service-kit';
import { z } from 'zod';
import type { KeptConfiguration } from './tier1-sources.ts';

const backupSchema = z.object({
  format: z.literal(1),
  operation: z.string(),
  sha256: z.string(),
  etcd: z.object({
    revision: z.string(),
    entries: z.array(z.object({ key: z.string(), value: z.string(), revision: z.string() })),
  }),
  configuration: z
    .object({
      path: z.string(),
      revision: z.string().regex(/^\d{1,19}$/),
      at: z.number(),
      entries: z.array(z.tuple([z.string(), z.string()])),
    })
    .nullable(),
  streams: z.array(z.string()),
});
type Backup = z.infer<typeof backupSchema>;

/** As JSON; a configuration has 64 MiB at most, and etcd some times that. */
const MAX_BYTES: number = 512 * 1024 * 1024;

export interface BackedUp {
  readonly operation: string;
  readonly etcd: { readonly revision: bigint; readonly entries: ReadonlyMap<string, StoreEntry> };
  readonly configuration: KeptConfiguration | null;
  /** Streams that were not there. */
  readonly lostStreams: readonly string[];
}

function fileOf(folder: string, operation: string): string {
  return join(folder, 'tier1', encodeURIComponent(operation), 'before.json.gz');
}

export interface EarlierBackup {
  readonly folder: string;
  readonly configuration: KeptConfiguration | null;
  /** Streams that were not there. */
  readonly lostStreams: readonly string[];
}

/**
 * The configuration that the same operation was begun with: a process that goes on must decide on the same one. Null: nothing
 * was written yet.
 *
 * @throws SalvorError `backup-failed`
 */
export async function readBackup(folder: string, operation: string): Promise<EarlierBackup | null> {
  const path = fileOf(folder, operation);
  let packed: Buffer;
  try {
    packed = await readFile(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw failed(path, messageOf(error));
  }
  const { configuration, streams } = parse(path, packed);
  return {
    folder: dirname(path),
    configuration:
      configuration === null
        ? null
        : {
            ...configuration,
            revision: BigInt(configuration.revision),
            entries: new Map(configuration.entries),
          },
    lostStreams: streams,
  };
}

/** Not to be done again for the same operation: what it wrote is no backup. @returns the folder @throws SalvorError `backup-failed` */
export async function backUpTier1(
  folder: string,
  { operation, etcd, configuration, lostStreams }: BackedUp,
): Promise<string> {
  const path = fileOf(folder, operation);
  const contents = {
    etcd: {
      revision: String(etcd.revision),
      entries: [...etcd.entries.values()].map(({ key, value, revision }) => ({ key, value, revision })),
    },
    configuration:
      configuration === null
        ? null
        : { ...configuration, revision: String(configuration.revision), entries: [...configuration.entries] },
    streams: [...lostStreams],
  };
  const backup: Backup = { format: 1, operation, sha256: digestOf(contents), ...contents };
  const temporary = `${path}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true });
    // Of an earlier process, which did not come to its end.
    await rm(temporary, { force: true });
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(gzipSync(JSON.stringify(backup)));
      await file.sync();
    } finally {
      await file.close();
    }
    parse(temporary, await readFile(temporary));
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    if (error instanceof SalvorError) throw error;
    throw failed(path, messageOf(error));
  }
  return dirname(path);
}

/** @throws SalvorError `backup-failed` */
function parse(path: string, packed: Buffer): Backup {
  let found: Backup;
  try {
    found = backupSchema.parse(JSON.parse(gunzipSync(packed, { maxOutputLength: MAX_BYTES }).toString()));
  } catch (error) {
    throw failed(path, `it is no backup: ${messageOf(error)}`);
  }
  const { etcd, configuration, streams, sha256 } = found;
  if (digestOf({ etcd, configuration, streams }) !== sha256)
    throw failed(path, 'it does not match its checksum');
  return found;
}

function digestOf({
  etcd,
  configuration,
  streams,
}: Pick<Backup, 'etcd' | 'configuration' | 'streams'>): string {
  const { path, revision, at, entries } = configuration ?? { path: '', revision: '', at: 0, entries: [] };
  return createHash('sha256')
    .update(
      JSON.stringify([
        etcd.revision,
        etcd.entries.map(({ key, value, revision: of }) => [key, value, of]),
        path,
        revision,
        at,
        entries,
        streams,
      ]),
    )
    .digest('hex');
}

async function syncFolder(folder: string): Promise<void> {
  const file = await open(folder, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function failed(path: string, why: string): SalvorError {
  return new SalvorError('backup-failed', `${path}: ${why}; name another folder with --backup-dir`);
}
