import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ManagedProcess, Stack, StackEngine } from '@salvor/local-stack';
import type { Call, Command } from '../command.ts';
import { DEFAULT_STACK_DIR, removeContext, STACK_CONTEXT_FILE, writeContext } from '../context-file.ts';
import { failureOf } from '../failure.ts';
import { type StackSummary, stackScreen } from '../rendering/stack-screen.ts';
import { printable } from '../rendering/text.ts';

const MAX_ENGINES = 64;
const MAX_NBD_SERVERS = 16;
const CHECK_INTERVAL_MS = 1_000;

export const upCommand: Command = {
  name: 'up',
  description:
    'Runs a whole Salvor on this machine until Ctrl-C. NATS, etcd, storage engines and all services are child processes; the data stays in the folder, and the next run goes on with it.',
  options: {
    dir: { type: 'string', value: 'folder', help: `data and logs (default ${DEFAULT_STACK_DIR})` },
    primaries: {
      type: 'string',
      value: 'n',
      help: 'engines of the primary cluster (default 4, or as many as the folder has)',
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
  },
  examples: ['salvor up', 'salvor up --tls', 'salvor up --dir /tmp/salvor --primaries 2 --spares 1'],
  async run(call) {
    const { args, terminal } = call;
    const interrupted = terminal.interrupted();
    const dir = resolve(terminal.cwd, args.text('dir') ?? DEFAULT_STACK_DIR);
    const { certificateFiles, makeCertificates, readStackFile, startStack } = await import(
      '@salvor/local-stack'
    );
    const tlsDir = join(dir, 'tls');
    const isTls = args.flag('tls') || existsSync(certificateFiles(tlsDir).ca);
    const tls = isTls ? await makeCertificates(tlsDir) : undefined;
    const before = readStackFile(dir)?.ports ?? {};
    const primaries = args.integer('primaries', 1, MAX_ENGINES) ?? (numbered(before, 'p1') || 4);
    const slaves = numbered(before, 'p1') === primaries ? numbered(before, 's1') : primaries;
    const stack = await startStack({
      dir,
      primaries,
      slaves: args.integer('slaves', 0, MAX_ENGINES) ?? slaves,
      spares: args.integer('spares', 0, MAX_ENGINES) ?? (isNew(before) ? 2 : numbered(before, 'spare')),
      nbdServers: args.integer('nbd-servers', 1, MAX_NBD_SERVERS) ?? (numbered(before, 'nbd') || 1),
      services: { console: { replicas: 1 } },
      tls,
      onProgress: (line) => terminal.err(`salvor: ${line}\n`),
    });
    const contextFile = join(dir, STACK_CONTEXT_FILE);
    try {
      const summary = summaryOf(stack, dir, contextFile);
      writeContext(contextFile, {
        ...{ natsUrl: summary.natsUrl, etcd: summary.etcd },
        ...(tls === undefined
          ? {}
          : { natsTlsCa: tls.ca, natsTlsCert: tls.clientCert, natsTlsKey: tls.clientKey }),
      });
      const isFound = dir === resolve(terminal.cwd, DEFAULT_STACK_DIR);
      if (!interrupted.aborted) call.print(summary, () => stackScreen(call.paint, summary, isFound));
      await supervise(stack, call, interrupted);
    } finally {
      terminal.err('salvor: stopping\n');
      removeContext(contextFile);
      await stack.stop();
    }
  },
};

type Ports = Readonly<Record<string, number>>;

/** How many servers `<name>-<number>` the folder had at its last run: the next run goes on with as many. */
function numbered(ports: Ports, name: string): number {
  const servers = Object.keys(ports).map((key) => key.slice(0, key.indexOf('/')));
  return new Set(servers.filter((server) => server.replace(/-\d+$/, '') === name && server !== name)).size;
}

function isNew(ports: Ports): boolean {
  return Object.keys(ports).length === 0;
}

function summaryOf(stack: Stack, dir: string, contextFile: string): StackSummary {
  const { nats, etcd, engines, clusters, services, nbdServers } = stack;
  const processOf = ({ name, pid, logFile }: ManagedProcess, at: string) => ({ name, pid, at, logFile });
  const allEngines = [...engines.primary, ...engines.slave, ...engines.spares];
  const addresses = (list: readonly StackEngine[]) => list.map(({ address }) => address);
  return {
    dir,
    contextFile,
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
async function supervise(stack: Stack, { terminal }: Call, interrupted: AbortSignal): Promise<void> {
  const { nats, etcd, engines } = stack;
  const servers = [nats, etcd, ...engines.primary, ...engines.slave, ...engines.spares].map(
    ({ process }) => process,
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
    for (const service of stack.services.values()) {
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
