import type { LogStreamPort } from '@salvor/bus';
import {
  archivedSchema,
  type ConfigStore,
  type Executor,
  parseRecord,
  readTlog,
  TLOGS_PREFIX,
  tlogArchivedKey,
  vdiskWithLog,
} from '@salvor/config-store';
import { TailSource, type Tier2Store, VdiskChunks, type VerifyReport, verifyArchive } from '@salvor/tlog';
import { z } from 'zod';

export interface VerifyExecutorOptions {
  readonly store: ConfigStore;
  readonly tier2: Tier2Store | null;
  readonly streams: LogStreamPort;
}

/** Findings that the end of an operation tells; the rest is counted. */
const TOLD_MAX = 20;

const checkpointSchema = z.looseObject({
  vdisk: z.string().optional(),
  /** Vdisks that were verified, and what was found. */
  done: z.array(z.string()).default([]),
  segments: z.number().default(0),
  bytes: z.number().default(0),
  lost: z.number().default(0),
  others: z.number().default(0),
  told: z.array(z.string()).default([]),
});
type Checkpoint = z.infer<typeof checkpointSchema>;

/** Carries out `tlog.verify`: one log after the other, going on where another process died. */
export function verifyExecutor({ store, tier2, streams }: VerifyExecutorOptions): Executor {
  return async (run) => {
    if (tier2 === null)
      return {
        status: 'failed',
        code: 'no-tier2',
        message: 'logs are archived nowhere: SALVOR_TLOG_STORE of the tlog-replayer is not set',
      };
    let state = checkpointSchema.parse(run.checkpoint ?? {});
    const vdisks = state.vdisk === undefined ? await logsOf(store) : [state.vdisk];
    for (const vdisk of vdisks.filter((each) => !state.done.includes(each))) {
      if (run.cancelRequested()) return { status: 'cancelled', message: sentence(state, 'cancelled') };
      run.signal.throwIfAborted();
      const of = `${state.done.length + 1} of ${vdisks.length}`;
      const report = await verifyVdisk({ store, tier2, streams }, vdisk, async (done, total) => {
        run.signal.throwIfAborted();
        const message = `verifies the log of vdisk ${vdisk} (${of}): ${done} of ${total} chunks`;
        await run.report({ message, done: state.done.length, total: vdisks.length });
      });
      state = added(state, vdisk, report);
      await run.report({ done: state.done.length, total: vdisks.length, checkpoint: state }, { now: true });
    }
    return state.lost > 0
      ? { status: 'failed', code: 'log-damaged', message: sentence(state, 'verified') }
      : { status: 'completed', message: sentence(state, 'verified') };
  };
}

async function logsOf(store: ConfigStore): Promise<string[]> {
  const { entries } = await store.list(TLOGS_PREFIX);
  return entries.flatMap(({ key }) => vdiskWithLog(key) ?? []);
}

async function verifyVdisk(
  { store, tier2, streams }: VerifyExecutorOptions & { readonly tier2: Tier2Store },
  vdisk: string,
  progress: (done: number, total: number) => Promise<void>,
): Promise<VerifyReport | null> {
  const recorded = await readTlog(store, vdisk);
  if (recorded === null) return null;
  const { container, begins } = recorded.config;
  const key = tlogArchivedKey(vdisk);
  const archived = await store.get(key);
  const tail = new TailSource({ streams, container, vdisk });
  try {
    return await verifyArchive({
      ...{ chunks: new VdiskChunks(tier2, container, vdisk), after: begins.number, tail, progress },
      archivedTo: archived === null ? 0 : parseRecord(archivedSchema, key, archived.value).number,
    });
  } finally {
    await tail.close();
  }
}

function added(state: Checkpoint, vdisk: string, report: VerifyReport | null): Checkpoint {
  const findings = report?.findings ?? [];
  const told = findings
    .toSorted((a, b) => Number(b.kind === 'lost') - Number(a.kind === 'lost'))
    .map(({ kind, from, to, what }) => `vdisk ${vdisk}, segments ${from} to ${to}: ${kind}: ${what}`);
  return {
    ...state,
    done: [...state.done, vdisk],
    segments: state.segments + (report?.segments ?? 0),
    bytes: state.bytes + (report?.bytes ?? 0),
    lost: state.lost + findings.filter(({ kind }) => kind === 'lost').length,
    others: state.others + findings.filter(({ kind }) => kind !== 'lost').length,
    told: [...state.told, ...told].slice(0, TOLD_MAX),
  };
}

function sentence({ done, segments, bytes, lost, others, told }: Checkpoint, what: string): string {
  const counted = `${done.length} archived logs ${what}: ${segments} segments in ${bytes} bytes of chunks, ${lost} places lost, ${others} other findings`;
  const more = lost + others - told.length;
  return [counted, ...told, ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}
