import type { Bus } from '@salvor/bus';
import type { ConfigStore } from '@salvor/config-store';
import { logWriters, type WriterStreams } from '@salvor/tlog';
import type { LogAccess } from '@salvor/vdisk';

/** Writes transaction logs over the connection to the bus that there is, or will be. */
export function logAccess(connecting: Promise<Bus>, store: ConfigStore): LogAccess {
  const streams: WriterStreams = {
    publish: async (message) => (await connecting).logStreams.publish(message),
    last: async (stream, subject) => (await connecting).logStreams.last(stream, subject),
  };
  return logWriters(streams, store);
}
