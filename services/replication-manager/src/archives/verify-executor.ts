import { type ConfigStore, type Executor, readArchive } from '@salvor/config-store';
import { verifyArchive } from '@salvor/tlog';
import { z } from 'zod';
import type { ArchiveStores } from './archive-stores.ts';
import { heldContent } from './held-content.ts';

/** Findings that the end of an operation tells; the rest is counted. */
const TOLD_MAX = 20;

const checkpointSchema = z.looseObject({ archive: z.string().min(1), volume: z.string().min(1) });

/** Carries out `archive.verify`: every byte is read. It begins anew where its process died: it changes nothing. */
export function verifyExecutor({
  store,
  stores,
}: {
  readonly store: ConfigStore;
  readonly stores: ArchiveStores;
}): Executor {
  return async (run) => {
    const { archive, volume } = checkpointSchema.parse(run.checkpoint);
    const name = `archive ${archive} of volume ${volume}`;
    if (run.cancelRequested()) return { status: 'cancelled', message: `${name} was not read to its end` };
    const record = await readArchive(store, { archive, volume });
    const chunks = await stores.chunksOf({ archive, volume, lineage: record?.lineage ?? 0 });
    const report = await verifyArchive({
      ...{ chunks, after: 0, tail: null, archivedTo: record?.place?.number ?? 0 },
      progress: async (done, total) => {
        run.signal.throwIfAborted();
        await run.report({ message: `reads ${name}: ${done} of ${total} chunks`, done, total });
      },
    });
    const missing = record === null ? null : await heldContent(chunks, record, { number: 0, sequence: 0 });
    const lost = [...report.findings.filter(({ kind }) => kind === 'lost')];
    const others = report.findings.length - lost.length;
    const told = [
      ...(missing === null ? [] : [missing.reason]),
      ...report.findings
        .slice(0, TOLD_MAX)
        .map(({ kind, from, to, what }) => `segments ${from} to ${to}: ${kind}: ${what}`),
    ];
    const counted = `${name}: ${report.segments} segments in ${report.bytes} bytes of ${report.chunks} chunks, ${lost.length} places lost, ${others} other findings`;
    const message = [counted, ...told].join('; ');
    return lost.length > 0 || missing !== null
      ? { status: 'failed', code: 'archive-damaged', message }
      : { status: 'completed', message };
  };
}
