import { epochKey } from './engine-keys.ts';
import { EngineError, FencedError } from './errors.ts';
import { Frame, RespError, type RespValue } from './resp.ts';
import { type RespLink, throwIfError } from './resp-link.ts';

/** A transaction whose key is touched by somebody who leaves the epoch as it was is sent again, at most this often. */
const ABORTS_MAX = 16;

/**
 * A connection on which every write is one transaction that the engine itself refuses unless the vdisk's epoch is ours.
 *
 * `WATCH` and `GET` of the epoch key are sent before each transaction, and the value is read before `EXEC` is sent:
 * so an epoch raised in between makes `EXEC` fail. One transaction is in flight at a time, which is what makes this
 * safe; the caller must await each one.
 */
export class FencedLane {
  readonly #link: RespLink;
  readonly #vdisk: string;
  readonly #epoch: string;
  #armed = false;
  #busy = false;

  constructor(link: RespLink, vdisk: string, epoch: string) {
    this.#link = link;
    this.#vdisk = vdisk;
    this.#epoch = epoch;
  }

  /**
   * Carries out `commands` as one transaction under our epoch.
   *
   * @throws FencedError when the engine holds a higher epoch; nothing was written
   * @throws EngineError when the engine refused, lost the epoch, or the link broke (then it is unknown whether it was written)
   */
  async transact(commands: Frame): Promise<void> {
    if (this.#busy) throw new Error('a fenced lane carries one transaction at a time');
    this.#busy = true;
    try {
      if (!this.#armed) await this.#arm();
      const count = commands.replies;
      for (let aborts = 0; ; aborts++) {
        const frame = new Frame().command('MULTI').append(commands).command('EXEC');
        this.#addArm(frame);
        this.#armed = false;
        const replies = await this.#link.request(frame);
        const outcome = replies[count + 1];
        this.#throwIfRefused(replies.slice(0, count + 1), outcome);
        const aborted = outcome === null;
        // An applied transaction was applied while the epoch was ours, whatever the epoch is by now.
        if (!aborted) {
          this.#armed = isEpoch(replies.at(-1), this.#epoch);
          return;
        }
        this.#checkEpoch(replies.at(-1));
        this.#armed = true;
        if (aborts >= ABORTS_MAX) {
          throw new EngineError(
            'refused-command',
            `engine ${this.#link.address} aborted a transaction ${aborts} times over`,
          );
        }
      }
    } finally {
      this.#busy = false;
    }
  }

  async #arm(): Promise<void> {
    const frame = new Frame();
    this.#addArm(frame);
    const [watched, epoch] = await this.#link.request(frame);
    throwIfError(this.#link.address, watched ?? null);
    this.#checkEpoch(epoch);
    this.#armed = true;
  }

  #addArm(frame: Frame): void {
    frame.command('WATCH', epochKey(this.#vdisk)).command('GET', epochKey(this.#vdisk));
  }

  #throwIfRefused(queued: readonly RespValue[], outcome: RespValue | undefined): void {
    for (const reply of queued) throwIfError(this.#link.address, reply);
    if (outcome instanceof RespError) throwIfError(this.#link.address, outcome);
    if (Array.isArray(outcome)) for (const reply of outcome) throwIfError(this.#link.address, reply);
  }

  #checkEpoch(found: RespValue | undefined): void {
    checkEpoch(this.#link.address, this.#vdisk, this.#epoch, found ?? null);
  }
}

/**
 * Compares the epoch read from an engine with ours.
 *
 * @throws FencedError when it is higher
 * @throws EngineError when it is missing or lower: the engine lost what we wrote
 */
export function checkEpoch(address: string, vdisk: string, epoch: string, found: RespValue): void {
  if (found instanceof RespError) throwIfError(address, found);
  if (isEpoch(found, epoch)) return;
  const text = Buffer.isBuffer(found) ? found.toString('latin1') : '';
  if (/^\d+$/.test(text) && BigInt(text) > BigInt(epoch)) {
    throw new FencedError(
      `vdisk ${vdisk}: engine ${address} has epoch ${text}, ours is ${epoch}: another owner took over`,
    );
  }
  const what = text === '' ? 'no epoch' : `epoch ${text}`;
  throw new EngineError(
    'epoch-lost',
    `engine ${address} has ${what} of vdisk ${vdisk} where ${epoch} was written: it lost writes`,
  );
}

function isEpoch(found: RespValue | undefined, epoch: string): boolean {
  return Buffer.isBuffer(found) && found.toString('latin1') === epoch;
}
