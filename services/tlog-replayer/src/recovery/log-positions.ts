/** What a replay leaves in the log itself: how far it is with shards whose engines are new. */
import type { LogStreamPort } from '@salvor/bus';
import { type ConfigStore, putTlogState } from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';
import { decodeSegment, LogWriter, logStream, logSubject } from '@salvor/tlog';

type Newest = ReturnType<typeof decodeSegment>;

/** The newest segment, which Tier-1 always has; null when it has lost it. Throws BusError, LogError. */
export async function newestSegment(
  streams: LogStreamPort,
  container: number,
  vdisk: string,
): Promise<Newest | null> {
  const message = await streams.last(logStream(container), logSubject(container, vdisk));
  return message === null ? null : decodeSegment(message.data);
}

/** Shards of which everything that the engines have is in the log. */
export function levelShards(newest: Newest | null, batches: ReadonlyMap<number, number>): number[] {
  const positions = new Map(newest?.positions.map(({ shard, batch }) => [shard, batch]));
  return [...batches].flatMap(([shard, batch]) => (positions.get(shard) === batch ? [shard] : []));
}

export interface RestoredLog {
  readonly vdisk: string;
  readonly container: number;
  readonly epoch: number;
  readonly blockSize: number;
  readonly shards: number;
}

/**
 * Begins the log anew under this epoch: what was written back is in it already. The next owner adds what the engines of the
 * shards have that keep their position.
 *
 * @throws LogError `fenced`
 */
export async function noteRestored(
  streams: LogStreamPort,
  log: RestoredLog,
  batches: ReadonlyMap<number, number>,
  keeps: (shard: number) => boolean,
): Promise<void> {
  const writer = new LogWriter({
    streams: {
      publish: (message) => streams.publish(message),
      last: (stream, subject) => streams.last(stream, subject),
    },
    ...log,
    failed: () => {},
  });
  try {
    await writer.begin(null, (tail) => {
      const positions = new Map([...batches].filter(([shard]) => !keeps(shard)));
      for (const [shard, batch] of tail?.positions ?? []) if (keeps(shard)) positions.set(shard, batch);
      return { base: tail?.base ?? 0, positions };
    });
  } finally {
    writer.close();
  }
}

/** What is missing in the log stays missing: the next owner begins it with a new copy of everything. */
export async function breakLogOff(
  store: ConfigStore,
  vdisk: string,
  { epoch: owner, enabledBy }: { readonly epoch: string; readonly enabledBy: string },
): Promise<void> {
  const reason = 'parts of it are missing, and the vdisk was restored without them';
  const state = { status: 'broken', reason, since: Date.now(), sequence: 0 } as const;
  if (!(await putTlogState(store, vdisk, { owner, enabledBy }, state)))
    throw new SalvorError('ownership-lost', `vdisk ${vdisk} was lost while it was being restored`);
}
