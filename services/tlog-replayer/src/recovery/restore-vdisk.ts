import type { LogStreamPort } from '@salvor/bus';
import { type ConfigStore, noteStaleBatches, readVdisk, type VdiskStatic } from '@salvor/config-store';
import { type Logger, SalvorError } from '@salvor/service-kit';
import {
  findPoint,
  type LogSource,
  type ReplayCheckpoint,
  type ReplayProgress,
  type ReplayResult,
  type ReplayWindow,
  replay,
  type WantedBlocks,
} from '@salvor/tlog';
import { type MountedVdisk, mountVdisk, type OwnerIdentity } from '@salvor/vdisk';
import { z } from 'zod';
import type { Logs } from '../logs.ts';
import { changedSince } from './changed-since.ts';
import { breakLogOff, levelShards, newestSegment, noteRestored } from './log-positions.ts';
import { type Loss, narrowed, shardOfLost, wantedBlocks } from './lost-shards.ts';
import type { EngineAccess } from './new-engines.ts';

export interface RestoreOptions {
  readonly store: ConfigStore;
  readonly logs: Logs;
  readonly streams: LogStreamPort;
  readonly window: ReplayWindow;
  readonly access: EngineAccess;
  readonly owner: OwnerIdentity;
  readonly log: Logger;
}

/** Where another process goes on with a vdisk. */
export const vdiskCheckpointSchema = z.looseObject({
  /** What the replay itself goes on from. */
  replay: z.custom<ReplayCheckpoint>((value) => typeof value === 'object' && value !== null),
  /** Shards of which the log had everything when the first run began. */
  level: z.array(z.number().int().min(0)),
});
export type VdiskCheckpoint = z.infer<typeof vdiskCheckpointSchema>;

export interface Restoration {
  readonly vdisk: string;
  /** That brings it back. */
  readonly operation: string;
  readonly loss: Loss;
  /** Goes on below gaps and behind a log that broke: what they hide is lost. */
  readonly acceptLoss: boolean;
  readonly from: VdiskCheckpoint | null;
  readonly signal: AbortSignal;
  checkpoint(state: VdiskCheckpoint): Promise<void>;
  progress(state: ReplayProgress): void;
  /** Everything is written and was read again; the vdisk is still owned, under this epoch. */
  restored(result: ReplayResult, epoch: string): Promise<void>;
}

const LEASE_TTL_SECONDS = 10;
const PROPOSE_AFTER_MS = 250;
const HOLD_MAX_MS = 30_000;

/**
 * Brings the blocks of a vdisk back that were lost, as its owner: so every member of every pair has them. Nothing of it is
 * logged again.
 *
 * @throws LogError, LogGapError, VdiskIoError, VdiskRefusedError, OwnedElsewhereError
 */
export async function restoreVdisk(options: RestoreOptions, restoration: Restoration): Promise<ReplayResult> {
  const { store, logs, window, log } = options;
  const { vdisk, loss, acceptLoss, from, signal } = restoration;
  const config = await logs.configOf(vdisk);
  if (config === null) throw new SalvorError('no-log', `vdisk ${vdisk} has no transaction log`);
  const stored = await readVdisk(store, vdisk);
  if (stored === null) throw new SalvorError('unknown-vdisk', `there is no vdisk ${vdisk}`);
  const source = await logs.open(vdisk, config);
  try {
    const upTo =
      from?.replay.upTo ?? (await findPoint(vdisk, source, { kind: 'newest' }, { acceptLoss })).sequence;
    const lost = new AbortController();
    const mounted = await mount(options, restoration, (reason) =>
      lost.abort(new SalvorError('ownership-lost', reason)),
    );
    try {
      const newest = await newestSegment(options.streams, config.container, vdisk);
      const level = from?.level ?? levelShards(newest, mounted.positions());
      const stale = await staleBatches(store, vdisk, mounted, loss);
      const wanted = await wantedNow(source, { vdisk, fixed: stored.static, upTo, stale, loss, signal });
      const result = await replay(
        {
          ...{ vdisk, source, target: mounted.wholeBlocks(), wanted, upTo, acceptLoss },
          signal: AbortSignal.any([signal, lost.signal]),
          from: from?.replay ?? null,
          checkpoint: (state) => restoration.checkpoint({ replay: state, level: [...level] }),
          progress: (state) => restoration.progress(state),
        },
        window,
      );
      const holes = result.gaps.length + result.damaged.length;
      if (holes > 0) {
        const { enabledBy } = config;
        await breakLogOff(store, vdisk, { epoch: mounted.epoch, enabledBy });
      } else if (newest !== null) {
        const isRestored = (shard: number): boolean => loss.before === null || loss.shards.has(shard);
        const keeps = (shard: number): boolean => !isRestored(shard) && !level.includes(shard);
        const shape = { blockSize: stored.static.blockSize, shards: mounted.geometry.shards };
        const about = { vdisk, container: config.container, epoch: Number(mounted.epoch), ...shape };
        await noteRestored(options.streams, about, mounted.positions(), keeps);
      }
      await restoration.restored(result, mounted.epoch);
      log.info({ vdisk, ...counts(result) }, 'vdisk restored from its log');
      return result;
    } finally {
      await mounted.unmount();
    }
  } finally {
    await source.close();
  }
}

function staleBatches(
  store: ConfigStore,
  vdisk: string,
  mounted: MountedVdisk,
  { survivors }: Loss,
): Promise<Readonly<Record<string, number>>> | Readonly<Record<string, number>> {
  if (survivors.size === 0) return {};
  const batches = mounted.positions();
  const found = [...survivors].map((shard) => [String(shard), batches.get(shard) ?? 0] as const);
  return noteStaleBatches(store, vdisk, mounted.epoch, Object.fromEntries(found));
}

/** Of survivors only what was written without them; all of their blocks where the log does not tell that. */
async function wantedNow(
  source: LogSource,
  about: {
    readonly vdisk: string;
    readonly fixed: VdiskStatic;
    readonly upTo: number;
    readonly stale: Readonly<Record<string, number>>;
    readonly loss: Loss;
    readonly signal: AbortSignal;
  },
): Promise<WantedBlocks> {
  const { vdisk, fixed, upTo, stale, loss, signal } = about;
  const whole = wantedBlocks(vdisk, fixed, loss);
  if (loss.survivors.size === 0) return whole;
  const shardOf = shardOfLost(vdisk, fixed, loss);
  const batches = new Map(Object.entries(stale).map(([shard, batch]) => [Number(shard), batch]));
  const changed = await changedSince(source, upTo, batches, shardOf, signal);
  if (changed === null) return whole;
  const gone = new Set([...loss.shards].filter((shard) => !loss.survivors.has(shard)));
  const others = wantedBlocks(vdisk, fixed, { ...loss, shards: gone, survivors: new Set() });
  return narrowed(whole, changed, (block) => loss.survivors.has(shardOf(block)), others.count);
}

function mount(
  { store, access, owner, log }: RestoreOptions,
  { vdisk, operation }: Restoration,
  lost: (reason: string) => void,
): Promise<MountedVdisk> {
  const { timeoutMs, login } = access;
  return mountVdisk({
    ...{ store, vdisk, log, owner: { ...owner, operation }, purpose: 'restore' },
    settings: {
      ...{ leaseTtlSeconds: LEASE_TTL_SECONDS, proposeAfterMs: PROPOSE_AFTER_MS, holdMaxMs: HOLD_MAX_MS },
      ...{ connectTimeoutMs: timeoutMs, commandTimeoutMs: timeoutMs, login },
    },
    events: {
      engineFailed: () => {},
      repairCompleted: () => {},
      dataUnavailable: () => {},
      dataAvailable: () => {},
      blocksCorrupt: () => {},
      ownershipLost: (_, reason) => lost(reason),
      takeoverAsked: () => {},
    },
  });
}

function counts({ blocksWritten, blocksDeleted, blocksVerified, bytesWritten }: ReplayResult) {
  return { blocksWritten, blocksDeleted, blocksVerified, bytesWritten };
}
