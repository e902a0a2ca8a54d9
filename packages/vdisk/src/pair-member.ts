import { decideBrokenLink } from './broken-link.ts';
import { EngineSession } from './engine-session.ts';
import { unixSocketOf } from './engine-socket.ts';
import { EngineError, FencedError, OutdatedLinkError, VdiskIoError } from './errors.ts';
import type { Transaction } from './fenced-lane.ts';
import { attemptOf, decideMemberRecord, isSameEngine, isSameState } from './member-record.ts';
import { decideMemberView } from './member-view.ts';
import type { Pair } from './pair.ts';
import type { MemberRecord } from './pair-context.ts';
import type { MemberName, MemberView } from './pair-mode.ts';
import { decideMemberTrouble } from './repair-patience.ts';
import type { Frame } from './resp.ts';
import type { WriteHead } from './write-history.ts';

/** One engine of a pair as its owner sees it: what etcd records, the links, and whether it has failed. */
export class PairMember {
  readonly name: MemberName;
  record: MemberRecord;
  session: EngineSession | null = null;
  /** Why it cannot be used; kept until etcd records it, or moves the engine to another attempt. */
  fault: EngineError | null = null;
  /** The repair attempt (`incident/attempt`) that this member was prepared for, and that it completed. */
  preparedFor: string | null = null;
  /** The latest preparation, its name also in the engine's copy guard: every one has a name of its own. */
  preparation: string | null = null;
  completedFor: string | null = null;
  /** The attempt that it completed by itself, as the member that served last: etcd tells every owner as much. */
  vouchedFor: string | null = null;
  readonly #pair: Pair;
  #opening: Promise<EngineSession> | null = null;
  #openedAt = 0;
  /** Links that broke in quick succession. */
  #breaks = 0;
  /** Replies that it owed for too long in this attempt of its repair, and the last of these errors. */
  #timeouts = 0;
  #latestTimeout: EngineError | null = null;

  constructor(name: MemberName, record: MemberRecord, pair: Pair) {
    this.name = name;
    this.record = record;
    this.#pair = pair;
    if (record.repair?.completed === true) this.completedFor = attemptOf(record);
  }

  get view(): MemberView {
    const { record, preparedFor, completedFor, vouchedFor, fault } = this;
    return decideMemberView(record, { preparedFor, completedFor, vouchedFor, failed: fault !== null });
  }

  /** Takes over what etcd says now: {@link decideMemberRecord}. */
  apply(record: MemberRecord): void {
    const { dropsLinks, clearsFault, completed } = decideMemberRecord(this.record, record);
    this.record = record;
    if (dropsLinks) this.#drop();
    if (clearsFault) {
      this.fault = null;
      this.#breaks = 0;
      this.#timeouts = 0;
    }
    if (completed !== null) this.completedFor = completed;
  }

  /** The open session, or a new one. The member must be where the pair's write history is; if not, it has failed. */
  async open(): Promise<EngineSession> {
    if (this.fault !== null) throw this.fault;
    if (this.session !== null) return this.session;
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  /**
   * Opens without judging the write history: for mount and for repairs, which judge it themselves. Every link in use was
   * checked while the lease was valid: an engine that restarted may have forgotten that another owner raised the epoch.
   */
  async openUnjudged(): Promise<EngineSession> {
    const { lease } = this.#pair.context;
    for (;;) {
      const session = await this.#connectOnce();
      if (lease.isOwner()) {
        this.adopt(session);
        return session;
      }
      // That nobody took over may have been forgotten, that somebody did cannot have been.
      session.close();
      await lease.leaseHeld();
    }
  }

  async #connectOnce(): Promise<EngineSession> {
    const { vdisk, epoch, settings, layout } = this.#pair.context;
    const { identity, address, db } = this.record;
    const { connectTimeoutMs, commandTimeoutMs, login } = settings;
    const unixSocket = unixSocketOf(settings.engineSockets, address);
    const session = await EngineSession.open({
      identity,
      vdisk,
      epoch,
      layout,
      link: { address, unixSocket, db, login, connectTimeoutMs, commandTimeoutMs },
    });
    if (!isSameEngine(this.record, { identity, address, db })) {
      session.close();
      throw new EngineError('unreachable', `engine ${address} was replaced while it was being connected`);
    }
    return session;
  }

  async transact(frame: Frame, headAfter: WriteHead): Promise<void> {
    const session = this.session;
    if (session === null)
      throw new EngineError('unreachable', `the link to engine ${this.record.address} is down`);
    await session.transact(frame);
    session.head = headAfter;
  }

  /** Sends a batch at once; its session is open and its lane ready. `told` gets null or the error. */
  send(transaction: Transaction, seq: number, told: (error: unknown) => void): void {
    const { session } = this;
    if (session === null) throw new Error('there is no session to send on');
    session.lane.send(transaction, (error) => {
      if (error === null) session.head = { ...session.head, seq };
      told(error);
    });
  }

  fail(error: EngineError): void {
    // What breaks while the vdisk is unmounted says nothing about the engine.
    if (this.fault !== null || this.#pair.closed || error instanceof OutdatedLinkError) return;
    if (this.#beginsAnew(error)) return;
    this.fault = error;
    this.#drop();
    this.#pair.context.engineFailed(this.record, error);
    this.#pair.changed();
  }

  /** Ends the preparation for a repair that is tried again; false where the engine has failed. */
  #beginsAnew(error: EngineError): boolean {
    // Everybody who waited for the reply tells of it.
    if (error === this.#latestTimeout) return true;
    const { view, record } = this;
    const trouble = { view, fault: error.fault, timeouts: this.#timeouts };
    if (decideMemberTrouble(trouble) === 'fail') return false;
    this.#latestTimeout = error;
    this.#timeouts++;
    this.preparedFor = null;
    this.#drop();
    this.#pair.context.repairInterrupted(record, error);
    this.#pair.changed();
    return true;
  }

  /** As `fail`, for what was met on the way in: a server that no engine lets in blames none of them, and goes. */
  async failToOpen(error: EngineError): Promise<void> {
    if (error.fault === 'login-refused') await this.#pair.context.loginRefused(error);
    this.fail(error);
  }

  close(): void {
    this.#drop();
  }

  /** Closes links that nobody uses; the next use opens and judges them anew. */
  closeIdle(): void {
    this.#drop();
  }

  adopt(session: EngineSession): void {
    this.#drop();
    if (this.#pair.closed) {
      session.close();
      throw new EngineError('unreachable', 'the vdisk was unmounted');
    }
    this.session = session;
    this.#openedAt = performance.now();
    session.onBroken = (error) => this.#onBroken(session, error);
  }

  async #connect(): Promise<EngineSession> {
    const { record } = this;
    let session: EngineSession | null = null;
    try {
      session = await this.openUnjudged();
      const { seq } = session.head;
      const fit = this.#pair.fitOf(seq);
      if (fit === 'fits') {
        this.#pair.blameLeftBehind();
        if (this.fault !== null) throw this.fault;
        return session;
      }
      const where = `engine ${record.address} is at batch ${seq} of vdisk ${this.#pair.context.vdisk}, expected ${this.#pair.seq}`;
      const what =
        fit === 'lost-writes' ? 'it lost its last writes' : 'it has writes that this owner did not make';
      throw new EngineError('tail-lost', `${where}: ${what}`);
    } catch (error) {
      // What was judged unfit may not stay behind as the open session.
      if (session !== null && this.session === session) this.#drop();
      // The record may have moved on meanwhile: then this failure says nothing about the member as it is now.
      if (!(error instanceof EngineError)) throw error;
      if (!isSameState(this.record, record)) throw new OutdatedLinkError(record.address, error);
      await this.failToOpen(error);
      throw error;
    }
  }

  #onBroken(session: EngineSession, error: EngineError): void {
    if (this.session !== session) return;
    this.session = null;
    if (this.#pair.closed) return;
    const openMs = performance.now() - this.#openedAt;
    const { view } = this;
    const { step, breaks } = decideBrokenLink({ view, fault: error.fault, openMs, breaks: this.#breaks });
    this.#breaks = breaks;
    if (step === 'fail') this.fail(error);
    else if (step === 'reopen') this.#reopen();
  }

  #reopen(): void {
    this.open().then(
      () => this.#pair.changed(),
      (reason: unknown) => {
        // The lease is in doubt: that is no failure of the engine.
        if (reason instanceof VdiskIoError) {
          if (!this.#pair.closed && this.session === null && this.fault === null) this.#reopen();
        } else if (reason instanceof FencedError) this.#pair.context.fenced(reason);
        else if (!(reason instanceof EngineError)) this.fail(new EngineError('protocol', String(reason)));
      },
    );
  }

  #drop(): void {
    const session = this.session;
    this.session = null;
    session?.close();
  }
}
