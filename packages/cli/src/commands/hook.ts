import type { AuditEntry } from '@salvor/contracts';
import { pause } from '@salvor/service-kit';
import type { Command } from '../command.ts';
import type { Session } from '../connection.ts';
import { type Paint, paintStatus } from '../rendering/paint.ts';
import { counted, printable, table } from '../rendering/text.ts';
import { dateTimeText, durationText } from '../rendering/time.ts';
import { outcomeText } from './outcome.ts';
import { operationIdOption } from './vdisk.ts';

/** How long a test is waited for; one with many attempts goes on without an onlooker. */
const TEST_WAIT_MS = 30_000;
const TEST_LOOK_MS = 250;

export const hookCommands: readonly Command[] = [
  {
    name: 'hook list',
    sends: 'hook.list',
    examples: ['salvor hook list'],
    async run({ paint, print, withBus }) {
      const { reply, json } = await withBus((session) => session.ask('hook.list', {}));
      const rows = reply.hooks.map(
        ({ hook, points, kind, target, attempts, timeoutMs, pending, lastRun }) => [
          printable(hook),
          points.map(printable).join(', '),
          `${printable(kind)} ${printable(target)}`,
          `${attempts} of ${durationText(timeoutMs)}`,
          `${pending}`,
          lastRun === undefined
            ? '-'
            : `${paintStatus(paint, printable(lastRun.status))} ${dateTimeText(lastRun.createdAt)}: ${printable(lastRun.reason)}`,
        ],
      );
      const headers = ['hook', 'at', 'runs', 'attempts', 'pending', 'last run'];
      const none =
        reply.file === undefined
          ? 'no hooks: SALVOR_HOOKS_FILE of the repair-coordinator is not set'
          : `no hooks in ${printable(reply.file)}`;
      print(json, () => table(paint, headers, rows, none));
    },
  },
  {
    name: 'hook test',
    sends: 'hook.test',
    positionals: [{ name: 'hook', help: 'the name of the hook' }],
    options: {
      point: { type: 'string', value: 'point', help: 'one of its points (default: its first)' },
      'operation-id': operationIdOption,
    },
    examples: ['salvor hook test page-operator', 'salvor hook test page-operator --point cluster.healthy'],
    async run({ args, paint, print, withBus }) {
      const request = {
        hook: args.positional('hook'),
        point: args.text('point'),
        operationId: args.text('operation-id'),
      };
      const { begun, json, entry } = await withBus(async (session) => {
        const answer = await session.ask('hook.test', request);
        return { begun: answer.reply, json: answer.json, entry: await endOf(session, answer.reply.run) };
      });
      print(json, () => `${outcomeText(paint, begun)}${entry === undefined ? '' : entryText(paint, entry)}`);
    },
  },
  {
    name: 'audit list',
    sends: 'audit.list',
    options: {
      incident: { type: 'string', value: 'id', help: 'only hooks of this incident' },
      hook: { type: 'string', value: 'name', help: 'only runs of this hook' },
      instance: { type: 'string', value: 'id', help: 'only those that stop or start this instance' },
      run: { type: 'string', value: 'id', help: 'only this run, with all its attempts' },
      limit: { type: 'string', value: 'count', help: 'at most so many, the latest first (default 100)' },
    },
    examples: [
      'salvor audit list',
      'salvor audit list --incident inc-7f3a',
      'salvor audit list --hook page-operator',
    ],
    async run({ args, paint, print, withBus }) {
      const request = {
        incident: args.text('incident'),
        hook: args.text('hook'),
        instance: args.text('instance'),
        run: args.text('run'),
        limit: args.integer('limit', 1, 10_000),
      };
      const { reply, json } = await withBus((session) => session.ask('audit.list', request));
      const [only] = reply.entries;
      print(json, () =>
        request.run !== undefined && only !== undefined
          ? entryText(paint, only)
          : table(
              paint,
              auditHeaders,
              reply.entries.map((entry) => auditRow(paint, entry)),
              'no hook was run',
            ),
      );
    },
  },
];

const auditHeaders = [
  'run',
  'hook',
  'point',
  'about',
  'incident',
  'at',
  'status',
  'attempts',
  'what came of it',
];

function auditRow(paint: Paint, entry: AuditEntry): string[] {
  return [
    printable(entry.run),
    printable(entry.hook),
    printable(entry.point),
    printable(entry.subject),
    printable(entry.incident ?? '-'),
    dateTimeText(entry.createdAt),
    paintStatus(paint, printable(entry.status)),
    `${entry.attempts.length}`,
    printable(entry.reason),
  ];
}

/** One run with every attempt. */
function entryText(paint: Paint, entry: AuditEntry): string {
  const attempts = entry.attempts.map(
    ({ attempt, by, startedAt, durationMs, outcome, exitCode, signal, httpStatus, detail }) => [
      `${attempt}`,
      dateTimeText(startedAt),
      durationMs === undefined ? '-' : durationText(durationMs),
      paintStatus(paint, printable(outcome)),
      httpStatus !== undefined
        ? `HTTP ${httpStatus}`
        : (signal ?? (exitCode === undefined ? '-' : `code ${exitCode}`)),
      printable(by),
      printable(detail ?? ''),
    ],
  );
  const headers = ['attempt', 'at', 'took', 'outcome', 'answer', 'by', 'it said'];
  const line = `${printable(entry.hook)} at ${printable(entry.point)}: ${paintStatus(paint, printable(entry.status))}, ${printable(entry.reason)} (${counted(entry.attempts.length, 'attempt')}, event ${printable(entry.eventId)})\n`;
  return `${line}${table(paint, headers, attempts, 'not begun yet')}`;
}

/** The run when it has ended, or as it is after a while. */
async function endOf({ ask }: Pick<Session, 'ask'>, run: string): Promise<AuditEntry | undefined> {
  const giveUpAt = performance.now() + TEST_WAIT_MS;
  for (;;) {
    const { reply } = await ask('audit.list', { run });
    const [entry] = reply.entries;
    if (entry === undefined || entry.status !== 'pending' || performance.now() >= giveUpAt) return entry;
    await pause(TEST_LOOK_MS);
  }
}
