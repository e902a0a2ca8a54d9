import { copyGuardKey, epochKey } from '../engine-keys.ts';
import { EngineError } from '../errors.ts';
import { checkEpoch } from '../fenced-lane.ts';
import { Frame, type RespValue } from '../resp.ts';
import { type RespLink, throwIfError } from '../resp-link.ts';

/** A transaction that is aborted although epoch and guard are still ours is sent again, at most this often. */
const ABORTS_MAX = 16;

/** Another preparation of the target has begun, or this one ended: the copies of this one are no longer wanted. */
export class SupersededCopyError extends Error {}

export interface LaneFence {
  readonly vdisk: string;
  readonly epoch: string;
  /** The preparation of the target under which blocks may be copied: see `copyGuardKey`. */
  readonly guard: string;
}

/**
 * A link to the target on which blocks are stored only while epoch and guard are ours: both are watched and read before a
 * transaction is sent, and one transaction is in flight, so that the engine itself refuses a late one.
 */
export class CopyLane {
  readonly link: RespLink;
  readonly #fence: LaneFence;
  #isArmed = false;

  constructor(link: RespLink, fence: LaneFence) {
    this.link = link;
    this.#fence = fence;
  }

  /**
   * Carries out the commands that `fill` adds as one transaction; none if it adds none.
   *
   * @throws FencedError, SupersededCopyError: nothing was written
   * @throws EngineError when the engine refused, or the link broke: then it is unknown whether it was written
   */
  async transact(fill: (frame: Frame) => void): Promise<void> {
    for (let aborts = 0; ; aborts++) {
      const frame = Frame.pooled().command('MULTI');
      fill(frame);
      if (frame.replies === 1) return frame.release();
      frame.command('EXEC');
      if (!this.#isArmed) await this.#armAlone();
      this.#isArmed = false;
      const values = await this.link.request(this.#addArm(frame));
      frame.release();
      for (const value of values) throwIfError(this.link.address, value);
      const outcome = values.at(-3);
      const found = values.at(-1) ?? null;
      if (Array.isArray(outcome)) {
        for (const value of outcome) throwIfError(this.link.address, value);
        // What was applied was applied while it was ours; the next one finds out for itself.
        this.#isArmed = this.#isOurs(found);
        return;
      }
      this.#check(found);
      this.#isArmed = true;
      if (aborts >= ABORTS_MAX) {
        throw new EngineError(
          'refused-command',
          `engine ${this.link.address} aborted a copy ${aborts} times over`,
        );
      }
    }
  }

  async #armAlone(): Promise<void> {
    const [watched, found] = await this.link.request(this.#addArm(new Frame()));
    throwIfError(this.link.address, watched ?? null);
    throwIfError(this.link.address, found ?? null);
    this.#check(found ?? null);
  }

  #addArm(frame: Frame): Frame {
    const keys = [epochKey(this.#fence.vdisk), copyGuardKey(this.#fence.vdisk)];
    return frame.command('WATCH', ...keys).command('MGET', ...keys);
  }

  #isOurs(found: RespValue): boolean {
    const [epoch, guard] = Array.isArray(found) ? found : [];
    return textOf(epoch) === this.#fence.epoch && textOf(guard) === this.#fence.guard;
  }

  #check(found: RespValue): void {
    const { vdisk, epoch, guard } = this.#fence;
    const [foundEpoch, foundGuard] = Array.isArray(found) ? found : [];
    checkEpoch(this.link.address, vdisk, epoch, foundEpoch ?? null);
    if (textOf(foundGuard) !== guard) {
      throw new SupersededCopyError(
        `engine ${this.link.address} is prepared for ${textOf(foundGuard)}, the copy belongs to ${guard}`,
      );
    }
  }
}

function textOf(value: RespValue | undefined): string {
  return Buffer.isBuffer(value) ? value.toString('latin1') : 'nothing';
}
