import { type Bus, type BusSettings, busOptions, connectBus, inboxOf } from '@salvor/bus';
import type { EventInits, EventType, MountedTlogInit } from '@salvor/contracts';
import { certificateMetadata, type Logger, type Metrics, messageOf } from '@salvor/service-kit';
import type { EngineProbes, OwnerIdentity, VdiskLogState } from '@salvor/vdisk';
import { viewEngine } from './engine-view.ts';
import type { ServerCuts } from './server-cuts.ts';
import type { Takeovers } from './takeovers.ts';
import type { VdiskExports } from './vdisk-exports.ts';

interface Served {
  readonly exports: VdiskExports;
  readonly uris: () => string[];
  readonly takeovers: Takeovers;
  readonly cuts: ServerCuts;
  /** By which engines are probed from here. */
  readonly probes: EngineProbes;
}

/**
 * What this server says on the bus and answers there. Block I/O never waits for it: without a bus the server serves on, and
 * its failures are recorded through etcd.
 */
export class BusPresence {
  readonly #owner: OwnerIdentity;
  readonly #log: Logger;
  readonly #metadata: Record<string, string>;
  /** The connection there is or will be; rejects when the server ends before. */
  readonly connecting: Promise<Bus>;
  readonly #abort = new AbortController();
  #bus: Bus | null = null;

  constructor(config: BusSettings, owner: OwnerIdentity, log: Logger, metrics: Metrics) {
    this.#owner = owner;
    this.#log = log;
    this.#metadata = certificateMetadata({ ...config });
    this.connecting = connectBus({
      ...busOptions(config),
      name: `nbd-server-${owner.server}`,
      inboxPrefix: inboxOf('nbd-server'),
      log,
      metrics,
      signal: this.#abort.signal,
    });
    this.connecting.then(
      (bus) => {
        this.#bus = bus;
      },
      (error: unknown) => log.warn({ error: messageOf(error) }, 'no bus'),
    );
  }

  start(served: Served): void {
    this.connecting
      .then((bus) => this.#serve(bus, served))
      .catch((error: unknown) => {
        if (!this.#abort.signal.aborted)
          this.#log.error({ error: messageOf(error) }, 'status is not served on the bus');
      });
  }

  problem(): string | null {
    return this.#bus?.connected() === true ? null : 'not connected to NATS';
  }

  announceMounted(vdisk: string, epoch: string): void {
    this.#announce('vdisk.mounted', {
      vdisk,
      server: this.#owner.server,
      epoch: Number(epoch),
      at: Date.now(),
    });
  }

  announceReleased(vdisk: string, epoch: string): void {
    this.#announce('vdisk.released', {
      vdisk,
      server: this.#owner.server,
      epoch: Number(epoch),
      at: Date.now(),
    });
  }

  announceUnavailable(trouble: { vdisk: string; cluster: string; shard: number; reason: string }): void {
    this.#announce('vdisk.data-unavailable', { ...trouble, server: this.#owner.server, at: Date.now() });
  }

  announceAvailable(relief: { vdisk: string; cluster: string; shard: number; reason: string }): void {
    this.#announce('vdisk.data-available', { ...relief, server: this.#owner.server, at: Date.now() });
  }

  announceProgress(progress: EventInits['repair.progress']): void {
    // Of what nobody hears now the next one says more.
    if (this.#bus?.connected() === true) this.#announce('repair.progress', progress);
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#bus?.close({ deadlineMs: 2_000 });
  }

  #announce<T extends EventType>(type: T, payload: EventInits[T]): void {
    this.connecting
      .then((bus) => bus.publishEvent(type, payload))
      .catch((error: unknown) =>
        this.#log.warn({ event: type, error: messageOf(error) }, 'event not published'),
      );
  }

  async #serve(bus: Bus, { exports, uris, takeovers, cuts, probes }: Served): Promise<void> {
    const { server } = this.#owner;
    await bus.serve({
      name: 'nbd-server',
      version: '0.1.0',
      metadata: this.#metadata,
      description: 'Serves vdisks over NBD, fails over and repairs',
      instance: server,
      // Block I/O lives of promises; Node.js 20 would slow each of them down.
      isTraced: false,
      handlers: {
        'vdisk.takeover': (request, { operationId }) => takeovers.answer(bus, request, operationId),
        'nbdserver.cut': (request, { operationId }) => cuts.answer(request, operationId),
        'nbdserver.probe': (request) => viewEngine(request, { server, exports, probes }),
        'nbdserver.status': async () => ({
          server,
          uri: uris()[0] ?? '',
          vdisks: exports.states().map(({ vdisk, state, epoch, users, shards, log }) => ({
            vdisk,
            state,
            epoch: Number(epoch),
            connections: users,
            pairs: shards.map(({ shard, mode }) => ({ shard, mode })),
            ...(log === null ? {} : { log: mountedTlog(log) }),
          })),
        }),
      },
    });
  }
}

function mountedTlog({ bytes, ms, trouble, ...state }: VdiskLogState): MountedTlogInit {
  return {
    ...{ ...state, pendingBytes: bytes, lagMs: Math.round(ms) },
    ...(trouble === null ? {} : { trouble }),
  };
}
