import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { CommandShapes } from '@salvor/contracts';
import { EngineLink, type StackEngine, testSeed, until, VerifyingLoad } from '@salvor/testkit';
import type { HealingStack } from './healing-stack.ts';

export type Incident = CommandShapes['incident.list']['reply']['incidents'][number];

/** Blocks of each load: every load has a region of its own, since its model starts from zeros. */
const REGION_BLOCKS = 512;
const REQUESTS_PER_SECOND = 400;
const WAIT_MS = 60_000;

/** A vdisk under load while something odd happens to one of its engines, and the account of it. */
export class OddEngineStage {
  readonly #healing: HealingStack;
  readonly #vdisk: string;
  readonly #uri: string;
  readonly #password: string | undefined;
  #nextRegion = 0;

  /** `password` is what the engines ask for at the end of each play. */
  constructor(healing: HealingStack, vdisk: string, uri: string, password?: string) {
    this.#healing = healing;
    this.#vdisk = vdisk;
    this.#uri = uri;
    this.#password = password;
  }

  /**
   * Runs `play` under a load. Afterwards nothing may have been lost, no request may have failed, everything must be healthy,
   * and both copies of every block must be the same. Says how long the parts of the play took; asserts no times.
   */
  async underLoad(t: TestContext, play: (scene: Scene) => Promise<void>): Promise<void> {
    const load = new VerifyingLoad({
      targets: this.#uri,
      seed: testSeed(),
      firstBlock: REGION_BLOCKS * this.#nextRegion++,
      blockCount: REGION_BLOCKS,
      queueDepth: 8,
      requestsPerSecond: REQUESTS_PER_SECOND,
      readShare: 0.3,
    });
    await load.start();
    const scene = new Scene(t, this.#healing, load);
    try {
      await play(scene);
      await scene.wrote(50);
    } finally {
      await load.stop().catch(() => undefined);
    }
    const { ioErrors, connectionsLost, writesAcknowledged } = load.stats;
    const { blocksLost, details } = await load.verifyOverNbd();
    assert.deepEqual(
      { blocksLost, ioErrors, connectionsLost, details },
      { blocksLost: 0, ioErrors: 0, connectionsLost: 0, details: [] },
    );
    assert.ok(writesAcknowledged > 0);
    await this.#healing.untilHealed();
    assert.deepEqual(await this.#differingBlocks(), []);
  }

  /** Blocks that are not the same on both engines of their pair, as the engines hold them. */
  async #differingBlocks(): Promise<string[]> {
    const { primary, slave } = this.#healing.stack.engines;
    const differing: string[] = [];
    for (const [shard, engine] of primary.entries()) {
      const partner = slave[shard] ?? assert.fail(`shard ${shard} has no slave`);
      const [ours, theirs] = await Promise.all([this.blocksOn(engine), this.blocksOn(partner)]);
      assert.ok(ours.size > 0, `${engine.name} holds no block`);
      for (const block of new Set([...ours.keys(), ...theirs.keys()])) {
        const [a, b] = [ours.get(block), theirs.get(block)];
        if (a === undefined || b === undefined || !a.equals(b)) differing.push(block);
      }
    }
    return differing;
  }

  /** By block number, as text. */
  async blocksOn({ port }: StackEngine, password = this.#password): Promise<Map<string, Buffer>> {
    using link = await EngineLink.open(port);
    if (password !== undefined) await link.send('AUTH', password);
    const reply = await link.sendRaw('HGETALL', `nondedup:${this.#vdisk}`);
    assert.ok(Array.isArray(reply));
    const blocks = new Map<string, Buffer>();
    for (let i = 0; i < reply.length; i += 2) {
      const [field, value] = [reply[i], reply[i + 1]];
      assert.ok(Buffer.isBuffer(field) && Buffer.isBuffer(value));
      blocks.set(field.toString(), value);
    }
    return blocks;
  }
}

/** One play: what is asked and waited for while it goes on. */
export class Scene {
  readonly load: VerifyingLoad;
  readonly #t: TestContext;
  readonly #healing: HealingStack;

  constructor(t: TestContext, healing: HealingStack, load: VerifyingLoad) {
    this.#t = t;
    this.#healing = healing;
    this.load = load;
  }

  /** Waits until so many more writes are acknowledged. */
  async wrote(more: number): Promise<void> {
    const goal = this.load.stats.writesAcknowledged + more;
    await until(() => this.load.stats.writesAcknowledged >= goal, {
      what: `${more} more writes are acknowledged`,
      timeoutMs: WAIT_MS,
    });
  }

  /**
   * Lets `fault` befall a shard, waits until the shard takes new writes and etcd records the engine as offline, and says how
   * long the shard took no write.
   */
  async fails(engine: StackEngine, fault: () => Promise<void> | void): Promise<void> {
    const index = engine.shard ?? assert.fail(`${engine.name} has no shard`);
    const shards = this.#healing.stack.engines.primary.length;
    const begunAt = performance.now();
    await fault();
    const submittedAfter = performance.now();
    await this.#healing.untilStatus(engine.address, 'offline', WAIT_MS);
    const ack = await this.load.firstAck({ submittedAfter, shard: { index, shards }, timeoutMs: WAIT_MS });
    this.#t.diagnostic(`serves again ${(ack.ackedAt - begunAt).toFixed(0)} ms after the fault`);
  }

  /** Ends the fault, waits until everything is healthy, and says how long that took. Answers with the latest incident. */
  async heals(engine: StackEngine, cure: () => Promise<void> | void): Promise<Incident> {
    const begunAt = performance.now();
    await cure();
    await this.#healing.untilHealed();
    this.#t.diagnostic(`fully redundant ${(performance.now() - begunAt).toFixed(0)} ms after its end`);
    return this.latestIncident(engine);
  }

  async latestIncident({ address }: StackEngine): Promise<Incident> {
    const { incidents } = await this.#healing.bus.request('incident.list', { all: true });
    const latest = incidents
      .filter((incident) => incident.address === address)
      .sort((a, b) => b.openedAt - a.openedAt)[0];
    return latest ?? assert.fail(`${address} has no incident`);
  }

  /** Waits until a probe of the engine finds it so; answers with what the probe said. */
  async untilProbed({ address }: StackEngine, status: string): Promise<string> {
    let reason = '';
    await until(
      async () => {
        const probe = await this.#healing.bus.request('engine.probe', { address });
        reason = probe.reason;
        return probe.status === status;
      },
      { what: `a probe finds ${address} ${status}`, timeoutMs: WAIT_MS },
    );
    return reason;
  }
}

/** The moves of an incident that ended as a temporary outage, in one attempt. */
export const temporaryOutage = [
  'online -> offline',
  'offline -> repair-tmp-outage',
  'repair-tmp-outage -> online',
];

export function movesOf({ history }: Incident): string[] {
  return history.map(({ from, to }) => `${from} -> ${to}`);
}

export async function command(engine: StackEngine, ...args: string[]): Promise<string> {
  using link = await EngineLink.open(engine.port);
  return String(await link.send(...args));
}
