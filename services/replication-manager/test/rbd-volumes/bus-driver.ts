/** A mirrored image as whoever sends the commands for volumes sees it. */
import type { Bus } from '@salvor/bus';
import type { VolumeDescription } from '@salvor/contracts';
import { codeOf, messageOf } from '@salvor/service-kit';
import type {
  DriverCapabilities,
  DriverOperation,
  DriverPoint,
  DriverStatus,
  DriverVerb,
  ReplicationDriver,
  ReplicationMode,
} from '../../src/drivers/replication-driver.ts';

export interface BusDriverOptions {
  /** Of this zone. */
  readonly bus: Pick<Bus, 'request'>;
  readonly volume: string;
  readonly image: string;
  readonly peerZone: string;
  readonly follows: boolean;
}

const WORDS = ['active - primary', 'active - updating', 'active - secondary'] as const;
const SILENCE: ReadonlySet<string> = new Set([
  ...['no-responders', 'request-timeout', 'conflict', 'busy', 'store-unavailable'],
]);
const TIMEOUT_MS = 30_000;

export class BusDriver implements ReplicationDriver {
  readonly capabilities: DriverCapabilities = {
    ...{ name: 'rbd', modes: ['instant', 'one-time', 'periodic'], deltaResync: false, groups: false },
    ...{ ackPolicies: ['async'], promoteMidSync: 'clone-only', points: true, testClones: true },
    schedules: true,
  };
  readonly #options: BusDriverOptions;

  constructor(options: BusDriverOptions) {
    this.#options = options;
  }

  enable(operation: string, { mode }: { readonly mode: ReplicationMode }): Promise<DriverOperation> {
    const { bus, volume, image: vdisk, peerZone, follows } = this.#options;
    return this.#ordered('enable', operation, async () => {
      const enable = { volume, vdisk, driver: 'rbd', operationId: `${operation}:enable` };
      const from = follows ? { from: peerZone } : {};
      const enabled = await bus.request('volume.enable', { ...enable, ...from }, { timeoutMs: TIMEOUT_MS });
      if (follows) return enabled;
      const every = mode === 'periodic' ? { everyMs: 3_600_000 } : {};
      const order = { volume, to: peerZone, mode, ...every, operationId: operation };
      return bus.request('volume.replicate', order, { timeoutMs: TIMEOUT_MS });
    });
  }

  detach(operation: string): Promise<DriverOperation> {
    const { bus, volume } = this.#options;
    const order = { volume, operationId: operation };
    return this.#ordered('detach', operation, () =>
      bus.request('volume.disable', order, { timeoutMs: TIMEOUT_MS }),
    );
  }

  takePoint(operation: string): Promise<DriverOperation> {
    const { bus, volume, peerZone } = this.#options;
    const order = { volume, to: peerZone, mode: 'one-time', operationId: operation };
    return this.#ordered('take-point', operation, () =>
      bus.request('volume.replicate', order, { timeoutMs: TIMEOUT_MS }),
    );
  }

  async listPoints(): Promise<readonly DriverPoint[]> {
    const { rbd } = await this.description();
    return (rbd?.points ?? []).map(({ name, at, complete }) => ({ name, at, complete }));
  }

  async description(): Promise<VolumeDescription> {
    const { bus, volume } = this.#options;
    return (await bus.request('volume.status', { volume }, { timeoutMs: TIMEOUT_MS })).volume;
  }

  async status(): Promise<DriverStatus> {
    const found = await this.description();
    const { status, conditions, role, peerSeenAt, lag, rbd } = found;
    return {
      status: WORDS.find((each) => each === status) ?? null,
      conditions: conditions.map(({ condition, reason }) => ({ condition, reason })),
      role: (['primary', 'secondary', 'none'] as const).find((each) => each === role) ?? 'unknown',
      peer: peerSeenAt === undefined ? 'unknown' : 'up',
      ...{ rpoSeconds: lag === undefined ? null : lag.ms / 1_000, stale: false },
      backlog: rbd?.backlog ?? null,
      ...{ observedAt: Date.now(), reportedAt: rbd?.reportedAt ?? null },
    };
  }

  promote(
    operation: string,
    { force, point = '' }: { readonly force: boolean; readonly point?: string },
  ): Promise<DriverOperation> {
    const { bus, volume } = this.#options;
    const order = { volume, force, point, operationId: operation };
    return this.#ordered('promote', operation, () =>
      bus.request('volume.promote', order, { timeoutMs: TIMEOUT_MS }),
    );
  }

  demote(operation: string): Promise<DriverOperation> {
    const { bus, volume } = this.#options;
    const order = { volume, operationId: operation };
    return this.#ordered('demote', operation, () =>
      bus.request('volume.demote', order, { timeoutMs: TIMEOUT_MS }),
    );
  }

  resync(operation: string, { discard }: { readonly discard: string }): Promise<DriverOperation> {
    const { bus, volume } = this.#options;
    const order = { volume, discard, operationId: operation };
    return this.#ordered('resync', operation, () =>
      bus.request('volume.resync', order, { timeoutMs: TIMEOUT_MS }),
    );
  }

  testClone(operation: string, point = ''): Promise<DriverOperation> {
    const { bus, volume } = this.#options;
    const order = { volume, point, operationId: operation };
    return this.#ordered('test-clone', operation, () =>
      bus.request('volume.clone', order, { timeoutMs: TIMEOUT_MS }),
    );
  }

  removeClone(operation: string, clone: string): Promise<DriverOperation> {
    const { bus, volume } = this.#options;
    const order = { volume, clone, operationId: operation };
    return this.#ordered('remove-clone', operation, () =>
      bus.request('volume.remove-clone', order, { timeoutMs: TIMEOUT_MS }),
    );
  }

  /** The managers go on by themselves. */
  async advance(): Promise<void> {}

  /** The same order is answered with `already` once it is done. */
  async #ordered(
    verb: DriverVerb,
    operation: string,
    order: () => Promise<{ readonly outcome: string; readonly reason: string; readonly clone?: string }>,
  ): Promise<DriverOperation> {
    const same = { operation, verb, made: '' };
    try {
      const { outcome, reason, clone: made = '' } = await order();
      return { ...same, made, state: outcome === 'already' ? 'done' : 'waiting', code: '', reason };
    } catch (error) {
      const code = codeOf(error);
      const state = SILENCE.has(code) ? 'waiting' : code === 'unknown-outcome' ? 'unknown' : 'refused';
      return { ...same, state, code, reason: messageOf(error) };
    }
  }
}
