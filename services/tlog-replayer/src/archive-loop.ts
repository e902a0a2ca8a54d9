import {
  ArchiveClaim,
  type ArchivedRecord,
  ArchiveLostError,
  type ConfigStore,
  ConfigValueError,
  type FollowedLog,
  followedLogSchema,
  type Lease,
  parseRecord,
  TLOG_REPLAYERS_PREFIX,
  TLOGS_PREFIX,
  tlogReplayerKey,
  vdiskWithLog,
  type Watch,
  whenAvailable,
} from '@salvor/config-store';
import { type CounterMetric, codeOf, type Logger, messageOf, pause } from '@salvor/service-kit';
import {
  type Archived,
  type ArchiveLimits,
  type ArchiveStreams,
  logStream,
  type Tier2Store,
  VdiskArchiver,
  VdiskChunks,
} from '@salvor/tlog';
import { ownShare } from './shares.ts';

export interface ArchiveLoopStreams extends ArchiveStreams {
  facts(stream: string): Promise<StreamEnd>;
}

interface StreamEnd {
  readonly lastSequence: number;
  readonly createdAt: string;
}

export interface ArchiveLoopOptions {
  readonly store: ConfigStore;
  readonly tier2: Tier2Store;
  readonly streams: ArchiveLoopStreams;
  readonly log: Logger;
  /** One run of this process. */
  readonly instance: string;
  readonly limits: ArchiveLimits;
  readonly memoryBytes: number;
  readonly pollMs: number;
  readonly leaseTtlSeconds?: number;
  readonly written?: CounterMetric;
}

interface Followed {
  readonly claim: ArchiveClaim;
  readonly archiver: VdiskArchiver;
  readonly lease: Lease;
  /** Of the stream when it was last looked through to its end. */
  seenTo: number;
  /** Of the stream that it reads; null: it has not been looked at yet. */
  createdAt: string | null;
  isInTrouble: boolean;
}

const LEASE_TTL_SECONDS = 5;
/** Vdisks that are looked at at once. */
const AT_ONCE_MAX = 4;
const STOP_TIMEOUT_MS = 5_000;

/** Archives the logs of the vdisks that are this replica's share, one archiver a vdisk. */
export class ArchiveLoop {
  readonly #options: ArchiveLoopOptions;
  readonly #followed = new Map<string, Followed>();
  readonly #stopping = new AbortController();
  #watch: Watch | null = null;
  #lease: Lease | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(options: ArchiveLoopOptions) {
    this.#options = options;
  }

  /** Waits for etcd as long as that takes. */
  async start(): Promise<void> {
    const { store, log } = this.#options;
    const prefixes = [TLOGS_PREFIX, TLOG_REPLAYERS_PREFIX];
    this.#watch = await whenAvailable(() => store.watch({ prefixes }, () => undefined), log);
    this.#running = this.#run();
  }

  /** What is not archived yet stays in Tier-1; another replica goes on at once. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.race([this.#running, pause(STOP_TIMEOUT_MS)]);
    this.#watch?.close();
    await this.#lease?.revoke().catch(() => this.#lease?.release());
  }

  /** Vdisks that are archived here. */
  get vdisks(): readonly string[] {
    return [...this.#followed.keys()];
  }

  /** The longest that a segment of these vdisks waits, in milliseconds. */
  get lagMs(): number {
    return Math.max(0, ...[...this.#followed.values()].map(({ archiver }) => archiver.lagMs));
  }

  get troubled(): number {
    return [...this.#followed.values()].filter(({ isInTrouble }) => isInTrouble).length;
  }

  async #run(): Promise<void> {
    const { log, pollMs } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#look().catch((error: unknown) =>
        log.warn({ error: messageOf(error) }, 'logs could not be archived, trying again'),
      );
      await pause(pollMs, signal);
    }
  }

  async #look(): Promise<void> {
    const lease = await this.#held();
    const logs = this.#logs();
    const mine = new Set(ownShare([...logs.keys()], this.#replicas(), this.#options.instance));
    for (const [vdisk, followed] of this.#followed)
      if (!mine.has(vdisk) || followed.lease !== lease) await this.#letGo(vdisk, followed);
    for (const vdisk of mine) {
      const log = logs.get(vdisk);
      if (log !== undefined && !this.#followed.has(vdisk)) await this.#takeUp(vdisk, log, lease);
    }
    const ends = await this.#ends(logs);
    await this.#leaveLost(logs, ends);
    const due = [...this.#followed];
    const hand = async (): Promise<void> => {
      for (let next = due.shift(); next !== undefined; next = due.shift()) {
        const [vdisk, followed] = next;
        await this.#archive(vdisk, followed, ends.get(logs.get(vdisk)?.container ?? -1)?.lastSequence);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE_MAX }, hand));
  }

  /**
   * A stream that was lost and made again counts its messages anew: who went on by the old numbers would read nothing, and let go
   * of what is not archived. Each log of it is taken up by what Tier-2 has, at the next look; what was read and not stored is gone
   * with the stream, for its numbers may have been given again.
   */
  async #leaveLost(
    logs: ReadonlyMap<string, FollowedLog>,
    ends: ReadonlyMap<number, StreamEnd>,
  ): Promise<void> {
    for (const [vdisk, followed] of [...this.#followed]) {
      const createdAt = ends.get(logs.get(vdisk)?.container ?? -1)?.createdAt ?? null;
      const isLost = followed.createdAt !== null && createdAt !== null && followed.createdAt !== createdAt;
      followed.createdAt = createdAt ?? followed.createdAt;
      if (!isLost) continue;
      this.#options.log.warn(
        { vdisk, createdAt },
        'the stream of the log was made again: it is followed anew',
      );
      await this.#letGo(vdisk, followed);
    }
  }

  async #archive(vdisk: string, followed: Followed, end: number | undefined): Promise<void> {
    const { archiver, claim } = followed;
    const isQuiet = end !== undefined && followed.seenTo === end;
    const isDue = archiver.lagMs >= this.#options.limits.maxAgeMs || this.#isTight();
    if (isQuiet && !isDue && !followed.isInTrouble) return;
    try {
      while (!this.#stopping.signal.aborted && (await archiver.step({ flush: this.#isTight() })));
      followed.seenTo = end ?? -1;
      if (followed.isInTrouble) {
        await claim.record(({ trouble: _, ...rest }) => rest);
        followed.isInTrouble = false;
        this.#options.log.info({ vdisk }, 'the log is archived again');
      }
    } catch (error) {
      await this.#failed(vdisk, followed, error);
    }
  }

  /** Chunks that wait to become full are written early rather than fill the memory. */
  #isTight(): boolean {
    const pending = [...this.#followed.values()].map(({ archiver }) => archiver.pendingBytes);
    return pending.reduce((sum, bytes) => sum + bytes, 0) > this.#options.memoryBytes;
  }

  async #failed(vdisk: string, followed: Followed, error: unknown): Promise<void> {
    const { log } = this.#options;
    if (error instanceof ArchiveLostError) {
      log.info({ vdisk, reason: error.message }, 'another replica archives the log');
      await this.#letGo(vdisk, followed);
      return;
    }
    const reason = messageOf(error);
    if (!followed.isInTrouble)
      log.error({ vdisk, code: codeOf(error), error: reason }, 'the log is not archived');
    const since = Date.now();
    followed.isInTrouble = true;
    await followed.claim
      .record((before) => ({ ...before, trouble: { reason, since: before.trouble?.since ?? since } }))
      .catch((failed: unknown) =>
        log.warn({ vdisk, error: messageOf(failed) }, 'that it is not archived is not on record'),
      );
  }

  async #takeUp(vdisk: string, followedLog: FollowedLog, lease: Lease): Promise<void> {
    const { store, tier2, streams, limits, instance, log, written } = this.#options;
    const claim = await ArchiveClaim.take(store, lease, vdisk, instance);
    if (claim === null) return;
    const { container, begins } = followedLog;
    const chunks = new VdiskChunks(tier2, container, vdisk);
    const archiver = new VdiskArchiver({
      ...{ chunks, streams, container, after: begins?.number ?? 0 },
      ...limits,
      record: async (archived) => {
        // What an archiver that died has stored may be on record already.
        if (isRecorded(claim.archived, archived)) return;
        written?.add();
        await claim.record(({ missing, number, sequence }) => ({
          ...archived,
          // A recovery of Tier-1 left room for records that are lost: no later one may get their sequences.
          sequence: Math.max(archived.sequence, number === archived.number ? sequence : 0),
          at: Date.now(),
          ...(missing === undefined ? {} : { missing }),
        }));
      },
      missing: async ({ from, to, after, before, reason }) => {
        const text = `segments ${from} to ${to} of the log are in neither tier (${reason}): sequences ${after + 1} to ${before - 1} are lost`;
        if (await claim.missing({ from, to, after, before, at: Date.now() }, text))
          log.error({ vdisk, from, to, reason }, 'segments of the log are lost; its owner begins a new base');
      },
      nowMs: () => performance.now(),
    });
    const isInTrouble = claim.archived?.trouble !== undefined;
    this.#followed.set(vdisk, { claim, archiver, lease, seenTo: -1, createdAt: null, isInTrouble });
  }

  async #letGo(vdisk: string, { claim }: Followed): Promise<void> {
    this.#followed.delete(vdisk);
    await claim
      .release()
      .catch((error: unknown) =>
        this.#options.log.warn({ vdisk, error: messageOf(error) }, 'the claim of a log was not given back'),
      );
  }

  /** Where each stream ends: what has not grown is not looked through. */
  async #ends(logs: ReadonlyMap<string, FollowedLog>): Promise<Map<number, StreamEnd>> {
    const containers = new Set([...this.#followed.keys()].map((vdisk) => logs.get(vdisk)?.container ?? -1));
    const ends = new Map<number, StreamEnd>();
    for (const container of containers) {
      if (container < 0) continue;
      ends.set(container, await this.#options.streams.facts(logStream(container)));
    }
    return ends;
  }

  #logs(): Map<string, FollowedLog> {
    const logs = new Map<string, FollowedLog>();
    for (const [key, { value }] of this.#watch?.entries() ?? []) {
      const vdisk = vdiskWithLog(key);
      if (vdisk === null) continue;
      try {
        logs.set(vdisk, parseRecord(followedLogSchema, key, value));
      } catch (error) {
        if (!(error instanceof ConfigValueError)) throw error;
        this.#options.log.error({ vdisk, error: error.message }, 'a log is not archived: its record is bad');
      }
    }
    return logs;
  }

  #replicas(): string[] {
    const keys = [...(this.#watch?.entries().keys() ?? [])];
    const replicas = keys.filter((key) => key.startsWith(TLOG_REPLAYERS_PREFIX));
    const others = replicas.map((key) => key.slice(TLOG_REPLAYERS_PREFIX.length));
    return [...new Set([...others, this.#options.instance])];
  }

  /** A lease that holds, with this replica's presence under it. */
  async #held(): Promise<Lease> {
    const { store, instance, leaseTtlSeconds } = this.#options;
    const state = this.#lease?.state();
    if (this.#lease !== null && (state === 'valid' || state === 'doubt')) return this.#lease;
    const lease = await store.grantLease(leaseTtlSeconds ?? LEASE_TTL_SECONDS);
    const key = tlogReplayerKey(instance);
    await store.transact({
      compare: [],
      puts: [{ key, value: JSON.stringify({ since: Date.now() }), lease: lease.id }],
    });
    this.#lease = lease;
    return lease;
  }
}

function isRecorded(known: ArchivedRecord | null, { number, sequence, chunks }: Archived): boolean {
  return known?.number === number && known.sequence >= sequence && known.chunks === chunks;
}
