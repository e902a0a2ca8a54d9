import {
  NbdClient,
  type Stack,
  type StackEngine,
  type StackOptions,
  until,
  VerifyingLoad,
} from '@salvor/testkit';
import { HealingStack } from '../e2e/healing-stack.ts';
import { untilHealthy } from '../history/health.ts';

const VDISK = 'v1';
const BLOCK_BYTES = 4_096;
/** Data that every repair for good has to bring back: 64 MiB behind the regions of the loads. */
const FILLED_BYTES = 64 << 20;
const FILLED_FROM_BYTES = 512 << 20;
const CHUNK_BYTES = 1 << 20;
/** Blocks of each load: every load has a region of its own, since its model starts from zeros. */
const REGION_BLOCKS = 512;
const REQUESTS_PER_SECOND = 200;
const WAIT_MS = 120_000;

export type StageShape = Omit<Partial<StackOptions>, 'dir'>;

/** A small stack with one vdisk of which 64 MiB are stored; scenarios are played on it one after the other. */
export class ScenarioStage implements AsyncDisposable {
  readonly healing: HealingStack;
  #generation = 0;
  #nextRegion = 0;

  private constructor(healing: HealingStack) {
    this.healing = healing;
  }

  static async start(shape: StageShape): Promise<ScenarioStage> {
    const healing = await HealingStack.start({ readyTimeoutMs: 120_000, ...shape });
    try {
      const slaveCluster = healing.stack.engines.slave.length > 0 ? { slaveCluster: 's1' } : {};
      const about = { vdisk: VDISK, type: 'db' as const, sizeGiB: 1, cluster: 'p1', ...slaveCluster };
      await healing.bus.request('vdisk.create', about, { timeoutMs: 30_000 });
      const stage = new ScenarioStage(healing);
      await stage.fill();
      return stage;
    } catch (error) {
      await healing[Symbol.asyncDispose]();
      throw error;
    }
  }

  get uri(): string {
    return this.healing.server.unixUri(VDISK);
  }

  async owner(): Promise<string | undefined> {
    return (await this.healing.bus.request('vdisk.describe', { vdisk: VDISK })).vdisk.owner?.server;
  }

  newLoad(): VerifyingLoad {
    return new VerifyingLoad({
      ...{ targets: this.uri, seed: 1 + this.#nextRegion, firstBlock: REGION_BLOCKS * this.#nextRegion++ },
      ...{ blockCount: REGION_BLOCKS, queueDepth: 8, requestsPerSecond: REQUESTS_PER_SECOND, readShare: 0.3 },
      ...{ reconnectTimeoutMs: WAIT_MS, requestTimeoutMs: WAIT_MS },
    });
  }

  /** Writes all the stored data anew. */
  async fill(): Promise<void> {
    this.#generation++;
    await this.#eachChunk((client, at, content) => client.write(at, content));
  }

  /** Bytes of the stored data that are not what was written last. */
  async wrongBytes(): Promise<number> {
    let wrong = 0;
    await this.#eachChunk(async (client, at, content) => {
      if (!(await client.read(at, content.length)).equals(content)) wrong += content.length;
    });
    return wrong;
  }

  async #eachChunk(
    work: (client: NbdClient, at: number, content: Buffer) => Promise<unknown>,
  ): Promise<void> {
    const client = await NbdClient.connect(this.uri, { requestTimeoutMs: WAIT_MS });
    for (let at = 0; at < FILLED_BYTES; at += CHUNK_BYTES) {
      const content = Buffer.alloc(CHUNK_BYTES);
      for (let block = 0; block < CHUNK_BYTES / BLOCK_BYTES; block++)
        content.fill(
          1 + ((at / BLOCK_BYTES + block + this.#generation) % 251),
          block * BLOCK_BYTES,
          (block + 1) * BLOCK_BYTES,
        );
      await work(client, FILLED_FROM_BYTES + at, content);
    }
    await client.disconnect();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.healing[Symbol.asyncDispose]();
  }
}

/** One scenario as it is played: marks when the fault began and when it ended, and measures from there. */
export class ScenarioScene {
  readonly stage: ScenarioStage;
  readonly load: VerifyingLoad;
  msToServeAgain: number | null = null;
  msToFullRedundancy: number | null = null;
  #faultAt = 0;
  #endedAt: number | null = null;
  #submittedAfter = 0;

  constructor(stage: ScenarioStage, load: VerifyingLoad) {
    this.stage = stage;
    this.load = load;
  }

  get healing(): HealingStack {
    return this.stage.healing;
  }

  get stack(): Stack {
    return this.stage.healing.stack;
  }

  async wrote(more: number): Promise<void> {
    const goal = this.load.stats.writesAcknowledged + more;
    await until(() => this.load.stats.writesAcknowledged >= goal, {
      what: `${more} more writes are acknowledged`,
      timeoutMs: WAIT_MS,
    });
  }

  /** What goes wrong. From here the time to serve again is counted. */
  async strikes(fault: () => Promise<unknown> | unknown): Promise<void> {
    this.#faultAt = performance.now();
    this.#endedAt = null;
    await fault();
    this.#submittedAfter = performance.now();
  }

  /** Until the coordinators know of it: before, everything looks healthy. */
  async isKnown({ address }: StackEngine): Promise<void> {
    await until(
      async () => {
        const { incidents } = await this.healing.bus.request('incident.list', { all: false });
        return incidents.some((incident) => incident.address === address);
      },
      { what: `an incident of ${address} is open`, timeoutMs: WAIT_MS, intervalMs: 20 },
    );
  }

  /** The shard that was struck has acknowledged a write which was sent after the fault. */
  async servesAgain({ shard }: StackEngine): Promise<void> {
    const shards = this.stack.engines.primary.length;
    const ack = await this.load.firstAck({
      submittedAfter: this.#submittedAfter,
      ...(shard === null ? {} : { shard: { index: shard, shards } }),
      timeoutMs: WAIT_MS,
    });
    this.msToServeAgain = Math.max(this.msToServeAgain ?? 0, ack.ackedAt - this.#faultAt);
  }

  /** Where nobody can say when a fault began that makes an engine refuse or delay: the longest that any write waited. */
  servedWithin(): void {
    this.msToServeAgain = this.load.stats.longestWriteMs;
  }

  /** The end of what went wrong: the engine is back, or somebody gave an order. From here the time to full redundancy is counted. */
  async ends(cure: () => Promise<unknown> | unknown): Promise<void> {
    this.#endedAt = performance.now();
    await cure();
  }

  /** Like {@link ends}, where nobody could serve before it: both times are counted from here. */
  async returns(cure: () => Promise<unknown> | unknown): Promise<void> {
    await this.strikes(cure);
  }

  /** What is left to do is an operator's. */
  staysWithOperator(): void {
    this.msToFullRedundancy = null;
  }

  /** Every cluster is healthy, and no incident is open. */
  async heals(): Promise<void> {
    await untilHealthy(this.healing.bus, WAIT_MS);
    this.msToFullRedundancy = performance.now() - (this.#endedAt ?? this.#faultAt);
  }

  async untilStatus(engine: StackEngine, status: string): Promise<void> {
    await this.healing.untilStatus(engine.address, status, WAIT_MS);
  }
}
