/** What etcd tells of the transaction log of a vdisk. */
import { type ConfigStore, parseRecord } from '@salvor/config-store';
import { z } from 'zod';

export type KnownLog =
  | { readonly status: 'none' }
  | { readonly status: 'whole' }
  | { readonly status: 'broken'; readonly reason: string };

const LOGS_PREFIX = '/salvor/tlogs/';

const stateSchema = z.looseObject({
  status: z.string(),
  reason: z.string().optional(),
  sequence: z.number().optional(),
});

/** A vdisk has a log exactly when that is configured; who writes it says whether it is whole. */
export async function readKnownLog(store: ConfigStore, vdisk: string): Promise<KnownLog> {
  const folder = `${LOGS_PREFIX}${encodeURIComponent(vdisk).replaceAll('%3A', ':')}`;
  const keys = { config: `${folder}/config`, state: `${folder}/state` };
  const { entries } = await store.getMany(Object.values(keys));
  if (entries.get(keys.config) == null) return { status: 'none' };
  const state = entries.get(keys.state);
  if (state == null) return { status: 'whole' };
  const { status, reason, sequence } = parseRecord(stateSchema, keys.state, state.value);
  if (status !== 'broken') return { status: 'whole' };
  const since = sequence === undefined ? '' : `broken since sequence ${sequence}: `;
  return { status: 'broken', reason: `${since}${reason ?? 'its owner went on without it'}` };
}
