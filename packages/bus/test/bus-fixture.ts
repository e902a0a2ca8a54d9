import { type Bus, type ConnectBusOptions, connectBus } from '@salvor/bus';
import type { EventInits } from '@salvor/contracts';
import type { LogFields, Logger } from '@salvor/service-kit';
import { connect, type NatsConnection } from 'nats';
import { NatsProcess } from './nats-process.ts';

export interface LogLine {
  level: string;
  msg: string;
  fields: LogFields;
}

/** A logger that keeps its lines, so that tests can see what an operator would. */
export function keepingLogger(): Logger & { lines: LogLine[] } {
  const lines: LogLine[] = [];
  const keep = (level: string) => (fields: LogFields, msg: string) => {
    lines.push({ level, msg, fields });
  };
  const logger = {
    lines,
    debug: keep('debug'),
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
    child: () => logger,
  };
  return logger;
}

/** A server of its own with the manifest applied, and what a test needs to look at it from outside. */
export class BusFixture {
  readonly server: NatsProcess;
  readonly log: ReturnType<typeof keepingLogger> = keepingLogger();
  readonly #closers: (() => Promise<void>)[] = [];

  private constructor(server: NatsProcess) {
    this.server = server;
  }

  static async create(options: { manifest?: boolean } = {}): Promise<BusFixture> {
    const fixture = new BusFixture(await NatsProcess.started());
    if (options.manifest !== false) {
      const bus = await fixture.bus({ name: 'deploy' });
      await bus.applyManifest();
    }
    return fixture;
  }

  async bus(options: Partial<ConnectBusOptions> = {}): Promise<Bus> {
    const bus = await connectBus({ servers: [this.server.address], name: 'test', log: this.log, ...options });
    this.#closers.push(() => bus.close({ deadlineMs: 1_000 }));
    return bus;
  }

  /** A plain NATS client, as anybody might use. */
  async client(): Promise<NatsConnection> {
    const nc = await connect({
      servers: this.server.address,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
    });
    this.#closers.push(() => nc.close());
    return nc;
  }

  async close(): Promise<void> {
    await Promise.all(this.#closers.map((close) => close()));
    await this.server.remove();
  }
}

export function mounted(vdisk: string): EventInits['vdisk.mounted'] {
  return { vdisk, server: 'nbd-1', epoch: 41, at: 1_700_000_000_000 };
}

export function failure(address: string): EventInits['engine.failure-reported'] {
  return {
    address,
    reporter: 'nbd-1',
    reason: 'connection refused',
    source: 'nbd-server',
    detectedAt: 1_700_000_000_000,
    at: 1_700_000_000_000,
  };
}
