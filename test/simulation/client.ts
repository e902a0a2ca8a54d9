import { errno, VdiskIoError } from '../../packages/vdisk/src/errors.ts';
import { type Flow, type Op, start, wait } from './flow.ts';
import type { Owner } from './owner.ts';
import type { Server } from './server.ts';
import type { World } from './world.ts';

type Answer<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'silence' };

interface Attachment {
  readonly server: Server;
  readonly owner: Owner;
  readonly release: () => void;
}

/** What a client waits for: the first answer counts. */
class Asked<T> {
  #resume: ((error: unknown, answer: Answer<T>) => void) | null;

  constructor(resume: (error: unknown, answer: Answer<T>) => void) {
    this.#resume = resume;
  }

  end(answer: Answer<T>): void {
    const resume = this.#resume;
    this.#resume = null;
    resume?.(null, answer);
  }
}

/** A burst of writes: how many, within how many milliseconds. */
const BURST_WRITES = 4;
const BURST_MS = 20;
const PATIENCE_MS = 1_500;

/** A host with one vdisk: writes values that are written once, reads, and goes elsewhere when its server fails it. */
export class Client {
  readonly #world: World;
  readonly #vdisk: number;
  #attached: Attachment | null = null;
  #isStopped = false;

  constructor(world: World, vdisk: number) {
    this.#world = world;
    this.#vdisk = vdisk;
  }

  start(): void {
    start(this.#run());
    start(this.#watchFromAside());
  }

  /** Ends it; what is under way may still be answered. */
  stop(): void {
    this.#isStopped = true;
    this.#detach();
  }

  /** Reads every block of these shards once more; false when the vdisk cannot be mounted on that server now. */
  *readAll(server: Server, shards: readonly number[]): Flow<boolean> {
    const world = this.#world;
    const attached = yield* this.#attach(server);
    if (attached === null) return false;
    let isRead = true;
    for (const shard of shards)
      for (let block = 0; block < world.blocksPerShard && isRead; block++)
        isRead = yield* this.#readFrom(attached.owner, shard, block);
    this.#release(attached);
    return isRead;
  }

  /** Another host tries the vdisk on a server, and does so much there if it may. */
  *visit(server: Server, requests: number): Flow<void> {
    const { random, shards, blocksPerShard } = this.#world;
    const attached = yield* this.#attach(server);
    if (attached === null) return;
    for (let i = 0; i < requests && !this.#isStopped; i++) {
      const [shard, block] = [random.whole(0, shards - 1), random.whole(0, blocksPerShard - 1)];
      if (random.chance(0.6)) yield* this.#writeTo(attached, shard, block);
      else yield* this.#readFrom(attached.owner, shard, block);
      yield* this.#rest(random.between(1, 60));
    }
    this.#release(attached);
  }

  /** Writes in quick succession, without waiting: what comes while something fails. */
  hurry(): void {
    const attached = this.#attached;
    const { random, scheduler, shards, blocksPerShard } = this.#world;
    if (attached === null || this.#isStopped) return;
    for (let i = 0; i < BURST_WRITES; i++)
      scheduler.after(random.between(0, BURST_MS), null, () =>
        start(this.#writeTo(attached, random.whole(0, shards - 1), random.whole(0, blocksPerShard - 1))),
      );
  }

  *#run(): Flow<void> {
    const { random, servers } = this.#world;
    let server = random.pick(servers);
    while (!this.#isStopped) {
      yield* this.#rest(random.between(1, this.#world.thinkMs));
      if (this.#isStopped) break;
      const attached = this.#attached;
      if (attached === null) {
        this.#attached = yield* this.#attach(server);
        if (this.#attached !== null) continue;
        yield* this.#rest(random.between(20, 200));
        server = random.pick(servers);
        continue;
      }
      const shard = random.whole(0, this.#world.shards - 1);
      const block = random.whole(0, this.#world.blocksPerShard - 1);
      const isServed = random.chance(0.65)
        ? yield* this.#writeTo(attached, shard, block)
        : yield* this.#readFrom(attached.owner, shard, block);
      if (isServed || random.chance(0.4)) continue;
      this.#detach();
      server = random.pick(servers);
    }
    this.#detach();
  }

  /** A connection that stays with whatever server has the vdisk, a deposed one too. */
  *#watchFromAside(): Flow<void> {
    const { random, servers, shards, blocksPerShard } = this.#world;
    while (!this.#isStopped) {
      yield* this.#rest(random.between(1, 3 * this.#world.thinkMs));
      if (random.chance(0.03)) start(this.visit(random.pick(servers), random.whole(1, 4)));
      const owner = random.pick(servers).ownerOf(this.#vdisk);
      if (owner === null) continue;
      const [shard, block] = [random.whole(0, shards - 1), random.whole(0, blocksPerShard - 1)];
      yield* this.#readFrom(owner, shard, block);
    }
  }

  *#attach(server: Server): Flow<Attachment | null> {
    const answer = yield* wait(this.#request(server, () => server.use(this.#vdisk)));
    return answer.kind === 'ok' ? { server, ...answer.value } : null;
  }

  #detach(): void {
    const attached = this.#attached;
    this.#attached = null;
    if (attached !== null) this.#release(attached);
  }

  #release({ server, release }: Attachment): void {
    if (server.process.up) this.#world.scheduler.after(this.#world.net.latency(), server.process, release);
  }

  /** False when it is time to look for another server. */
  *#writeTo({ server, owner }: Attachment, shard: number, block: number): Flow<boolean> {
    const { checker } = this.#world;
    const value = this.#world.nextValue();
    checker.writeBegan(this.#vdisk, shard, block, value);
    const answer = yield* wait(
      this.#request(
        server,
        () => owner.write(shard, block, value),
        () => checker.writeEnded(this.#vdisk, shard, block, value),
      ),
    );
    return this.#isServed(answer);
  }

  *#readFrom(owner: Owner, shard: number, block: number): Flow<boolean> {
    const { checker } = this.#world;
    const beganAt = checker.place();
    const answer = yield* wait(
      this.#request(
        owner.server,
        () => owner.read(shard, block),
        (value) => checker.readEnded(this.#vdisk, shard, block, value, beganAt),
      ),
    );
    return this.#isServed(answer);
  }

  #isServed(answer: Answer<unknown>): boolean {
    if (answer.kind !== 'error') return answer.kind === 'ok';
    return answer.error instanceof VdiskIoError && answer.error.nbdErrno !== errno.shutdown;
  }

  /** Has a server do something; `heard` is told of every good answer, also of one that comes late. */
  #request<T>(server: Server, flow: () => Flow<T>, heard: (value: T) => void = () => {}): Op<Answer<T>> {
    return (resume) => {
      const { scheduler, net } = this.#world;
      const asked = new Asked(resume);
      if (!server.process.up)
        return scheduler.after(2, null, () => asked.end({ kind: 'error', error: new Error('refused') }));
      scheduler.after(PATIENCE_MS, null, () => asked.end({ kind: 'silence' }));
      scheduler.after(net.latency(), server.process, () =>
        start(flow(), (error, value) => {
          scheduler.after(net.latency(), null, () => {
            if (error === null) heard(value as T);
            asked.end(error === null ? { kind: 'ok', value: value as T } : { kind: 'error', error });
          });
        }),
      );
    };
  }

  *#rest(ms: number): Flow<void> {
    yield* wait<void>((resume) => this.#world.scheduler.after(ms, null, () => resume(null, undefined)));
  }
}
