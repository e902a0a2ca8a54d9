/** Tier-1 is gone: it comes back from Tier-2. */
import type { DrReportReply } from '@salvor/contracts';
import { pause, SalvorError } from '@salvor/service-kit';
import type { Call, Command } from '../command.ts';
import type { Answer, Session } from '../connection.ts';
import { CliError, exitCodes, usageError } from '../failure.ts';
import { segmentRecoveryText } from '../rendering/segment-recovery-text.ts';
import { printable } from '../rendering/text.ts';
import { tier1RecoveryText } from '../rendering/tier1-recovery-text.ts';
import { operationIdOption } from './vdisk.ts';

const LOOK_INTERVAL_MS = 300;
const MAX_CONTAINERS = 1_024;
/** Lists of operations are looked through. */
export const slow = { timeoutMs: 30_000 } as const;

export const recoverCommands: readonly Command[] = [
  {
    name: 'dr recover',
    sends: 'dr.recover',
    positionals: [{ name: 'root', help: 'the directory, on the machine of segment-recovery' }],
    options: {
      layout: {
        type: 'string',
        value: 'name',
        help: 'salvor: what Salvor archived; pravega; pravega-chunked or pravega-legacy where the directory has files of both of its layouts (default: as the directory tells)',
      },
      'dry-run': { type: 'boolean', help: 'only look, and print the plan' },
      yes: { type: 'boolean', help: 'do not print the plan and ask first' },
      'backup-dir': {
        type: 'string',
        value: 'dir',
        help: 'where what is there is copied to first, and the report is written (default backup_system in the directory)',
      },
      containers: {
        type: 'string',
        value: 'n',
        help: 'of a Pravega directory: how many containers the cluster had (else deduced from the metadata)',
      },
      replace: { type: 'boolean', help: 'replace what Tier-1 has otherwise: keys of etcd, or segments' },
      'accept-unreachable': {
        type: 'boolean',
        help: 'although engines do not answer: their partners are written offline unless they took writes alone',
      },
      installation: {
        type: 'string',
        value: 'id',
        help: 'of the directory: although etcd, JetStream or the engines seem to be of another installation',
      },
      configuration: {
        type: 'string',
        value: 'file-or-time',
        help: 'go by this file of _system/configuration, or by the newest one until a time (default: the newest one)',
      },
      'operation-id': operationIdOption,
    },
    examples: [
      'salvor dr recover /mnt/tier2 --dry-run',
      'salvor dr recover /mnt/tier2 --configuration 2026-01-31T08:00:00Z --dry-run',
      'salvor dr recover /mnt/tier2 --layout pravega-legacy --dry-run',
      'salvor dr recover /mnt/tier2 --yes --backup-dir /var/backups/tier2',
    ],
    async run(call) {
      const { args, paint, print, terminal } = call;
      const request = requestOf(call);
      const report = await call.withBus(async (session) => {
        if (args.flag('dry-run') || !args.flag('yes')) {
          const plan = await carriedOut(call, session, { ...request, dryRun: true });
          if (args.flag('dry-run')) return plan;
          terminal.err(reportText(paint, plan.reply));
          await confirm(call);
        }
        const operationId = args.text('operation-id');
        return carriedOut(call, session, { ...request, confirm: 'yes', operationId });
      });
      print(report.json, () => reportText(paint, report.reply));
      const { status, message, code } = report.reply;
      if (status !== 'completed') throw new SalvorError(code ?? `operation-${status}`, message);
    },
  },
  {
    name: 'dr report',
    sends: 'dr.report',
    positionals: [{ name: 'operation', help: 'the recovery; default the latest', optional: true }],
    examples: ['salvor dr report', 'salvor dr report op-90d1 --json'],
    async run({ args, paint, print, withBus }) {
      const operation = args.optionalPositional('operation');
      const { reply, json } = await withBus((session) => session.ask('dr.report', { operation }, slow));
      print(json, () => reportText(paint, reply));
    },
  },
];

function reportText(paint: Call['paint'], reply: DrReportReply): string {
  return reply.tier1 === undefined
    ? segmentRecoveryText(paint, reply)
    : tier1RecoveryText(paint, reply, reply.tier1);
}

function requestOf({ args }: Call) {
  const root = args.positional('root');
  const layout = args.text('layout') ?? 'auto';
  if (!/^(auto|salvor|pravega(-chunked|-legacy)?)$/.test(layout))
    throw usageError(
      `dr recover: expected --layout to be salvor, pravega, pravega-chunked or pravega-legacy, found '${layout}'`,
    );
  if (layout === 'salvor' && args.text('containers') !== undefined)
    throw usageError(
      'dr recover: --containers is for Pravega directories: logs say which container they are in',
    );
  return {
    ...{ root, layout, backupDir: args.text('backup-dir') },
    ...{ containers: args.integer('containers', 1, MAX_CONTAINERS), replace: args.flag('replace') },
    acceptUnreachable: args.flag('accept-unreachable'),
    configuration: args.text('configuration'),
    installation: args.text('installation'),
  };
}

/** Asks for it, tells how far it is, and gives the report of its end. */
async function carriedOut(
  call: Call,
  session: Session,
  request: Readonly<Record<string, unknown>>,
): Promise<Answer<'dr.report'>> {
  const { operation } = (await session.ask('dr.recover', request, slow)).reply;
  return reportOf(call, session, operation);
}

/** Waits for the end, and tells how far it is. */
export async function reportOf(
  { terminal }: Call,
  session: Session,
  operation: string,
): Promise<Answer<'dr.report'>> {
  let told = '';
  for (;;) {
    const answer = await session.ask('dr.report', { operation }, slow);
    const { status, message } = answer.reply;
    if (status !== 'running') return answer;
    if (message !== told) terminal.err(`salvor: ${printable(progressText(answer.reply))}\n`);
    told = message;
    await pause(LOOK_INTERVAL_MS);
  }
}

function progressText({ message, done, total }: DrReportReply): string {
  return done === undefined || total === undefined ? message : `${message} (${done} of ${total})`;
}

async function confirm({ terminal, args }: Call): Promise<void> {
  terminal.err(
    `This writes into etcd and JetStream${args.flag('replace') ? ', and replaces what differs' : ''}. `,
  );
  terminal.err("Type 'yes' to go on: ");
  const line = await terminal.readLine();
  if (line === 'yes') return;
  throw new CliError(
    exitCodes.refused,
    'not-confirmed',
    `expected the word yes, found '${printable(line)}'; nothing was changed`,
  );
}
