import { readFileSync } from 'node:fs';
import { messageOf, SalvorError } from '@salvor/service-kit';
import type { Arguments } from '../arguments.ts';
import type { Call, Command, OptionSpecs } from '../command.ts';
import type { Session } from '../connection.ts';
import { usageError } from '../failure.ts';
import { planDocumentText, planStatusText, plansText, runText } from '../rendering/plan-text.ts';
import { operationEnd } from './operation-end.ts';
import { outcomeText } from './outcome.ts';
import { operationIdOption } from './vdisk.ts';

const id = { name: 'plan', help: 'the id of the plan, the same in both zones' };
const file = { name: 'file', help: 'a file with the plan as YAML or JSON; - reads it from standard input' };

const kinds: Readonly<Record<string, string>> = {
  planned: 'the volumes and instances of the other zone come here, and nothing is lost',
  failover: 'the other zone is lost: what arrived of it becomes primary here',
  test: 'test instances are started here on clones; nothing else is touched',
  cleanup: 'ends a test: removes its instances and clones',
  reprotect: 'after a failover, the other zone follows this one',
};
const kindOptions: OptionSpecs = Object.fromEntries(
  Object.entries(kinds).map(([kind, help]) => [kind, { type: 'boolean', help }]),
);

export const planCommands: readonly Command[] = [
  {
    name: 'plan list',
    sends: 'plan.list',
    examples: ['salvor plan list'],
    async run({ paint, print, withBus }) {
      const { reply, json } = await withBus((session) => session.ask('plan.list', {}));
      print(json, () => plansText(paint, reply.plans));
    },
  },
  {
    name: 'plan status',
    sends: 'plan.status',
    positionals: [id],
    examples: ['salvor plan status shop'],
    async run({ args, paint, print, withBus }) {
      const request = { plan: args.positional('plan') };
      const { reply, json } = await withBus((session) => session.ask('plan.status', request));
      print(json, () => planStatusText(paint, reply));
    },
  },
  {
    name: 'plan get',
    sends: 'plan.get',
    positionals: [id],
    examples: ['salvor plan get shop'],
    async run({ args, print, withBus }) {
      const request = { plan: args.positional('plan') };
      const { reply, json } = await withBus((session) => session.ask('plan.get', request));
      print(json, () => planDocumentText(reply.document));
    },
  },
  ...(['create', 'apply'] as const).map(
    (verb): Command => ({
      name: `plan ${verb}`,
      sends: 'plan.apply',
      positionals: [file],
      options: { 'operation-id': operationIdOption },
      examples: [`salvor plan ${verb} -`],
      async run(call) {
        const { args, paint, print, withBus } = call;
        const request = {
          document: await documentOf(call),
          create: verb === 'create',
          operationId: args.text('operation-id'),
        };
        const { reply, json } = await withBus((session) => session.ask('plan.apply', request));
        print(json, () => outcomeText(paint, reply));
      },
    }),
  ),
  {
    name: 'plan delete',
    sends: 'plan.delete',
    positionals: [id],
    options: { 'operation-id': operationIdOption },
    examples: ['salvor plan delete shop'],
    async run({ args, paint, print, withBus }) {
      const request = { plan: args.positional('plan'), operationId: args.text('operation-id') };
      const { reply, json } = await withBus((session) => session.ask('plan.delete', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'plan run',
    sends: 'plan.run',
    positionals: [id],
    options: {
      ...kindOptions,
      wait: { type: 'boolean', help: 'wait for the end; exit code 1 when it failed' },
      'operation-id': operationIdOption,
    },
    examples: ['salvor plan run shop --planned --wait', 'salvor plan run shop --failover --wait'],
    async run({ args, paint, print, withBus }) {
      const request = {
        plan: args.positional('plan'),
        kind: kindIn(args),
        operationId: args.text('operation-id'),
      };
      const waits = args.flag('wait');
      const { reply, json, end } = await withBus(async (session) => {
        const answer = await session.ask('plan.run', request);
        return { ...answer, end: waits ? await endOf(session, request.plan, answer.reply.operation) : null };
      });
      print(end?.json ?? json, () =>
        end === null ? outcomeText(paint, reply) : runText(paint, end.reply.run),
      );
    },
  },
  {
    name: 'plan report',
    sends: 'plan.report',
    positionals: [id],
    options: { run: { type: 'string', value: 'id', help: 'a run of it (default the latest one)' } },
    examples: ['salvor plan report shop'],
    async run({ args, paint, print, withBus }) {
      const request = { plan: args.positional('plan'), run: args.text('run') };
      const { reply, json } = await withBus((session) => session.ask('plan.report', request));
      print(json, () => runText(paint, reply.run));
    },
  },
];

async function documentOf({ args, terminal }: Call): Promise<string> {
  const path = args.positional('file');
  if (path === '-') return (await terminal.readStdin()).toString('utf8');
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new SalvorError('unreadable-file', `the plan cannot be read: ${messageOf(error)}`);
  }
}

function kindIn(args: Arguments): string {
  const named = Object.keys(kinds).filter((kind) => args.flag(kind));
  const [kind] = named;
  if (kind === undefined || named.length > 1) {
    const options = Object.keys(kinds).map((each) => `--${each}`);
    throw usageError(`plan run: expected one of ${options.join(', ')}, found ${named.length}`);
  }
  return kind;
}

async function endOf(session: Session, plan: string, operation: string) {
  const { status, message } = (await operationEnd(session, operation)).reply.operation;
  if (status !== 'completed') throw new SalvorError(`operation-${status}`, message);
  return session.ask('plan.report', { plan, run: operation });
}
