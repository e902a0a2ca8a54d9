import type { Bus, CommandHandlers } from '@salvor/bus';
import {
  archiveRestoreSchema,
  type ConfigStore,
  type OperationRecord,
  OperationWorkers,
} from '@salvor/config-store';
import { type Logger, type Metrics, SalvorError } from '@salvor/service-kit';
import type { ReplayWindow, Tier2Store } from '@salvor/tlog';
import type { EngineLogin } from '@salvor/vdisk';
import type { PeerZones } from '../peer-zones.ts';
import type { ArchiveSettings } from '../settings.ts';
import { archiveAnnouncer } from './archive-announcer.ts';
import { archiveCommandHandlers } from './archive-commands.ts';
import { ArchiveLoop } from './archive-loop.ts';
import { ArchiveSources } from './archive-source.ts';
import { ArchiveStores } from './archive-stores.ts';
import { restoreExecutor } from './restore-executor.ts';
import { verifyExecutor } from './verify-executor.ts';

export interface ArchivesOptions {
  readonly store: ConfigStore;
  readonly bus: Bus;
  readonly zone: string;
  readonly peers: PeerZones;
  /** Where the logs of this zone are archived by its tlog-replayers; null: nowhere. */
  readonly archive: Tier2Store | null;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly instance: string;
  readonly access: { readonly timeoutMs: number; readonly login: EngineLogin | undefined };
  readonly window: ReplayWindow;
  readonly config: {
    readonly archives: readonly ArchiveSettings[];
    readonly archiveChunkMib: number;
    readonly archiveMaxAgeMs: number;
    readonly archiveCompactIntervalMs: number;
  };
}

const MIB = 1024 * 1024;

/** Everything about archives that one process does. */
export class Archives {
  readonly handlers: CommandHandlers;
  readonly #stores: ArchiveStores;
  readonly #loop: ArchiveLoop;
  /** Verifications take hours, and keep no restore waiting. */
  readonly #operations: readonly OperationWorkers[];
  readonly #ending = new AbortController();

  constructor(options: ArchivesOptions) {
    const { store, bus, zone, peers, archive, log, metrics, instance, access, window, config } = options;
    const streams = bus.logStreams;
    const stores = new ArchiveStores(config.archives);
    const sources = new ArchiveSources({ store, zone, bus, peers, archive, ending: this.#ending.signal });
    const announce = archiveAnnouncer(log);
    this.#stores = stores;
    this.#loop = new ArchiveLoop({
      ...{ store, stores, sources, window, log, announce, instance },
      limits: {
        chunkBytes: config.archiveChunkMib * MIB,
        maxAgeMs: config.archiveMaxAgeMs,
        compactIntervalMs: config.archiveCompactIntervalMs,
      },
    });
    this.#operations = [
      { 'archive.restore': restoreExecutor({ store, streams, log, instance, access, stores, window }) },
      { 'archive.verify': verifyExecutor({ store, stores }) },
    ].map(
      (executors) =>
        new OperationWorkers({
          ...{ store, log, executors, worker: `replication-manager ${instance}` },
          mayTake: async (record) => stores.names.includes(archiveOf(record)),
        }),
    );
    this.handlers = archiveCommandHandlers({
      ...{ store, bus, zone, zones: peers.names, sources, announce, log },
    });
    metrics.gaugeFrom(
      'salvor_archives_written',
      'Archives of volumes that this replica writes',
      () => this.#loop.keepers.length,
    );
    metrics.gaugeFrom(
      'salvor_archives_troubled',
      'Archives of volumes that nothing comes to now',
      () => this.#loop.keepers.filter(({ isInTrouble }) => isInTrouble).length,
    );
  }

  async start(): Promise<void> {
    this.#loop.start();
    await Promise.all(this.#operations.map((operations) => operations.start()));
  }

  async stop(): Promise<void> {
    this.#ending.abort(new SalvorError('stopped', 'this process stops'));
    await Promise.all([this.#loop.stop(), ...this.#operations.map((operations) => operations.stop())]);
    await this.#stores.close();
  }
}

function archiveOf({ work }: OperationRecord): string {
  const found = archiveRestoreSchema.pick({ archive: true }).safeParse(work?.checkpoint);
  return found.success ? found.data.archive : '';
}
