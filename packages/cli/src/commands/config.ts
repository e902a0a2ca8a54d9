/** The configuration in etcd as a file. Read from etcd itself: it is of use when no service runs. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ConfigStore, ConfigurationFile, StoreSettings } from '@salvor/config-store';
import { messageOf, SalvorError } from '@salvor/service-kit';
import type { Call, Command, OptionSpecs } from '../command.ts';
import { contextPaths, readContext } from '../context-file.ts';
import { CliError, exitCodes, usageError } from '../failure.ts';
import { counted, printable } from '../rendering/text.ts';

/** Of one call to etcd. */
const CALL_TIMEOUT_MS = 10_000;
const MAX_TIMEOUT_S = 3_600;
/** Of keys that are named in text; JSON has all of them. */
const MAX_SHOWN_KEYS = 20;
const ENDPOINT = /^(\[[0-9a-f:]+\]|[A-Za-z0-9._-]+):\d{1,5}$/i;

const file = { name: 'file', help: 'written by config export; - reads it from standard input' };
const etcdOption: OptionSpecs = {
  etcd: {
    type: 'string',
    value: 'endpoints',
    help: 'of etcd, comma-separated host:port (default SALVOR_ETCD_ENDPOINTS, then the local stack)',
  },
};

export const configCommands: readonly Command[] = [
  {
    name: 'config export',
    description:
      'Prints the configuration in etcd, at one revision, as a file of YAML: clusters, vdisks, logs, volumes, archives, plans, instances, open incidents. Secrets are not in it, nor what servers hold under a lease.',
    options: etcdOption,
    examples: ['salvor config export > salvor.yaml', 'salvor config export --etcd 10.100.0.1:2379'],
    async run(call) {
      const { exportConfiguration, formatConfiguration } = await import('@salvor/config-store');
      const exported = await withStore(call, (store) => exportConfiguration(store, new Date()));
      call.print(asJson(exported), () => formatConfiguration(exported));
    },
  },
  {
    name: 'config validate',
    description:
      'Checks a file with a configuration: each entry by the schema of its key. Nothing but the file is needed.',
    positionals: [file],
    examples: ['salvor config validate salvor.yaml'],
    async run(call) {
      const { entries, revision, exportedAt } = await fileOf(call);
      call.print(
        { valid: true, entries: entries.size, revision, exportedAt },
        () =>
          `a configuration of ${counted(entries.size, 'key')}, exported at ${exportedAt.toISOString()}, revision ${revision}\n`,
      );
    },
  },
  {
    name: 'config import',
    description:
      'Checks a file as config validate does, and writes to etcd what it has not. What was changed in etcd since the export is refused, and so is what a server has mounted; then nothing is written. Keys that the file has not stay. It can be given again at any time.',
    positionals: [file],
    options: {
      ...etcdOption,
      overwrite: { type: 'boolean', help: 'also what was changed in etcd since the export' },
      'dry-run': { type: 'boolean', help: 'say what would be written, and write nothing' },
    },
    examples: ['salvor config import salvor.yaml --dry-run', 'salvor config import salvor.yaml'],
    run: runImport,
  },
];

async function runImport(call: Call): Promise<void> {
  const { args, print } = call;
  const { importConfiguration, planImport } = await import('@salvor/config-store');
  const wanted = await fileOf(call);
  const options = { overwrite: args.flag('overwrite') };
  if (args.flag('dry-run')) {
    const plan = await withStore(call, (store) => planImport(store, wanted, options));
    const json = { ...shownPlan(plan), newer: plan.newer };
    print(
      json,
      () => planText(plan, 'would be written') + keysText('changed in etcd since the export', plan.newer),
    );
    return;
  }
  const outcome = await withStore(call, (store) => importConfiguration(store, wanted, options));
  const { transactions, raisedTo } = outcome;
  print({ ...shownPlan(outcome), transactions, raisedTo }, () => {
    const raised = raisedTo === null ? '' : `the revision of etcd was raised to ${raisedTo}\n`;
    return `${planText(outcome, `written in ${counted(transactions, 'transaction')}`)}${raised}`;
  });
}

type Plan = Awaited<ReturnType<typeof import('@salvor/config-store').planImport>>;

function shownPlan({ writes, unchanged, others }: Plan) {
  return { written: writes.map(({ key }) => key), unchanged, others };
}

function planText({ writes, unchanged, others }: Plan, what: string): string {
  return `${counted(writes.length, 'key')} ${what}, ${unchanged} as in the file\n${keysText('in etcd alone', others)}`;
}

function keysText(what: string, keys: readonly string[]): string {
  if (keys.length === 0) return '';
  const more = keys.length > MAX_SHOWN_KEYS ? `  and ${keys.length - MAX_SHOWN_KEYS} more\n` : '';
  const lines = keys.slice(0, MAX_SHOWN_KEYS).map((key) => `  ${printable(key)}\n`);
  return `${what}:\n${lines.join('')}${more}`;
}

function asJson({ entries, revision, exportedAt }: ConfigurationFile): unknown {
  return {
    exportedAt,
    revision,
    entries: Object.fromEntries([...entries].map(([key, { value }]) => [key, value])),
  };
}

async function fileOf({ args, terminal }: Call): Promise<ConfigurationFile> {
  const path = args.positional('file');
  const { parseConfiguration } = await import('@salvor/config-store');
  if (path === '-') return parseConfiguration((await terminal.readStdin()).toString('utf8'));
  let text: string;
  try {
    text = readFileSync(resolve(terminal.cwd, path), 'utf8');
  } catch (error) {
    throw new SalvorError('unreadable-file', `the configuration cannot be read: ${messageOf(error)}`);
  }
  return parseConfiguration(text);
}

async function withStore<T>(call: Call, use: (store: ConfigStore) => Promise<T>): Promise<T> {
  const { args } = call;
  const { from, ...settings } = etcdOf(call);
  const { openStore, StoreError, storeOptions } = await import('@salvor/config-store');
  const callTimeoutMs = args.secondsAsMs('timeout', CALL_TIMEOUT_MS, MAX_TIMEOUT_S);
  const store = openStore({ ...storeOptions(settings), callTimeoutMs });
  try {
    return await use(store);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'store-unavailable') throw error;
    const message = `etcd (${settings.etcdEndpoints.join(', ')}, from ${from}) does not answer: ${error.message}`;
    throw new CliError(exitCodes.unreachable, error.code, message, { cause: error });
  } finally {
    store.close();
  }
}

/** TLS by the variables that services have, or as a local stack has it. */
function etcdOf({ args, terminal: { cwd, env } }: Call): StoreSettings & { from: string } {
  const own = {
    ...{ etcdTlsCa: env.SALVOR_ETCD_TLS_CA ?? '', etcdTlsCert: env.SALVOR_ETCD_TLS_CERT ?? '' },
    etcdTlsKey: env.SALVOR_ETCD_TLS_KEY ?? '',
  };
  for (const [from, text] of [
    ['--etcd', args.text('etcd')],
    ['SALVOR_ETCD_ENDPOINTS', env.SALVOR_ETCD_ENDPOINTS],
  ] as const)
    if (text !== undefined && text.trim() !== '')
      return { etcdEndpoints: endpointsIn(text, from), ...own, from };
  for (const from of contextPaths(cwd, env)) {
    const context = readContext(from);
    if (context?.etcd === undefined) continue;
    const { etcd, natsTlsCa = '', natsTlsCert = '', natsTlsKey = '' } = context;
    const stack = { etcdTlsCa: natsTlsCa, etcdTlsCert: natsTlsCert, etcdTlsKey: natsTlsKey };
    return { etcdEndpoints: endpointsIn(etcd, from), ...(own.etcdTlsCa === '' ? stack : own), from };
  }
  throw new CliError(
    exitCodes.unreachable,
    'no-server',
    "no etcd is named: pass --etcd, set SALVOR_ETCD_ENDPOINTS, or start a local stack with 'salvor up'",
  );
}

function endpointsIn(text: string, from: string): string[] {
  const endpoints = text.split(',').map((endpoint) => endpoint.trim());
  const wrong = endpoints.find((endpoint) => !ENDPOINT.test(endpoint));
  if (wrong === undefined) return endpoints;
  throw usageError(`${from}: expected endpoints of etcd such as 10.100.0.1:2379, found '${wrong}'`);
}
