/** Reads of one revision: what is told by several keys fits together, however many calls it takes. */
import type { EtcdCalls } from './etcd-calls.ts';
import { prefixRange, readRange, spanRange } from './ranges.ts';
import { revisionError } from './revision-error.ts';
import { readKeys } from './transaction.ts';
import type { StoreReader } from './types.ts';

/** The first read says which revision it is; those that begin before it has answered wait for it. */
export function snapshotReader(etcd: EtcdCalls): StoreReader {
  let revision: Promise<string> | null = null;
  const atOne = async <T extends { readonly revision: string }>(
    read: (revision?: string) => Promise<T>,
  ): Promise<T> => {
    if (revision !== null) {
      const at = await revision;
      return read(at).catch((error: unknown) => {
        throw revisionError(error, at);
      });
    }
    const first = read();
    revision = first.then((answer) => answer.revision);
    // Told to whoever reads.
    revision.catch(() => undefined);
    return first;
  };
  const getMany: StoreReader['getMany'] = (keys) => atOne((at) => readKeys(etcd, keys, at));
  return {
    getMany,
    get: async (key) => (await getMany([key])).entries.get(key) ?? null,
    list: (prefix) =>
      atOne((at) => readRange(etcd, `list of ${prefix}`, prefixRange(prefix), atRevision(at))),
    async listKeys(range) {
      const what = `list of keys from ${range.from || 'the first'} to ${range.to ?? 'the last'}`;
      const { entries } = await atOne((at) =>
        readRange(etcd, what, spanRange(range), { keysOnly: true, ...atRevision(at) }),
      );
      return entries.map(({ key }) => key);
    },
  };
}

function atRevision(revision: string | undefined): { revision?: string } {
  return revision === undefined ? {} : { revision };
}
