import type { KeptState } from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';
import { everyBlock, type ReplayWindow, replay } from '@salvor/tlog';
import { changedSinceFork } from './changed-blocks.ts';
import type { SecondaryMount } from './secondary-mount.ts';
import { holdsSegment, wholeLog, type ZoneLog } from './zone-log.ts';

/**
 * Brings the vdisk back to what it held before a copy began to write over it, from its own log: only blocks that were written
 * since are looked at, where the log tells which. Done again after a crash it comes to the same.
 *
 * @throws SalvorError `not-restorable`; LogError `gap`; VdiskIoError
 */
export async function restoreKept(
  { ownSequence, ownSegment }: KeptState & { readonly ownSequence: number },
  mount: SecondaryMount,
  own: ZoneLog,
  window: ReplayWindow,
  signal: AbortSignal,
): Promise<void> {
  await mount.mounted.device.flush();
  if (ownSegment === null || (await holdsSegment(own, ownSegment)) !== true)
    throw new SalvorError(
      'not-restorable',
      `vdisk ${own.vdisk}: its own log does not tell any more what it held at record ${ownSequence}: its archive is not reached (SALVOR_TLOG_STORE), or the log lost its end; 'salvor volume disable --force' makes it an ordinary vdisk as it is`,
    );
  const target = mount.mounted.wholeBlocks();
  const source = await wholeLog(own);
  try {
    const changed = await changedSinceFork([{ source, after: ownSequence }]);
    const wanted = changed ?? everyBlock(target.blocks);
    const { vdisk } = own;
    await replay({ vdisk, source, target, wanted, upTo: ownSequence, onlyDiffering: true, signal }, window);
  } finally {
    await source.close();
  }
  await mount.mounted.device.flush();
}
