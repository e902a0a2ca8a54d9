import type { VolumeDescription } from '@salvor/contracts';
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
  const { point, divergence, lag } = volume;
  return (
    title(paint, `volume ${printable(volume.volume)} in zone ${printable(volume.zone)}`) +
    properties(paint, [
      ['status', statusText(paint, volume)],
      ...volume.conditions.map(({ condition, reason }): [string, string] => [
        printable(condition),
        paint('red', printable(reason)),
      ]),
      ['phase', `${printable(volume.phase)}: ${printable(volume.reason)}`],
      ['vdisk', printable(volume.vdisk)],
      [
        'other zone',
        volume.peer === undefined ? undefined : `${printable(volume.peer)}, ${printable(volume.mode)}`,
      ],
      ['it answered', volume.peerSeenAt === undefined ? undefined : dateTimeText(volume.peerSeenAt)],
      ['generation', `${volume.generation} of zone ${printable(volume.generationZone)}`],
      ['at record', volume.sequence === undefined ? undefined : `${volume.sequence}`],
      ['lag', lag && `${lagText(lag)}, ${lag.bytes} bytes arrived and not applied`],
      [
        'last point',
        point &&
          `${point.number}: record ${point.sequence} of zone ${printable(point.zone)}, written ${dateTimeText(point.writtenAt)}; record ${point.ownSequence} of the own log`,
      ],
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

function lagText({ level, ms }: { readonly level: boolean; readonly ms: number }): string {
  return level ? 'none' : durationText(ms);
}

function statusText(paint: Paint, { status, conditions }: VolumeDescription): string {
  const isBad = conditions.some(({ condition }) => condition === 'split-brain' || condition === 'error');
  return paint(isBad ? 'red' : conditions.length > 0 ? 'yellow' : 'green', printable(status));
}
