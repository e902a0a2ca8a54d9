import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.ts';

const START_TIMEOUT_MS = 60_000;
const PORT_TRIES = 20;
/** Looks at the threads of a process that was told to stop: they stop within a fraction of a millisecond. */
const STOP_LOOKS_MAX = 10_000;
/** Below the range that outgoing connections take their ports from, so that a stopped server keeps its port. */
const FIRST_PORT = 15_000;
const PORTS = 15_000;

/** A real etcd of one member on free ports, with data that survives kills. */
export class EtcdServer {
  readonly endpoint: string;
  readonly #dataDir: string;
  readonly #peerUrl: string;
  #process: ChildProcess | null = null;

  private constructor(clientPort: number, peerPort: number, dataDir: string) {
    this.endpoint = `127.0.0.1:${clientPort}`;
    this.#peerUrl = `http://127.0.0.1:${peerPort}`;
    this.#dataDir = dataDir;
  }

  static async start(): Promise<EtcdServer> {
    const server = await EtcdServer.prepare();
    await server.start();
    return server;
  }

  /** Chooses ports and a data directory without starting anything. */
  static async prepare(): Promise<EtcdServer> {
    // Memory-backed where there is such a place: etcd waits for its disk on every write.
    const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
    const dataDir = mkdtempSync(join(base, 'salvor-etcd-'));
    return new EtcdServer(await freePort(), await freePort(), dataDir);
  }

  async start(): Promise<void> {
    const url = `http://${this.endpoint}`;
    const flags = [
      `--name=test`,
      `--data-dir=${this.#dataDir}`,
      `--listen-client-urls=${url}`,
      `--advertise-client-urls=${url}`,
      `--listen-peer-urls=${this.#peerUrl}`,
      `--initial-advertise-peer-urls=${this.#peerUrl}`,
      `--initial-cluster=test=${this.#peerUrl}`,
      '--heartbeat-interval=50',
      '--election-timeout=500',
      '--log-level=error',
    ];
    const child = spawn('etcd', flags, { stdio: 'ignore' });
    this.#process = child;
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.removeListener('exit', kill));
    await until('etcd is healthy', () => this.#isHealthy(), START_TIMEOUT_MS);
  }

  /** Ends the process at once, like a power cut; the data stays. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** Stops the process without closing its connections; it does not run any more when this returns. */
  pause(): void {
    const pid = this.#process?.pid;
    if (pid === undefined) return;
    process.kill(pid, 'SIGSTOP');
    const isStopped = (thread: string): boolean => {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
      return stat[stat.lastIndexOf(')') + 2] === 'T';
    };
    for (let looks = 0; looks < STOP_LOOKS_MAX; looks++) {
      if (readdirSync(`/proc/${pid}/task`).every(isStopped)) return;
    }
    throw new Error(`etcd ${pid} runs on after SIGSTOP`);
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  /** Drops the history up to `revision`, through etcd's JSON gateway. */
  async compact(revision: string): Promise<void> {
    await this.#gateway('kv/compaction', { revision, physical: true });
  }

  async revokeLease(id: string): Promise<void> {
    await this.#gateway('lease/revoke', { ID: id });
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.#dataDir, { recursive: true, force: true });
  }

  async #isHealthy(): Promise<boolean> {
    if (this.#process?.exitCode != null) throw new Error(`etcd exited with ${this.#process.exitCode}`);
    try {
      const response = await fetch(`http://${this.endpoint}/health`, { signal: AbortSignal.timeout(2_000) });
      return response.ok && (await response.text()).includes('true');
    } catch {
      return false; // not listening yet
    }
  }

  async #gateway(path: string, body: unknown): Promise<void> {
    const response = await fetch(`http://${this.endpoint}/v3/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  }
}

export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < PORT_TRIES; attempt += 1) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    if (await canListen(port)) return port;
  }
  throw new Error(`no free port in ${PORT_TRIES} tries`);
}

async function canListen(port: number): Promise<boolean> {
  const answered = await new Promise<boolean>((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
  if (answered) return false;
  const server = createServer();
  return await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
