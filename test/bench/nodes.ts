/** Three nodes each of NATS and of etcd, one of which is killed at a time under a load that is verified. */
import { join, resolve } from 'node:path';
import { type Bus, connectBus } from '@salvor/bus';
import { messageOf, silentLogger } from '@salvor/service-kit';
import { tempDir, until, VerifyingLoad } from '@salvor/testkit';
import { z } from 'zod';
import { type ComposeFile, readCompose } from '../deploy/compose-file.ts';
import { LocalCompose } from '../deploy/local-compose.ts';
import { MadeSecrets } from '../deploy/made-secrets.ts';

/** The longest that anything of a kind waited, in milliseconds. */
interface Waits {
  /** Writes: both engines of a pair have them. */
  readonly write: number;
  /** Writes with FUA: two of three NATS servers have them, too. */
  readonly fua: number;
  /** Commands that are answered from etcd, over NATS; sent again until they are. */
  readonly command: number;
}

interface Phase {
  /** `nothing`, or the services that were killed. */
  readonly killed: string;
  readonly waits: Waits;
  readonly acknowledged: number;
}

export interface NodesBench {
  readonly phases: readonly Phase[];
  /** The longest of each kind, over all kills. */
  readonly longest: Waits;
  readonly writesAcknowledged: number;
  readonly blocksCompared: number;
  readonly blocksLost: number;
  readonly ioErrors: number;
  readonly commandsAnswered: number;
  /** What is wrong with the logs, archived and in JetStream; null: `tlog.verify` finds them whole. */
  readonly logs: string | null;
  readonly broken: readonly string[];
}

const FOLDER = resolve(import.meta.dirname, '../../deploy/compose');
/** What a kill can touch; the rest of the file only takes CPU from it. */
const LEFT_OUT =
  /^(console|replication-manager-.*|segment-recovery|nbd-2|health-analyzer-2|tlog-replayer-2|engine-spare-.*)$/;
const NODES = [1, 2, 3];
const REGION_BLOCKS = 2_048;
const COMMAND_TIMEOUT_MS = 60_000;
const WAIT_MS = 180_000;

export async function benchNodes(options: {
  readonly seconds: number;
  readonly perSecond: number;
  readonly progress: (line: string) => void;
}): Promise<NodesBench> {
  const { seconds, perSecond, progress } = options;
  using dir = tempDir('nodes');
  const file = withoutRest(readCompose(join(FOLDER, 'compose.yaml')));
  const secrets = await MadeSecrets.in(dir.join('secrets'));
  const places = { folder: FOLDER, dir: dir.path, secrets: secrets.folder };
  await using compose = await LocalCompose.start(file, places);
  await makeVdisk(compose);
  const servers = NODES.map((node) => `127.0.0.1:${compose.port(`nats-${node}`, 4_222)}`);
  const { ca: caFile, clientCert: certFile, clientKey: keyFile } = secrets.certificates('nats');
  const bus = await connectBus({
    ...{ servers, name: 'salvor-cli', log: silentLogger, nkeySeed: secrets.seedOf('operator') },
    tls: { caFile, certFile, keyFile },
  });
  const waits = new LongestWaits();
  const tls = `tls-certificates=${secrets.certificates('hosts').dir}`;
  const target = `nbds://127.0.0.1:${compose.port('nbd-1', 10_809)}/v1?${tls}`;
  const loadOf = (kind: 'write' | 'fua', at: number): VerifyingLoad =>
    new VerifyingLoad({
      ...{ targets: target, seed: 7 + at, firstBlock: at * REGION_BLOCKS, blockCount: REGION_BLOCKS },
      ...{ queueDepth: 8, requestsPerSecond: perSecond / 2, readShare: 0.2, requestTimeoutMs: 120_000 },
      fuaShare: kind === 'fua' ? 1 : 0,
      onAck: (_, submittedAt, ackedAt) => waits.add(kind, ackedAt - submittedAt),
    });
  const loads = [loadOf('write', 0), loadOf('fua', 1)];
  for (const load of loads) await load.start();
  const questions = new Questions(bus, waits);
  const acknowledged = (): number => loads.reduce((sum, { stats }) => sum + stats.writesAcknowledged, 0);

  const phases: Phase[] = [];
  const during = async (killed: readonly string[]): Promise<void> => {
    const before = acknowledged();
    waits.take();
    await Promise.all(killed.map((name) => compose.process(name).kill('SIGKILL')));
    await loads[1]?.firstAck({ submittedAfter: performance.now(), timeoutMs: WAIT_MS });
    const endsAt = performance.now() + seconds * 1_000;
    await until(() => performance.now() >= endsAt && questions.isIdle(endsAt), {
      ...{ what: 'commands to be answered', timeoutMs: WAIT_MS, intervalMs: 20 },
    });
    const phase = { killed: killed.join(' and ') || 'nothing', waits: waits.take() };
    phases.push({ ...phase, acknowledged: acknowledged() - before });
    progress(`killed ${phase.killed}: ${text(phase.waits)}`);
    for (const name of killed) {
      await compose.process(name).start();
      await until(() => isBack(compose, name), {
        ...{ what: `${name} to be back`, timeoutMs: WAIT_MS, intervalMs: 250 },
      });
    }
  };
  await during([]);
  for (const node of NODES) await during([`nats-${node}`]);
  for (const node of NODES) await during([`etcd-${node}`]);
  for (const node of NODES) await during([`nats-${node}`, `etcd-${(node % 3) + 1}`]);

  await questions.stop();
  const stats = await Promise.all(loads.map((load) => load.stop(WAIT_MS)));
  const found = await Promise.all(loads.map((load) => load.verifyOverNbd()));
  const logs = await verifyLogs(compose);
  await bus.close();
  const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
  const result = {
    phases,
    longest: longestOf(phases.slice(1).map((phase) => phase.waits)),
    writesAcknowledged: sum(stats.map((each) => each.writesAcknowledged)),
    blocksCompared: sum(found.map((each) => each.blocksCompared)),
    blocksLost: sum(found.map((each) => each.blocksLost)),
    ioErrors: sum(stats.map((each) => each.ioErrors)),
    commandsAnswered: questions.answered,
    logs,
  };
  return { ...result, broken: faultsOf(result) };
}

export function nodesTable({ phases, ...result }: NodesBench): string {
  const rows = phases.map(({ killed, waits, acknowledged }) =>
    [
      killed.padEnd(20),
      ...[waits.write, waits.fua, waits.command].map((ms) => ms.toFixed(0).padStart(8)),
      String(acknowledged).padStart(10),
    ].join(' '),
  );
  return [
    `${'killed'.padEnd(20)} ${'write ms'.padStart(8)} ${'FUA ms'.padStart(8)} ${'cmd ms'.padStart(8)} ${'writes'.padStart(10)}`,
    ...rows,
    `longest: ${text(result.longest)}; ${result.writesAcknowledged} writes, ${result.blocksLost} of ${result.blocksCompared} blocks lost, ${result.ioErrors} errors; logs ${result.logs ?? 'whole'}`,
    ...result.broken.map((fault) => `BROKEN: ${fault}`),
    '',
  ].join('\n');
}

function faultsOf(result: Omit<NodesBench, 'broken'>): string[] {
  return [
    ...(result.blocksLost > 0 ? [`${result.blocksLost} blocks lost`] : []),
    ...(result.ioErrors > 0 ? [`${result.ioErrors} requests answered with an error`] : []),
    ...(result.logs === null ? [] : [result.logs]),
    ...(result.phases.some(({ acknowledged }) => acknowledged === 0)
      ? ['nothing was written in a phase']
      : []),
  ];
}

class LongestWaits {
  #now: Waits = { write: 0, fua: 0, command: 0 };

  add(kind: keyof Waits, ms: number): void {
    this.#now = { ...this.#now, [kind]: Math.max(this.#now[kind], ms) };
  }

  /** What it was since this was asked last. */
  take(): Waits {
    const taken = this.#now;
    this.#now = { write: 0, fua: 0, command: 0 };
    return taken;
  }
}

/** Asks one command after the other. */
class Questions {
  readonly #bus: Bus;
  readonly #waits: LongestWaits;
  readonly #running: Promise<void>;
  #stopped = false;
  #askedAt = 0;
  answered = 0;

  constructor(bus: Bus, waits: LongestWaits) {
    this.#bus = bus;
    this.#waits = waits;
    this.#running = this.#run();
  }

  /** Whether the question that is open was asked after `at`. */
  isIdle(at: number): boolean {
    return this.#askedAt >= at;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#askedAt = performance.now();
      await this.#ask(this.#askedAt + COMMAND_TIMEOUT_MS);
      this.#waits.add('command', performance.now() - this.#askedAt);
      this.answered++;
    }
  }

  /** Again when it failed: who asks waits until it is answered. */
  async #ask(giveUpAt: number): Promise<void> {
    for (;;) {
      try {
        await this.#bus.request('vdisk.list', {}, { timeoutMs: 1_000 });
        return;
      } catch (error) {
        if (performance.now() > giveUpAt) throw error;
      }
    }
  }
}

function longestOf(all: readonly Waits[]): Waits {
  const most = (kind: keyof Waits): number => Math.max(...all.map((waits) => waits[kind]));
  return { write: most('write'), fua: most('fua'), command: most('command') };
}

function text({ write, fua, command }: Waits): string {
  return `a write waited ${write.toFixed(0)} ms at most, one with FUA ${fua.toFixed(0)} ms, a command ${command.toFixed(0)} ms`;
}

/** Whether the next node may be killed: this one answers, and has what the others have. */
async function isBack(compose: LocalCompose, name: string): Promise<boolean> {
  if (name.startsWith('etcd'))
    return (await fetch(`http://127.0.0.1:${compose.port(name, 2_381)}/health`)).ok;
  const all = await Promise.all(NODES.map((node) => storedBy(compose, `nats-${node}`)));
  const own = await storedBy(compose, name);
  return all.every((stored) => [...stored].every(([stream, last]) => (own.get(stream) ?? 0) >= last));
}

const jetStreamSchema = z.object({
  account_details: z
    .array(
      z.object({
        stream_detail: z
          .array(z.object({ name: z.string(), state: z.object({ last_seq: z.number() }) }))
          .default([]),
      }),
    )
    .default([]),
});

/** The last sequence of each stream that a NATS server has. */
async function storedBy(compose: LocalCompose, name: string): Promise<Map<string, number>> {
  const url = `http://127.0.0.1:${compose.port(name, 8_222)}/jsz?accounts=true&streams=true`;
  const { account_details } = jetStreamSchema.parse(await (await fetch(url)).json());
  const streams = account_details.flatMap(({ stream_detail }) => stream_detail);
  return new Map(streams.map(({ name: stream, state }) => [stream, state.last_seq]));
}

async function verifyLogs(compose: LocalCompose): Promise<string | null> {
  try {
    await compose.run('cli', 'tlog', 'verify', '--wait', '--json');
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

async function makeVdisk(compose: LocalCompose): Promise<void> {
  const engines = (cluster: string): string[] =>
    [0, 1].flatMap((shard) => ['--engine', `engine-${cluster}-${shard}:6379`]);
  await compose.run('cli', 'cluster', 'create', 's1', '--role', 'slave', ...engines('s1'));
  await compose.run(
    'cli',
    'cluster',
    'create',
    'p1',
    '--role',
    'primary',
    '--partner',
    's1',
    ...engines('p1'),
  );
  const places = ['--cluster', 'p1', '--slave-cluster', 's1', '--tlog', 'block'];
  await compose.run('cli', 'vdisk', 'create', 'v1', '--size', '1', ...places);
}

function withoutRest(file: ComposeFile): ComposeFile {
  const services = Object.entries(file.services).filter(([name]) => !LEFT_OUT.test(name));
  return { ...file, services: Object.fromEntries(services) };
}
