import { epochKey } from './engine-keys.ts';
import { decideEpoch } from './epoch-check.ts';
import { EngineError, FencedError } from './errors.ts';
import { Exchange } from './exchange.ts';
import { isSame } from './gathered-reads.ts';
import { Frame, RespError, type RespValue } from './resp.ts';
import { errorReply, type RespLink, throwIfError } from './resp-link.ts';

/** A transaction whose key is touched by somebody who leaves the epoch as it was is sent again, at most this often. */
const ABORTS_MAX = 16;

const MULTI = bytesOf(new Frame().command('MULTI'));
const EXEC = bytesOf(new Frame().command('EXEC'));

/** Commands that an engine carries out together or not at all, in the form that every lane of one vdisk sends. */
export class Transaction {
  readonly frame: Frame;

  /**
   * @param fill adds the commands; reading ones are of no use, for their replies are dropped
   * @param bytes about how many bytes they are
   */
  constructor(arm: Buffer, fill: (frame: Frame) => void, bytes = 0) {
    this.frame = Frame.pooled(bytes);
    this.frame.encoded(MULTI, 1);
    fill(this.frame);
    this.frame.encoded(EXEC, 1).encoded(arm, 2);
  }

  /** No lane sends it any more, and each that did has its replies. */
  release(): void {
    this.frame.release();
  }
}

/** Encoded `WATCH` and `GET` of the epoch key: what arms a lane. */
export function armCommands(vdisk: string): Buffer {
  return bytesOf(new Frame().command('WATCH', epochKey(vdisk)).command('GET', epochKey(vdisk)));
}

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
  readonly #epochBytes: Buffer;
  readonly #arm: Buffer;
  #armed = false;
  #busy = false;

  constructor(link: RespLink, vdisk: string, epoch: string) {
    this.#link = link;
    this.#vdisk = vdisk;
    this.#epoch = epoch;
    this.#epochBytes = Buffer.from(epoch, 'latin1');
    this.#arm = armCommands(vdisk);
  }

  /** Whether a transaction may be sent at once. */
  get isReady(): boolean {
    return this.#armed && !this.#busy;
  }

  /**
   * Carries out `commands` as one transaction under our epoch.
   *
   * @throws FencedError when the engine holds a higher epoch; nothing was written
   * @throws EngineError when the engine refused, lost the epoch, or the link broke (then it is unknown whether it was written)
   */
  async transact(commands: Frame): Promise<void> {
    if (!this.isReady) await this.#armNow();
    const transaction = new Transaction(this.#arm, (frame) => frame.append(commands));
    await new Promise<void>((resolve, reject) =>
      this.send(transaction, (error) => (error === null ? resolve() : reject(error))),
    );
    transaction.release();
  }

  /** Like {@link transact}, for a lane that {@link isReady}; `told` gets null or the error. */
  send(transaction: Transaction, told: (error: unknown) => void, aborts = 0): void {
    if (!this.isReady) throw new Error('a fenced lane carries one transaction at a time, once it is armed');
    this.#busy = true;
    this.#armed = false;
    const exchange = new LaneExchange((outcome) => {
      this.#busy = false;
      try {
        if (outcome.error !== null) throw outcome.error;
        const isOurs = outcome.epoch !== null && isSame(outcome.epoch, this.#epochBytes);
        // An applied transaction was applied while the epoch was ours, whatever the epoch is by now.
        this.#armed = isOurs;
        if (!outcome.isAborted) return told(null);
        if (!isOurs) this.#checkEpoch(outcome.epoch);
        if (aborts >= ABORTS_MAX) {
          throw new EngineError(
            'refused-command',
            `engine ${this.#link.address} aborted a transaction ${aborts} times over`,
          );
        }
      } catch (error) {
        return told(error);
      }
      this.send(transaction, told, aborts + 1);
    }, this.#link.address);
    this.#link.exchange(transaction.frame, exchange);
  }

  async #armNow(): Promise<void> {
    if (this.#busy) throw new Error('a fenced lane carries one transaction at a time');
    this.#busy = true;
    try {
      const [watched, epoch] = await this.#link.request(new Frame().encoded(this.#arm, 2));
      throwIfError(this.#link.address, watched ?? null);
      this.#checkEpoch(epoch ?? null);
      this.#armed = true;
    } finally {
      this.#busy = false;
    }
  }

  #checkEpoch(found: RespValue): void {
    checkEpoch(this.#link.address, this.#vdisk, this.#epoch, found);
  }
}

/** What came of a transaction: the epoch is the one read for the next. */
interface LaneOutcome {
  readonly error: EngineError | null;
  readonly isAborted: boolean;
  readonly epoch: Buffer | null;
}

/** Replies of MULTI, of the commands, of EXEC, WATCH and GET. */
class LaneExchange extends Exchange {
  readonly at = 0;
  readonly #told: (outcome: LaneOutcome) => void;
  readonly #address: string;
  #error: EngineError | null = null;
  #isAborted = false;
  #epoch: Buffer | null = null;

  constructor(told: (outcome: LaneOutcome) => void, address: string) {
    super();
    this.#told = told;
    this.#address = address;
  }

  bulk(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    if (this.left === 1) this.#epoch = bytes;
    return bytes;
  }

  scalar(value: number | string | RespError | null): void {
    if (value instanceof RespError) this.#error ??= errorReply(this.#address, value);
    else if (value === null && this.left === 3) this.#isAborted = true;
  }

  array(): void {}

  done(): void {
    this.#told({ error: this.#error, isAborted: this.#isAborted, epoch: this.#epoch });
  }

  fail(error: EngineError): void {
    this.#told({ error, isAborted: false, epoch: null });
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
  const text = Buffer.isBuffer(found) ? found.toString('latin1') : '';
  const state = decideEpoch(epoch, text);
  if (state === 'ours') return;
  if (state === 'higher') {
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

function bytesOf(frame: Frame): Buffer {
  return Buffer.concat([...frame.end()]);
}
