import {
  EngineError,
  errno,
  FencedError,
  OutdatedLinkError,
  VdiskIoError,
} from '../../packages/vdisk/src/errors.ts';
import { attemptOf, isSameEngine, isSameState } from '../../packages/vdisk/src/member-record.ts';
import type { MemberRecord } from '../../packages/vdisk/src/pair-context.ts';
import type { MemberName, MemberView } from '../../packages/vdisk/src/pair-mode.ts';
import type { Engine } from './engine.ts';
import { type Flow, start, wait } from './flow.ts';
import type { Pair } from './pair.ts';
import { Session } from './session.ts';

/** One engine of a pair as its owner sees it: what the product's `PairMember` is, around the same decisions. */
export class Member {
  readonly name: MemberName;
  record: MemberRecord;
  session: Session | null = null;
  fault: EngineError | null = null;
  preparedFor: string | null = null;
  preparation: string | null = null;
  completedFor: string | null = null;
  vouchedFor: string | null = null;
  readonly #pair: Pair;
  #opening: ((error: unknown, value: Session) => void)[] | null = null;
  #openedAt = 0;
  #breaks = 0;

  constructor(name: MemberName, record: MemberRecord, pair: Pair) {
    this.name = name;
    this.record = record;
    this.#pair = pair;
    if (record.repair?.completed === true) this.completedFor = attemptOf(record);
  }

  get engine(): Engine {
    return this.#pair.world.engineAt(this.record.address);
  }

  get view(): MemberView {
    const { record, preparedFor, completedFor, vouchedFor, fault } = this;
    const state = { preparedFor, completedFor, vouchedFor, failed: fault !== null };
    return this.#pair.world.cores.decideMemberView(record, state);
  }

  apply(record: MemberRecord): void {
    const { decideMemberRecord } = this.#pair.world.cores;
    const { dropsLinks, clearsFault, completed } = decideMemberRecord(this.record, record);
    this.record = record;
    if (dropsLinks) this.#drop();
    if (clearsFault) {
      this.fault = null;
      this.#breaks = 0;
    }
    if (completed !== null) this.completedFor = completed;
  }

  *open(): Flow<Session> {
    if (this.fault !== null) throw this.fault;
    if (this.session !== null) return this.session;
    return yield* wait<Session>((resume) => {
      if (this.#opening !== null) {
        this.#opening.push(resume);
        return;
      }
      this.#opening = [resume];
      start(this.#connect(), (error, session) => {
        const waiting = this.#opening ?? [];
        this.#opening = null;
        for (const told of waiting) told(error, session as Session);
      });
    });
  }

  /** Opens without judging the write history; a link counts only when it was made under a valid lease. */
  *openUnjudged(): Flow<Session> {
    const { owner } = this.#pair;
    for (;;) {
      const session = yield* this.#connectOnce();
      if (owner.isOwner()) {
        this.adopt(session);
        return session;
      }
      session.close();
      yield* owner.leaseHeld();
    }
  }

  *#connectOnce(): Flow<Session> {
    const { world, owner } = this.#pair;
    const { record } = this;
    const { identity } = record;
    const session = yield* Session.open(world, owner.process, this.engine, {
      identity,
      vdisk: owner.vdisk,
      epoch: owner.epoch,
    });
    if (!isSameEngine(this.record, record)) {
      session.close();
      throw new EngineError('unreachable', `${record.address} was replaced`);
    }
    return session;
  }

  *#connect(): Flow<Session> {
    const { record } = this;
    let session: Session | null = null;
    try {
      session = yield* this.openUnjudged();
      const fit = this.#pair.fitOf(session.head.seq);
      if (fit === 'fits') {
        this.#pair.blameLeftBehind();
        if (this.fault !== null) throw this.fault;
        return session;
      }
      throw new EngineError('tail-lost', `${record.address} is at ${session.head.seq}: ${fit}`);
    } catch (error) {
      if (session !== null && this.session === session) this.#drop();
      if (!(error instanceof EngineError)) throw error;
      if (!isSameState(this.record, record)) throw new OutdatedLinkError(record.address, error);
      this.fail(error);
      throw error;
    }
  }

  fail(error: EngineError): void {
    if (this.fault !== null || this.#pair.closed !== null || error instanceof OutdatedLinkError) return;
    this.fault = error;
    this.#drop();
    this.#pair.owner.engineFailed(this.record, error);
    this.#pair.changed();
  }

  close(): void {
    this.#drop();
  }

  adopt(session: Session): void {
    this.#drop();
    if (this.#pair.closed !== null) {
      session.close();
      throw new EngineError('unreachable', 'the vdisk was unmounted');
    }
    this.session = session;
    this.#openedAt = this.#pair.world.scheduler.now;
    session.onBroken = (error) => this.#onBroken(session, error);
  }

  #onBroken(session: Session, error: EngineError): void {
    if (this.session !== session) return;
    this.session = null;
    if (this.#pair.closed !== null) return;
    const { scheduler, cores } = this.#pair.world;
    const openMs = scheduler.now - this.#openedAt;
    const { view } = this;
    const { step, breaks } = cores.decideBrokenLink({
      ...{ view, fault: error.fault, openMs, breaks: this.#breaks },
    });
    this.#breaks = breaks;
    if (step === 'fail') this.fail(error);
    else if (step === 'reopen') this.#reopen();
  }

  #reopen(): void {
    start(this.open(), (reason) => {
      if (reason === null) return this.#pair.changed();
      if (reason instanceof VdiskIoError) {
        // Refused for good it is when the vdisk is not owned any more; else the lease was only in doubt.
        const isOver = this.#pair.closed !== null || reason.nbdErrno === errno.shutdown;
        if (!isOver && this.session === null && this.fault === null) this.#reopen();
      } else if (reason instanceof FencedError) this.#pair.owner.fenced(reason);
      else if (!(reason instanceof EngineError)) throw reason;
    });
  }

  #drop(): void {
    const session = this.session;
    this.session = null;
    session?.close();
  }
}
