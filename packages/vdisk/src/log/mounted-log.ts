import { parseTlogConfig, readTlog, type StoreEntry } from '@salvor/config-store';
import { messageOf } from '@salvor/service-kit';
import type { MountOptions } from '../mount-options.ts';
import type { Pair } from '../pair.ts';
import type { Geometry, Logged } from '../vdisk.ts';
import { VdiskRefusedError } from '../vdisk-description.ts';
import { VdiskLog } from './vdisk-log.ts';

/** What of its vdisk the log needs. */
interface LoggedVdisk {
  readonly pairs: () => readonly Pair[];
  readonly shardOf: (block: number) => number;
  /** Create revision of the owner key; null once the ownership ended. */
  readonly ownerRevision: () => string | null;
  readonly fenced: (reason: string) => void;
}

const DEFAULT_OVERFLOW_AFTER_MS = 5_000;

/** The log that a mounted vdisk has, gains, or loses. */
export class MountedLog implements Logged {
  log: VdiskLog | null = null;
  readonly #options: MountOptions;
  readonly #geometry: Geometry;
  readonly #epoch: string;
  readonly #vdisk: LoggedVdisk;
  /** Operation that gave the vdisk the log that it has here. */
  #enabledBy: string | null = null;
  #isOpen = false;
  #isClosed = false;

  constructor(options: MountOptions, geometry: Geometry, epoch: string, vdisk: LoggedVdisk) {
    this.#options = options;
    this.#geometry = geometry;
    this.#epoch = epoch;
    this.#vdisk = vdisk;
  }

  /**
   * The shards have told where they are: the log is taken up, and until it is, writes wait.
   *
   * @throws VdiskRefusedError when it has a log that this process cannot write
   */
  async open(): Promise<void> {
    // A restore writes what the log has already.
    if (this.#options.purpose === 'restore') return;
    this.#isOpen = true;
    await this.#open();
  }

  /** Takes over what etcd says now: the configuration of the log, null when there is none, and its state. */
  follow(config: string | null, state: StoreEntry | null): void {
    if (!this.#isOpen || this.#isClosed) return;
    const { vdisk, log } = this.#options;
    try {
      const found = config === null ? null : parseTlogConfig(vdisk, config);
      const enabledBy = found?.enabledBy ?? null;
      if (enabledBy === this.#enabledBy) {
        if (found !== null) this.log?.follow(found.policy, state);
        return;
      }
      void this.log?.close(0);
      this.log = null;
      this.#enabledBy = enabledBy;
      if (enabledBy === null) log.info({ vdisk }, 'the vdisk has no transaction log any more');
      else
        this.#open().catch((error: unknown) =>
          log.error({ vdisk, error: messageOf(error) }, 'the transaction log cannot be written here'),
        );
    } catch (error) {
      log.error({ vdisk, error: messageOf(error) }, 'ignored a bad configuration of the transaction log');
    }
  }

  async close(waitMs: number): Promise<void> {
    this.#isClosed = true;
    await this.log?.close(waitMs);
  }

  async #open(): Promise<void> {
    const { store, vdisk, logs, log, settings } = this.#options;
    const recorded = await readTlog(store, vdisk);
    if (recorded === null || this.#isClosed || this.log !== null) return;
    if (logs === undefined)
      throw new VdiskRefusedError(
        'bad-configuration',
        `vdisk ${vdisk} has a transaction log, which this process cannot write`,
      );
    this.#enabledBy = recorded.config.enabledBy;
    const { ownerRevision, fenced, pairs, shardOf } = this.#vdisk;
    this.log = new VdiskLog({
      ...{ vdisk, store, recorded, log, ownerRevision, fenced, epoch: this.#epoch, access: logs },
      ...{ blockSizeBytes: this.#geometry.blockSizeBytes, pairs: pairs(), shardOf },
      holdMaxMs: settings.holdMaxMs,
      overflowAfterMs: settings.logOverflowAfterMs ?? DEFAULT_OVERFLOW_AFTER_MS,
    });
    this.log.start();
  }
}
