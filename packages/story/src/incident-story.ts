/** An incident told in sentences: who saw it, who decided what on which evidence, how long each step took. */
import type { IncidentDescription, IncidentTransition, VdiskRepair } from '@salvor/contracts';
import { clockText, dateTimeText, durationText } from './time.ts';
import { counted, printable } from './words.ts';

/** What happened at a time (milliseconds since 1970 UTC): a sentence, and what stands below it. */
export interface Happening {
  readonly at: number;
  readonly lines: readonly string[];
}

export interface IncidentStory {
  /** What it is about, and since when. */
  readonly heading: readonly string[];
  /** In the order of time. */
  readonly happenings: readonly Happening[];
  /** How it ended, or what it waits for. */
  readonly ending: string;
}

/** `now` tells how long an open incident has lasted. */
export function incidentStory(incident: IncidentDescription, now: number): IncidentStory {
  const happenings = [
    ...reports(incident),
    ...verdict(incident),
    ...incident.history.map((step, index) => transition(step, incident, index)),
    ...repairs(incident),
    ...byHand(incident),
  ].sort((a, b) => a.at - b.at);
  return { heading: heading(incident, now), happenings, ending: ending(incident, now) };
}

/** The story on a terminal, one string a line. */
export function tellIncident(incident: IncidentDescription, now: number): string[] {
  const story = incidentStory(incident, now);
  const told = story.happenings.flatMap(({ at, lines: [first = '', ...rest] }) => [
    `${clockText(at)}Z  ${sinceStart(incident, at)}  ${first}`,
    ...rest.map((line) => `${' '.repeat(13)}  ${' '.repeat(SINCE_WIDTH)}  ${line}`),
  ]);
  return [...story.heading, '', ...told, '', story.ending];
}

const SINCE_WIDTH = 11;

function heading(incident: IncidentDescription, now: number): string[] {
  const { incident: id, address, db, shard, cluster, openedAt, closedAt } = incident;
  const engine = `${printable(address)}${db === 0 ? '' : ` db ${db}`}`;
  const end =
    closedAt === undefined
      ? `is open since ${durationText(now - openedAt)}, attempt ${incident.attempt}, engine status ${printable(incident.status)}`
      : `ended ${dateTimeText(closedAt)} after ${durationText(closedAt - openedAt)}`;
  return [
    `Incident ${printable(id)}: the outage of engine ${engine}, shard ${shard} of cluster ${printable(cluster)}.`,
    `It began ${dateTimeText(openedAt)} and ${end}.`,
  ];
}

function reports({ reporters, reportedTimes }: IncidentDescription): Happening[] {
  return reporters.map(({ reporter, reason, at }, index) => {
    const more =
      index === 0 && reportedTimes > 1
        ? ` (${counted(reportedTimes, 'report')} in all from ${counted(reporters.length, 'reporter')})`
        : '';
    return { at, lines: [`${printable(reporter)} reported it: ${sentence(reason)}${more}`] };
  });
}

function verdict({ verdict: given, openedAt }: IncidentDescription): Happening[] {
  if (given === undefined) return [];
  const { by, at, reason, evidence } = given;
  const word = given.verdict.replaceAll('_', '-');
  return [
    {
      at,
      lines: [
        `${printable(by)} judged it ${word}, ${durationText(at - openedAt)} after the first report: ${sentence(reason)}`,
        ...evidence.map(
          ({ kind, detail, at: seenAt, observer }) =>
            `- ${printable(kind)}${seenBy(observer)}: ${printable(detail)} (${clockText(seenAt)}Z)`,
        ),
      ],
    },
  ];
}

/** Evidence without an observer is that of who judged. */
function seenBy(observer: string): string {
  return observer === '' ? '' : ` seen by ${printable(observer)}`;
}

function transition(
  step: IncidentTransition,
  { history, verdict: given }: IncidentDescription,
  index: number,
): Happening {
  const before = history[index - 1];
  const spent =
    before === undefined ? '' : ` after ${durationText(step.at - before.at)} ${printable(before.to)}`;
  const again =
    before !== undefined && step.attempt > before.attempt ? `; attempt ${step.attempt} begins` : '';
  const moved =
    step.from === step.to
      ? `The engine stayed ${printable(step.to)}`
      : `The engine went from ${printable(step.from)} to ${printable(step.to)}${spent}`;
  // The verdict has just been told, with the same words.
  const isVerdict = given !== undefined && given.at === step.at && step.reason.includes(given.reason);
  return {
    at: step.at,
    lines: [
      isVerdict ? `${moved}${again}.` : `${moved}${again}: ${sentence(step.reason)}`,
      `by ${printable(step.by)}, operation ${printable(step.operation)}`,
    ],
  };
}

function repairs({ repairs: done, earlierRepairs }: IncidentDescription): Happening[] {
  const told = (
    { vdisk, server, copiedBlocks, dirtyBlocks, repairMs, attempt }: VdiskRepair,
    isLast: boolean,
  ) => {
    const which = isLast ? '' : `, in attempt ${attempt}, which did not end`;
    return `${printable(server)} repaired vdisk ${printable(vdisk)}: ${copiedBlocks} of ${counted(dirtyBlocks, 'block')} copied in ${durationText(repairMs)}${which}.`;
  };
  return [
    ...earlierRepairs.map((repair) => ({ at: repair.at, lines: [told(repair, false)] })),
    ...done.map((repair) => ({ at: repair.at, lines: [told(repair, true)] })),
  ];
}

/** What moved the engine is told with its move, in the same words. */
function byHand({ actions, history, lost, outcome }: IncidentDescription): Happening[] {
  const moves = new Set(history.map(({ operation }) => operation));
  const orders = actions
    .filter(({ operation }) => !moves.has(operation))
    .map(({ at, by, action, reason, operation }) => ({
      at,
      lines: [
        `${printable(by)} gave the command ${printable(action)}: ${sentence(reason)}`,
        `by ${printable(by)}, operation ${printable(operation)}`,
      ],
    }));
  const end = history.at(-1)?.at;
  if (lost.length === 0 || outcome === undefined || end === undefined) return orders;
  const each = lost.map(({ vdisk, blocks, atMost, detail }) => {
    const bound = atMost === undefined ? 'not known how much' : `at most ${counted(atMost, 'block')}`;
    const what = blocks === undefined ? bound : counted(blocks, 'block');
    return `- vdisk ${printable(vdisk)}: ${what} (${printable(detail)})`;
  });
  return [...orders, { at: end, lines: ['What the engine missed was given up:', ...each] }];
}

function ending(incident: IncidentDescription, now: number): string {
  const { outcome, closedAt, openedAt, replacement, repairs: done } = incident;
  if (closedAt !== undefined) {
    const by = replacement === undefined ? '' : `; ${printable(replacement.address)} serves in its place`;
    return `The incident is over: ${printable(outcome ?? 'closed')} after ${durationText(closedAt - openedAt)}${by}.${recovered(incident)}`;
  }
  const last = incident.history.at(-1)?.at ?? openedAt;
  const waits = incident.waitsFor === undefined ? '' : ` It waits for: ${sentence(incident.waitsFor)}`;
  return `Now (${durationText(now - last)} later): ${waitsFor(incident, done.length)}${waits}`;
}

/** The engine was lost together with its partner: its blocks come back by another way, which outlasts the incident. */
function recovered({ recovery, recoveryResult, recoveredAt, openedAt }: IncidentDescription): string {
  if (recovery === undefined) return '';
  return recoveryResult === undefined || recoveredAt === undefined
    ? ` Recovery ${printable(recovery)} is bringing its blocks back from the log.`
    : ` Recovery ${printable(recovery)} brought its blocks back from the log, ${durationText(recoveredAt - openedAt)} after the first report: ${sentence(recoveryResult)}`;
}

/** What has to happen next. Statuses of DESIGN section "Healing". */
function waitsFor(
  { status, verdict: given, replacement, hold, repairKind }: IncidentDescription,
  repairedVdisks: number,
): string {
  const far = `${counted(repairedVdisks, 'vdisk')} repaired in this attempt`;
  switch (status) {
    case 'repair-tmp-outage':
      return `the blocks it missed are being copied back; it is online when every vdisk of the cluster is repaired (${far}).`;
    case 'repair-final-outage': {
      if (repairKind === 'spread')
        return `there is no spare: the blocks of its pair go to the other pairs; both members of it are given up when every vdisk of the cluster is done (${far}).`;
      const where = replacement === undefined ? 'elsewhere' : `on ${printable(replacement.address)}`;
      return `its blocks are being rebuilt ${where}; the incident ends when every vdisk of the cluster is repaired (${far}).`;
    }
    case 'offline':
      if (hold !== undefined) return 'it is held offline and its partner serves.';
      if (given === undefined) return "it waits for a verdict; 'salvor engine verdict' gives one by hand.";
      return given.verdict === 'permanent' && replacement === undefined
        ? 'it waits for a spare: the engine is lost and the cluster has none left.'
        : 'it is offline and its partner serves.';
    default:
      return `the engine is ${printable(status)}.`;
  }
}

function sinceStart({ openedAt }: IncidentDescription, at: number): string {
  return `+${durationText(at - openedAt)}`.padStart(SINCE_WIDTH);
}

/** With a full stop, unless it has an end of its own. */
function sentence(text: string): string {
  const clean = printable(text);
  return /[.!?]$/.test(clean) ? clean : `${clean}.`;
}
