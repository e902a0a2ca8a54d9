import type { IncidentRecord } from '../../packages/config-store/src/healing/records.ts';
import type { RepairDue } from '../../packages/vdisk/src/pair-context.ts';
import { StoreAway, type Watch } from './etcd.ts';
import { type Flow, start, wait } from './flow.ts';
import { applyEngineStatus, type TrackedInput, vdisksIn } from './healing.ts';
import { INCIDENTS, ownerKey, repairKey } from './keys.ts';
import { Owner, Refused } from './owner.ts';
import { newProcess, type Process } from './scheduler.ts';
import type { World } from './world.ts';

const LOOK_INTERVAL_MS = 600;
const LINGER_MS = 300;

interface Mount {
  readonly vdisk: number;
  owner: Owner | null;
  users: number;
  readonly waiting: ((error: unknown, owner: Owner) => void)[];
}

/** An NBD server: mounts vdisks for clients, and those without a client for their repair. */
export class Server {
  readonly world: World;
  readonly process: Process;
  #mounts = new Map<number, Mount>();
  #held = new Map<number, { owner: Owner; release: () => void }>();
  #watch: Watch | null = null;
  #proposals = 0;

  constructor(world: World, name: string) {
    this.world = world;
    this.process = newProcess(name);
  }

  boot(): void {
    this.#mounts = new Map();
    this.#held = new Map();
    this.#watch = this.world.etcd.watch(this.process, [INCIDENTS], () => {});
    const look = (): void => {
      start(this.#look(), (error) => {
        if (error !== null && !(error instanceof StoreAway)) throw error;
        this.world.scheduler.after(LOOK_INTERVAL_MS, this.process, look);
      });
    };
    this.world.scheduler.after(this.world.random.between(0, LOOK_INTERVAL_MS), this.process, look);
  }

  /** The vdisk as this server has it mounted now, if it has. */
  ownerOf(vdisk: number): Owner | null {
    return this.#mounts.get(vdisk)?.owner ?? null;
  }

  /** Mounts the vdisk, or joins the mount there is. The caller must release it once. */
  *use(vdisk: number): Flow<{ owner: Owner; release: () => void }> {
    let mount = this.#mounts.get(vdisk);
    if (mount === undefined) mount = this.#mount(vdisk);
    const joined = mount;
    joined.users++;
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      joined.users--;
      if (joined.users === 0)
        this.world.scheduler.after(LINGER_MS, this.process, () => this.#unmountIdle(joined));
    };
    try {
      const owner = joined.owner ?? (yield* wait<Owner>((resume) => joined.waiting.push(resume)));
      return { owner, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  forget(owner: Owner): void {
    const mount = this.#mounts.get(owner.vdisk);
    if (mount?.owner === owner) this.#mounts.delete(owner.vdisk);
  }

  /** What the log-watcher reads and publishes. */
  reportFailure(cluster: string, address: string, reason: string): void {
    this.world.report(this.process, cluster, address, reason);
  }

  *proposeOffline(cluster: string, address: string, reason: string, seenRevision: string): Flow<void> {
    const { world, process } = this;
    const detectedAt = world.wallOf(process);
    yield* this.#apply(cluster, {
      ...{ kind: 'failure-reported', address, reporter: process.name, reason, detectedAt },
      ...{ operation: this.#nextProposal(), seenRevision, seenAt: world.scheduler.now },
    });
  }

  /** An engine that served last is back without acknowledged writes: it is held, and not judged anew. */
  *holdWithoutWrites(
    cluster: string,
    { incident, attempt }: Pick<RepairDue, 'incident' | 'attempt'>,
    reason: string,
  ): Flow<void> {
    const operation = this.#nextProposal();
    const found = { kind: 'writes-lost', incident, attempt, reason, operation } as const;
    yield* this.#apply(cluster, { ...found, by: this.process.name });
  }

  #nextProposal(): string {
    return `${this.process.name}-${this.process.life}-${this.#proposals++}`;
  }

  *#apply(cluster: string, input: TrackedInput): Flow<void> {
    try {
      yield* applyEngineStatus(this.world, this.process, cluster, input);
    } catch (error) {
      if (!(error instanceof StoreAway)) throw error;
    }
  }

  #mount(vdisk: number): Mount {
    const mount: Mount = { vdisk, owner: null, users: 0, waiting: [] };
    this.#mounts.set(vdisk, mount);
    start(Owner.mount(this, vdisk), (error, owner) => {
      const told = mount.waiting.splice(0);
      if (error !== null || owner === undefined) {
        this.world.trace?.(`${this.process.name} cannot mount v${vdisk}: ${String(error)}`);
        if (this.#mounts.get(vdisk) === mount) this.#mounts.delete(vdisk);
      } else {
        this.world.trace?.(`${this.process.name} mounted v${vdisk}, epoch ${owner.epoch}`);
        mount.owner = owner;
        if (owner.ended !== null) this.forget(owner);
      }
      for (const resume of told) resume(error, owner as Owner);
    });
    return mount;
  }

  #unmountIdle(mount: Mount): void {
    if (mount.users > 0 || this.#mounts.get(mount.vdisk) !== mount || mount.owner === null) return;
    this.#mounts.delete(mount.vdisk);
    start(mount.owner.unmount());
  }

  /** Takes vdisks that nobody has mounted while an engine of theirs is under repair. */
  *#look(): Flow<void> {
    const { etcd } = this.world;
    const due: IncidentRecord[] = [];
    for (const { value } of this.#watch?.cache.values() ?? []) {
      const incident = value as IncidentRecord;
      if (incident.status !== 'offline') due.push(incident);
    }
    const wanted = new Set<number>();
    if (due.length > 0) {
      const unrepaired = yield* wait(
        etcd.call(this.process, () =>
          vdisksIn(this.world).filter((vdisk) =>
            due.some(({ id, attempt }) => etcd.get(repairKey(id, attempt, vdisk)) === null),
          ),
        ),
      );
      for (const vdisk of unrepaired) wanted.add(vdisk);
    }
    for (const [vdisk, { owner, release }] of this.#held) {
      if (wanted.has(vdisk) && owner.ended === null) continue;
      this.#held.delete(vdisk);
      release();
    }
    for (const vdisk of wanted) yield* this.#take(vdisk);
  }

  *#take(vdisk: number): Flow<void> {
    if (this.#held.has(vdisk) || this.#mounts.has(vdisk)) return;
    const { etcd } = this.world;
    const held = yield* wait(etcd.call(this.process, () => etcd.get(ownerKey(vdisk))));
    if (held !== null && (held.value as { server: string }).server !== this.process.name) return;
    try {
      this.#held.set(vdisk, yield* this.use(vdisk));
    } catch (error) {
      if (error instanceof StoreAway) throw error;
      if (!(error instanceof Refused))
        this.world.trace?.(`${this.process.name} cannot repair v${vdisk}: ${error}`);
    }
  }
}
