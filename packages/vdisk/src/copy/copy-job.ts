import { CHECKSUM_BYTES } from '../checksum.ts';
import type { Frame } from '../resp.ts';
import { RespLink } from '../resp-link.ts';
import { CopyLane } from './copy-lane.ts';
import type { CopyEnd, CopyHow, CopyJobSpec, StepResult } from './copy-messages.ts';
import { isSameBlock, type Relay, type Relayed, relayFor } from './relay.ts';
import type { Skip } from './relay-frame.ts';

/** Fenced links to the target: while the engine works on one transaction, the next one is on its way. */
const LANES = 2;

/** An error of one side of a job. */
export class SideError extends Error {
  readonly side: 'source' | 'target';
  constructor(side: 'source' | 'target', cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.side = side;
  }
}

/** A lane, connected or being connected. */
interface LaneSlot {
  readonly lane: Promise<CopyLane>;
}

/** Copies and compares the blocks of one vdisk between two engines, over links of its own. */
export class CopyJob {
  readonly #spec: CopyJobSpec;
  readonly #relay: Relay;
  readonly #source: Promise<RespLink>;
  readonly #lanes: readonly LaneSlot[];
  readonly #free: LaneSlot[];
  readonly #waiting: ((slot: LaneSlot) => void)[] = [];
  #targetReader: Promise<RespLink> | null = null;

  constructor(spec: CopyJobSpec) {
    this.#spec = spec;
    const { guard, epoch, layout } = spec;
    this.#relay = relayFor(layout, epoch);
    this.#source = this.#connect(spec.source);
    this.#lanes =
      guard === null
        ? []
        : Array.from({ length: LANES }, () => {
            const link = this.#connect(spec.target);
            return {
              lane: owned(link.then((open) => new CopyLane(open, { vdisk: layout.vdisk, epoch, guard }))),
            };
          });
    this.#free = [...this.#lanes];
  }

  /** Brings the target's blocks to what the source holds. Rejects with {@link SideError}. */
  async copy(blocks: readonly number[], how: CopyHow): Promise<StepResult> {
    if (how === 'differing' && this.#relay.sums !== undefined) {
      const differing = await this.#differingSums(blocks);
      return differing.length === 0 ? { stored: 0, differing: [] } : await this.copy(differing, 'all');
    }
    if (how !== 'differing') {
      const ours = await this.#onSource((link) => this.#relay.read(link, blocks));
      return await this.#store(ours, how, null);
    }
    const [ours, theirs] = await both(
      this.#onSource((link) => this.#relay.read(link, blocks)),
      this.#onTarget((link) => this.#relay.read(link, blocks)),
    );
    const result = await this.#store(ours, how, (i) => isSameBlock(ours.value(i), theirs.value(i)));
    this.#relay.release(theirs);
    return result;
  }

  /** Blocks whose checksums differ between the maps of the two sides. */
  async #differingSums(blocks: readonly number[]): Promise<number[]> {
    const sums = async (link: RespLink): Promise<Buffer> =>
      (await this.#relay.sums?.(link, blocks)) ?? Buffer.alloc(0);
    const [ours, theirs] = await both(this.#onSource(sums), this.#onTarget(sums));
    return blocks.filter((_, i) => {
      const [from, to] = [i * CHECKSUM_BYTES, (i + 1) * CHECKSUM_BYTES];
      return ours.compare(theirs, from, to, from, to) !== 0;
    });
  }

  /** Hashes the blocks on both sides. Rejects with {@link SideError}. */
  async compare(blocks: readonly number[]): Promise<StepResult> {
    const [ours, theirs] = await both(
      this.#onSource((link) => this.#relay.digests(link, blocks)),
      this.#onTarget((link) => this.#relay.digests(link, blocks)),
    );
    return { stored: 0, differing: blocks.filter((_, i) => !ours.isSame(theirs, i)) };
  }

  close(): void {
    const links = [
      this.#source,
      ...(this.#targetReader === null ? [] : [this.#targetReader]),
      ...this.#lanes.map(({ lane }) => lane.then(({ link }) => link)),
    ];
    for (const link of links)
      link.then(
        (open) => open.close(),
        () => undefined, // it never was
      );
  }

  async #store(relayed: Relayed, how: CopyHow, skip: Skip | null): Promise<StepResult> {
    let stored = 0;
    const fill = (frame: Frame): void => {
      stored = relayed.addStore(frame, skip);
      if (how !== 'stored') relayed.addRemove(frame, skip);
    };
    const slot = await this.#takeLane();
    try {
      await (await slot.lane).transact(fill);
    } catch (error) {
      throw new SideError('target', error);
    } finally {
      this.#giveLane(slot);
    }
    this.#relay.release(relayed);
    return { stored, differing: [] };
  }

  #takeLane(): Promise<LaneSlot> {
    const slot = this.#free.shift();
    if (slot !== undefined) return Promise.resolve(slot);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #giveLane(slot: LaneSlot): void {
    const next = this.#waiting.shift();
    if (next !== undefined) next(slot);
    else this.#free.push(slot);
  }

  async #onSource<T>(read: (link: RespLink) => Promise<T>): Promise<T> {
    try {
      return await read(await this.#source);
    } catch (error) {
      throw new SideError('source', error);
    }
  }

  async #onTarget<T>(read: (link: RespLink) => Promise<T>): Promise<T> {
    this.#targetReader ??= this.#connect(this.#spec.target);
    try {
      return await read(await this.#targetReader);
    } catch (error) {
      throw new SideError('target', error);
    }
  }

  #connect({ address, unixSocket, db, login }: CopyEnd): Promise<RespLink> {
    const { layout, epoch, connectTimeoutMs, commandTimeoutMs } = this.#spec;
    // Named like every link of this owner, so that the next owner ends it.
    const clientName = `salvor:owner:${layout.vdisk}:${epoch}`;
    return owned(
      RespLink.connect({ address, unixSocket, db, login, connectTimeoutMs, commandTimeoutMs, clientName }),
    );
  }
}

/** Its failure is told to those who await it; that nobody does yet must not end the thread. */
function owned<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** Waits for both, so that nothing is under way when the error of one is told. */
async function both<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([a, b]);
  return [await a, await b];
}
