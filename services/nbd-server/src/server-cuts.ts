import type { CommandShapes } from '@salvor/contracts';
import { type Logger, messageOf, SalvorError } from '@salvor/service-kit';
import type { MountedVdisk, VdiskLog, WriteLogCut } from '@salvor/vdisk';
import { begunCut, type CutHolds, collectedCut, cutHindrance, expiredCuts } from './cut-holds.ts';

type Request = CommandShapes['nbdserver.cut']['request'];
type Reply = CommandShapes['nbdserver.cut']['replyInit'];

interface Part {
  readonly places: readonly { readonly vdisk: string; readonly segment: WriteLogCut }[];
  /** Resolves once Tier-1 has everything before the cut. */
  readonly durable: Promise<unknown>;
  readonly answer: () => void;
}

/**
 * The part of this server in cuts through the logs of several vdisks. Where every vdisk of a cut is owned here, all of them are
 * cut within one turn of the event loop: what was answered before it is in each log, and nothing is answered in between.
 * Where several servers own them, none answers a write from its cut on until all have cut.
 */
export class ServerCuts {
  readonly #server: string;
  readonly #mounted: (vdisk: string) => MountedVdisk | null;
  readonly #log: Logger;
  #cuts: CutHolds<Part> = new Map();
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(server: string, mounted: (vdisk: string) => MountedVdisk | null, log: Logger) {
    this.#server = server;
    this.#mounted = mounted;
    this.#log = log;
  }

  /** @throws SalvorError `invalid-cut`, `too-many-cuts`, `cut-expired`, `not-owned`, `not-whole` */
  async answer(request: Request, operation: string): Promise<Reply> {
    return request.collect ? this.#collect(request, operation) : this.#begin(request, operation);
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    for (const { places } of this.#cuts.values()) places.answer();
    this.#cuts = new Map();
  }

  /** Nothing in here may wait: it is one moment for all vdisks. */
  #begin({ cut, vdisks, holdMs }: Request, operation: string): Reply {
    this.#expire();
    const told = { server: this.#server, cut, operation, places: [] };
    // A request that was sent again: what it holds was held since the first one.
    if (this.#cuts.has(cut)) return { ...told, outcome: 'already', reason: `cut ${cut} is under way` };
    const refusal = cutHindrance(this.#cuts, { cut, holdMs, vdisks: vdisks.map(({ vdisk }) => vdisk) });
    if (refusal !== null) throw new SalvorError(refusal.code, refusal.reason);
    const logs = vdisks.map(({ vdisk, epoch }) => ({ vdisk, log: this.#logOf(vdisk, epoch) }));
    const parts = logs.map(({ vdisk, log }) => ({ vdisk, ...this.#cutOf(cut, log) }));
    const releases = holdMs > 0 ? logs.map(({ log }) => log.holdAnswers()) : [];
    const durable = Promise.all(parts.map((part) => part.durable));
    durable.catch(() => undefined);
    const part: Part = {
      places: parts.map(({ vdisk, place }) => ({ vdisk, segment: place })),
      durable,
      answer: () => {
        for (const release of releases) release();
      },
    };
    const now = performance.now();
    this.#cuts = begunCut(this.#cuts, { cut, holdMs, places: part, now });
    this.#wakeAt((this.#cuts.get(cut)?.until ?? now) - now);
    const answered = holdMs > 0 ? 'are answered once it is collected' : 'are answered';
    const reason = `${this.#server} has cut vdisk ${vdisks.map(({ vdisk }) => vdisk).join(', ')}; writes ${answered}`;
    return { ...told, outcome: 'applied', reason };
  }

  async #collect({ cut }: Request, operation: string): Promise<Reply> {
    const found = collectedCut(this.#cuts, cut, performance.now());
    this.#expire();
    if (!('places' in found)) throw new SalvorError(found.code, found.reason);
    this.#cuts = new Map([...this.#cuts].filter(([id]) => id !== cut));
    const { answer, durable, places } = found.places;
    answer();
    await durable;
    return {
      ...{ server: this.#server, cut, operation, outcome: 'applied', reason: `cut ${cut} is in Tier-1` },
      places: places.map(({ vdisk, segment }) => ({ vdisk, segment })),
    };
  }

  #logOf(vdisk: string, epoch: number): VdiskLog {
    const mounted = this.#mounted(vdisk);
    if (mounted === null || !mounted.alive || mounted.epoch !== String(epoch))
      throw new SalvorError(
        'not-owned',
        `vdisk ${vdisk} is not owned by server ${this.#server} under epoch ${epoch}`,
      );
    if (mounted.log === null) throw new SalvorError('no-log', `vdisk ${vdisk} has no transaction log`);
    return mounted.log;
  }

  #cutOf(cut: string, log: VdiskLog): ReturnType<VdiskLog['cut']> {
    try {
      const part = log.cut();
      part.durable.catch((error: unknown) =>
        this.#log.info({ cut, error: messageOf(error) }, 'a cut is not in Tier-1'),
      );
      return part;
    } catch (error) {
      throw new SalvorError('not-whole', messageOf(error));
    }
  }

  #expire(): void {
    const { cuts, expired } = expiredCuts(this.#cuts, performance.now());
    this.#cuts = cuts;
    for (const { answer } of expired) answer();
  }

  #wakeAt(inMs: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#expire();
    }, inMs + 1);
    timer.unref();
    this.#timers.add(timer);
  }
}
