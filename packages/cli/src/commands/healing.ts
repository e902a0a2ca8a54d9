/** What is held back: healing that is paused, downtimes, engines that stay offline until somebody says otherwise. */
import type { Downtime, HealingStatusReply } from '@salvor/contracts';
import type { Command } from '../command.ts';
import type { Paint } from '../rendering/paint.ts';
import { printable, table } from '../rendering/text.ts';
import { dateTimeText, durationText } from '../rendering/time.ts';
import { byHand, byHandOptions } from './by-hand.ts';
import { outcomeText } from './outcome.ts';

const cluster = { type: 'string', value: 'id', help: 'only of this cluster (default all)' } as const;
const target = { name: 'target', help: 'id of a cluster, or host:port of an engine' };
const DOWNTIME_SECONDS_MAX = 30 * 86_400;

export const healingCommands: readonly Command[] = [
  {
    name: 'healing status',
    sends: 'healing.status',
    examples: ['salvor healing status'],
    async run({ paint, print, withBus }) {
      const { reply, json } = await withBus((session) => session.ask('healing.status', {}));
      print(json, () => heldBackText(paint, reply, Date.now()));
    },
  },
  pauseOrResume('pause', 'moving racks'),
  pauseOrResume('resume', 'racks are moved'),
];

export const downtimeCommands: readonly Command[] = [
  {
    name: 'downtime begin',
    sends: 'downtime.begin',
    positionals: [target],
    options: {
      for: { type: 'string', required: true, value: 'time', help: 'how long: 90s, 30m, 2h, 1h30m, 3d' },
      ...byHandOptions,
    },
    examples: [
      "salvor downtime begin 10.100.0.1:22005 --for 2h --reason 'new memory' --by alice",
      "salvor downtime begin primary-1 --for 30m --reason 'a new switch'",
    ],
    async run({ args, paint, print, withBus }) {
      const seconds = args.duration('for', DOWNTIME_SECONDS_MAX);
      const request = { target: args.positional('target'), seconds, ...byHand(args) };
      const { reply, json } = await withBus((session) => session.ask('downtime.begin', request));
      const end = reply.until === undefined ? '' : `it ends ${dateTimeText(reply.until)}\n`;
      print(json, () => `${outcomeText(paint, reply)}${end}`);
    },
  },
  {
    name: 'downtime end',
    sends: 'downtime.end',
    positionals: [target],
    options: byHandOptions,
    examples: ["salvor downtime end 10.100.0.1:22005 --reason 'memory is in' --by alice"],
    async run({ args, paint, print, withBus }) {
      const request = { target: args.positional('target'), ...byHand(args) };
      const { reply, json } = await withBus((session) => session.ask('downtime.end', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'downtime list',
    sends: 'downtime.list',
    options: { cluster: { type: 'string', value: 'id', help: 'only those of this cluster' } },
    examples: ['salvor downtime list'],
    async run({ args, paint, print, withBus }) {
      const request = { cluster: args.text('cluster') };
      const { reply, json } = await withBus((session) => session.ask('downtime.list', request));
      const rows = reply.downtimes.map((downtime) => downtimeRow(downtime, Date.now()));
      const headers = ['cluster', 'engine', 'ends', 'left', 'by', 'reason'];
      print(json, () => table(paint, headers, rows, 'no downtimes'));
    },
  },
];

function pauseOrResume(verb: 'pause' | 'resume', why: string): Command {
  const sends = `healing.${verb}` as const;
  return {
    name: `healing ${verb}`,
    sends,
    options: { cluster, ...byHandOptions },
    examples: [
      `salvor healing ${verb} --reason '${why}' --by alice`,
      `salvor healing ${verb} --cluster primary-1 --reason '${why}'`,
    ],
    async run({ args, paint, print, withBus }) {
      const request = { cluster: args.text('cluster'), ...byHand(args) };
      const { reply, json } = await withBus((session) => session.ask(sends, request));
      print(json, () => outcomeText(paint, reply));
    },
  };
}

/** Whether there is anything that somebody should know before waiting for healing. */
export function isHeldBack({ everywhere, clusters }: HealingStatusReply): boolean {
  return (
    everywhere !== undefined ||
    clusters.some(
      ({ pause, downtimes, held }) => pause !== undefined || downtimes.length > 0 || held.length > 0,
    )
  );
}

export function heldBackText(
  paint: Paint,
  { everywhere, clusters }: HealingStatusReply,
  now: number,
): string {
  const lines: string[] = [];
  if (everywhere !== undefined) {
    const { by, reason, at } = everywhere;
    const since = durationText(now - at);
    lines.push(
      `${paint('yellow', 'paused')} everywhere by ${printable(by)} for ${since}: ${printable(reason)}`,
    );
  }
  for (const { cluster: name, pause, downtimes, held } of clusters) {
    if (pause !== undefined) {
      const since = durationText(now - pause.at);
      const who = `by ${printable(pause.by)} for ${since}: ${printable(pause.reason)}`;
      lines.push(`${paint('yellow', 'paused')} on ${printable(name)} ${who}`);
    }
    for (const { address, until, by, reason } of downtimes) {
      const what = printable(address ?? name);
      const left = durationText(until - now);
      lines.push(
        `${paint('yellow', 'downtime')} of ${what} by ${printable(by)}, ${left} left: ${printable(reason)}`,
      );
    }
    for (const { address, incident, hold } of held) {
      const why = `${printable(hold.kind)}, by ${printable(hold.by)}: ${printable(hold.reason)}`;
      lines.push(
        `${paint('yellow', 'held')} offline: ${printable(address)} (${why}), incident ${printable(incident)}`,
      );
    }
  }
  return lines.length === 0 ? 'nothing is held back\n' : `${lines.join('\n')}\n`;
}

function downtimeRow({ cluster: name, address, until, by, reason }: Downtime, now: number): string[] {
  return [
    printable(name),
    printable(address ?? 'all'),
    dateTimeText(until),
    durationText(until - now),
    printable(by),
    printable(reason),
  ];
}
