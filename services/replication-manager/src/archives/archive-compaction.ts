import { archiveRestoreSchema, type ConfigStore, listOperations, readArchive } from '@salvor/config-store';
import { type Compacted, compactLog, retentionPoints, type VdiskChunks } from '@salvor/tlog';

export interface ArchiveCompaction {
  readonly store: ConfigStore;
  readonly archive: string;
  readonly volume: string;
  readonly chunks: VdiskChunks;
  readonly chunkBytes: number;
  /** Asked before each change. Rejects when this process may not go on. */
  readonly mayGoOn: () => Promise<void>;
}

interface KeptState {
  /** Of a snapshot; empty: a restore is under way. */
  readonly name: string;
  readonly sequence: number;
}

/** Another state is to be kept since it began: what is not written yet is left to the next compaction. */
class OtherStatesError extends Error {}

/**
 * Compacts what an archive holds of a volume, by its retention. Kept are its snapshots, and what restores that are under way are to
 * end with; one that begins meanwhile ends the compaction.
 *
 * @returns null when there is nothing to do yet
 * @throws as compactLog; StoreError, ConfigValueError
 */
export async function compactArchive(options: ArchiveCompaction): Promise<Compacted | null> {
  const { store, archive, volume, chunks, chunkBytes } = options;
  const record = await readArchive(store, { archive, volume });
  if (record === null) return null;
  const snapshots = await keptStates(options);
  const known = new Set(snapshots.map(({ sequence }) => sequence));
  try {
    return await compactLog({
      ...{ chunks, after: 0, chunkBytes, isGapKnown: true, snapshots },
      ...retentionPoints(record.retention, Date.now()),
      mayGoOn: async () => {
        await options.mayGoOn();
        if ((await keptStates(options)).some(({ sequence }) => !known.has(sequence)))
          throw new OtherStatesError();
      },
    });
  } catch (error) {
    if (error instanceof OtherStatesError) return null;
    throw error;
  }
}

async function keptStates({ store, archive, volume }: ArchiveCompaction): Promise<KeptState[]> {
  const record = await readArchive(store, { archive, volume });
  const snapshots = (record?.snapshots ?? []).flatMap(({ name, sequence, state }) =>
    sequence === null || state !== 'restorable' ? [] : [{ name, sequence }],
  );
  const { operations } = await listOperations(store, { kind: 'archive.restore', running: true });
  const restores = operations.flatMap(({ work }) => {
    const found = archiveRestoreSchema.safeParse(work?.checkpoint);
    if (!found.success || found.data.archive !== archive || found.data.volume !== volume) return [];
    const { upTo, point } = found.data;
    const sequence = upTo ?? (point.kind === 'sequence' ? point.sequence : null);
    return sequence === null ? [] : [{ name: '', sequence }];
  });
  return [...snapshots, ...restores];
}
