import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bus } from '@salvor/bus';
import { killEngine, NbdClient, restartWithData, type Stack, startStack, until } from '@salvor/testkit';
import { untilHealthy } from '../history/health.ts';
import { cpuTimeUs } from './cpu-time.ts';
import { etcdCalls } from './etcd-calls.ts';
import { addVdisks, eachOf } from './many-vdisks.ts';
import { MemoryWatch } from './resident-memory.ts';

/** Options of `bench -- many`, as given on the command line. */
export const manyOptions = {
  pairs: { type: 'string' },
  vdisks: { type: 'string' },
  mounted: { type: 'string' },
} as const;

const SERVE_AGAIN_MAX_MS = 1_000;
const COORDINATOR_MAX_MB = 300;
const HEAL_TIMEOUT_MS = 300_000;
const REQUEST_TIMEOUT_MS = 30_000;
const BLOCK_BYTES = 4_096;
const SAMPLE_EVERY_MS = 500;
/** Each look makes the coordinators list every repair. */
const LOOK_INTERVAL_MS = 2_000;

/** What a report says of one outage, however many engines it had. */
interface OutageFigures {
  /** Incidents opened, and transitions of engines announced, as the stream has them. */
  readonly incidents: number;
  readonly transitions: Readonly<Record<string, number>>;
  readonly healedAfterMs: number;
  readonly etcdCalls: number;
  /** Of all that time, the most in any second. */
  readonly etcdCallsPerSecondMax: number;
  readonly peakMb: Readonly<Record<string, number | null>>;
}

export interface ManyReport {
  readonly loadAverage: number;
  readonly engines: OutageFigures & {
    readonly pairs: number;
    readonly killed: number;
    /** From the kill until a write to the pair was acknowledged again. */
    readonly serveAgainMs: { readonly p50: number; readonly p99: number; readonly max: number };
    /** What each process computed meanwhile: on a machine with other work the time above is mostly the wait for a core. */
    readonly serveAgainCpuMs: Readonly<Record<string, number>>;
  };
  readonly vdisks: OutageFigures & {
    readonly vdisks: number;
    readonly mounted: number;
    readonly repairs: number;
    /** The slowest of the small reads and writes that a client went on with all the while. */
    readonly slowestRequestMs: number;
    /** What ended that client; null when nothing did. */
    readonly clientError: string | null;
  };
  readonly broken: readonly string[];
}

/** Many engines that fail in the same second, and one engine with very many vdisks. */
export async function benchMany(options: {
  pairs: number;
  vdisks: number;
  mounted: number;
  progress: (line: string) => void;
}): Promise<ManyReport> {
  const engines = await withStack({ primaries: options.pairs, spares: 0 }, (stack, bus) =>
    manyEngines(stack, bus, options.progress),
  );
  const vdisks = await withStack({ primaries: 4, spares: 0 }, (stack, bus) =>
    manyVdisks(stack, bus, options),
  );
  const figures = { loadAverage: Math.round((loadavg()[0] ?? 0) * 10) / 10, engines, vdisks };
  return { ...figures, broken: brokenLimits(figures) };
}

/** Every other pair loses its primary, the rest their slaves, all at once. */
async function manyEngines(
  stack: Stack,
  bus: Bus,
  progress: (line: string) => void,
): Promise<ManyReport['engines']> {
  const pairs = stack.engines.primary.length;
  const place = { cluster: stack.clusters.primary, slaveCluster: stack.clusters.slave };
  await bus.request(
    'vdisk.create',
    { vdisk: 'wide', type: 'db', sizeGiB: 1, ...place },
    { timeoutMs: REQUEST_TIMEOUT_MS },
  );
  await using client = await NbdClient.connect(stack.nbdServer().unixUri('wide'), {
    connectTimeoutMs: 60_000,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  });
  const shards = Array.from({ length: pairs }, (_, shard) => shard);
  const writeTo = (shard: number) => client.write(shard * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, 1 + shard));
  await Promise.all(shards.map(writeTo));
  progress(`${pairs} pairs are served`);
  let servedAgain: number[] = [];
  let serveAgainCpuMs: Record<string, number> = {};
  const figures = await duringOutage(stack, bus, async () => {
    const engines = shards.map((shard) => stack.engine(shard % 2 === 0 ? 'primary' : 'slave', shard));
    const cpuBefore = cpuMs(stack);
    await Promise.all(engines.map((engine) => killEngine(engine)));
    const killedAt = performance.now();
    servedAgain = await Promise.all(
      shards.map(async (shard) => {
        await writeTo(shard);
        return performance.now() - killedAt;
      }),
    );
    serveAgainCpuMs = Object.fromEntries(
      Object.entries(cpuMs(stack)).map(([name, ms]) => [name, ms - (cpuBefore[name] ?? 0)]),
    );
    servedAgain.sort((a, b) => a - b);
    progress(`all pairs serve again, the last after ${Math.round(servedAgain.at(-1) ?? 0)} ms`);
    await Promise.all(engines.map((engine) => restartWithData(engine)));
    progress('all engines are started again');
  });
  const at = (share: number): number =>
    Math.round(servedAgain[Math.ceil(servedAgain.length * share) - 1] ?? Number.NaN);
  const serveAgainMs = { p50: at(0.5), p99: at(0.99), max: at(1) };
  return { pairs, killed: pairs, serveAgainMs, serveAgainCpuMs, ...figures };
}

/** What each process of the stack but the engines has computed so far, in milliseconds. */
function cpuMs(stack: Stack): Record<string, number> {
  const pids = { ...pidsOf(stack), etcd: stack.etcd.process.pid, nats: stack.nats.process.pid };
  return Object.fromEntries(
    Object.entries(pids).flatMap(([name, pid]) =>
      pid === undefined ? [] : [[name, cpuTimeUs([pid]) / 1_000]],
    ),
  );
}

function pidsOf(stack: Stack): Record<string, number | undefined> {
  return {
    'nbd-server': stack.nbdServer().identity()?.pid,
    ...Object.fromEntries([...stack.services].map(([name, { pid }]) => [name, pid])),
  };
}

/** One engine dies, and comes back, under all vdisks; some have clients. */
async function manyVdisks(
  stack: Stack,
  bus: Bus,
  { vdisks, mounted, progress }: { vdisks: number; mounted: number; progress: (line: string) => void },
): Promise<ManyReport['vdisks']> {
  const names = Array.from({ length: vdisks }, (_, i) => `many-${i}`);
  await addVdisks(stack, names);
  progress(`${vdisks} vdisks created`);
  const clients: NbdClient[] = [];
  await eachOf(names.slice(0, mounted), async (name) => {
    const client = await NbdClient.connect(stack.nbdServer().unixUri(name), {
      connectTimeoutMs: 60_000,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
    });
    await client.write(0, Buffer.alloc(BLOCK_BYTES, 1));
    clients.push(client);
  });
  progress(`${clients.length} of them mounted`);
  let slowest = 0;
  let isOver = false;
  const asking = (async () => {
    for (let i = 0; !isOver; i++) {
      const client = clients[i % clients.length];
      if (client === undefined) return;
      const sentAt = performance.now();
      await client.write(BLOCK_BYTES * (i % 64), Buffer.alloc(BLOCK_BYTES, 1 + (i % 255)));
      await client.read(BLOCK_BYTES * (i % 64), BLOCK_BYTES);
      slowest = Math.max(slowest, performance.now() - sentAt);
    }
  })();
  let clientError: string | null = null;
  const asked = asking.catch((error: unknown) => {
    clientError = String(error);
  });
  const engine = stack.engine('primary', 1);
  let repairs = 0;
  const watch = bus.watchEvents({
    types: ['repair.completed'],
    handler: () => {
      repairs++;
    },
  });
  const figures = await duringOutage(stack, bus, async () => {
    await killEngine(engine);
    await until(
      async () => (await bus.request('engine.get', { address: engine.address })).engine.status !== 'online',
      {
        what: 'the outage is known',
        timeoutMs: 60_000,
      },
    );
    progress('the engine is down');
    await restartWithData(engine);
  });
  progress(`healed after ${figures.healedAfterMs} ms, ${repairs} repairs`);
  isOver = true;
  await asked;
  watch.stop();
  for (const client of clients) client.destroy();
  const slowestRequestMs = Math.round(slowest);
  return { vdisks, mounted: clients.length, repairs, slowestRequestMs, clientError, ...figures };
}

/** Watches a stack from an outage until everything is healthy again. */
async function duringOutage(stack: Stack, bus: Bus, outage: () => Promise<void>): Promise<OutageFigures> {
  const transitions: Record<string, number> = {};
  let incidents = 0;
  const watch = bus.watchEvents({
    types: ['engine.status-changed', 'incident.opened'],
    handler: ({ type, payload }) => {
      if (type === 'incident.opened') incidents++;
      else if ('to' in payload) transitions[payload.to] = (transitions[payload.to] ?? 0) + 1;
    },
  });
  const memory = new MemoryWatch(() => pidsOf(stack), SAMPLE_EVERY_MS);
  const calls = await etcdCalls(stack);
  const beganAt = performance.now();
  await outage();
  await untilHealthy(bus, HEAL_TIMEOUT_MS, LOOK_INTERVAL_MS);
  const healedAfterMs = Math.round(performance.now() - beganAt);
  const { total, perSecondMax } = await calls.stop();
  // What is announced follows what is stored.
  await until(() => (transitions.online ?? 0) >= incidents && incidents > 0, {
    what: 'everything is announced',
    timeoutMs: 30_000,
  });
  watch.stop();
  memory.sample();
  memory.stop();
  const peakMb = Object.fromEntries(
    Object.entries(memory.summary(0)).map(([name, { peakMb: mb }]) => [name, mb]),
  );
  return {
    incidents,
    transitions,
    healedAfterMs,
    etcdCalls: total,
    etcdCallsPerSecondMax: perSecondMax,
    peakMb,
  };
}

/** A sentence for each limit that the figures break. */
function brokenLimits({ engines, vdisks }: Omit<ManyReport, 'broken'>): string[] {
  const broken: string[] = [];
  const { p99 } = engines.serveAgainMs;
  if (p99 > SERVE_AGAIN_MAX_MS)
    broken.push(`pairs serve again after ${p99} ms (p99), at most ${SERVE_AGAIN_MAX_MS}`);
  if (engines.incidents !== engines.killed)
    broken.push(`${engines.killed} engines made ${engines.incidents} incidents`);
  if (vdisks.incidents !== 1) broken.push(`one engine made ${vdisks.incidents} incidents`);
  if (vdisks.repairs !== vdisks.vdisks) broken.push(`${vdisks.vdisks} vdisks had ${vdisks.repairs} repairs`);
  if (vdisks.clientError !== null) broken.push(`a client was cut off: ${vdisks.clientError}`);
  for (const [kind, { peakMb, transitions }] of Object.entries({ engines, vdisks })) {
    const expected = kind === 'engines' ? engines.killed : 1;
    for (const [to, count] of Object.entries(transitions))
      if (count !== expected) broken.push(`${kind}: ${count} transitions to ${to}, expected ${expected}`);
    for (const [name, mb] of Object.entries(peakMb))
      if (name.startsWith('repair-coordinator') && (mb ?? 0) > COORDINATOR_MAX_MB)
        broken.push(`${kind}: ${name} takes ${mb} MB, at most ${COORDINATOR_MAX_MB}`);
  }
  return broken;
}

export function manyTable({ engines, vdisks, ...rest }: ManyReport): string {
  const lines = Object.entries({ ...rest, engines, vdisks }).flatMap(([name, value]) =>
    typeof value === 'object' && !Array.isArray(value)
      ? Object.entries(value).map(([figure, of]) => `${`${name} ${figure}`.padEnd(32)} ${JSON.stringify(of)}`)
      : [`${name.padEnd(32)} ${JSON.stringify(value)}`],
  );
  return `${lines.join('\n')}\n`;
}

async function withStack<T>(
  options: { primaries: number; spares: number },
  use: (stack: Stack, bus: Bus) => Promise<T>,
): Promise<T> {
  const dir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'salvor-many-'));
  const stack = await startStack({
    ...options,
    dir,
    appendfsync: 'no',
    readyTimeoutMs: 120_000,
    services: { 'repair-coordinator': { replicas: 2 }, 'health-analyzer': { replicas: 2 } },
  });
  // NBD servers outlive the log-watcher that started them: they may not be left behind.
  const end = (): void => void stack.destroy().finally(() => process.exit(130));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end);
  const bus = await stack.connectBus('many');
  let isGood = false;
  try {
    const result = await use(stack, bus);
    isGood = true;
    return result;
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, end);
    await bus.close({ deadlineMs: 1_000 });
    await stack.destroy();
    // The logs of what went wrong are in there.
    if (isGood) rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }
}
