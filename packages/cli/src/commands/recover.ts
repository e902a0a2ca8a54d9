/** Tier-1 is gone: segments come back from Tier-2. */
import type { DrReportReply } from '@salvor/contracts';
import { pause, SalvorError } from '@salvor/service-kit';
import type { Call, Command } from '../command.ts';
import type { Answer, Session } from '../connection.ts';
import { CliError, exitCodes, usageError } from '../failure.ts';
import { segmentRecoveryText } from '../rendering/segment-recovery-text.ts';
import { printable } from '../rendering/text.ts';
import { operationIdOption } from './vdisk.ts';

const LOOK_INTERVAL_MS = 300;
const MAX_CONTAINERS = 1_024;
/** Lists of operations are looked through. */
const slow = { timeoutMs: 30_000 } as const;

export const recoverCommands: readonly Command[] = [
  {
    name: 'dr recover',
    sends: 'dr.recover',
    positionals: [{ name: 'root', help: 'the directory, on the machine of segment-recovery' }],
    options: {
      layout: {
        type: 'string',
        required: true,
        value: 'name',
        help: 'pravega; pravega-chunked or pravega-legacy where the directory has files of both',
      },
      'dry-run': { type: 'boolean', help: 'only look, and print the plan' },
      yes: { type: 'boolean', help: 'do not print the plan and ask first' },
      'backup-dir': {
        type: 'string',
        value: 'dir',
        help: "where the containers' metadata is copied to first, and the report is written (default backup_system in the directory)",
      },
      containers: {
        type: 'string',
        value: 'n',
        help: 'how many containers the cluster had (else deduced from the metadata)',
      },
      replace: { type: 'boolean', help: 'write segments again that Tier-1 has otherwise' },
      'operation-id': operationIdOption,
    },
    examples: [
      'salvor dr recover /mnt/tier2 --layout pravega --dry-run',
      'salvor dr recover /mnt/tier2 --layout pravega --yes --backup-dir /var/backups/tier2',
    ],
    async run(call) {
      const { args, paint, print, terminal } = call;
      const request = requestOf(call);
      const report = await call.withBus(async (session) => {
        if (args.flag('dry-run') || !args.flag('yes')) {
          const plan = await carriedOut(call, session, { ...request, dryRun: true });
          if (args.flag('dry-run')) return plan;
          terminal.err(segmentRecoveryText(paint, plan.reply));
          await confirm(call);
        }
        const operationId = args.text('operation-id');
        return carriedOut(call, session, { ...request, confirm: 'yes', operationId });
      });
      print(report.json, () => segmentRecoveryText(paint, report.reply));
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
      print(json, () => segmentRecoveryText(paint, reply));
    },
  },
];

function requestOf({ args }: Call) {
  const root = args.positional('root');
  const layout = args.required('layout');
  if (!/^pravega(-chunked|-legacy)?$/.test(layout))
    throw usageError(
      `dr recover: expected --layout to be pravega, pravega-chunked or pravega-legacy, found '${layout}'`,
    );
  return {
    ...{ root, layout, backupDir: args.text('backup-dir') },
    ...{ containers: args.integer('containers', 1, MAX_CONTAINERS), replace: args.flag('replace') },
  };
}

/** Asks for it, tells how far it is, and gives the report of its end. */
async function carriedOut(
  { terminal }: Call,
  session: Session,
  request: Readonly<Record<string, unknown>>,
): Promise<Answer<'dr.report'>> {
  const { operation } = (await session.ask('dr.recover', request, slow)).reply;
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
