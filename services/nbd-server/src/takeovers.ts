import { type Bus, BusError, CommandError } from '@salvor/bus';
import { type ConfigStore, serverVdisksKey } from '@salvor/config-store';
import type { CommandShapes } from '@salvor/contracts';
import { codeOf, type Logger } from '@salvor/service-kit';
import { type EngineLogin, type OwnerIdentity, takeOver } from '@salvor/vdisk';
import type { NbdServer } from './nbd/server.ts';
import type { VdiskExports } from './vdisk-exports.ts';

type Request = CommandShapes['vdisk.takeover']['request'];
type Reply = CommandShapes['vdisk.takeover']['replyInit'];

export interface TakeoversOptions {
  readonly store: ConfigStore;
  readonly owner: OwnerIdentity;
  readonly exports: VdiskExports;
  readonly log: Logger;
  readonly config: {
    readonly leaseTtlSeconds: number;
    readonly engineConnectTimeoutMs: number;
    readonly releaseWaitMs: number;
  };
  readonly login: EngineLogin | undefined;
}

/** How long a vdisk that was taken over stays mounted while its clients have not come yet, in milliseconds. */
const KEEP_MS = 60_000;
/** What the other server needs beside waiting for the owner: to mount the vdisk. */
const FORWARD_EXTRA_MS = 30_000;
/** How much of the time to let go is for the requests that are under way; the rest is for unmounting. */
const DRAIN_SHARE = 0.5;

/** Moves vdisks between servers: takes them for this one, and lets them go to another. */
export class Takeovers {
  readonly #options: TakeoversOptions;
  /** By operation: a request that is sent again while it is under way is one with the first. */
  readonly #underWay = new Map<string, Promise<Reply>>();
  /** Vdisks that wait for their clients. */
  readonly #kept = new Map<string, () => void>();

  constructor(options: TakeoversOptions) {
    this.#options = options;
  }

  /** Carries the request out, or passes it on to the server that it names. */
  async answer(bus: Bus, request: Request, operation: string): Promise<Reply> {
    if (request.server !== this.#options.owner.server) return this.#forward(bus, request, operation);
    const running = this.#underWay.get(operation) ?? this.#take(request, operation);
    this.#underWay.set(operation, running);
    try {
      return await running;
    } finally {
      if (this.#underWay.get(operation) === running) this.#underWay.delete(operation);
    }
  }

  /** Another server wants the vdisk: what is under way is answered, new requests get ESHUTDOWN, and it is unmounted. */
  async letGo(vdisk: string, nbd: NbdServer): Promise<void> {
    const { exports, config, log } = this.#options;
    const unmount = exports.withdraw(vdisk);
    this.#release(vdisk);
    try {
      await nbd.retireExport(vdisk, { deadlineMs: config.releaseWaitMs * DRAIN_SHARE });
    } finally {
      await unmount().catch((error: unknown) =>
        log.warn({ vdisk, error: String(error) }, 'vdisk not released cleanly'),
      );
    }
    log.info({ vdisk }, 'vdisk released to another server');
  }

  stop(): void {
    for (const vdisk of [...this.#kept.keys()]) this.#release(vdisk);
  }

  async #take({ vdisk, server, force }: Request, operation: string): Promise<Reply> {
    const { store, owner, exports, config, log, login } = this.#options;
    const settings = {
      leaseTtlSeconds: config.leaseTtlSeconds,
      connectTimeoutMs: config.engineConnectTimeoutMs,
      releaseWaitMs: config.releaseWaitMs,
      login,
    };
    const mount = async (): Promise<void> => this.#keep(vdisk, (await exports.use(vdisk)).release);
    const { outcome, reason, from } = await takeOver(
      store,
      owner,
      { vdisk, operation, force },
      settings,
      mount,
    );
    log.info({ vdisk, operation, outcome, from }, reason);
    return { vdisk, server, from: from ?? undefined, operation, outcome, reason };
  }

  #keep(vdisk: string, release: () => void): void {
    this.#release(vdisk);
    const timer = setTimeout(() => this.#release(vdisk), KEEP_MS);
    timer.unref();
    this.#kept.set(vdisk, () => {
      clearTimeout(timer);
      release();
    });
  }

  #release(vdisk: string): void {
    const release = this.#kept.get(vdisk);
    this.#kept.delete(vdisk);
    release?.();
  }

  async #forward(bus: Bus, request: Request, operation: string): Promise<Reply> {
    const { server } = request;
    const timeoutMs = this.#options.config.releaseWaitMs + FORWARD_EXTRA_MS;
    try {
      return await bus.request(
        'vdisk.takeover',
        { ...request, operationId: operation },
        { instance: server, timeoutMs, operationId: operation },
      );
    } catch (error) {
      if (!(error instanceof BusError) || codeOf(error) !== 'no-responders') throw error;
      throw await this.#notLive(server);
    }
  }

  async #notLive(server: string): Promise<CommandError> {
    const isKnown = (await this.#options.store.get(serverVdisksKey(server))) !== null;
    return isKnown
      ? new CommandError(
          'server-not-live',
          `NBD server ${server} does not answer: start it, or name another`,
          {
            status: 409,
          },
        )
      : new CommandError(
          'unknown-server',
          `no NBD server answers to ${server}: expected the id of a running one, as SALVOR_SERVER_ID names it`,
          { status: 404 },
        );
  }
}
