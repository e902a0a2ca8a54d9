import { type ConfigStore, readArchivedPlace } from '@salvor/config-store';
import { LogWriter, type LogWriterOptions, type WriterStreams } from './log-writer.ts';

type OpenOptions = Pick<LogWriterOptions, 'vdisk' | 'epoch' | 'container' | 'shards' | 'failed'> & {
  readonly blockSizeBytes: number;
};

/** How whoever mounts vdisks writes their transaction logs. */
export interface LogWriters {
  open(options: OpenOptions): LogWriter;
  archived: (vdisk: string) => ReturnType<typeof readArchivedPlace>;
}

/** Writers over the streams of a bus; what is archived of a log is in etcd. */
export function logWriters(streams: WriterStreams, store: ConfigStore): LogWriters {
  return {
    open: ({ blockSizeBytes, ...options }) =>
      new LogWriter({ ...options, streams, blockSize: blockSizeBytes }),
    archived: (vdisk) => readArchivedPlace(store, vdisk),
  };
}
