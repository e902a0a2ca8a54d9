import type { IncidentDescription } from '@salvor/contracts';
import { tellIncident } from '@salvor/story';
import type { Command } from '../command.ts';
import { type Paint, paintStatus } from '../rendering/paint.ts';
import { counted, printable, properties, table } from '../rendering/text.ts';
import { dateTimeText, durationText } from '../rendering/time.ts';
import { unavailableText } from '../rendering/unavailable-text.ts';
import { askWhatItWaitsFor } from '../story/what-it-waits-for.ts';
import { byHand, byHandOptions } from './by-hand.ts';
import { evidenceText } from './engine.ts';
import { outcomeText } from './outcome.ts';

const id = { name: 'incident', help: 'the id of the incident' };

export const incidentHeaders = [
  'incident',
  'engine',
  'where',
  'status',
  'verdict',
  'began',
  'lasts',
] as const;

export const incidentCommands: readonly Command[] = [
  {
    name: 'incident list',
    sends: 'incident.list',
    options: { all: { type: 'boolean', help: 'closed ones too' } },
    examples: ['salvor incident list', 'salvor incident list --all'],
    async run({ args, paint, print, withBus }) {
      const request = { all: args.flag('all') };
      const { reply, json } = await withBus((session) => session.ask('incident.list', request));
      const now = Date.now();
      const rows = reply.incidents.map((incident) => incidentRow(paint, incident, now));
      print(json, () =>
        table(paint, incidentHeaders, rows, request.all ? 'no incidents' : 'no open incidents'),
      );
    },
  },
  {
    name: 'incident show',
    sends: 'incident.get',
    positionals: [id],
    examples: ['salvor incident show inc-7f3a'],
    async run({ args, paint, print, withBus }) {
      const request = { incident: args.positional('incident') };
      const { reply, json } = await withBus((session) => session.ask('incident.get', request));
      print(json, () => incidentText(paint, reply.incident, Date.now()));
    },
  },
  {
    name: 'incident acknowledge',
    sends: 'incident.acknowledge',
    positionals: [id],
    options: byHandOptions,
    examples: ["salvor incident acknowledge inc-7f3a --reason 'the cable is changed' --by alice"],
    async run({ args, paint, print, withBus }) {
      const request = { incident: args.positional('incident'), ...byHand(args) };
      const { reply, json } = await withBus((session) => session.ask('incident.acknowledge', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'incident explain',
    description:
      'Tells the story of an incident in sentences. Who saw it, who decided what on which evidence, how long each step took.',
    positionals: [id],
    examples: ['salvor incident explain inc-7f3a'],
    async run({ args, print, withBus }) {
      const request = { incident: args.positional('incident') };
      const { reply, json, waits } = await withBus(async (session) => {
        const answer = await session.ask('incident.get', request);
        return { ...answer, waits: await askWhatItWaitsFor(session, answer.reply.incident) };
      });
      print(json, () => `${[...tellIncident(reply.incident, Date.now()), ...waits].join('\n')}\n`);
    },
  },
];

export function incidentRow(paint: Paint, incident: IncidentDescription, now: number): string[] {
  const { openedAt, closedAt, verdict } = incident;
  return [
    printable(incident.incident),
    printable(incident.address),
    `${printable(incident.cluster)} shard ${incident.shard}`,
    closedAt === undefined
      ? paintStatus(paint, incident.status)
      : `closed: ${printable(incident.outcome ?? '')}`,
    verdict === undefined ? '-' : verdict.verdict.replaceAll('_', '-'),
    dateTimeText(openedAt),
    durationText((closedAt ?? now) - openedAt),
  ];
}

function incidentText(paint: Paint, incident: IncidentDescription, now: number): string {
  const { closedAt, openedAt, outcome, verdict, replacement } = incident;
  const facts = properties(paint, [
    ['incident', printable(incident.incident)],
    ['engine', `${printable(incident.address)} db ${incident.db}`],
    ['where', `${printable(incident.cluster)}, shard ${incident.shard}`],
    [
      'status',
      closedAt === undefined ? paintStatus(paint, incident.status) : `closed: ${printable(outcome ?? '')}`,
    ],
    ['attempt', `${incident.attempt}`],
    ['began', dateTimeText(openedAt)],
    ['ended', closedAt === undefined ? undefined : dateTimeText(closedAt)],
    ['lasts', durationText((closedAt ?? now) - openedAt)],
    [
      'reports',
      `${incident.reportedTimes}, from ${incident.reporters.map(({ reporter }) => printable(reporter)).join(', ')}`,
    ],
    [
      'verdict',
      verdict &&
        `${verdict.verdict.replaceAll('_', '-')} by ${printable(verdict.by)}: ${printable(verdict.reason)}`,
    ],
    ['replacement', replacement && printable(replacement.address)],
    ['repaired', counted(incident.repairs.length, 'vdisk')],
  ]);
  const evidence = (verdict?.evidence ?? []).map((item) => `  ${evidenceText(item)}\n`).join('');
  const history = table(
    paint,
    ['at', 'from', 'to', 'attempt', 'by', 'reason'],
    incident.history.map((step) => [
      dateTimeText(step.at),
      printable(step.from),
      paintStatus(paint, printable(step.to)),
      `${step.attempt}`,
      printable(step.by),
      printable(step.reason),
    ]),
    'no steps yet',
  );
  const dark = unavailableText(paint, incident.unavailable);
  return [
    facts,
    ...(dark === '' ? [] : [dark]),
    ...(evidence === '' ? [] : [`Evidence\n${evidence}`]),
    history,
  ].join('\n');
}
