/** Entry of a thread that reads many small ranges of files: by plain calls, each of which is worth far less than a round through the pool. */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import type { FileRanges, RangeAnswer, RangeFault, RangeRequest } from './range-reading.ts';

function take({ id, files }: RangeRequest): void {
  const bytes = Buffer.allocUnsafeSlow(files.reduce((sum, { ranges }) => sum + lengthOf(ranges), 0));
  // Nothing stays open: a file may be replaced by the time of the next message.
  const open = new Map<string, number>();
  let at = 0;
  const faults = files.map(({ file, ranges }): RangeFault | null => {
    const fault = readFile(open, { file, ranges }, bytes, at);
    at += lengthOf(ranges);
    return fault;
  });
  for (const descriptor of open.values()) closeSync(descriptor);
  const answer: RangeAnswer = { id, bytes: bytes.buffer as ArrayBuffer, faults };
  parentPort?.postMessage(answer, [answer.bytes]);
}

function readFile(
  open: Map<string, number>,
  { file, ranges }: FileRanges,
  into: Buffer,
  from: number,
): RangeFault | null {
  try {
    const descriptor = open.get(file) ?? openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
    open.set(file, descriptor);
    let at = from;
    for (const { offset, length } of ranges) {
      for (let done = 0; done < length; ) {
        const count = readSync(descriptor, into, at + done, length - done, offset + done);
        if (count === 0) return { code: 'ends', message: `ends at ${offset + done}` };
        done += count;
      }
      at += length;
    }
    return null;
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    return { code, message };
  }
}

function lengthOf(ranges: FileRanges['ranges']): number {
  return ranges.reduce((sum, { length }) => sum + length, 0);
}

parentPort?.on('message', take);
