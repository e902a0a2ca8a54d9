import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Bus, type BusEvent, connectBus } from '@salvor/bus';
import type { EventType } from '@salvor/contracts';
import { ManagedProcess, type NatsHandle, serviceMain, startNats, until } from '@salvor/local-stack';
import { silentLogger } from '@salvor/service-kit';
import { type TempDir, tempDir } from '@salvor/testkit';

const MAIN = serviceMain('log-watcher');
const CHILD = join(import.meta.dirname, 'child-server.mjs');
export const WAIT_MS = 15_000;

const watchedTypes = [
  'engine.failure-reported',
  'repair.completed',
  'log.line-rejected',
  'nbdserver.exited',
  'nbdserver.started',
] as const satisfies readonly EventType[];
export type WatchedType = (typeof watchedTypes)[number];

/** A real NATS server, a real log-watcher, and everything that the event stream holds. */
export class WatcherFixture implements AsyncDisposable {
  readonly nats: NatsHandle;
  readonly bus: Bus;
  readonly dir: TempDir;
  /** In the order of the stream, each once. */
  readonly events: BusEvent<WatchedType>[] = [];
  #watcher: ManagedProcess | null = null;

  private constructor(dir: TempDir, nats: NatsHandle, bus: Bus) {
    this.dir = dir;
    this.nats = nats;
    this.bus = bus;
    const seen = new Set<number>();
    bus.consume({
      durable: 'repair-coordinator',
      types: watchedTypes,
      concurrency: 1,
      handler: async (event) => {
        const seq = event.stored?.seq ?? 0;
        if (!seen.has(seq)) this.events.push(event);
        seen.add(seq);
      },
    });
  }

  static async create(): Promise<WatcherFixture> {
    const dir = tempDir('log-watcher');
    const nats = await startNats({ dir: dir.join('nats') });
    const bus = await connectBus({ servers: [nats.url], name: 'test', log: silentLogger });
    await bus.applyManifest();
    return new WatcherFixture(dir, nats, bus);
  }

  /** A source that runs the stand-in for an NBD server. */
  child(name: string, env: Record<string, string> = {}): object {
    return { kind: 'spawn', name, command: [process.execPath, CHILD, this.#socket(name)], env };
  }

  async start(sources: readonly object[], env: Record<string, string> = {}): Promise<ManagedProcess> {
    mkdirSync(this.dir.path, { recursive: true });
    this.#watcher = await ManagedProcess.start({
      name: 'log-watcher',
      command: process.execPath,
      args: [MAIN],
      logFile: this.dir.join('log-watcher.log'),
      stopTimeoutMs: WAIT_MS,
      readyTimeoutMs: WAIT_MS,
      env: {
        ...process.env,
        SALVOR_NATS_SERVERS: this.nats.url,
        SALVOR_SOURCES: JSON.stringify(sources),
        SALVOR_STATE_DIR: this.dir.join('state'),
        SALVOR_LOG_LEVEL: 'debug',
        ...env,
      },
      ready: async () => (await this.bus.request('source.list', {}, { timeoutMs: 500 })).sources.length > 0,
    });
    return this.#watcher;
  }

  /** Has the child do something; answers its process id. */
  async tell(name: string, command: { stderr?: string; stdout?: string; exit?: number }): Promise<number> {
    return until(() => askOnce(this.#socket(name), `${JSON.stringify(command)}\n`), {
      what: `${name} to obey`,
      timeoutMs: WAIT_MS,
    });
  }

  of<T extends WatchedType>(type: T): BusEvent<T>['payload'][] {
    return this.events
      .filter((event) => event.type === type)
      .map((event) => event.payload as BusEvent<T>['payload']);
  }

  async waitFor<T extends WatchedType>(type: T, count: number): Promise<BusEvent<T>['payload'][]> {
    return until(() => (this.of(type).length >= count ? this.of(type) : null), {
      what: `${count} of ${type}, found ${this.of(type).length}`,
      timeoutMs: WAIT_MS,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A stopped watcher stops what it spawned.
    await this.#watcher?.stop();
    await this.bus.close({ deadlineMs: 1_000 });
    await this.nats.process.stop();
    this.dir.remove();
  }

  #socket(name: string): string {
    return this.dir.join(`${name}.sock`);
  }
}

export function failureLine(address: string): string {
  return `${JSON.stringify({ type: 'storageengine-failure', data: address, reason: 'refused' })}\n`;
}

export function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function askOnce(socketPath: string, text: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const connection = connect(socketPath, () => connection.write(text));
    connection.once('data', (bytes) => {
      connection.destroy();
      resolve(Number(bytes.toString()));
    });
    connection.once('error', reject);
  });
}
