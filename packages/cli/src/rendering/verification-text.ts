import type { TreeOutline } from '@salvor/pravega';
import type { TreeVerification } from '@salvor/segments';
import type { Paint } from './paint.ts';
import { counted, printable, properties } from './text.ts';

export function verificationText(
  paint: Paint,
  {
    root,
    layout,
    containerCount,
    files: allFiles,
  }: Pick<TreeOutline, 'root' | 'layout' | 'containerCount' | 'files'>,
  found: TreeVerification,
): string {
  const { files, fileBytes, segments, segmentBytes, events, entries, indexRecords } = found;
  const { uncertain, incomplete, damage, notes, tier1, verdict } = found;
  const all = files === allFiles ? '' : ` of ${allFiles}`;
  return properties(paint, [
    ['root', printable(root)],
    ['layout', `${layout}, ${containerCount} containers`],
    ['files', `${files}${all} with ${fileBytes} bytes, read to their ends`],
    ['segments', `${segments} with ${segmentBytes} bytes, of which ${incomplete} are not whole`],
    [
      'walked',
      `${counted(events, 'event')}, ${entries} keys of tables, ${counted(indexRecords, 'index record')}`,
    ],
    ['uncertain', `${uncertain} segments`],
    ['damage', `${damage} findings, and ${notes} notes`],
    [
      'tier-1',
      tier1 === null
        ? undefined
        : `${tier1.same} segments the same, ${tier1.differing} differ, ${tier1.missing} are missing, ${tier1.onlyInTier1} are in Tier-1 alone`,
    ],
    ['verdict', paint(verdict === 'clean' ? 'green' : 'red', verdict)],
  ]);
}
