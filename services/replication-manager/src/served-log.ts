import type { LogStreamPort } from '@salvor/bus';
import { type ConfigStore, parseTlogConfig, readVolume, tlogConfigKey } from '@salvor/config-store';
import type { VolumeLogReplyInit, VolumeLogRequest } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import { logStream, logSubject } from '@salvor/tlog';
import { compressionOf, packed } from './packed-data.ts';

/** Of segments in one answer, as they are: NATS takes 1 MiB by default, and one segment is smaller than that. */
const ANSWER_BYTES_MAX: number = 512 * 1024;

export interface ServedLogOptions {
  readonly store: Pick<ConfigStore, 'get'>;
  readonly streams: Pick<LogStreamPort, 'readWindow'>;
  readonly zone: string;
}

/**
 * Answers another zone with segments of the log of a volume here, compressed.
 *
 * @throws SalvorError `unknown-volume`, `source-changed`, `invalid-range`, `invalid-link`; BusError; StoreError
 */
export async function servedLog(
  { store, streams, zone }: ServedLogOptions,
  request: VolumeLogRequest,
): Promise<VolumeLogReplyInit> {
  const { volume, container, from, maxBytes, atMost, upTo } = request;
  const compression = compressionOf(request.compression);
  if (!(from >= 1 && maxBytes >= 1 && atMost >= 1))
    throw new SalvorError(
      'invalid-range',
      `expected a place, bytes and segments of 1 or more, found ${from}, ${maxBytes} and ${atMost}`,
    );
  const record = volume === '' ? null : await readVolume(store, volume);
  if (record === null)
    throw new SalvorError('unknown-volume', `there is no volume ${volume} in zone ${zone}`);
  const { vdisk } = record;
  const entry = await store.get(tlogConfigKey(vdisk));
  const found = entry === null ? null : parseTlogConfig(vdisk, entry.value).container;
  if (found !== container)
    throw new SalvorError(
      'source-changed',
      `the log of vdisk ${vdisk} in zone ${zone} is in ${found === null ? 'no container' : `container ${found}`}, asked for was container ${container}`,
    );
  const { messages, next, end } = await streams.readWindow({
    ...{ stream: logStream(container), subject: logSubject(container, vdisk), from },
    ...{ maxBytes: Math.min(maxBytes, ANSWER_BYTES_MAX), atMost: (pending) => Math.min(pending, atMost) },
    ...(upTo == null ? {} : { upTo }),
  });
  return {
    ...{ volume, next, end },
    places: messages.map(({ sequence }) => sequence),
    lengths: messages.map(({ data }) => data.length),
    ...(await packed(Buffer.concat(messages.map(({ data }) => data)), compression)),
  };
}
