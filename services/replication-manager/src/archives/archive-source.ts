import type { Bus } from '@salvor/bus';
import type { ConfigStore } from '@salvor/config-store';
import type { VolumeDescription } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import type { Tier2Store } from '@salvor/tlog';
import type { Ask } from '../compared-blocks.ts';
import type { PeerZones } from '../peer-zones.ts';
import { VolumeLogs } from '../volume-logs.ts';
import type { ZoneLog } from '../zone-log.ts';

export interface ArchiveSourcesOptions {
  readonly store: ConfigStore;
  readonly zone: string;
  readonly bus: Bus;
  readonly peers: PeerZones;
  /** Where the logs of this zone are archived; null: nowhere. */
  readonly archive: Tier2Store | null;
  /** Ends everything. */
  readonly ending: AbortSignal;
}

/** A volume where an archive takes it from. */
export interface SourceVolume {
  readonly description: VolumeDescription;
  readonly log: ZoneLog;
  /** Hashes and blocks of what its engines have. */
  readonly ask: Ask;
  /** The volume as the zone describes it at this moment. */
  readonly look: () => Promise<VolumeDescription>;
}

const STATUS_TIMEOUT_MS = 2_000;
/** A range is read there meanwhile. */
const COMPARE_TIMEOUT_MS = 30_000;

/** The zones that archives take volumes from: this one, and the others. */
export class ArchiveSources {
  readonly #options: ArchiveSourcesOptions;

  constructor(options: ArchiveSourcesOptions) {
    this.#options = options;
  }

  /** @throws SalvorError `unknown-volume`, `no-log`, `peer-unreachable`, …; BusError */
  async open(zone: string, volume: string): Promise<SourceVolume> {
    const bus = this.#busOf(zone);
    const look = async (): Promise<VolumeDescription> => {
      const { volume: found } = await bus.request(
        'volume.status',
        { volume },
        { timeoutMs: STATUS_TIMEOUT_MS },
      );
      if (found.zone === zone) return found;
      throw new SalvorError('wrong-zone', `expected an answer of zone ${zone}, found one of ${found.zone}`);
    };
    const description = await look();
    const { store, peers, archive, ending } = this.#options;
    const streams = this.#options.bus.logStreams;
    const logs = new VolumeLogs({ store, streams, peers, archive, volume, ending });
    const isOwn = zone === this.#options.zone;
    const log = isOwn ? await logs.own(description.vdisk) : await logs.of(description);
    const { generation, generationZone, incarnation } = description;
    const ask: Ask = (question) =>
      bus.request(
        'volume.compare',
        { volume, generation, generationZone, incarnation, ...question },
        { timeoutMs: COMPARE_TIMEOUT_MS },
      );
    return { description, log, ask, look };
  }

  #busOf(zone: string): Bus {
    return zone === this.#options.zone ? this.#options.bus : this.#options.peers.busOf(zone);
  }
}
