import { appendFileSync } from 'node:fs';
import { fromPlainJson } from '@salvor/contracts';
import { z } from 'zod';
import type { Announcement } from './announcement.ts';
import type { LineReader } from './file-tail.ts';
import type { Line } from './line-splitter.ts';

/**
 * The life of a child goes the way of its lines: through a file that is followed with a saved position. So what happened to
 * it is announced even when this service dies, or the bus is away, right after.
 */
export function writeToJournal(path: string, announcement: Announcement): void {
  appendFileSync(path, `${JSON.stringify(announcement)}\n`, { mode: 0o600 });
}

const journalLine = z.object({
  type: z.enum(['nbdserver.started', 'nbdserver.exited']),
  payload: z.unknown(),
});

export class JournalReader implements LineReader {
  readonly midRecord = false;

  read({ bytes }: Line): Announcement[] {
    try {
      const { type, payload } = journalLine.parse(JSON.parse(bytes.toString('utf8')));
      return type === 'nbdserver.started'
        ? [{ type, payload: fromPlainJson('NbdserverStarted', payload) }]
        : [{ type, payload: fromPlainJson('NbdserverExited', payload) }];
    } catch {
      // Half a line, from a power loss: the process of that time is gone, and its end is told by the next start.
      return [];
    }
  }

  end(): Announcement[] {
    return [];
  }
}
