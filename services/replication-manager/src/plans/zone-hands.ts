import { createHash } from 'node:crypto';
import type { Bus } from '@salvor/bus';
import type { PlanRun } from '@salvor/config-store';
import type { CommandName, CommandShapes } from '@salvor/contracts';
import { codeOf, messageOf, SalvorError } from '@salvor/service-kit';
import type { PeerZones } from '../peer-zones.ts';
import type { StepSeen } from './plan-decision.ts';

const TIMEOUT_MS = 5_000;
/** Of a look that somebody waits for: what does not answer by then is shown as that. */
const GLANCE_TIMEOUT_MS = 1_000;

/** What no waiting changes: something is not there, or not of the kind that a plan needs. */
const FINAL = new Set([
  ...['unknown-volume', 'unknown-instance', 'unknown-vdisk', 'unknown-zone', 'no-hook', 'no-log'],
  ...['split-brain', 'wrong-role', 'type-refused', 'operation-reused', 'not-permitted', 'invalid-request'],
  ...['vdisk-secondary', 'unknown-hook', 'hook-failed', 'invalid-plan', 'vdisk-exists'],
]);

/** Commands of the two zones of a plan, sent over their buses: only what an operator could send as well. */
export class ZoneHands {
  readonly zone: string;
  readonly #bus: Pick<Bus, 'request'>;
  readonly #peers: Pick<PeerZones, 'busOf'>;
  readonly #timeoutMs: number;

  constructor(
    zone: string,
    bus: Pick<Bus, 'request'>,
    peers: Pick<PeerZones, 'busOf'>,
    timeoutMs: number = TIMEOUT_MS,
  ) {
    this.zone = zone;
    this.#bus = bus;
    this.#peers = peers;
    this.#timeoutMs = timeoutMs;
  }

  /** The same, for who does not wait long for an answer. */
  glancing(): ZoneHands {
    return new ZoneHands(this.zone, this.#bus, this.#peers, GLANCE_TIMEOUT_MS);
  }

  /** @throws PeerUnreachableError; CommandError what it answered; BusError */
  ask<C extends CommandName>(
    zone: string,
    command: C,
    request: CommandShapes[C]['init'],
  ): Promise<CommandShapes[C]['reply']> {
    const bus = zone === this.zone ? this.#bus : this.#peers.busOf(zone);
    return bus.request(command, request, { timeoutMs: this.#timeoutMs });
  }

  /** The same; null where it answers that there is none. */
  async find<C extends CommandName>(
    zone: string,
    command: C,
    request: CommandShapes[C]['init'],
  ): Promise<CommandShapes[C]['reply'] | null> {
    try {
      return await this.ask(zone, command, request);
    } catch (error) {
      if (codeOf(error).startsWith('unknown-')) return null;
      throw error;
    }
  }
}

/** The id of an order of a run: the same whoever gives it, and however often. */
export function orderOf({ run }: Pick<PlanRun, 'run'>, ...what: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify([run, ...what]));
  return `plan-${hash.digest('hex').slice(0, 32)}`;
}

/** What a failed look or order means for its step: that it never comes about, or is tried again. */
export function seenOf(error: unknown): StepSeen {
  const reason = messageOf(error);
  return { kind: error instanceof SalvorError && FINAL.has(error.code) ? 'failed' : 'waiting', reason };
}
