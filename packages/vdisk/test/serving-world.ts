/**
 * A small world of one block, two engines, etcd and two owners, in which everything happens in any order. Values rise with
 * every write, so what a read may return is told by comparing numbers.
 */
import assert from 'node:assert/strict';
import type { MemberName } from '../src/pair-mode.ts';
import type { Serving, ServingView } from '../src/serving.ts';

const names: readonly MemberName[] = ['primary', 'slave'];

export type Decide = (view: ServingView) => Serving;

interface Engine {
  epoch: number;
  value: number;
  /** What is left after a crash that loses the tail. */
  durable: { epoch: number; value: number };
  /** Which run of the process it is: links belong to one. */
  run: number;
}

interface Work {
  readonly kind: 'read' | 'write';
  readonly begunAt: number;
  readonly ackedBefore: number;
  readonly mode: ServingView['mode'];
  readonly required: readonly MemberName[];
  /** What is still to be asked of the engines. */
  readonly left: MemberName[];
  readonly confirmed: MemberName[];
  value: number;
}

interface Owner {
  epoch: number;
  /** Engines that are still to be fenced before it serves. */
  raising: MemberName[];
  leaseIsValid: boolean;
  seesEtcd: boolean;
  current: Record<MemberName, boolean>;
  failed: Record<MemberName, boolean>;
  links: Record<MemberName, number | null>;
  seq: number;
  firstAckAt: number;
  work: Work | null;
}

/** How often each happens. Some are several of the others in a row, so that lives get somewhere. */
export const actions = {
  take: 1,
  fence: 2,
  mount: 4,
  read: 6,
  write: 6,
  work: 4,
  finish: 12,
  'lose-etcd': 2,
  expire: 3,
  'confirm-lease': 1,
  'mend-etcd': 1,
  persist: 2,
  crash: 1,
  'crash-losing-tail': 1,
  reconnect: 3,
  'record-stale': 1,
  repair: 2,
} as const;

export interface Step {
  readonly action: keyof typeof actions;
  readonly owner: 0 | 1;
  readonly engine: MemberName;
}

export class ServingWorld {
  readonly #decide: Decide;
  readonly #engines: Record<MemberName, Engine> = { primary: newEngine(), slave: newEngine() };
  readonly #owners: (Owner | null)[] = [null, null];
  readonly #etcd = { revision: 0, owner: 0, current: { primary: true, slave: true } };
  #now = 0;
  #written = 0;
  #acked = 0;
  /** Requests that were answered although the lease was not valid. */
  answeredWithoutLease = 0;

  constructor(decide: Decide) {
    this.#decide = decide;
  }

  do({ action, owner: index, engine: name }: Step): void {
    this.#now++;
    const owner = this.#owners[index] ?? null;
    const engine = this.#engines[name];
    switch (action) {
      case 'take':
        if (owner === null && this.#etcd.owner === 0) this.#owners[index] = this.#take();
        return;
      case 'mount':
        for (const part of ['take', 'fence', 'fence'] as const)
          this.do({ action: part, owner: index, engine: name });
        return;
      case 'finish':
        for (let i = 0; i < 3; i++) this.do({ action: 'work', owner: index, engine: name });
        return;
      case 'persist':
        engine.durable = { epoch: engine.epoch, value: engine.value };
        return;
      case 'crash':
        engine.run++;
        return;
      case 'crash-losing-tail':
        return this.#crashLosingTail(name);
      case 'record-stale':
        this.#recordStale(name);
        return this.#tellOwners();
    }
    if (owner === null) return;
    switch (action) {
      case 'fence':
        return this.#fence(index, owner);
      case 'read':
      case 'write':
        if (owner.raising.length === 0 && owner.work === null) this.#begin(owner, action);
        return;
      case 'work':
        return this.#work(index, owner);
      case 'expire':
        if (!owner.leaseIsValid && this.#etcd.owner === owner.epoch) this.#etcd.owner = 0;
        return;
      case 'lose-etcd':
        owner.seesEtcd = false;
        owner.leaseIsValid = false;
        return;
      case 'mend-etcd':
        owner.seesEtcd = true;
        return this.#tellOwners();
      case 'confirm-lease':
        return this.#confirmLease(index, owner);
      case 'reconnect':
        return this.#reconnect(index, owner, name);
      case 'repair':
        return this.#repair(owner, name);
    }
  }

  #take(): Owner {
    const epoch = ++this.#etcd.revision;
    this.#etcd.owner = epoch;
    const current = { ...this.#etcd.current };
    return {
      epoch,
      raising: names.filter((name) => current[name]),
      leaseIsValid: true,
      seesEtcd: true,
      current,
      failed: { primary: false, slave: false },
      links: { primary: null, slave: null },
      seq: 0,
      firstAckAt: Number.POSITIVE_INFINITY,
      work: null,
    };
  }

  #fence(index: number, owner: Owner): void {
    const name = owner.raising.shift();
    if (name === undefined) return;
    const engine = this.#engines[name];
    if (engine.epoch > owner.epoch || !owner.leaseIsValid) return this.#end(index);
    engine.epoch = owner.epoch;
    owner.links[name] = engine.run;
    if (owner.raising.length > 0) return;
    // The batch that a dying owner left on one member only.
    const required = names.filter((member) => owner.current[member]);
    if (required.some((member) => this.#engines[member].epoch !== owner.epoch)) return this.#end(index);
    owner.seq = Math.max(...required.map((member) => this.#engines[member].value));
    for (const member of required) this.#engines[member].value = owner.seq;
    this.#tellOwners();
  }

  #mode(owner: Owner): ServingView['mode'] {
    const required = names.filter((name) => owner.current[name]);
    if (required.every((name) => owner.failed[name])) return 'unavailable';
    if (required.some((name) => owner.failed[name])) return 'holding';
    return required.length === 2 ? 'mirrored' : 'alone';
  }

  #begin(owner: Owner, kind: Work['kind']): void {
    const mode = this.#mode(owner);
    if (mode === 'unavailable' || (mode === 'holding' && kind === 'write')) return;
    const required = names.filter((name) => owner.current[name]);
    const from = required.find((name) => !owner.failed[name]) ?? assert.fail();
    owner.work = {
      kind,
      begunAt: this.#now,
      ackedBefore: this.#acked,
      mode,
      required,
      left: kind === 'write' ? [...required] : [from, ...required.filter((name) => name !== from)],
      confirmed: [],
      value: kind === 'write' ? ++this.#written : -1,
    };
  }

  /** One engine of a request, or its answer. */
  #work(index: number, owner: Owner): void {
    const { work } = owner;
    if (work === null) return;
    const name = work.left.shift();
    if (name === undefined) return this.#answer(owner, work);
    const engine = this.#engines[name];
    if (owner.links[name] !== engine.run) {
      owner.links[name] = null;
      // A read needs its first engine, a write all of them; what only confirms may fail.
      if (work.kind === 'write' || work.value < 0) owner.work = null;
      return;
    }
    if (engine.epoch > owner.epoch) return this.#end(index);
    if (work.kind === 'write') engine.value = work.value;
    else if (work.value < 0) work.value = engine.value;
    work.confirmed.push(name);
  }

  #answer(owner: Owner, work: Work): void {
    owner.work = null;
    const { mode, required, confirmed } = work;
    const { leaseIsValid } = owner;
    if (this.#decide({ leaseIsValid, mode, required, confirmed }).kind === 'stop') return;
    if (!leaseIsValid) this.answeredWithoutLease++;
    if (work.kind === 'read') {
      assert.ok(
        work.value >= work.ackedBefore,
        `a read returned ${work.value} after ${work.ackedBefore} had been acknowledged`,
      );
      return;
    }
    for (const other of this.#owners) {
      if (other === null || other.epoch <= owner.epoch) continue;
      assert.ok(other.firstAckAt > work.begunAt, 'two owners acknowledged writes');
    }
    owner.firstAckAt = Math.min(owner.firstAckAt, this.#now);
    owner.seq = work.value;
    this.#acked = Math.max(this.#acked, work.value);
  }

  /** What etcd says to an owner whose lease is in doubt: it holds, it is free to be taken again, or it is another's. */
  #confirmLease(index: number, owner: Owner): void {
    if (!owner.seesEtcd || owner.leaseIsValid || owner.raising.length > 0) return;
    if (this.#etcd.owner === owner.epoch) {
      owner.leaseIsValid = true;
      return;
    }
    const required = names.filter((name) => owner.current[name]);
    const confirmed = required.filter(
      (name) => owner.links[name] === this.#engines[name].run && this.#engines[name].epoch === owner.epoch,
    );
    const { kind } = this.#decide({
      leaseIsValid: false,
      mode: this.#mode(owner),
      required,
      confirmed,
    });
    if (this.#etcd.owner !== 0 || kind === 'stop') return this.#end(index);
    this.#etcd.owner = owner.epoch;
    owner.leaseIsValid = true;
  }

  #reconnect(index: number, owner: Owner, name: MemberName): void {
    const engine = this.#engines[name];
    if (owner.raising.length > 0 || !owner.current[name] || owner.links[name] === engine.run) return;
    if (!owner.leaseIsValid) return;
    if (engine.epoch > owner.epoch) return this.#end(index);
    owner.failed[name] ||= engine.epoch < owner.epoch || engine.value < owner.seq;
    if (!owner.failed[name]) owner.links[name] = engine.run;
  }

  /** The owner brings a member back and records it, in one transaction with the proof that it owns the vdisk. */
  #repair(owner: Owner, name: MemberName): void {
    const other = name === 'primary' ? 'slave' : 'primary';
    const [target, source] = [this.#engines[name], this.#engines[other]];
    const isReady = owner.raising.length === 0 && owner.work === null && owner.seesEtcd && owner.leaseIsValid;
    if (!isReady || owner.current[name] || this.#etcd.current[name] || !owner.current[other]) return;
    if (owner.failed[other] || owner.links[other] !== source.run || source.epoch !== owner.epoch) return;
    if (target.epoch > owner.epoch) return;
    Object.assign(target, { epoch: owner.epoch, value: source.value });
    owner.links[name] = target.run;
    this.#etcd.current[name] = true;
    this.#tellOwners();
  }

  /** One member stays current, with all that was acknowledged: what both lost is on no engine, and beyond this world. */
  #recordStale(name: MemberName): void {
    const other = name === 'primary' ? 'slave' : 'primary';
    if (this.#etcd.current[other] && this.#engines[other].value >= this.#acked)
      this.#etcd.current[name] = false;
  }

  #tellOwners(): void {
    for (const owner of this.#owners) {
      if (owner === null || !owner.seesEtcd || owner.raising.length > 0) continue;
      for (const name of names) {
        if (owner.current[name] !== this.#etcd.current[name]) owner.failed[name] = false;
        owner.current[name] = this.#etcd.current[name];
      }
    }
  }

  /** Only what somebody else still holds may be lost: acknowledged data on no engine is nobody's to keep. */
  #crashLosingTail(name: MemberName): void {
    const other = name === 'primary' ? 'slave' : 'primary';
    const engine = this.#engines[name];
    const isElsewhere = this.#etcd.current[other] && this.#engines[other].value >= this.#acked;
    if (engine.durable.value < this.#acked && !isElsewhere) return;
    // Neither what is just about to be acknowledged.
    const isUnderWay = this.#owners.some(
      (owner) => owner?.work?.kind === 'write' && owner.work.confirmed.includes(name),
    );
    if (isUnderWay) return;
    Object.assign(engine, engine.durable, { run: engine.run + 1 });
  }

  #end(index: number): void {
    const owner = this.#owners[index];
    if (owner?.leaseIsValid === true && this.#etcd.owner === owner.epoch) this.#etcd.owner = 0;
    this.#owners[index] = null;
  }
}

function newEngine(): Engine {
  return { epoch: 0, value: 0, durable: { epoch: 0, value: 0 }, run: 0 };
}
