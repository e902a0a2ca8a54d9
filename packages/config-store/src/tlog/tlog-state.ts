import { formatRecord, parseRecord, recordIn } from '../healing/record-text.ts';
import { ownerKey, tlogConfigKey, tlogStateKey } from '../keys.ts';
import type { ConfigStore } from '../types.ts';
import { type TlogConfig, type TlogState, tlogConfigSchema, tlogStateSchema } from './tlog-records.ts';

export interface RecordedTlog {
  readonly config: TlogConfig;
  /** Null: nothing is known, which is as good as broken. */
  readonly state: TlogState | null;
}

/** What etcd says of the log of a vdisk; null: it has none. Throws StoreError, ConfigValueError. */
export async function readTlog(store: ConfigStore, vdisk: string): Promise<RecordedTlog | null> {
  const { entries } = await store.getMany([tlogConfigKey(vdisk), tlogStateKey(vdisk)]);
  const config = recordIn(entries, tlogConfigKey(vdisk), tlogConfigSchema);
  return config === null ? null : { config, state: recordIn(entries, tlogStateKey(vdisk), tlogStateSchema) };
}

/** The configuration of a log as it is stored. Throws ConfigValueError. */
export function parseTlogConfig(vdisk: string, value: string): TlogConfig {
  return parseRecord(tlogConfigSchema, tlogConfigKey(vdisk), value);
}

/**
 * Writes the state of a log in the transaction that proves that the writer still owns the vdisk and that it still has this
 * log.
 *
 * @returns false when it does not @throws StoreError
 */
export async function putTlogState(
  store: ConfigStore,
  vdisk: string,
  proof: {
    /** Create revision of the owner key. */
    readonly owner: string;
    readonly enabledBy: string;
  },
  state: TlogState,
): Promise<boolean> {
  const [configAt, stateAt] = [tlogConfigKey(vdisk), tlogStateKey(vdisk)];
  const config = await store.get(configAt);
  if (config === null || parseTlogConfig(vdisk, config.value).enabledBy !== proof.enabledBy) return false;
  const { ok } = await store.transact({
    compare: [
      { key: ownerKey(vdisk), createRevision: proof.owner },
      { key: configAt, revision: config.revision },
    ],
    puts: [{ key: stateAt, value: formatRecord(tlogStateSchema, stateAt, state) }],
  });
  return ok;
}
