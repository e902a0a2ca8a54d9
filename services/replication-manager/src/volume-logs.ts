import type { LogStreamPort } from '@salvor/bus';
import { type ConfigStore, parseTlogConfig, tlogConfigKey } from '@salvor/config-store';
import type { VolumeDescription } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import type { Tier2Store } from '@salvor/tlog';
import { LinkMeter } from './link-meter.ts';
import { type AskLog, linkedArchive, linkedReads } from './linked-log.ts';
import type { PeerZones } from './peer-zones.ts';
import type { ZoneLog } from './zone-log.ts';

export interface VolumeLogsOptions {
  readonly store: ConfigStore;
  readonly streams: LogStreamPort;
  readonly peers: PeerZones;
  /** Where the logs of this zone are archived; null: nowhere. */
  readonly archive: Tier2Store | null;
  readonly volume: string;
  /** Ends everything. */
  readonly ending: AbortSignal;
}

/** The logs of the vdisks of a volume in both zones. */
export class VolumeLogs {
  readonly #options: VolumeLogsOptions;
  /** What comes over from the other zone. */
  readonly meter: LinkMeter = new LinkMeter();

  constructor(options: VolumeLogsOptions) {
    this.#options = options;
  }

  /** @throws SalvorError `no-log`; StoreError */
  async own(vdisk: string): Promise<ZoneLog> {
    const { store, streams, archive } = this.#options;
    const entry = await store.get(tlogConfigKey(vdisk));
    if (entry === null) throw new SalvorError('no-log', `vdisk ${vdisk} has no transaction log any more`);
    const { container, begins } = parseTlogConfig(vdisk, entry.value);
    return { streams, container, vdisk, begins: begins.number, archive };
  }

  /** @throws PeerUnreachableError; LogError `store` */
  async of({ zone, container, vdisk, logBegins }: VolumeDescription): Promise<ZoneLog> {
    const { peers, volume, ending } = this.#options;
    const ask: AskLog = (request) => peers.readLog(zone, { volume, container, ...request });
    const streams = linkedReads(peers.busOf(zone).logStreams, this.meter, ask, ending);
    const archive = await peers.archiveOf(zone);
    return {
      ...{ streams, container, vdisk, begins: logBegins },
      archive: archive === null ? null : linkedArchive(archive, this.meter, ending),
    };
  }
}
