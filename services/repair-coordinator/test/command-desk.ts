import assert from 'node:assert/strict';
import { type Bus, connectBus, type RunningService } from '@salvor/bus';
import type { OperationWorkers } from '@salvor/config-store';
import { type CommandName, commandSubject, type EventType } from '@salvor/contracts';
import { type NatsHandle, RawNats, startNats, tempDir, until } from '@salvor/testkit';
import { Bandwidth } from '@salvor/vdisk';
import { commandHandlers } from '../src/commands.ts';
import { HookBook } from '../src/hooks/hook-book.ts';
import { vdiskOperations } from '../src/operations.ts';
import { CoordinatedCluster } from './coordinated-cluster.ts';
import { withoutLogs } from './without-logs.ts';

type Json = Record<string, unknown>;

/** The coordinator's commands behind a real nats-server, asked as `nats req` would: plain JSON over the bare protocol. */
export class CommandDesk implements AsyncDisposable {
  readonly cluster: CoordinatedCluster;
  readonly announced: { type: EventType; id: string }[];
  readonly #dir: ReturnType<typeof tempDir>;
  readonly #nats: NatsHandle;
  readonly #bus: Bus;
  readonly #service: RunningService;
  readonly #client: RawNats;
  readonly #operations: OperationWorkers;

  private constructor(
    cluster: CoordinatedCluster,
    nats: NatsHandle,
    bus: Bus,
    service: RunningService,
    client: RawNats,
    operations: OperationWorkers,
    announced: CommandDesk['announced'],
    dir: ReturnType<typeof tempDir>,
  ) {
    this.cluster = cluster;
    this.#nats = nats;
    this.#bus = bus;
    this.#service = service;
    this.#client = client;
    this.#operations = operations;
    this.announced = announced;
    this.#dir = dir;
  }

  static async open(): Promise<CommandDesk> {
    const dir = tempDir('commands-nats');
    const [cluster, nats] = await Promise.all([CoordinatedCluster.start(), startNats({ dir: dir.path })]);
    const { store, log } = cluster;
    const bus = await connectBus({ servers: [`127.0.0.1:${nats.port}`], name: 'repair-coordinator', log });
    const announced: CommandDesk['announced'] = [];
    const service = await bus.serve({
      name: 'repair-coordinator',
      version: '0.1.0',
      description: 'test',
      handlers: commandHandlers({
        store,
        access: { timeoutMs: 500 },
        log,
        announce: (type, _payload, id) => void announced.push({ type, id }),
        hooks: { book: HookBook.read(store, log, ''), pendingOf: () => 0 },
        logs: withoutLogs(store),
        askServer: async (server) => assert.fail(`server ${server} is asked, and there is none`),
      }),
    });
    const operations = vdiskOperations({
      ...{ store, access: { timeoutMs: 500 }, log, instance: 'test' },
      cloneBandwidth: new Bandwidth(0),
    });
    await operations.start();
    const client = await RawNats.connect(nats.url);
    return new CommandDesk(cluster, nats, bus, service, client, operations, announced, dir);
  }

  /** The answer, and the error's number as the headers tell it. */
  async ask(command: CommandName, request: object): Promise<{ status: number | null; body: Json }> {
    const reply = await this.#client.request(commandSubject(command), JSON.stringify(request), {}, 15_000);
    const status = reply.headers['Nats-Service-Error-Code']?.[0];
    if (reply.status !== null && status === undefined && reply.body.length === 0)
      assert.fail(`${command}: ${reply.status.code} ${reply.status.description}`);
    const body = JSON.parse(reply.body.toString()) as Json;
    if (status !== undefined) assert.equal(typeof body.message, 'string', 'an error says what is wrong');
    return { status: status === undefined ? null : Number(status), body };
  }

  /** Asks for what must be answered. */
  async done(command: CommandName, request: object): Promise<Json> {
    const { status, body } = await this.ask(command, request);
    assert.equal(status, null, `${command}: ${JSON.stringify(body)}`);
    return body;
  }

  /** Asks for what must be refused. Returns what the error says. */
  async refused(command: CommandName, request: object, code: string): Promise<string> {
    const { status, body } = await this.ask(command, request);
    assert.equal(body.code, code, `${command}: ${JSON.stringify(body)}`);
    assert.ok(status !== null && status >= 400 && status < 500, `${command}: ${status}`);
    return String(body.message);
  }

  /** Waits for the end of what goes on after its command was answered; gives back how it ended. */
  async ended(operation: string): Promise<Json> {
    let description: Json = {};
    await until(
      async () => {
        description = (await this.done('operation.get', { operation })).operation as Json;
        return description.status !== 'running';
      },
      { what: `the end of ${operation}`, timeoutMs: 20_000 },
    ).catch((error: unknown) => assert.fail(`${String(error)}: ${JSON.stringify(description)}`));
    return description;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#operations.stop();
    this.#client.close();
    await this.#service.stop(1_000);
    await this.#bus.close({ deadlineMs: 1_000 });
    await this.#nats.process.kill();
    this.#dir.remove();
    await this.cluster[Symbol.asyncDispose]();
  }
}
