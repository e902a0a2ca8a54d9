import type { Tier2Verification } from '@salvor/tlog';
import type { Paint } from './paint.ts';
import { counted, printable, properties } from './text.ts';

export function archiveVerificationText(paint: Paint, root: string, found: Tier2Verification): string {
  const { files, fileBytes, logs, chunks, segments, configurations, configuration } = found;
  const { damage, notes, verdict } = found;
  const newest =
    configuration === null
      ? 'none of them whole'
      : `the newest of revision ${configuration.revision}, ${new Date(configuration.at).toISOString()}`;
  return properties(paint, [
    ['root', printable(root)],
    ['layout', 'salvor'],
    ['files', `${files} with ${fileBytes} bytes`],
    [
      'logs',
      `${logs}, with ${counted(chunks, 'chunk')} and ${counted(segments, 'segment')}, proved to their checksums`,
    ],
    ['configurations', `${configurations}, ${newest}`],
    ['damage', `${damage} findings, and ${notes} notes`],
    ['verdict', paint(verdict === 'clean' ? 'green' : 'red', verdict)],
  ]);
}
