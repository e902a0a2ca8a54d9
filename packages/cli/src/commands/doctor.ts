import { CommandError, serverCertificateEnd } from '@salvor/bus';
import type { EngineDescription, EngineProbeReply } from '@salvor/contracts';
import { type CertificateDates, certificateDates } from '@salvor/service-kit';
import type { Command } from '../command.ts';
import type { Session } from '../connection.ts';
import { judgeCertificates } from '../doctor/certificates.ts';
import { type Finding, ok, problem, warning } from '../doctor/finding.ts';
import {
  judgeAlerts,
  judgeClocks,
  judgeClusters,
  judgeEngines,
  judgeHealing,
  judgeLogs,
  judgeManifest,
  judgeServices,
  judgeVolumes,
  type ProbedEngine,
} from '../doctor/judgements.ts';
import { CliError, exitCodes, failureOf } from '../failure.ts';
import { findLogin, type Login } from '../login.ts';
import type { Paint, Style } from '../rendering/paint.ts';
import { counted, indented, printable } from '../rendering/text.ts';
import { version } from '../version.ts';

/** Probes at once: each is a few connections of an analyzer. */
const PROBES_AT_ONCE = 8;
const DISCOVERY_MS = 500;

export const doctorCommand: Command = {
  name: 'doctor',
  description:
    'Looks at the bus, its streams, services, clocks, clusters, engines, logs and alerts, and says what to do about what is not as it should be. Changes nothing; exits 1 when it finds a problem.',
  options: { all: { type: 'boolean', help: 'show what is as it should be, too' } },
  examples: ['salvor doctor', 'salvor doctor --all', "salvor doctor --json | jq -r '.findings[].fix'"],
  async run({ args, paint, print, terminal, withBus }) {
    const { cwd, env } = terminal;
    const login = findLogin({ server: args.text('server'), creds: args.text('creds'), cwd, env });
    const findings = await withBus((session) => examine(session, login));
    const problems = findings.filter(({ level }) => level === 'problem').length;
    print({ findings }, () => findingsText(paint, findings, args.flag('all')));
    if (problems > 0)
      throw new CliError(exitCodes.failed, 'problems-found', `${counted(problems, 'problem')} found`);
  },
};

/** One part that cannot be looked at is a finding of its own, and keeps nobody from looking at the others. */
async function examine(session: Session, login: Login): Promise<Finding[]> {
  const { bus, ask } = session;
  const look = async (check: string, judge: () => Promise<Finding | Finding[]>): Promise<Finding[]> => {
    try {
      return [await judge()].flat();
    } catch (error) {
      const { code, message } = failureOf(error);
      // Its service is missed by the check of services.
      return code === 'no-responders'
        ? [warning(check, `could not be asked: ${message}`, 'start the service that answers it')]
        : [problem(check, `could not be asked: ${message}`, 'see the log of the service that answers it')];
    }
  };
  const services = await bus.discover({ windowMs: DISCOVERY_MS });
  const own = services.filter(({ name }) => name !== 'salvor-cli');
  return [
    ok('bus', `connected to nats-server ${bus.serverVersion() ?? 'of an unknown version'}`),
    ...(await look('jetstream', async () => judgeManifest(await bus.checkManifest()))),
    ...judgeServices(own, version()),
    ...(await look('tls', async () => judgeCertificates(await ownCertificates(login), own, Date.now()))),
    ...judgeClocks(own),
    ...(await look('clusters', async () => judgeClusters((await ask('cluster.list', {})).reply.clusters))),
    ...(await look('engines', async () => {
      const { engines } = (await ask('engine.list', {})).reply;
      return judgeEngines(await probed(session, engines));
    })),
    ...(await look('healing', async () => judgeHealing((await ask('healing.status', {})).reply))),
    ...(await look('alerts', async () => judgeAlerts((await ask('alert.list', {})).reply.alerts))),
    ...(await look('tlog', async () => judgeLogs((await ask('tlog.status', {})).reply.logs, own))),
    // Zones are for those who have two.
    ...(own.some(({ name }) => name === 'replication-manager')
      ? await look('volumes', async () => judgeVolumes((await ask('volume.list', {})).reply.volumes))
      : []),
  ];
}

/** Those that this command holds, and the one that the NATS server shows. */
async function ownCertificates({ tls, servers: [server] }: Login): Promise<CertificateDates[]> {
  if (tls === undefined || server === undefined) return [];
  const held = certificateDates({ natsTlsCa: tls.caFile, natsTlsCert: tls.certFile });
  const expiresAt = await serverCertificateEnd(server, tls);
  return [...held, { setting: 'the certificate of the NATS server', file: server, expiresAt }];
}

async function probed({ ask }: Session, engines: readonly EngineDescription[]): Promise<ProbedEngine[]> {
  const waiting = [...engines];
  const done: ProbedEngine[] = [];
  const probeNext = async (): Promise<void> => {
    for (let engine = waiting.shift(); engine !== undefined; engine = waiting.shift()) {
      const { address, db } = engine;
      const probe = await ask('engine.probe', { address, db }).then(
        ({ reply }): EngineProbeReply => reply,
        (error: unknown) => {
          if (error instanceof CommandError) throw error;
          return null;
        },
      );
      done.push({ engine, probe });
    }
  };
  await Promise.all(Array.from({ length: PROBES_AT_ONCE }, probeNext));
  return done;
}

const styles: Readonly<Record<Finding['level'], Style>> = { ok: 'green', warning: 'yellow', problem: 'red' };
const CHECK_WIDTH = 11;
const LEVEL_WIDTH = 8;

export function findingsText(paint: Paint, findings: readonly Finding[], isAllShown: boolean): string {
  const shown = findings.filter(({ level }) => isAllShown || level !== 'ok');
  const lines = shown.map(({ check, level, found, fix }) => {
    const head = `${paint(styles[level], level.padEnd(LEVEL_WIDTH))} ${check.padEnd(CHECK_WIDTH)} ${printable(found)}\n`;
    return fix === undefined
      ? head
      : `${head}${indented(`${paint('dim', 'to do:')} ${printable(fix)}\n`, ' '.repeat(LEVEL_WIDTH + CHECK_WIDTH + 2))}`;
  });
  const number = (level: Finding['level']): number => findings.filter((one) => one.level === level).length;
  const sum = `${number('ok')} as they should be, ${counted(number('warning'), 'warning')}, ${counted(number('problem'), 'problem')}\n`;
  return `${lines.join('')}${sum}`;
}
