import {
  type ConfigStore,
  type Executor,
  OperationElsewhereError,
  type OperationEnding,
  type OperationRecord,
  ownerKey,
  ownerSchema,
  parseRecord,
} from '@salvor/config-store';
import { type Logger, messageOf } from '@salvor/service-kit';
import {
  Bandwidth,
  OwnedElsewhereError,
  SCRUB_BEGIN,
  type ScrubState,
  VdiskRefusedError,
} from '@salvor/vdisk';
import { z } from 'zod';
import type { VdiskExports } from './vdisk-exports.ts';

/** Differences that the end of an operation names; its checkpoint has more. */
const NAMED_MAX = 10;

const requestSchema = z.object({
  vdisk: z.string(),
  repair: z.boolean().default(true),
  prefer: z.enum(['primary', 'slave']).optional(),
  bandwidthMiBs: z.number().optional(),
});

const sideSchema = z.enum(['primary', 'slave']);
const stateSchema: z.ZodType<ScrubState> = z.object({
  shard: z.number(),
  bit: z.number(),
  blocks: z.number(),
  mismatches: z.number(),
  repaired: z.number(),
  named: z.array(
    z.object({
      shard: z.number(),
      block: z.number(),
      repairedFrom: sideSchema.nullable(),
      reason: z.string(),
    }),
  ),
});

export interface ScrubExecutorOptions {
  readonly store: ConfigStore;
  readonly server: string;
  readonly exports: VdiskExports;
  /** MiB a second of each copy where the request names none; 0 = no limit. */
  readonly bandwidthMib: number;
  readonly found: (mismatches: number) => void;
  readonly log: Logger;
}

/** Whether this server may take a scrub up: a vdisk that another one owns is scrubbed there. */
export async function mayScrub(
  { store, server }: Pick<ScrubExecutorOptions, 'store' | 'server'>,
  record: OperationRecord,
): Promise<boolean> {
  const key = ownerKey(record.subject ?? '');
  const held = await store.get(key);
  return held === null || parseRecord(ownerSchema, key, held.value).server === server;
}

/** Carries out `vdisk.scrub` on the vdisk as its owner; one that nobody has mounted is taken for it. */
export function scrubExecutor(options: ScrubExecutorOptions): Executor {
  const { exports, found, log } = options;
  return async (run): Promise<OperationEnding> => {
    const { vdisk, repair, prefer, bandwidthMiBs } = requestOf(run.record);
    let state = stateSchema.catch(SCRUB_BEGIN).parse(run.checkpoint);
    const use = await exports.use(vdisk, 'repair').catch((error: unknown) => {
      if (error instanceof OwnedElsewhereError) throw new OperationElsewhereError(messageOf(error));
      if (error instanceof VdiskRefusedError) return error;
      throw error;
    });
    if (use instanceof VdiskRefusedError) return { status: 'failed', code: use.code, message: use.message };
    const { mounted, release } = use;
    try {
      state = await mounted.scrub(state, {
        repair,
        prefer: prefer ?? null,
        bandwidth: new Bandwidth(bandwidthMiBs ?? options.bandwidthMib),
        signal: run.signal,
        onProgress: async (now, total, isNew) => {
          if (isNew) {
            const fresh = now.named.slice(state.named.length);
            for (const mismatch of fresh) log.error({ vdisk, ...mismatch }, 'two copies of a block differed');
            found(now.mismatches - state.mismatches);
          }
          state = now;
          const progress = { done: now.blocks, total, checkpoint: now, message: said(vdisk, now) };
          await run.report(progress, { now: isNew });
        },
      });
    } catch (error) {
      if (!run.cancelRequested()) throw error;
      return { status: 'cancelled', message: `stopped: ${said(vdisk, state)}` };
    } finally {
      release();
    }
    await run.report({ done: state.blocks, checkpoint: state }, { now: true });
    return { status: 'completed', message: said(vdisk, state) };
  };
}

function requestOf({ request }: OperationRecord): z.output<typeof requestSchema> {
  return requestSchema.parse(JSON.parse(request));
}

function said(vdisk: string, { blocks, mismatches, repaired, named }: ScrubState): string {
  const sum = `vdisk ${vdisk}: ${blocks} blocks compared, ${mismatches} differed, ${repaired} repaired`;
  const list = named.slice(0, NAMED_MAX).map(({ shard, block, repairedFrom, reason }) => {
    const how = repairedFrom === null ? 'not repaired' : `repaired from the ${repairedFrom}`;
    return `block ${block} on shard ${shard} ${how} (${reason})`;
  });
  return list.length === 0 ? sum : `${sum}: ${list.join('; ')}`;
}
