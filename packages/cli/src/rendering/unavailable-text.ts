import type { UnavailableShard } from '@salvor/contracts';
import type { Paint } from './paint.ts';
import { counted, printable, table } from './text.ts';

/** Vdisks of a shard that are named; the sum counts all of them. */
const NAMED_VDISKS_MAX = 20;

/** Which shards have no live copy: a sentence each, then vdisk by vdisk. Empty when there are none. */
export function unavailableText(paint: Paint, shards: readonly UnavailableShard[]): string {
  return shards
    .map((shard) => {
      const { cluster, reason, vdisks } = shard;
      const rows = vdisks
        .slice(0, NAMED_VDISKS_MAX)
        .map(({ vdisk, blocks, counted: isCounted, detail }) => [
          printable(vdisk),
          `${isCounted ? '' : 'at most '}${blocks}`,
          printable(detail),
        ]);
      const more = vdisks.length > NAMED_VDISKS_MAX ? `and ${vdisks.length - NAMED_VDISKS_MAX} more\n` : '';
      const sum = paint('red', `${printable(cluster)}: ${blocksText(shard)} without a live copy`);
      const list = table(paint, ['vdisk', 'blocks', 'what is known'], rows, 'no vdisks');
      return `${sum}\n${printable(reason)}\n${list}${more}`;
    })
    .join('\n');
}

/** `at most 65536 blocks of 2 vdisks` */
export function blocksText({ blocks, counted: isCounted, vdisks }: UnavailableShard): string {
  return `${isCounted ? '' : 'at most '}${counted(blocks, 'block')} of ${counted(vdisks.length, 'vdisk')}`;
}
