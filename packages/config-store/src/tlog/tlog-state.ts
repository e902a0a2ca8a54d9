import { SalvorError } from '@salvor/service-kit';
import { formatRecord, parseRecord, recordIn } from '../healing/record-text.ts';
import { ownerKey, tlogConfigKey, tlogStateKey } from '../keys.ts';
import type { ConfigStore, StoreEntry } from '../types.ts';
import { type TlogConfig, type TlogState, tlogConfigSchema, tlogStateSchema } from './tlog-records.ts';

export interface RecordedTlog {
  readonly config: TlogConfig;
  /** Null: nothing is known, which is as good as broken. */
  readonly state: TlogState | null;
  /** At which revision of etcd the state was put; null: there is none. */
  readonly stateRevision: string | null;
}

/** Somebody else has put another state on record since. */
export class TlogStateChangedError extends SalvorError {
  /** Null: it is gone. */
  readonly entry: StoreEntry | null;

  constructor(vdisk: string, entry: StoreEntry | null) {
    super('log-state-changed', `the state of the log of vdisk ${vdisk} was changed by somebody else`);
    this.entry = entry;
  }
}

/** What etcd says of the log of a vdisk; null: it has none. Throws StoreError, ConfigValueError. */
export async function readTlog(store: ConfigStore, vdisk: string): Promise<RecordedTlog | null> {
  const { entries } = await store.getMany([tlogConfigKey(vdisk), tlogStateKey(vdisk)]);
  const config = recordIn(entries, tlogConfigKey(vdisk), tlogConfigSchema);
  if (config === null) return null;
  const state = recordIn(entries, tlogStateKey(vdisk), tlogStateSchema);
  return { config, state, stateRevision: entries.get(tlogStateKey(vdisk))?.revision ?? null };
}

/** The configuration of a log as it is stored. Throws ConfigValueError. */
export function parseTlogConfig(vdisk: string, value: string): TlogConfig {
  return parseRecord(tlogConfigSchema, tlogConfigKey(vdisk), value);
}

/** The state of a log as it is stored. Throws ConfigValueError. */
export function parseTlogState(vdisk: string, value: string): TlogState {
  return parseRecord(tlogStateSchema, tlogStateKey(vdisk), value);
}

/**
 * Writes the state of a log in the transaction that proves that the writer still owns the vdisk and that it still has this
 * log.
 *
 * @param after only over the state of this revision; null: over any
 * @returns the revision; null when it does not @throws StoreError, TlogStateChangedError
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
  after: string | null = null,
): Promise<string | null> {
  const [configAt, stateAt] = [tlogConfigKey(vdisk), tlogStateKey(vdisk)];
  const config = await store.get(configAt);
  if (config === null || parseTlogConfig(vdisk, config.value).enabledBy !== proof.enabledBy) return null;
  const stored = await store.transact({
    compare: [
      { key: ownerKey(vdisk), createRevision: proof.owner },
      { key: configAt, revision: config.revision },
      ...(after === null ? [] : [{ key: stateAt, revision: after }]),
    ],
    puts: [{ key: stateAt, value: formatRecord(tlogStateSchema, stateAt, state) }],
  });
  if (stored.ok) return stored.revision;
  const found = after === null ? null : await store.get(stateAt);
  if (after !== null && found?.revision !== after) throw new TlogStateChangedError(vdisk, found);
  return null;
}
