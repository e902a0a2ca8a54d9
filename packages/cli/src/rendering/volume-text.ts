import type { VolumeCompareReply, VolumeDescription, VolumeLogReply } from '@salvor/contracts';
import type { Paint } from './paint.ts';
import { printable, properties, table, title } from './text.ts';
import { dateTimeText, durationText } from './time.ts';

/** One line for each volume. */
export function volumesText(paint: Paint, volumes: readonly VolumeDescription[]): string {
  const rows = volumes.map((volume) => [
    printable(volume.volume),
    printable(volume.vdisk),
    statusText(paint, volume),
    volume.conditions.map(({ condition }) => printable(condition)).join(', '),
    printable(volume.peer ?? '-'),
    `${volume.generation}`,
    volume.lag === undefined ? '-' : lagText(volume.lag),
  ]);
  const headers = ['volume', 'vdisk', 'status', 'conditions', 'other zone', 'generation', 'lag'];
  return table(paint, headers, rows, 'no volumes');
}

/** Everything about one. */
export function volumeText(paint: Paint, volume: VolumeDescription): string {
  const { divergence, lag, copy } = volume;
  const point = volume.driver === 'rbd' ? undefined : volume.point;
  return (
    title(paint, `volume ${printable(volume.volume)} in zone ${printable(volume.zone)}`) +
    properties(paint, [
      ['status', statusText(paint, volume)],
      ...volume.conditions.map(({ condition, reason }): [string, string] => [
        printable(condition),
        paint('red', printable(reason)),
      ]),
      ['phase', `${printable(volume.phase)}: ${printable(volume.reason)}`],
      [volume.driver === 'rbd' ? 'image' : 'vdisk', printable(volume.vdisk)],
      [
        'other zone',
        volume.peer === undefined
          ? undefined
          : `${printable(volume.peer)}, ${printable(volume.mode)}${linkText(volume)}`,
      ],
      ['it answered', volume.peerSeenAt === undefined ? undefined : dateTimeText(volume.peerSeenAt)],
      ['generation', `${volume.generation} of zone ${printable(volume.generationZone)}`],
      ['at record', volume.sequence === undefined ? undefined : `${volume.sequence}`],
      ['lag', lag && `${lagText(lag)}, about ${lag.bytes} bytes of its log`],
      [
        'last point',
        point &&
          `${point.number}: record ${point.sequence} of zone ${printable(point.zone)}, written ${dateTimeText(point.writtenAt)}; record ${point.ownSequence} of the own log`,
      ],
      ['group', volume.group && groupText(volume.group)],
      ['last sync', point && syncText(point)],
      ['schedule', scheduleText(volume)],
      ...imageRows(volume),
      ['last copy', copy && copyText(copy)],
      [
        'forked',
        divergence &&
          `${divergence.records ?? 'unknown'} records past record ${divergence.forkSequence ?? '?'}, against zone ${printable(divergence.zone)}`,
      ],
      [
        'being promoted',
        volume.promotion === undefined ? undefined : `operation ${printable(volume.promotion)}`,
      ],
      ['changed', dateTimeText(volume.changedAt)],
    ])
  );
}

/** Of a mirrored image. */
function imageRows({ driver, rbd }: VolumeDescription): [string, string | undefined][] {
  if (driver !== 'rbd' || rbd === undefined) return [];
  const { points, order, promotion, clones, kept, backlog, reportedAt, replaces } = rbd;
  const list = (names: readonly string[]): string | undefined =>
    names.length === 0 ? undefined : names.map(printable).join(', ');
  const pointText = ({ name, at, complete }: (typeof points)[number]): string =>
    `${name} (${dateTimeText(at)}${complete ? '' : ', on its way'})`;
  return [
    ['stands for', replaces === '' ? undefined : `${printable(replaces)}, as a clone of a point`],
    ['points', list(points.slice(-POINTS_SHOWN).map(pointText))],
    ['the other zone lacks', backlog === undefined ? undefined : `${backlog} points`],
    [
      'order',
      order &&
        `${printable(order.verb)}, operation ${printable(order.operation)}${order.step === '' ? '' : ` (${printable(order.step)})`}: ${printable(order.reason)}`,
    ],
    [
      'promoted',
      promotion &&
        `zone ${printable(promotion.zone)}, ${dateTimeText(promotion.at)}${promotion.force ? ', by force' : ''}`,
    ],
    ['clones of tests', list(clones)],
    ['kept images', list(kept)],
    ['daemon reported', reportedAt === undefined ? undefined : dateTimeText(reportedAt)],
  ];
}

const POINTS_SHOWN = 5;

/** One line for each segment. */
export function segmentsText(paint: Paint, { places, lengths }: VolumeLogReply): string {
  const rows = places.map((place, i) => [`${place}`, `${lengths[i] ?? 0}`]);
  return table(paint, ['place', 'bytes'], rows, 'no segments');
}

/** One line for each bulk of blocks. */
export function hashesText(paint: Paint, first: number, { hashes, bulkBlocks }: VolumeCompareReply): string {
  const rows = Array.from({ length: hashes.length / HASH_BYTES }, (_, i) => [
    `${first + i * bulkBlocks}`,
    hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES).toString('hex'),
  ]);
  return table(paint, ['from block', 'SHA-256'], rows, 'no blocks');
}

const HASH_BYTES = 32;

function copyText({
  way,
  reason,
  next,
  blocks,
  sentBlocks,
  sentBytes,
  hashBytes,
  endedAt,
}: NonNullable<VolumeDescription['copy']>): string {
  const share = blocks === 0 ? 100 : Math.floor((100 * next) / blocks);
  const done = endedAt === undefined ? `at ${share} %` : `done ${dateTimeText(endedAt)}`;
  return `${printable(way)} of ${blocks} blocks, ${done}: ${sentBlocks} blocks in ${sentBytes} bytes came over, and ${hashBytes} bytes of hashes; ${printable(reason)}`;
}

function linkText({ bandwidthMib, compression }: VolumeDescription): string {
  const limit = bandwidthMib === 0 ? '' : `, ${bandwidthMib} MiB a second at most`;
  return limit + (compression === 'none' ? '' : `, compressed (${printable(compression)})`);
}

function scheduleText({ schedule, sync }: VolumeDescription): string | undefined {
  if (schedule === undefined) return undefined;
  const { everyMs, startAt, missed } = schedule;
  const when =
    everyMs === 0
      ? `once, ordered ${dateTimeText(startAt)}`
      : `every ${durationText(everyMs)} from ${dateTimeText(startAt)} on, missed: ${printable(missed)}`;
  if (sync === undefined) return when;
  const { runs, missed: lost, overlaps, nextAt, runningSince, lastBeganAt } = sync;
  const parts = [when, `${runs} runs, ${lost} missed, ${overlaps} skipped because one was under way`];
  if (runningSince !== undefined) parts.push(`one is under way since ${dateTimeText(runningSince)}`);
  if (lastBeganAt !== undefined) parts.push(`the last one began ${dateTimeText(lastBeganAt)}`);
  if (nextAt !== undefined) parts.push(`next ${dateTimeText(nextAt)}`);
  return parts.join('; ');
}

/** Of a primary the newest cut that was made, of a copy the newest that all of its volumes have. */
function groupText({
  group,
  members,
  made,
  released,
  reason,
}: NonNullable<VolumeDescription['group']>): string {
  const cut = released ?? made.at(-1);
  const where =
    cut === undefined
      ? 'no cut'
      : `cut ${cut.number} of ${dateTimeText(cut.at)}, record ${cut.segment.last} of zone ${printable(cut.generationZone)}`;
  const late = reason === '' ? '' : ` (${printable(reason)})`;
  return `${printable(group)} with ${members.map(printable).join(', ')}: ${where}${late}`;
}

function syncText({ bytes, beganAt, at }: NonNullable<VolumeDescription['point']>): string {
  const took = beganAt === undefined ? '' : ` in ${durationText(Math.max(0, at - beganAt))}`;
  return `${dateTimeText(at)}: ${bytes} bytes came over${took}`;
}

function lagText({ level, ms }: { readonly level: boolean; readonly ms: number }): string {
  return level ? 'none' : durationText(ms);
}

function statusText(paint: Paint, { status, conditions }: VolumeDescription): string {
  const isBad = conditions.some(({ condition }) => condition === 'split-brain' || condition === 'error');
  return paint(isBad ? 'red' : conditions.length > 0 ? 'yellow' : 'green', printable(status));
}
