/** What Tier-2 has of the logs: folders and names of all, and the newest chunk of each. */
import {
  decideCoverage,
  type FoundChunk,
  LOG_ROOT,
  parseChunkName,
  type Tier2Store,
  VdiskChunks,
} from '@salvor/tlog';
import type { ArchiveTrace, LostRange, SegmentTrace } from './tier1-sources.ts';

const FOLDER = /^tlog\/(0|[1-9]\d{0,4})\/([A-Za-z0-9_:-]{1,64})\//;
/** Chunks that are opened, from the newest on, until one can be read. */
const TRIED_MAX = 4;

export interface ReadArchives {
  readonly archives: Map<string, ArchiveTrace[]>;
  /** What cannot be read. */
  readonly damage: readonly string[];
}

/** @throws LogError `store` */
export async function readArchives(
  store: Tier2Store,
  signal: AbortSignal,
  looked: (vdisk: string) => Promise<void>,
): Promise<ReadArchives> {
  const folders = new Map<string, { container: number; vdisk: string }>();
  for await (const { path } of store.list(LOG_ROOT)) {
    const [folder, container = '', vdisk = ''] = FOLDER.exec(path) ?? [];
    if (folder !== undefined && parseChunkName(path.slice(folder.length))?.kind === 'chunk')
      folders.set(folder, { container: Number(container), vdisk });
  }
  const archives = new Map<string, ArchiveTrace[]>();
  const damage: string[] = [];
  for (const { container, vdisk } of folders.values()) {
    signal.throwIfAborted();
    const trace = await readArchive(new VdiskChunks(store, container, vdisk), container, damage);
    if (trace === null) continue;
    const known = [...(archives.get(vdisk) ?? []), trace];
    // The newest first: a log that was given up in another container is older.
    archives.set(
      vdisk,
      known.sort((a, b) => (b.newest?.lastAt ?? 0) - (a.newest?.lastAt ?? 0)),
    );
    await looked(vdisk);
  }
  return { archives, damage };
}

async function readArchive(
  chunks: VdiskChunks,
  container: number,
  damage: string[],
): Promise<ArchiveTrace | null> {
  const coverage = decideCoverage(await chunks.list());
  const used = coverage.chunks.map(({ chunk }) => chunk);
  const [oldest, last] = [used[0], used.at(-1)];
  if (oldest === undefined || last === undefined) return null;
  const lost: LostRange[] = coverage.gaps.map((gap) => ({
    ...gap,
    ...around(used, gap),
    why: `no chunk in ${chunks.folder} holds them`,
  }));
  let newest: SegmentTrace | null = null;
  for (const chunk of used.slice(-TRIED_MAX).reverse()) {
    const read = await chunks.read(chunk);
    if (read.rebuilt !== null) damage.push(`${chunk.path}: its index was not used: ${read.rebuilt}`);
    for (const { from, to, reason } of read.lost) {
      damage.push(`${chunk.path}: segments ${from} to ${to}: ${reason}`);
      const before = read.entries.find(({ number }) => number > to)?.first ?? null;
      const after = read.entries.findLast(({ number }) => number < from);
      lost.push({
        from,
        to,
        after: after === undefined ? chunk.first - 1 : lastOf(after),
        before: before ?? (chunk === last ? null : chunk.last + 1),
        why: reason,
      });
    }
    const entry = read.entries.at(-1);
    if (entry === undefined) continue;
    const { number, first, epoch, base, lastAt } = entry;
    newest = { number, first, last: lastOf(entry), epoch, base, lastAt };
    break;
  }
  return {
    ...{ container, chunks: used.length, bytes: used.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) },
    ...{
      from: oldest.from,
      to: last.to,
      last: last.last,
      newest,
      lost: lost.sort((a, b) => a.from - b.from),
    },
  };
}

function lastOf({
  first,
  records,
}: {
  readonly first: number;
  readonly records: readonly { readonly sequence: number }[];
}): number {
  return records.at(-1)?.sequence ?? first - 1;
}

function around(
  used: readonly FoundChunk[],
  { from, to }: { from: number; to: number },
): { after: number; before: number } {
  const before = used.find((chunk) => chunk.from > to || chunk.to > to);
  const after = used.findLast((chunk) => chunk.to < from);
  return { after: after?.last ?? 0, before: before?.first ?? 0 };
}

/** Whether a directory holds anything that Salvor archives. */
export async function isSalvorTree(store: Tier2Store): Promise<boolean> {
  for (const prefix of ['_system/configuration/', LOG_ROOT])
    for await (const _ of store.list(prefix)) return true;
  return false;
}
