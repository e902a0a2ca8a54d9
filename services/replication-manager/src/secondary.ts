import type { LogStreamPort } from '@salvor/bus';
import {
  type Generation,
  parseTlogConfig,
  type ReplicationPoint,
  type SyncNews,
  tlogConfigKey,
  type VolumeRecord,
  type VolumeResult,
} from '@salvor/config-store';
import type { VolumeDescription } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import type { ReplayWindow } from '@salvor/tlog';
import { type Applied, applySegments } from './applying.ts';
import type { PeerZones } from './peer-zones.ts';
import { ReceivedLog } from './received-log.ts';
import {
  headOf,
  mountSecondary,
  type SecondaryMount,
  type SecondaryMountOptions,
} from './secondary-mount.ts';
import { LostPlaceError, SourceLog, type SourceSegment } from './source-log.ts';
import { copyVolume } from './volume-copy.ts';

export interface SecondaryOptions extends SecondaryMountOptions {
  readonly volume: string;
  readonly peers: PeerZones;
  readonly window: ReplayWindow;
  /** Told, in milliseconds, of each window of segments that was applied: how old its last write was. */
  readonly applied: (lagMs: number) => void;
  /** Puts on record how far it is. */
  readonly progress: (generation: Generation, news: SyncNews) => Promise<VolumeResult>;
}

/** How far a secondary is, as it sees it. */
export interface Sight {
  readonly level: boolean;
  readonly bytes: number;
  readonly writtenAt: number;
}

/** Asked after something was read: up to which record it may be used; null: not at all. */
export type Confirm = () => Promise<number | null>;

/** Progress is put on record this often, points this often. */
const RECORD_EVERY_MS = 200;
const POINT_EVERY_MS = 5_000;

interface Following {
  readonly generation: Generation;
  readonly received: ReceivedLog;
  readonly source: SourceLog | null;
}

/** The copy of a volume in this zone: its vdisk, which it owns, and what arrived for it. */
export class Secondary {
  readonly #options: SecondaryOptions;
  #mount: SecondaryMount | null = null;
  #following: Following | null = null;
  /** Up to here it is on the vdisk and in its log; on record perhaps a little less. */
  #applied: Applied & { readonly ownSequence: number } = {
    sequence: 0,
    writtenAt: 0,
    bytes: 0,
    ownSequence: 0,
  };
  #recordedAt = 0;
  #pointAt = 0;
  /** Segment up to which bases are in what was copied. */
  #copiedNumber = 0;
  #sight: Sight = { level: false, bytes: 0, writtenAt: 0 };

  constructor(options: SecondaryOptions) {
    this.#options = options;
  }

  get sight(): Sight {
    return this.#sight;
  }

  /** Last record of a log whose vdisk was taken from whoever wrote it. */
  async settledHead(record: VolumeRecord, signal: AbortSignal): Promise<number> {
    const mount = await this.#mounted(record, signal);
    await mount.mounted.device.flush();
    return headOf(mount);
  }

  /** Nothing arrives: the vdisk stays taken, so that it is repaired, and nobody else writes to it. */
  async hold(record: VolumeRecord, signal: AbortSignal): Promise<void> {
    this.#sight = { ...this.#sight, level: false, bytes: 0 };
    await this.#mounted(record, signal);
  }

  /** Brings the vdisk to what the primary has now. */
  async copy(
    record: VolumeRecord,
    source: VolumeDescription,
    confirm: Confirm,
    signal: AbortSignal,
  ): Promise<void> {
    const { peers, window, volume, progress } = this.#options;
    this.#sight = { level: false, bytes: 0, writtenAt: 0 };
    this.#following = null;
    const mount = await this.#mounted(record, signal);
    const streams = peers.busOf(source.zone).logStreams;
    const ending = AbortSignal.any([signal, mount.lost]);
    const own = { streams: this.#options.streams, container: await this.#container(record) };
    const { sequence, number, writtenAt } = await copyVolume({
      ...{ record, source, streams, own, mount, window, confirm, signal: ending },
      archive: await peers.archiveOf(source.zone),
    });
    await mount.mounted.device.flush();
    this.#copiedNumber = number;
    const { log } = await this.#openReceived(record);
    await log.clear();
    const point = this.#pointAfter(record, { sequence, writtenAt, bytes: 0, ownSequence: headOf(mount) });
    await progress(record.generation, { kind: 'copied', sequence, point });
    this.#options.log.info({ volume, sequence }, 'a volume is complete in this zone');
  }

  /**
   * Takes what came since, stores it in this zone, then applies it. `source` is null while the other zone does not answer.
   *
   * @returns whether there was anything
   */
  async follow(
    record: VolumeRecord,
    source: VolumeDescription | null,
    confirm: Confirm,
    signal: AbortSignal,
  ): Promise<boolean> {
    const mount = await this.#mounted(record, signal);
    mount.lost.throwIfAborted();
    const following = await this.#follows(record, source);
    try {
      const { segments, isLevel } = (await following.source?.next()) ?? { segments: [], isLevel: false };
      const bound = segments.length === 0 ? null : await confirm();
      const usable =
        bound === null
          ? []
          : segments.filter(
              ({ segment }) => (segment.records.at(-1)?.sequence ?? segment.first - 1) <= bound,
            );
      // What was read and may not be used is read again, if ever: the place in the other log is behind it.
      if (usable.length < segments.length) this.#following = null;
      this.#sight = { ...this.#sight, level: false, bytes: bytesOf(usable) };
      await following.received.store(usable);
      if (usable.length > 0) await this.#apply(usable);
      this.#sight = {
        level: isLevel && usable.length === segments.length,
        bytes: 0,
        writtenAt: this.#applied.writtenAt,
      };
      await this.#recorded(record, usable.length === 0);
      return usable.length > 0;
    } catch (error) {
      this.#following = null;
      if (!(error instanceof LostPlaceError)) throw error;
      await this.#options.progress(record.generation, { kind: 'lost-place', reason: error.message });
      return true;
    }
  }

  /** Applies everything that arrived; its own log ends with the record that is returned. */
  async drain(record: VolumeRecord, signal: AbortSignal): Promise<number> {
    const mount = await this.#mounted(record, signal);
    if (record.phase === 'following') {
      await this.#follows(record, null);
      await this.#recorded(record, true);
    }
    await mount.mounted.device.flush();
    return headOf(mount);
  }

  /** Gives the vdisk up. */
  async release(): Promise<void> {
    this.#following = null;
    const mount = this.#mount;
    this.#mount = null;
    await mount?.mounted.unmount();
  }

  /** What arrived before and is not applied comes first, whether the other zone answers or not. */
  async #follows(record: VolumeRecord, source: VolumeDescription | null): Promise<Following> {
    const known = this.#following;
    const isSame =
      known !== null &&
      known.generation.number === record.generation.number &&
      known.generation.zone === record.generation.zone;
    if (isSame && (known.source !== null || source === null)) return known;
    if (!isSame) {
      const { log: received } = await this.#openReceived(record);
      this.#applied = {
        sequence: record.sequence ?? 0,
        writtenAt: record.point?.writtenAt ?? 0,
        bytes: 0,
        ownSequence: 0,
      };
      for await (const segments of received.behind(this.#applied.sequence)) await this.#apply(segments);
      this.#following = { generation: record.generation, received, source: null };
      await this.#recorded(record, true);
    }
    const opened = this.#following;
    if (opened === null) throw new SalvorError('not-mounted', 'the vdisk was given up meanwhile');
    if (source === null) return opened;
    const log = new SourceLog({
      ...{
        streams: this.#options.peers.busOf(source.zone).logStreams,
        container: source.container,
        vdisk: source.vdisk,
      },
      ...{ after: this.#applied.sequence, knownNumber: this.#copiedNumber },
    });
    this.#following = { ...opened, source: log };
    return this.#following;
  }

  async #apply(segments: readonly SourceSegment[]): Promise<void> {
    const mount = this.#mount;
    if (mount === null) throw new SalvorError('not-mounted', 'the vdisk was given up meanwhile');
    const applied = await applySegments(mount.mounted.wholeBlocks(), segments, this.#applied.sequence);
    await mount.mounted.device.flush();
    const writtenAt = applied.writtenAt === 0 ? this.#applied.writtenAt : applied.writtenAt;
    this.#applied = { ...applied, writtenAt, ownSequence: headOf(mount) };
    if (applied.writtenAt > 0) this.#options.applied(Math.max(0, Date.now() - applied.writtenAt));
  }

  /** Puts on record how far it is, when that is due, and lets go of what arrived and is not needed any more. */
  async #recorded(record: VolumeRecord, isPause: boolean): Promise<void> {
    const { sequence, ownSequence } = this.#applied;
    if (sequence <= (record.sequence ?? 0) || ownSequence === 0) return;
    const now = performance.now();
    if (!isPause && now - this.#recordedAt < RECORD_EVERY_MS) return;
    this.#recordedAt = now;
    const isPointDue = record.promotion !== null || now - this.#pointAt >= POINT_EVERY_MS;
    const point = isPointDue ? this.#pointAfter(record, this.#applied) : null;
    if (isPointDue) this.#pointAt = now;
    const { outcome } = await this.#options.progress(record.generation, { kind: 'applied', sequence, point });
    if (outcome === 'applied') await this.#following?.received.letGo();
    if (record.trouble !== null) await this.#options.progress(record.generation, { kind: 'relief' });
  }

  #pointAfter(
    { generation, point }: VolumeRecord,
    { sequence, writtenAt, ownSequence }: Applied & { ownSequence: number },
  ): ReplicationPoint {
    const isSame =
      point?.generation.number === generation.number && point.generation.zone === generation.zone;
    return {
      generation,
      number: isSame ? point.number + 1 : 1,
      sequence,
      ownSequence,
      writtenAt,
      at: Date.now(),
    };
  }

  async #openReceived(record: VolumeRecord): Promise<{ log: ReceivedLog; last: number }> {
    const { streams } = this.#options;
    const container = await this.#container(record);
    return ReceivedLog.open({ streams, container, vdisk: record.vdisk, generation: record.generation });
  }

  async #container({ vdisk }: VolumeRecord): Promise<number> {
    const entry = await this.#options.store.get(tlogConfigKey(vdisk));
    if (entry === null) throw new SalvorError('no-log', `vdisk ${vdisk} has no transaction log any more`);
    return parseTlogConfig(vdisk, entry.value).container;
  }

  async #mounted({ volume, vdisk }: VolumeRecord, signal: AbortSignal): Promise<SecondaryMount> {
    if (this.#mount?.lost.aborted === true) await this.release();
    this.#mount ??= await mountSecondary(this.#options, { volume, vdisk }, signal);
    return this.#mount;
  }
}

function bytesOf(segments: readonly SourceSegment[]): number {
  return segments.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

/** The log streams of a zone, and the container of the vdisk's log there. */
export interface OwnLog {
  readonly streams: LogStreamPort;
  readonly container: number;
}
