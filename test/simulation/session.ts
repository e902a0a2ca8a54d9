import { type EngineIdentity, identityText } from '../../packages/vdisk/src/engine-keys.ts';
import { EngineError, FencedError } from '../../packages/vdisk/src/errors.ts';
import type { WriteHead } from '../../packages/vdisk/src/write-history.ts';
import { type Engine, headOf, type ShardData } from './engine.ts';
import { type Flow, type Op, wait } from './flow.ts';
import type { Process } from './scheduler.ts';
import type { World } from './world.ts';

export const CONNECT_TIMEOUT_MS = 150;
export const COMMAND_TIMEOUT_MS = 250;

/** A question that an engine owes its answer to. */
export interface Call {
  /** The connection is gone: the answer will not come. */
  fail(fault: 'unreachable' | 'timeout'): void;
  /** The engine hangs: the call fails when its time is over. */
  expire(): void;
}

/** Asks an engine: `run` happens there in one step, and may throw what the caller is to hear. */
export function ask<T>(
  world: World,
  from: Process,
  engine: Engine,
  run: () => T,
  { timeoutMs = COMMAND_TIMEOUT_MS, session = null }: { timeoutMs?: number; session?: Session | null } = {},
): Op<T> {
  return (resume) => new Question(world, from, engine, run, { timeoutMs, session, resume }).put();
}

/** A class and no closures: there are thousands of these in a run. */
class Question<T> implements Call {
  readonly #world: World;
  readonly #from: Process;
  readonly #life: number;
  readonly #engine: Engine;
  readonly #run: () => T;
  readonly #timeoutMs: number;
  readonly #session: Session | null;
  readonly #resume: (error: unknown, value: T) => void;
  #isOver = false;
  #isExpiring = false;

  constructor(
    world: World,
    from: Process,
    engine: Engine,
    run: () => T,
    about: {
      timeoutMs: number;
      session: Session | null;
      resume: (error: unknown, value: T) => void;
    },
  ) {
    this.#world = world;
    this.#from = from;
    this.#life = from.life;
    this.#engine = engine;
    this.#run = run;
    this.#timeoutMs = about.timeoutMs;
    this.#session = about.session;
    this.#resume = about.resume;
  }

  put(): void {
    const [engine, session, from] = [this.#engine, this.#session, this.#from];
    const { scheduler, net } = this.#world;
    if (!engine.process.up)
      return scheduler.after(1, from, () =>
        this.#end(new EngineError('unreachable', engine.address), undefined as T),
      );
    engine.calls.add(this);
    session?.calls.add(this);
    if (net.state(from, engine) === 'cut') {
      net.orphan(from, engine, () => this.#arrive());
      return this.expire();
    }
    let at = scheduler.now + net.latency();
    if (session !== null) {
      at = Math.max(at, session.lastArrivalAt);
      session.lastArrivalAt = at;
    }
    if (engine.process.pausedUntil > scheduler.now) this.expire();
    scheduler.at(at, engine.process, () => this.#arrive());
  }

  fail(fault: 'unreachable' | 'timeout'): void {
    if (this.#isOver) return;
    const [engine, from] = [this.#engine, this.#from];
    engine.calls.delete(this);
    if (from.life !== this.#life) return;
    this.#world.scheduler.after(0.5, from, () =>
      this.#end(new EngineError(fault, engine.address), undefined as T),
    );
  }

  expire(): void {
    if (this.#isExpiring || this.#from.life !== this.#life) return;
    this.#isExpiring = true;
    const { process, address } = this.#engine;
    const engineLife = process.life;
    this.#world.scheduler.after(this.#timeoutMs, this.#from, () => {
      if (this.#isOver || process.life !== engineLife) return;
      this.#end(new EngineError('timeout', address), undefined as T);
      this.#session?.breakOff('timeout');
    });
  }

  #arrive(): void {
    const [from, run] = [this.#from, this.#run];
    const { scheduler, net } = this.#world;
    let error: unknown = null;
    let value = undefined as T;
    try {
      value = run();
    } catch (thrown) {
      error = thrown;
    }
    if (this.#isOver || from.life !== this.#life) return;
    if (net.state(from, this.#engine) !== 'ok') return this.expire();
    scheduler.after(net.latency(), from, () => this.#end(error, value));
  }

  #end(error: unknown, value: T): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#engine.calls.delete(this);
    this.#session?.calls.delete(this);
    const resume = this.#resume;
    resume(error, value);
  }
}

/** A checked link of an owner to an engine: identity and epoch were looked at before its first use. */
export class Session {
  readonly engine: Engine;
  /** When the engine told the head that the session began with. */
  readonly lookedAt: number;
  readonly calls = new Set<Call>();
  head: WriteHead;
  lastArrivalAt = 0;
  isOpen = true;
  onBroken: (error: EngineError) => void = () => {};
  readonly #world: World;
  readonly #process: Process;
  readonly #life: number;
  readonly #vdisk: number;
  readonly #epoch: string;
  /** What the epoch key was when the next transaction was armed. */
  #armed: number;

  private constructor(
    world: World,
    process: Process,
    engine: Engine,
    about: { vdisk: number; epoch: string; head: WriteHead; armed: number; lookedAt: number },
  ) {
    this.#world = world;
    this.#process = process;
    this.#life = process.life;
    this.engine = engine;
    this.lookedAt = about.lookedAt;
    this.#vdisk = about.vdisk;
    this.#epoch = about.epoch;
    this.head = about.head;
    this.#armed = about.armed;
    engine.sessions.add(this);
  }

  static *open(
    world: World,
    process: Process,
    engine: Engine,
    { identity, vdisk, epoch }: { identity: EngineIdentity; vdisk: number; epoch: string },
  ): Flow<Session> {
    const found = yield* wait(
      ask(
        world,
        process,
        engine,
        () => {
          assertServes(world, engine);
          assertIdentity(engine, identity);
          assertEpoch(world, engine, vdisk, epoch);
          if (world.cores.barsOlderLinks()) engine.bar(vdisk);
          return { ...openPlain(engine, vdisk), lookedAt: world.scheduler.now };
        },
        { timeoutMs: CONNECT_TIMEOUT_MS },
      ),
    );
    if (!engine.process.up) throw new EngineError('unreachable', engine.address);
    return new Session(world, process, engine, { vdisk, epoch, ...found });
  }

  /** Reads, and answers only when the epoch behind the data is ours. */
  read<T>(look: (shard: ShardData) => T): Op<T> {
    return this.#ask(() => {
      const found = look(this.engine.shard(this.#vdisk));
      assertEpoch(this.#world, this.engine, this.#vdisk, this.#epoch);
      return found;
    });
  }

  /** One fenced transaction. */
  *transact(change: (shard: ShardData) => Partial<ShardData>, headAfter: WriteHead): Flow<void> {
    for (let aborts = 0; ; aborts++) {
      const isApplied = yield* wait(this.#ask(() => this.#execute(change)));
      if (isApplied) {
        this.head = headAfter;
        return;
      }
      if (aborts > 4)
        throw new EngineError('refused-command', `${this.engine.address} aborted over and over`);
    }
  }

  #execute(change: (shard: ShardData) => Partial<ShardData>): boolean {
    const { engine } = this;
    assertEpoch(this.#world, engine, this.#vdisk, this.#epoch);
    const touched = engine.touches[this.#vdisk] ?? 0;
    const isArmed = touched === this.#armed;
    this.#armed = touched;
    if (!isArmed) return false;
    engine.store(this.#vdisk, this.#epoch, { ...change(engine.shard(this.#vdisk)), blank: false });
    return true;
  }

  /** The connection ends; the owner hears of it, unless it has closed it. */
  breakOff(fault: 'unreachable' | 'timeout'): void {
    if (!this.isOpen) return;
    this.#end(fault);
    if (this.#process.life !== this.#life) return;
    this.#world.scheduler.after(0.5, this.#process, () =>
      this.onBroken(new EngineError(fault, this.engine.address)),
    );
  }

  close(): void {
    if (this.isOpen) this.#end('unreachable');
    this.onBroken = () => {};
  }

  #end(fault: 'unreachable' | 'timeout'): void {
    this.isOpen = false;
    this.engine.sessions.delete(this);
    for (const call of [...this.calls]) call.fail(fault);
  }

  #ask<T>(run: () => T): Op<T> {
    if (this.isOpen) return ask(this.#world, this.#process, this.engine, run, { session: this });
    return (resume) =>
      this.#world.scheduler.after(0, this.#process, () =>
        resume(new EngineError('unreachable', this.engine.address), undefined as T),
      );
  }
}

/** Throws EngineError while the engine does not take commands. */
export function assertServes(world: World, engine: Engine): void {
  if (engine.loadingUntil > world.scheduler.now) throw new EngineError('loading', engine.address);
}

export function assertIdentity(engine: Engine, identity: EngineIdentity): void {
  if (engine.identity === identityText(identity)) return;
  const fault = engine.identity === null ? 'identity-lost' : 'identity-mismatch';
  throw new EngineError(fault, `${engine.address} is ${engine.identity ?? 'nobody'}`);
}

export function assertEpoch(world: World, engine: Engine, vdisk: number, epoch: string): void {
  const found = engine.shard(vdisk).epoch;
  const state = world.cores.decideEpoch(epoch, found);
  if (state === 'higher') throw new FencedError(`${engine.address} has epoch ${found}, ours is ${epoch}`);
  if (state === 'lost') throw new EngineError('epoch-lost', `${engine.address} has epoch ${found ?? 'none'}`);
}

/** What the link of a session begins with. */
export function openPlain(engine: Engine, vdisk: number): { head: WriteHead; armed: number } {
  return { head: headOf(engine.shard(vdisk)), armed: engine.touches[vdisk] ?? 0 };
}
