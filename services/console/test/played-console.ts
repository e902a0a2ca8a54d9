/** A console process on a real nats-server, whose other services answer what is played. */
import { join, resolve } from 'node:path';
import { type Bus, CommandError, type CommandHandlers, connectBus, type RunningService } from '@salvor/bus';
import { type CommandName, commands, fromPlainJson } from '@salvor/contracts';
import { silentLogger } from '@salvor/service-kit';
import {
  freePort,
  ManagedProcess,
  type NatsHandle,
  releasePort,
  startNats,
  type TempDir,
  tempDir,
} from '@salvor/testkit';
import { healthy, type PlayedState } from './played-state.ts';

const MAIN = resolve(import.meta.dirname, '../dist/main.js');
export const TOKEN = 'a-token-of-the-tests-0123456789';

export interface PlayedConsoleOptions {
  /** Whether somebody may act on it; default true. */
  readonly tokens?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

export class PlayedConsole {
  /** What is played; services answer it from then on. */
  state: PlayedState = healthy();
  /** What was done through the page. */
  readonly acted: { command: CommandName; request: Record<string, unknown> }[] = [];
  /** Commands that are refused, with why. */
  readonly refused = new Map<CommandName, string>();
  readonly nats: NatsHandle;
  readonly console: ManagedProcess;
  readonly url: string;
  readonly healthUrl: string;
  readonly #dir: TempDir;
  readonly #ports: readonly number[];
  readonly #bus: Bus;
  readonly #services: RunningService[] = [];

  private constructor(
    dir: TempDir,
    nats: NatsHandle,
    bus: Bus,
    ports: readonly [number, number],
    options: PlayedConsoleOptions,
  ) {
    this.#dir = dir;
    this.nats = nats;
    this.#bus = bus;
    this.#ports = ports;
    const [pagePort, httpPort] = ports;
    this.url = `http://127.0.0.1:${pagePort}`;
    this.healthUrl = `http://127.0.0.1:${httpPort}`;
    this.console = new ManagedProcess({
      name: 'console',
      command: process.execPath,
      args: [MAIN],
      env: {
        PATH: process.env.PATH,
        SALVOR_NATS_SERVERS: nats.url,
        SALVOR_HTTP_PORT: String(httpPort),
        SALVOR_PAGE_PORT: String(pagePort),
        SALVOR_REFRESH_MS: '200',
        ...(options.tokens === false ? {} : { SALVOR_CONSOLE_TOKENS: `# who may act\nalice ${TOKEN}` }),
        ...options.env,
      },
      logFile: dir.join('console.log'),
      ready: async () => (await fetch(`${this.healthUrl}/readyz`)).ok,
      readyTimeoutMs: 60_000,
    });
  }

  static async start(options: PlayedConsoleOptions = {}): Promise<PlayedConsole> {
    const dir = tempDir('console');
    const nats = await startNats({ dir: join(dir.path, 'nats') });
    const bus = await connectBus({ servers: [nats.url], name: 'played', log: silentLogger });
    await bus.applyManifest();
    const played = new PlayedConsole(dir, nats, bus, [await freePort(), await freePort()], options);
    await played.#serve();
    await played.console.start();
    return played;
  }

  get bus(): Bus {
    return this.#bus;
  }

  /** Starts a replication-manager, which answers the volumes of what is played. */
  async startReplication(): Promise<void> {
    await this.#serveAs('replication-manager', {
      'volume.list': async () => ({ volumes: this.state.volumes ?? [] }),
      'plan.list': async () => ({ zone: 'north', plans: this.state.plans ?? [] }),
      'plan.status': async ({ plan }) => {
        const summary = this.state.plans?.find((each) => each.plan === plan);
        if (summary === undefined) throw new CommandError('unknown-plan', plan, { status: 404 });
        const nothing = { zone: 'north', other: 'south', otherReason: '', members: [] };
        return { ...nothing, ...this.state.planStatus, plan: summary };
      },
      ...this.#acting('volume.promote', 'volume.demote', 'volume.resync'),
      ...this.#acting('plan.apply', 'plan.delete', 'plan.run'),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.console.stop();
    await this.#bus.close({ deadlineMs: 1_000 });
    await this.nats.process.stop();
    for (const port of this.#ports) releasePort(port);
    this.#dir.remove();
  }

  async #serve(): Promise<void> {
    await this.#serveAs('repair-coordinator', {
      'cluster.list': async () => ({ clusters: this.state.clusters }),
      'engine.list': async () => ({ engines: this.state.engines }),
      'vdisk.list': async () => ({ vdisks: this.state.vdisks }),
      'incident.list': async ({ all }) => ({
        incidents: this.state.incidents.filter(
          ({ closedAt }) => all || closedAt === undefined || closedAt === null,
        ),
      }),
      'alert.list': async () => ({ alerts: this.state.alerts }),
      'healing.status': async () => this.state.healing,
      'repair.list': async () => ({ repairs: this.state.repairs }),
      'operation.list': async () => ({ operations: this.state.operations }),
      'dr.status': async () => {
        const { recovery } = this.state;
        return recovery === undefined ? {} : { recovery };
      },
      ...this.#acting(
        'incident.acknowledge',
        'healing.pause',
        'healing.resume',
        'engine.take-offline',
        'engine.bring-online',
        'engine.set-verdict',
      ),
      ...this.#acting('dr.plan', 'dr.replay', 'dr.cancel', 'dr.accept-loss', 'operation.cancel'),
    });
  }

  /** Answer with the example of the catalogue, and remember what was asked. */
  #acting(...names: CommandName[]): CommandHandlers {
    return Object.fromEntries(
      names.map((command) => [
        command,
        async (request: Record<string, unknown>) => {
          const why = this.refused.get(command);
          if (why !== undefined) throw new CommandError('refused-now', why, { status: 409 });
          this.acted.push({ command, request });
          return fromPlainJson(commands[command].reply, commands[command].replyExample);
        },
      ]),
    );
  }

  async #serveAs(name: string, handlers: CommandHandlers): Promise<void> {
    this.#services.push(
      await this.#bus.serve({ name, version: '0.1.0', description: 'Answers what is played', handlers }),
    );
  }
}
