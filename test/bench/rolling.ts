import { loadavg } from 'node:os';
import { NbdRequestError, restartWithData, testSeed, VerifyingLoad } from '@salvor/testkit';
import { HealingStack } from '../e2e/healing-stack.ts';

/** One part that was restarted. */
export interface RollingStep {
  readonly part: string;
  /** Until it is ready again; of an engine, until everything is healthy. */
  readonly restartMs: number;
  /** The longest that one of the loads had no answer. */
  readonly pauseMs: number;
  /** Commands that were not answered, of those that were sent all the time. */
  readonly commandsFailed: number;
}

export interface RollingReport {
  readonly seed: number;
  readonly loadAverage: number;
  readonly steps: readonly RollingStep[];
  readonly longestPauseMs: number;
  readonly writesAcknowledged: number;
  readonly readsCompared: number;
  /** Requests that were answered with an error, but for those of `sentElsewhere`. */
  readonly clientErrors: number;
  /** Requests answered with ESHUTDOWN: not carried out, the vdisk is on the other server. */
  readonly sentElsewhere: number;
  readonly blocksCompared: number;
  readonly blocksLost: number;
  readonly commandsSent: number;
  /** What was not as it must be; empty for a good run. */
  readonly broken: readonly string[];
}

const ESHUTDOWN = 108;
const VDISKS = ['roll-1', 'roll-2'];
const BLOCKS = 4_096;
const REQUESTS_PER_SECOND = 200;
const COMMAND_EVERY_MS = 200;
const COMMAND_TIMEOUT_MS = 1_000;
const WAIT_MS = 120_000;
/** Replicas of each that can have some. */
const REPLICATED = ['repair-coordinator', 'health-analyzer', 'tlog-replayer'] as const;

/** Restarts every process of a stack in the order of an upgrade, one after the other, under loads that check what they read. */
export async function benchRolling(progress: (line: string) => void): Promise<RollingReport> {
  const seed = testSeed();
  await using rolling = await Rolling.start(seed);
  const steps: RollingStep[] = [];
  for (const [part, restart] of rolling.parts()) {
    const step = await rolling.step(part, restart);
    steps.push(step);
    progress(
      `${part}: ready after ${step.restartMs} ms, longest pause ${step.pauseMs} ms, ${step.commandsFailed} commands failed`,
    );
  }
  return await rolling.report(steps);
}

export function rollingTable({ steps, broken, ...figures }: RollingReport): string {
  const rows = steps.map(
    ({ part, restartMs, pauseMs, commandsFailed }) =>
      `${part.padEnd(22)} ready after ${String(restartMs).padStart(6)} ms, pause ${String(pauseMs).padStart(5)} ms, commands failed ${commandsFailed}`,
  );
  const lines = Object.entries(figures).map(([name, value]) => `${name.padEnd(22)} ${value}`);
  return `${[...rows, ...lines, ...broken.map((reason) => `broken: ${reason}`)].join('\n')}\n`;
}

type Restart = () => Promise<void>;

class Rolling implements AsyncDisposable {
  readonly #seed: number;
  readonly #healing: HealingStack;
  readonly #loads: VerifyingLoad[] = [];
  readonly #lastAckAt: number[] = VDISKS.map(() => performance.now());
  readonly #errors: string[] = [];
  readonly #ended = new AbortController();
  #longestPauseMs = 0;
  #sentElsewhere = 0;
  #commands = { sent: 0, failed: 0 };
  #asking: Promise<void> = Promise.resolve();

  private constructor(seed: number, healing: HealingStack) {
    this.#seed = seed;
    this.#healing = healing;
  }

  static async start(seed: number): Promise<Rolling> {
    const replicated = Object.fromEntries(REPLICATED.map((name) => [name, { replicas: 2 }]));
    const healing = await HealingStack.start({
      ...{ primaries: 2, slaves: 2, spares: 0, nbdServers: 2 },
      services: {
        ...replicated,
        console: { replicas: 1 },
        // Its servers go on without it, and the next one adopts them.
        'log-watcher': { env: { SALVOR_STOP_CHILDREN: 'false' } },
      },
    });
    const rolling = new Rolling(seed, healing);
    for (const [index, vdisk] of VDISKS.entries()) await rolling.#load(index, vdisk);
    rolling.#asking = rolling.#ask();
    return rolling;
  }

  /** First what others ask, last what all need. */
  *parts(): Generator<[string, Restart]> {
    const { stack } = this.#healing;
    for (const [name, service] of stack.services) yield [name, () => service.restart()];
    for (const { name } of stack.nbdServers) yield [name, () => this.#restartServer(name)];
    for (const engine of [...stack.engines.slave, ...stack.engines.primary]) {
      yield [
        `engine ${engine.name}`,
        async () => {
          await engine.process.stop();
          await restartWithData(engine);
          await this.#healing.untilHealed(WAIT_MS);
        },
      ];
    }
    yield ['nats', () => stack.nats.process.restart()];
    yield ['etcd', () => stack.etcd.process.restart()];
  }

  async step(part: string, restart: Restart): Promise<RollingStep> {
    this.#notePauses();
    this.#longestPauseMs = 0;
    const failedBefore = this.#commands.failed;
    const startedAt = performance.now();
    await restart();
    const restartMs = Math.round(performance.now() - startedAt);
    await this.#untilAllServed();
    const [pauseMs, commandsFailed] = [
      Math.round(this.#longestPauseMs),
      this.#commands.failed - failedBefore,
    ];
    return { part, restartMs, pauseMs, commandsFailed };
  }

  async report(steps: readonly RollingStep[]): Promise<RollingReport> {
    await this.#healing.untilHealed(WAIT_MS);
    this.#ended.abort();
    await this.#asking;
    const stats = await Promise.all(this.#loads.map((load) => load.stop()));
    const verified = await Promise.all(
      this.#loads.map(async (load, index) => load.verifyOverNbd(await this.#uriOf(VDISKS[index] ?? ''))),
    );
    const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
    const figures = {
      ...{ seed: this.#seed, loadAverage: Math.round((loadavg()[0] ?? 0) * 10) / 10, steps },
      longestPauseMs: Math.max(...steps.map(({ pauseMs }) => pauseMs)),
      writesAcknowledged: sum(stats.map((each) => each.writesAcknowledged)),
      readsCompared: sum(stats.map((each) => each.readsCompared)),
      ...{ clientErrors: this.#errors.length, sentElsewhere: this.#sentElsewhere },
      blocksCompared: sum(verified.map((each) => each.blocksCompared)),
      blocksLost: sum(verified.map((each) => each.blocksLost)),
      commandsSent: this.#commands.sent,
    };
    const lost = verified.flatMap(({ details }) => details.map(({ reason }) => reason));
    return {
      ...figures,
      broken: [...this.#errors.slice(0, 10), ...lost.slice(0, 10), ...this.#withReplicas(steps)],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.#asking;
    await Promise.allSettled(this.#loads.map((load) => load.stop()));
    await this.#healing[Symbol.asyncDispose]();
  }

  async #load(index: number, vdisk: string): Promise<void> {
    const { stack } = this.#healing;
    await this.#healing.createVdisk(vdisk);
    const load = new VerifyingLoad({
      targets: stack.nbdServers.map((server) => server.unixUri(vdisk)),
      ...{ seed: this.#seed + index, blockCount: BLOCKS, queueDepth: 8, readShare: 0.3, fuaShare: 0.1 },
      ...{ requestsPerSecond: REQUESTS_PER_SECOND, reconnectTimeoutMs: WAIT_MS, reconnectDelayMs: 20 },
      onAck: () => this.#acknowledged(index),
      onIoError: (block, error) => {
        if (error instanceof NbdRequestError && error.errno === ESHUTDOWN) this.#sentElsewhere += 1;
        else this.#errors.push(`${vdisk} block ${block}: ${error.message}`);
      },
    });
    await load.start();
    this.#loads.push(load);
    await load.firstAck({ submittedAfter: 0, timeoutMs: WAIT_MS });
  }

  #acknowledged(index: number): void {
    const now = performance.now();
    this.#longestPauseMs = Math.max(this.#longestPauseMs, now - (this.#lastAckAt[index] ?? now));
    this.#lastAckAt[index] = now;
  }

  #notePauses(): void {
    for (const index of VDISKS.keys()) this.#acknowledged(index);
  }

  async #untilAllServed(): Promise<void> {
    const submittedAfter = performance.now();
    await Promise.all(this.#loads.map((load) => load.firstAck({ submittedAfter, timeoutMs: WAIT_MS })));
  }

  /** Its vdisks go to the other server first; that one's come here when it is its turn. */
  async #restartServer(name: string): Promise<void> {
    const { stack, bus } = this.#healing;
    const other = stack.nbdServers.find((server) => server.name !== name);
    if (other === undefined) throw new RangeError('expected a second NBD server');
    for (const vdisk of VDISKS) {
      if ((await this.#ownerOf(vdisk)) !== name) continue;
      await bus.request(
        'vdisk.takeover',
        { vdisk, server: other.name },
        { instance: other.name, timeoutMs: WAIT_MS },
      );
    }
    const server = stack.nbdServer(name);
    await server.kill('SIGTERM');
    await server.waitUntilReady(WAIT_MS);
  }

  async #ownerOf(vdisk: string): Promise<string | undefined> {
    const { vdisks } = await this.#healing.bus.request('vdisk.list', {}, { timeoutMs: WAIT_MS });
    return vdisks.find((known) => known.vdisk === vdisk)?.owner?.server;
  }

  async #uriOf(vdisk: string): Promise<string> {
    return this.#healing.stack.nbdServer(await this.#ownerOf(vdisk)).unixUri(vdisk);
  }

  /** What an operator or a script asks, all the time. */
  async #ask(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      const startedAt = performance.now();
      this.#commands.sent += 1;
      await this.#healing.bus
        .request('vdisk.list', {}, { timeoutMs: COMMAND_TIMEOUT_MS })
        .catch(() => (this.#commands.failed += 1));
      const restMs = COMMAND_EVERY_MS - (performance.now() - startedAt);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, restMs)));
    }
  }

  /** While one replica is restarted, another one answers. */
  #withReplicas(steps: readonly RollingStep[]): string[] {
    const has = new Set<string>(REPLICATED);
    return steps
      .filter(({ part, commandsFailed }) => commandsFailed > 0 && has.has(part.replace(/-\d+$/, '')))
      .map(({ part, commandsFailed }) => `${commandsFailed} commands failed while ${part} was restarted`);
  }
}
