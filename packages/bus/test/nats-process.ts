import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Below the range that outgoing connections take their ports from, so that a stopped server keeps its port. */
const FIRST_PORT = 15_000;
const PORTS = 15_000;
const PORT_TRIES = 20;

/** A real nats-server with JetStream on a free port, whose data outlives a kill. */
export class NatsProcess {
  readonly port: number;
  readonly #dir: string;
  readonly #configuration: string;
  #child: ChildProcess | undefined;

  private constructor(port: number, dir: string, configuration: string) {
    this.port = port;
    this.#dir = dir;
    this.#configuration = configuration;
  }

  /** Chooses a port and a data directory; `start()` starts the server. `configuration` is added to the server's own. */
  static async create(configuration = ''): Promise<NatsProcess> {
    const dir = await mkdtemp(join(tmpdir(), 'salvor-bus-'));
    const port = await freePort();
    const file = `listen: 127.0.0.1:${port}\njetstream { store_dir: "${dir}" }\n${configuration}\n`;
    await writeFile(join(dir, 'nats.conf'), file);
    return new NatsProcess(port, dir, configuration);
  }

  static async started(configuration = ''): Promise<NatsProcess> {
    const server = await NatsProcess.create(configuration);
    await server.start();
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get configuration(): string {
    return this.#configuration;
  }

  async start(): Promise<void> {
    this.#child = spawn('nats-server', ['-c', join(this.#dir, 'nats.conf')], { stdio: 'ignore' });
    await eventually('nats-server accepts connections', () => accepts(this.port));
  }

  /** SIGKILL: no farewell, no flush. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  /** SIGSTOP: connections stay, nothing answers. Resolves when every thread has stopped. */
  async pause(): Promise<void> {
    const pid = this.#child?.pid;
    this.#child?.kill('SIGSTOP');
    if (pid !== undefined) await eventually('nats-server has stopped', () => isStopped(pid));
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async remove(): Promise<void> {
    await this.kill();
    await rm(this.#dir, { recursive: true, force: true });
  }
}

/** Asks until the answer is true (or not undefined), for at most 15 s. */
async function isStopped(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`);
  const states = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/stat`, 'utf8').catch(() => '(ended) T')),
  );
  return states.every((stat) => /\) [Tt]/.test(stat));
}

export async function eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + 15_000;
  while (!(await condition())) {
    if (Date.now() > giveUpAt) throw new Error(`did not happen in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORT_TRIES; tries++) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (await canListen(port)) return port;
  }
  throw new Error(`no free port in ${PORT_TRIES} tries`);
}

function canListen(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dial(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
