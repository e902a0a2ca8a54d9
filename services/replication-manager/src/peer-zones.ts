import { type Bus, busOptions, connectBus } from '@salvor/bus';
import type {
  VolumeCompareReply,
  VolumeCompareRequestInit,
  VolumeDescription,
  VolumeDescriptionInit,
  VolumeLogReply,
  VolumeLogRequestInit,
} from '@salvor/contracts';
import { codeOf, type Logger, messageOf, SalvorError } from '@salvor/service-kit';
import { openConfiguredStore, type Tier2Store, type TlogStoreSettings } from '@salvor/tlog';
import type { PeerZone } from './settings.ts';

const STATUS_TIMEOUT_MS = 2_000;
/** A range is read there meanwhile. */
const COMPARE_TIMEOUT_MS = 30_000;
const READ_TIMEOUT_MS = 10_000;
const CLOSE_MS = 1_000;

/** The other zone cannot be asked. */
export class PeerUnreachableError extends SalvorError {
  constructor(zone: string, why: string) {
    super('peer-unreachable', `zone ${zone} cannot be asked: ${why}`);
  }
}

/** Where logs are archived; null: not told. The caller closes it. @throws LogError `store` */
export async function openArchive(
  settings: TlogStoreSettings,
): Promise<(Tier2Store & { close(): Promise<void> }) | null> {
  return settings.tlogStore === '' ? null : openConfiguredStore(settings);
}

/** Connections to the other zones. Nothing here waits for them: a zone works without the others. */
export class PeerZones {
  readonly #peers: readonly PeerZone[];
  readonly #log: Logger;
  readonly #buses = new Map<string, Bus>();
  readonly #archives = new Map<string, Tier2Store & { close(): Promise<void> }>();
  readonly #ending = new AbortController();

  constructor(peers: readonly PeerZone[], log: Logger) {
    this.#peers = peers;
    this.#log = log;
  }

  get names(): readonly string[] {
    return this.#peers.map(({ zone }) => zone);
  }

  /** Begins to connect; a zone that is away is connected when it comes back. */
  start(): void {
    for (const peer of this.#peers) void this.#connect(peer);
  }

  /** @throws PeerUnreachableError */
  busOf(zone: string): Bus {
    const bus = this.#buses.get(zone);
    if (!this.names.includes(zone))
      throw new PeerUnreachableError(zone, 'it is not configured here (SALVOR_ZONE_PEERS)');
    if (bus?.connected() !== true)
      throw new PeerUnreachableError(zone, 'none of its NATS servers is connected');
    return bus;
  }

  /**
   * The volume as the other zone describes it; null: it has none of that name.
   *
   * @throws PeerUnreachableError
   */
  async status(zone: string, volume: string): Promise<VolumeDescription | null> {
    const bus = this.busOf(zone);
    return this.#asked(zone, () =>
      bus.request('volume.status', { volume }, { timeoutMs: STATUS_TIMEOUT_MS }),
    );
  }

  /**
   * The same, and that zone is told how this one sees the volume: it may not reach this zone.
   *
   * @throws PeerUnreachableError
   */
  async tell(zone: string, told: VolumeDescriptionInit): Promise<VolumeDescription | null> {
    const bus = this.busOf(zone);
    return this.#asked(zone, () => bus.request('volume.tell', { told }, { timeoutMs: STATUS_TIMEOUT_MS }));
  }

  /** Hashes and blocks of a primary there. @throws PeerUnreachableError; CommandError what it answered */
  async compare(zone: string, request: VolumeCompareRequestInit): Promise<VolumeCompareReply> {
    return this.busOf(zone).request('volume.compare', request, { timeoutMs: COMPARE_TIMEOUT_MS });
  }

  /** Segments of the log of a volume there. @throws PeerUnreachableError; CommandError what it answered */
  async readLog(zone: string, request: VolumeLogRequestInit): Promise<VolumeLogReply> {
    return this.busOf(zone).request('volume.log', request, { timeoutMs: READ_TIMEOUT_MS });
  }

  async #asked(
    zone: string,
    ask: () => Promise<{ readonly volume: VolumeDescription }>,
  ): Promise<VolumeDescription | null> {
    try {
      return (await ask()).volume;
    } catch (error) {
      if (codeOf(error) === 'unknown-volume') return null;
      throw new PeerUnreachableError(zone, messageOf(error));
    }
  }

  /** Where that zone archives its logs; null: not told. @throws LogError `store` */
  async archiveOf(zone: string): Promise<Tier2Store | null> {
    const known = this.#archives.get(zone);
    if (known !== undefined) return known;
    const peer = this.#peers.find((each) => each.zone === zone);
    const store = peer === undefined ? null : await openArchive(peer);
    if (store !== null) this.#archives.set(zone, store);
    return store;
  }

  async close(): Promise<void> {
    this.#ending.abort();
    await Promise.allSettled([...this.#archives.values()].map((store) => store.close()));
    await Promise.allSettled([...this.#buses.values()].map((bus) => bus.close({ deadlineMs: CLOSE_MS })));
  }

  async #connect(peer: PeerZone): Promise<void> {
    try {
      const bus = await connectBus({
        ...busOptions(peer),
        ...{
          name: 'replication-manager',
          log: this.#log.child({ peer: peer.zone }),
          signal: this.#ending.signal,
        },
      });
      if (this.#ending.signal.aborted) await bus.close({ deadlineMs: CLOSE_MS });
      else this.#buses.set(peer.zone, bus);
    } catch (error) {
      if (!this.#ending.signal.aborted)
        this.#log.error(
          { peer: peer.zone, error: messageOf(error) },
          'another zone cannot be reached with these settings',
        );
    }
  }
}
