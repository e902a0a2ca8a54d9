/** Salvor's own replication of volumes, by the commands that an operator gives. */
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
} from './replication-driver.ts';

export interface NativeDriverOptions {
  /** Of this zone. */
  readonly bus: Pick<Bus, 'request'>;
  /** Of the other zone, which tells how far runs are. */
  readonly peerBus: Pick<Bus, 'request'>;
  readonly volume: string;
  readonly vdisk: string;
  readonly zone: string;
  readonly peerZone: string;
  /** It becomes the copy of the other zone; otherwise the primary. */
  readonly follows: boolean;
  /** Of mode periodic. */
  readonly everyMs: number;
  readonly now: () => number;
}

const CAPABILITIES: DriverCapabilities = {
  ...{ name: 'native', modes: ['instant', 'one-time', 'periodic'], deltaResync: true, groups: false },
  ...{ ackPolicies: ['async'], promoteMidSync: 'safe', points: true, testClones: true, schedules: true },
};
/** What a manager saw longer ago says nothing any more. */
const SIGHT_MAX_AGE_MS = 10_000;

export class NativeDriver implements ReplicationDriver {
  readonly capabilities: DriverCapabilities = CAPABILITIES;
  readonly #options: NativeDriverOptions;
  /** When a point was asked for that is to come by the schedule. */
  readonly #askedAt = new Map<string, number>();

  constructor(options: NativeDriverOptions) {
    this.#options = options;
  }

  enable(operation: string, { mode }: { readonly mode: ReplicationMode }): Promise<DriverOperation> {
    const { bus, volume, vdisk, peerZone, follows, everyMs } = this.#options;
    return this.#ordered('enable', operation, async () => {
      if (!this.capabilities.modes.includes(mode))
        return refused(operation, 'enable', 'no-mode', `this driver has no mode ${mode}`);
      const from = follows ? { from: peerZone } : {};
      await bus.request('volume.enable', { volume, vdisk, ...from, operationId: operation });
      const every = mode === 'periodic' ? { everyMs } : {};
      // Without an id: what is so already is no second effect.
      if (!follows) await bus.request('volume.replicate', { volume, to: peerZone, mode, ...every });
      return ended(operation, 'enable', `volume ${volume} is enabled`);
    });
  }

  detach(operation: string): Promise<DriverOperation> {
    const { bus, volume, vdisk } = this.#options;
    return this.#ordered('detach', operation, async () => {
      const { reason } = await bus.request('volume.disable', { volume, operationId: operation });
      return ended(operation, 'detach', reason, vdisk);
    });
  }

  /** A run: of mode one-time by its own order, of mode periodic the next one of its schedule. */
  takePoint(operation: string): Promise<DriverOperation> {
    const { bus, peerBus, volume, peerZone, now } = this.#options;
    const verb = 'take-point';
    return this.#ordered(verb, operation, async () => {
      const { mode, role } = await this.#volume();
      if (mode !== 'one-time' && mode !== 'periodic')
        return refused(operation, verb, 'no-points', 'points are recorded by themselves, every few seconds');
      if (role !== 'primary')
        return refused(operation, verb, 'wrong-role', 'points are taken where the volume is primary');
      if (mode === 'one-time')
        await bus.request('volume.replicate', { volume, to: peerZone, mode, operationId: operation });
      const askedAt = this.#askedAt.get(operation) ?? now();
      this.#askedAt.set(operation, askedAt);
      const since = mode === 'one-time' ? ((await this.#volume()).schedule?.startAt ?? askedAt) : askedAt;
      const { sync, point } = (await peerBus.request('volume.status', { volume })).volume;
      const isThere = sync?.lastBeganAt !== undefined && sync.lastBeganAt >= since;
      return isThere
        ? ended(operation, verb, `zone ${peerZone} has what was here`, `${point?.number ?? ''}`)
        : waits(operation, verb, `the run has not ended in zone ${peerZone}`);
    });
  }

  async listPoints(): Promise<readonly DriverPoint[]> {
    const { point } = await this.#volume();
    if (point === undefined) return [];
    return [{ name: `${point.ownSequence}`, at: point.writtenAt, complete: true }];
  }

  async status(): Promise<DriverStatus> {
    const { now } = this.#options;
    const at = now();
    let volume: VolumeDescription;
    try {
      volume = await this.#volume();
    } catch (error) {
      return {
        ...{ status: null, role: codeOf(error) === 'unknown-volume' ? 'none' : 'unknown', peer: 'unknown' },
        conditions: [
          {
            condition: codeOf(error) === 'unknown-volume' ? 'disabled' : 'unknown',
            reason: messageOf(error),
          },
        ],
        ...{ rpoSeconds: null, stale: true, backlog: null, observedAt: at, reportedAt: null },
      };
    }
    const { status, conditions, role, lag, peerSeenAt } = volume;
    const isSeen = peerSeenAt !== undefined && at - peerSeenAt < SIGHT_MAX_AGE_MS;
    return {
      status: STATUSES.find((each) => each === status) ?? null,
      conditions: conditions.map(({ condition, reason }) => ({ condition, reason })),
      role: role === 'primary' ? 'primary' : 'secondary',
      peer: peerSeenAt === undefined ? 'unknown' : isSeen ? 'up' : 'down',
      rpoSeconds: lag === undefined ? null : lag.ms / 1_000,
      stale: lag !== undefined && at - lag.observedAt > SIGHT_MAX_AGE_MS,
      ...{ backlog: null, observedAt: at, reportedAt: lag?.observedAt ?? null },
    };
  }

  promote(
    operation: string,
    { force, point = '' }: { readonly force: boolean; readonly point?: string },
  ): Promise<DriverOperation> {
    const { bus, volume, zone } = this.#options;
    return this.#ordered('promote', operation, async () => {
      if (point !== '')
        return refused(
          operation,
          'promote',
          'no-point',
          'what is promoted is the newest whole state; clone an earlier one',
        );
      await bus.request('volume.promote', { volume, force, operationId: operation });
      const { role, promotion, reason } = await this.#volume();
      if (role === 'primary') return ended(operation, 'promote', `zone ${zone} is primary`);
      return promotion === undefined
        ? refused(operation, 'promote', 'peer-is-primary', `the promote was given up: ${reason}`)
        : waits(operation, 'promote', reason);
    });
  }

  demote(operation: string): Promise<DriverOperation> {
    const { bus, volume } = this.#options;
    return this.#ordered('demote', operation, async () => {
      await bus.request('volume.demote', { volume, operationId: operation });
      const { role, phase, reason } = await this.#volume();
      return role === 'primary' || phase === 'settling'
        ? waits(operation, 'demote', reason)
        : ended(operation, 'demote', reason);
    });
  }

  resync(operation: string, { discard }: { readonly discard: string }): Promise<DriverOperation> {
    const { bus, volume, zone } = this.#options;
    return this.#ordered('resync', operation, async () => {
      if (discard !== zone)
        return refused(
          operation,
          'resync',
          'wrong-zone',
          `a resync here gives up what zone ${zone} has: name it`,
        );
      const before = await this.#volume();
      // Where it was primary, how far it and the other zone came is not known for a moment.
      if (before.role === 'secondary' && SETTLING.has(before.phase))
        return waits(operation, 'resync', before.reason);
      await bus.request('volume.resync', { volume, discard, operationId: operation });
      const { phase, reason } = await this.#volume();
      return phase === 'following' ? ended(operation, 'resync', reason) : waits(operation, 'resync', reason);
    });
  }

  testClone(operation: string, point?: string): Promise<DriverOperation> {
    const { bus, vdisk } = this.#options;
    return this.#ordered('test-clone', operation, async () => {
      const name = cloneOf(vdisk, operation);
      const from = point ?? (await this.listPoints())[0]?.name;
      if (from === undefined || !/^\d{1,15}$/.test(from))
        return refused(operation, 'test-clone', 'no-point', 'no point is there to be cloned');
      // The same order is not given with another point.
      const known = await bus.request('operation.get', { operation }).catch((error: unknown) => {
        if (codeOf(error) !== 'unknown-operation') throw error;
        return null;
      });
      if (known === null) {
        const request = { source: vdisk, vdisk: name, atSequence: Number(from), operationId: operation };
        await bus.request('vdisk.clone', request);
        return waits(operation, 'test-clone', `${name} is being made`);
      }
      const { status, message } = known.operation;
      if (status === 'completed') return ended(operation, 'test-clone', `${name} is a writable clone`, name);
      if (status !== 'running') return refused(operation, 'test-clone', status, message);
      return waits(operation, 'test-clone', `${name} is being made`);
    });
  }

  removeClone(operation: string, clone: string): Promise<DriverOperation> {
    const { bus, vdisk } = this.#options;
    return this.#ordered('remove-clone', operation, async () => {
      if (!clone.startsWith(`${vdisk}-test-`))
        return refused(operation, 'remove-clone', 'unknown-clone', `${clone} is no clone of a test`);
      await bus.request('vdisk.delete', { vdisk: clone, operationId: operation });
      return ended(operation, 'remove-clone', `${clone} is being removed`);
    });
  }

  /** The managers go on by themselves. */
  async advance(): Promise<void> {}

  async #volume(): Promise<VolumeDescription> {
    const { bus, volume } = this.#options;
    return (await bus.request('volume.status', { volume })).volume;
  }

  async #ordered(
    verb: DriverVerb,
    operation: string,
    order: () => Promise<DriverOperation>,
  ): Promise<DriverOperation> {
    try {
      return await order();
    } catch (error) {
      const code = codeOf(error);
      // Nobody answered: the order may have arrived, and is given again with its id.
      return SILENCE.has(code)
        ? waits(operation, verb, messageOf(error))
        : refused(operation, verb, code, messageOf(error));
    }
  }
}

const STATUSES = ['active - primary', 'active - updating', 'active - secondary'] as const;
const SETTLING: ReadonlySet<string> = new Set(['settling', 'waiting']);
const SILENCE: ReadonlySet<string> = new Set([
  'no-responders',
  'request-timeout',
  'disconnected',
  'conflict',
]);

function cloneOf(vdisk: string, operation: string): string {
  return `${vdisk}-test-${operation.replace(/[^A-Za-z0-9]/g, '-')}`.slice(0, 64);
}

function ended(operation: string, verb: DriverVerb, reason: string, made = ''): DriverOperation {
  return { operation, verb, state: 'done', code: '', reason, made };
}

function refused(operation: string, verb: DriverVerb, code: string, reason: string): DriverOperation {
  return { operation, verb, state: 'refused', code, reason, made: '' };
}

function waits(operation: string, verb: DriverVerb, reason: string): DriverOperation {
  return { operation, verb, state: 'waiting', code: '', reason, made: '' };
}
