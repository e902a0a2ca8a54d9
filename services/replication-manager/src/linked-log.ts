/** The log of a primary as it is read over the link of its volume: compressed, counted, and kept to the limit. */
import type { LogMessage, LogWindow, ReadLogWindow } from '@salvor/bus';
import type { VolumeLogReply, VolumeLogRequestInit } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import type { Tier2Store } from '@salvor/tlog';
import type { LinkMeter } from './link-meter.ts';
import { unpacked } from './packed-data.ts';
import type { LogReads } from './zone-log.ts';

/** Asks the managers of the primary for segments. */
export type AskLog = (request: Omit<VolumeLogRequestInit, 'volume' | 'container'>) => Promise<VolumeLogReply>;

/** More than one answer can hold. */
const ANSWER_BYTES_MAX: number = 4 * 1024 * 1024;

/** @param ask the way that compresses; the stream itself is read where the link says that nothing is */
export function linkedReads(streams: LogReads, meter: LinkMeter, ask: AskLog, signal: AbortSignal): LogReads {
  const read = async (window: ReadLogWindow): Promise<LogWindow> => {
    const bounded = { ...window, maxBytes: Math.min(window.maxBytes, meter.stepBytes) };
    if (meter.link.compression === 'none') {
      const found = await streams.readWindow(bounded);
      await meter.take(bytesOf(found.messages), signal);
      return found;
    }
    const { from, upTo, maxBytes, atMost } = bounded;
    const reply = await ask({
      ...{ from, maxBytes, compression: meter.link.compression },
      ...(upTo === undefined ? {} : { upTo }),
      ...(atMost === undefined ? {} : { atMost: Math.max(1, atMost(Number.MAX_SAFE_INTEGER)) }),
    });
    await meter.take(reply.data.length, signal);
    return windowOf(reply, from);
  };
  return {
    readWindow: read,
    facts: (stream, subject) => streams.facts(stream, subject),
    last: async (stream, subject) => {
      const found = await streams.last(stream, subject);
      await meter.take(found?.data.length ?? 0, signal);
      return found;
    },
    message: async (stream, sequence) => {
      if (meter.link.compression !== 'none') {
        const window = { stream, subject: '', from: sequence, upTo: sequence, maxBytes: 1, atMost: () => 1 };
        return (await read(window)).messages.find((each) => each.sequence === sequence) ?? null;
      }
      const found = await streams.message(stream, sequence);
      await meter.take(found?.data.length ?? 0, signal);
      return found;
    },
  };
}

/** An archive of the other zone; what is read of it is compressed as it is stored, or not at all. */
export function linkedArchive(store: Tier2Store, meter: LinkMeter, signal: AbortSignal): Tier2Store {
  return {
    name: store.name,
    put: (path, parts) => store.put(path, parts),
    read: async (path, offset, length) => {
      const found = await store.read(path, offset, length);
      await meter.take(found.length, signal);
      return found;
    },
    readRanges: async (path, ranges, memory) => {
      const found = await store.readRanges(path, ranges, memory);
      await meter.take(bytesOf(found.map((data) => ({ data }))), signal);
      return found;
    },
    list: (prefix) => store.list(prefix),
    stat: (path) => store.stat(path),
    delete: (path) => store.delete(path),
    tidy: (prefix) => store.tidy(prefix),
    close: () => store.close(),
  };
}

/** @throws SalvorError `bad-answer` */
async function windowOf(reply: VolumeLogReply, from: number): Promise<LogWindow> {
  const { places, lengths, next, end } = reply;
  const bytes = lengths.reduce((sum, length) => sum + length, 0);
  const isOrdered = places.every((place, i) => place >= (i === 0 ? from : (places[i - 1] ?? 0) + 1));
  const isWhole = places.length === lengths.length && lengths.every((length) => length > 0);
  if (!isOrdered || !isWhole || bytes > ANSWER_BYTES_MAX || next < Math.max(from, (places.at(-1) ?? 0) + 1))
    throw new SalvorError(
      'bad-answer',
      `the other zone answered ${places.length} segments of ${bytes} bytes from place ${places[0] ?? next} on, to go on from ${next}, asked for were those from ${from} on; run the same version in both zones`,
    );
  const data = await unpacked(reply, bytes);
  const messages: LogMessage[] = [];
  let at = 0;
  for (const [i, sequence] of places.entries()) {
    const length = lengths[i] ?? 0;
    messages.push({ sequence, data: data.subarray(at, at + length) });
    at += length;
  }
  return { messages, next, end };
}

function bytesOf(messages: readonly { readonly data: Buffer }[]): number {
  return messages.reduce((sum, { data }) => sum + data.length, 0);
}
