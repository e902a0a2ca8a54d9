/** Entry of a thread that reads many small ranges of files: by plain calls, each of which is worth far less than a round through the pool. */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import type { FileRanges, RangeAnswer, RangeFault, RangeRequest } from './range-reading.ts';

function take({ id, files }: RangeRequest): void {
  // Nothing stays open: a file may be replaced by the time of the next message.
  const open = new Map<string, number>();
  const faults = files.map((file) => readFile(open, file));
  for (const descriptor of open.values()) closeSync(descriptor);
  const answer: RangeAnswer = { id, faults };
  parentPort?.postMessage(answer);
}

function readFile(open: Map<string, number>, { file, ranges, into, at }: FileRanges): RangeFault | null {
  try {
    const descriptor = open.get(file) ?? openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
    open.set(file, descriptor);
    const bytes = new Uint8Array(into);
    let place = at;
    for (let i = 0; i < ranges.length; i += 2) {
      const [offset = 0, length = 0] = [ranges[i], ranges[i + 1]];
      for (let done = 0; done < length; ) {
        const count = readSync(descriptor, bytes, place + done, length - done, offset + done);
        if (count === 0) return { code: 'ends', message: `ends at ${offset + done}` };
        done += count;
      }
      place += length;
    }
    return null;
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    return { code, message };
  }
}

parentPort?.on('message', take);
