import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ManagedProcess, Stack, StackEngine } from '@salvor/local-stack';
import type { Call, Command } from '../command.ts';
import { DEFAULT_STACK_DIR, removeContext, STACK_CONTEXT_FILE, writeContext } from '../context-file.ts';
import { failureOf } from '../failure.ts';
import { type StackSummary, stackScreen } from '../rendering/stack-screen.ts';
import { printable } from '../rendering/text.ts';
import { zonesScreen } from '../rendering/zones-screen.ts';
import { keptSecret } from '../secret-files.ts';
import { zonesToRun } from './up-zones.ts';

const MAX_ENGINES = 64;
const MAX_NBD_SERVERS = 16;
const CHECK_INTERVAL_MS = 1_000;
const TOKENS_FILE = 'console-tokens';
const TOKEN_BYTES = 16;

export const upCommand: Command = {
  name: 'up',
  description:
    'Runs a whole Salvor on this machine until Ctrl-C. NATS, etcd, storage engines and all services are child processes; the data stays in the folder, and the next run goes on with it. With --zones it runs one for each zone, and volumes can be replicated between them.',
  options: {
    dir: { type: 'string', value: 'folder', help: `data and logs (default ${DEFAULT_STACK_DIR})` },
    primaries: {
      type: 'string',
      value: 'n',
      help: 'engines of the primary cluster (default 4, of a zone 2, or as many as the folder has)',
    },
    slaves: {
      type: 'string',
      value: 'n',
      help: 'engines of the slave cluster (default as many, 0 for none)',
    },
    spares: { type: 'string', value: 'n', help: 'spare engines (default 2)' },
    tls: {
      type: 'boolean',
      help: 'every link is TLS, with certificates made in <dir>/tls; a folder that has them goes on so',
    },
    'nbd-servers': { type: 'string', value: 'n', help: 'NBD servers (default 1)' },
    zones: {
      type: 'string',
      value: 'names',
      help: 'comma-separated: one whole Salvor each, in <dir>/<zone>; a folder that has them goes on so',
    },
  },
  examples: [
    'salvor up',
    'salvor up --tls',
    'salvor up --dir /tmp/salvor --primaries 2 --spares 1',
    'salvor up --zones north,south',
  ],
  async run(call) {
    const { args, terminal } = call;
    const interrupted = terminal.interrupted();
    const dir = resolve(terminal.cwd, args.text('dir') ?? DEFAULT_STACK_DIR);
    const zones = zonesToRun(dir, args.text('zones'), args.flag('tls'));
    const running: Running[] = [];
    try {
      if (zones.length === 0) running.push(await startOne(call, dir, null));
      for (const zone of zones) {
        if (interrupted.aborted) break;
        running.push(await startOne(call, join(dir, zone), zone));
      }
      if (!interrupted.aborted) await joinZones(running, call);
      for (const { contextFile, summary } of running) writeContext(contextFile, contextOf(summary));
      const isFound = dir === resolve(terminal.cwd, DEFAULT_STACK_DIR);
      const summaries = running.map(({ summary }) => summary());
      const [only] = summaries;
      if (!interrupted.aborted && only !== undefined)
        call.print(zones.length === 0 ? only : { dir, zones: summaries }, () =>
          zones.length === 0
            ? stackScreen(call.paint, only, isFound)
            : zonesScreen(call.paint, dir, summaries),
        );
      await supervise(
        running.map(({ stack }) => stack),
        call,
        interrupted,
      );
    } finally {
      if (running.length > 0) terminal.err('salvor: stopping\n');
      for (const { contextFile, stack } of running) {
        removeContext(contextFile);
        await stack.stop();
      }
    }
  },
};

interface Running {
  readonly zone: string | null;
  readonly stack: Stack;
  readonly contextFile: string;
  /** As it is now. */
  readonly summary: () => StackSummary;
}

async function startOne({ args, terminal }: Call, dir: string, zone: string | null): Promise<Running> {
  const { certificateFiles, makeCertificates, readStackFile, startStack } = await import(
    '@salvor/local-stack'
  );
  const tlsDir = join(dir, 'tls');
  const isTls = args.flag('tls') || existsSync(certificateFiles(tlsDir).ca);
  const tls = isTls ? await makeCertificates(tlsDir) : undefined;
  const before = readStackFile(dir)?.ports ?? {};
  const usual = zone === null ? 4 : 2;
  const primaries = args.integer('primaries', 1, MAX_ENGINES) ?? (numbered(before, 'p1') || usual);
  const slaves = numbered(before, 'p1') === primaries ? numbered(before, 's1') : primaries;
  mkdirSync(dir, { recursive: true });
  const tokenFile = join(dir, TOKENS_FILE);
  await keptSecret(tokenFile, () => `operator ${randomBytes(TOKEN_BYTES).toString('hex')}`);
  const stack = await startStack({
    dir,
    primaries,
    slaves: args.integer('slaves', 0, MAX_ENGINES) ?? slaves,
    spares: args.integer('spares', 0, MAX_ENGINES) ?? (isNew(before) ? 2 : numbered(before, 'spare')),
    nbdServers: args.integer('nbd-servers', 1, MAX_NBD_SERVERS) ?? (numbered(before, 'nbd') || 1),
    services: { console: { replicas: 1, env: { SALVOR_CONSOLE_TOKENS_FILE: tokenFile } } },
    tls,
    onProgress: (line) => terminal.err(`salvor: ${zone === null ? '' : `zone ${zone}: `}${line}\n`),
  });
  const contextFile = join(dir, STACK_CONTEXT_FILE);
  return {
    ...{ zone, stack, contextFile },
    summary: () => summaryOf(stack, { zone, dir, contextFile, tokenFile }),
  };
}

/** Each zone is told of the others once all are there. */
async function joinZones(running: readonly Running[], { terminal }: Call): Promise<void> {
  for (const { zone, stack } of running) {
    if (zone === null) continue;
    const others = running.filter((other) => other.zone !== zone);
    const peers = others.map((other) => ({
      zone: other.zone ?? '',
      natsServers: [other.stack.natsUrl],
      tlogStore: other.stack.tier2,
    }));
    await stack.startReplication(zone, peers);
    terminal.err(`salvor: zone ${zone}: replication-manager is ready\n`);
  }
}

function contextOf(summary: () => StackSummary): Parameters<typeof writeContext>[1] {
  const { natsUrl, etcd, certificates } = summary();
  const file = (name: string): string => join(certificates ?? '', `${name}.pem`);
  return {
    ...{ natsUrl, etcd },
    ...(certificates === null
      ? {}
      : {
          natsTlsCa: file('ca-cert'),
          natsTlsCert: file('client-cert'),
          natsTlsKey: file('client-key'),
        }),
  };
}

type Ports = Readonly<Record<string, number>>;

/** How many servers `<name>-<number>` the folder had at its last run: the next run goes on with as many. */
function numbered(ports: Ports, name: string): number {
  const servers = Object.keys(ports).map((key) => key.slice(0, key.indexOf('/')));
  return new Set(servers.filter((server) => server.replace(/-\d+$/, '') === name && server !== name)).size;
}

function isNew(ports: Ports): boolean {
  return Object.keys(ports).length === 0;
}

function summaryOf(
  stack: Stack,
  place: Pick<StackSummary, 'zone' | 'dir' | 'contextFile' | 'tokenFile'>,
): StackSummary {
  const { nats, etcd, engines, clusters, services, nbdServers } = stack;
  const processOf = ({ name, pid, logFile }: ManagedProcess, at: string) => ({ name, pid, at, logFile });
  const allEngines = [...engines.primary, ...engines.slave, ...engines.spares];
  const addresses = (list: readonly StackEngine[]) => list.map(({ address }) => address);
  return {
    ...place,
    natsUrl: stack.natsUrl,
    etcd: stack.etcdEndpoints.join(','),
    processes: [
      processOf(nats.process, nats.url),
      processOf(etcd.process, etcd.endpoint),
      ...allEngines.map(({ process, address }) => processOf(process, address)),
      ...[...services].map(([name, process]) =>
        processOf(process, name === 'console' ? (stack.consoleUrl ?? '') : ''),
      ),
    ],
    nbdServers: nbdServers.map((server) => ({
      server: server.name,
      pid: server.identity()?.pid,
      uri: server.uri(''),
      unixUri: server.unixUri(''),
    })),
    clusters: [
      { cluster: clusters.primary, role: 'primary', engines: addresses(engines.primary) },
      ...(engines.slave.length === 0
        ? []
        : [{ cluster: clusters.slave, role: 'slave', engines: addresses(engines.slave) }]),
    ],
    spares: addresses(engines.spares),
    certificates: stack.options.tls?.dir ?? null,
  };
}

/**
 * Until interrupted: a service that ended is started again, as a supervisor would; an engine, etcd or NATS that ended
 * is only named, since its loss is what people come to see.
 */
async function supervise(
  stacks: readonly Stack[],
  { terminal }: Call,
  interrupted: AbortSignal,
): Promise<void> {
  const servers = stacks.flatMap(({ nats, etcd, engines }) =>
    [nats, etcd, ...engines.primary, ...engines.slave, ...engines.spares].map(({ process }) => process),
  );
  const named = new Set<ManagedProcess>();
  while (!interrupted.aborted) {
    for (const server of servers) {
      if (server.running) named.delete(server);
      else if (!named.has(server)) {
        named.add(server);
        terminal.err(`salvor: ${server.name} ended (${endOf(server)}); its log is ${server.logFile}\n`);
      }
    }
    for (const service of stacks.flatMap(({ services }) => [...services.values()])) {
      if (!service.running && !interrupted.aborted) await startAgain(service, terminal);
    }
    await delay(CHECK_INTERVAL_MS, undefined, { signal: interrupted }).catch(() => undefined);
  }
}

async function startAgain(service: ManagedProcess, terminal: Call['terminal']): Promise<void> {
  terminal.err(
    `salvor: ${service.name} ended (${endOf(service)}), starting it again; its log is ${service.logFile}\n`,
  );
  try {
    await service.start();
    terminal.err(`salvor: ${service.name} is ready as process ${service.pid}\n`);
  } catch (error) {
    terminal.err(`salvor: ${printable(failureOf(error).message)}\n`);
  }
}

function endOf({ lastExit }: ManagedProcess): string {
  return lastExit?.signal ?? `code ${lastExit?.code ?? 'unknown'}`;
}
