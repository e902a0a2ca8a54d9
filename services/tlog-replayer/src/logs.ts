import type { LogStreamPort } from '@salvor/bus';
import { type ConfigStore, readTlog, type TlogConfig } from '@salvor/config-store';
import {
  JoinedSource,
  type LogSource,
  TailSource,
  Tier2Source,
  type Tier2Store,
  VdiskChunks,
} from '@salvor/tlog';

export interface LogsOptions {
  readonly store: ConfigStore;
  readonly streams: LogStreamPort;
  /** Null: logs are archived nowhere. */
  readonly tier2: Tier2Store | null;
  /** Told, in a sentence, of what is missing where it was looked for. */
  readonly noticed: (vdisk: string, what: string) => void;
}

/** The transaction logs of vdisks, as readers see them: what is archived, and behind it the tail in JetStream. */
export class Logs {
  readonly #options: LogsOptions;

  constructor(options: LogsOptions) {
    this.#options = options;
  }

  /** Null: the vdisk has none. Throws StoreError, ConfigValueError. */
  async configOf(vdisk: string): Promise<TlogConfig | null> {
    return (await readTlog(this.#options.store, vdisk))?.config ?? null;
  }

  /** Whoever opens a log closes it. @throws LogError `store` */
  async open(vdisk: string, { container, begins }: TlogConfig): Promise<LogSource> {
    const { streams, tier2, noticed } = this.#options;
    const tail = new TailSource({ streams, container, vdisk });
    if (tier2 === null) return tail;
    const chunks = new VdiskChunks(tier2, container, vdisk);
    const archived = await Tier2Source.open(chunks, {
      after: begins.number,
      noticed: (what) => noticed(vdisk, what),
    });
    return new JoinedSource(archived, tail);
  }
}
