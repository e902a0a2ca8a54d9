import { unlimitedLink, type VolumeLink } from '@salvor/config-store';
import { pause } from '@salvor/service-kit';

/** Milliseconds, and waiting for them. */
export interface LinkClock {
  now(): number;
  /** Rejects when the signal is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

const MIB: number = 1024 * 1024;
/** Read at once at most; of a limited link what comes over in this part of a second. */
const STEP_BYTES_MAX: number = 8 * MIB;
const STEP_BYTES_MIN: number = 64 * 1024;
const STEPS_PER_SECOND = 4;

const machineClock: LinkClock = {
  now: () => performance.now(),
  sleep: (ms, signal) => pause(ms, signal),
};

/** What comes over for one volume: counted, and kept to its limit. */
export class LinkMeter {
  readonly #clock: LinkClock;
  #link: VolumeLink = unlimitedLink;
  #carried = 0;
  /** Until then all that came over is paid for by time; nothing is saved up while nothing comes. */
  #paidAt = Number.NEGATIVE_INFINITY;

  constructor(clock: LinkClock = machineClock) {
    this.#clock = clock;
  }

  /** From now on. */
  set(link: VolumeLink): void {
    this.#link = link;
  }

  get link(): VolumeLink {
    return this.#link;
  }

  /** Bytes that came over since this process has it. */
  get carried(): number {
    return this.#carried;
  }

  /** Bytes that are asked for at once, so that a limit is kept within a part of a second. */
  get stepBytes(): number {
    const { bandwidthMib } = this.#link;
    if (bandwidthMib === 0) return STEP_BYTES_MAX;
    return Math.min(STEP_BYTES_MAX, Math.max(STEP_BYTES_MIN, (bandwidthMib * MIB) / STEPS_PER_SECOND));
  }

  /** So many bytes came over; resolves when the next may. Rejects when the signal is aborted. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    this.#carried += bytes;
    const { bandwidthMib } = this.#link;
    if (bandwidthMib === 0) return;
    const now = this.#clock.now();
    this.#paidAt = Math.max(this.#paidAt, now) + (bytes * 1_000) / (bandwidthMib * MIB);
    await this.#clock.sleep(this.#paidAt - now, signal);
  }
}
