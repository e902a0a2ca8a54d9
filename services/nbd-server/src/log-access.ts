import type { Bus } from '@salvor/bus';
import { type ConfigStore, readArchivedPlace } from '@salvor/config-store';
import { LogWriter, type WriterStreams } from '@salvor/tlog';
import type { LogAccess } from '@salvor/vdisk';

/** Writes transaction logs over the connection to the bus that there is, or will be. */
export function logAccess(connecting: Promise<Bus>, store: ConfigStore): LogAccess {
  const streams: WriterStreams = {
    publish: async (message) => (await connecting).logStreams.publish(message),
    last: async (stream, subject) => (await connecting).logStreams.last(stream, subject),
  };
  return {
    open: ({ vdisk, epoch, container, blockSizeBytes, shards, failed }) =>
      new LogWriter({ streams, vdisk, epoch, container, blockSize: blockSizeBytes, shards, failed }),
    archived: (vdisk) => readArchivedPlace(store, vdisk),
  };
}
