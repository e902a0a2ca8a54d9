/** Decisions about volumes, carried out in etcd: each is one compared transaction, with the mark of its operation. */
import { ConfigValueError } from '../errors.ts';
import { type RetryOptions, untilNoConflict } from '../healing/compare-and-set.ts';
import { canonicalRequest, markOf, repeatOf, reusedReason } from '../healing/operation-mark.ts';
import { formatRecord, parseRecord, recordIn } from '../healing/record-text.ts';
import { operationSchema, ownerSchema } from '../healing/records.ts';
import { busyWith } from '../healing/vdisk-admission.ts';
import {
  operationKey,
  ownerKey,
  tlogConfigKey,
  VOLUMES_PREFIX,
  vdiskLifecycleKey,
  vdiskStaticKey,
  vdiskVolumeKey,
  volumeKey,
  volumePointsPrefix,
} from '../keys.ts';
import { lifecycleIn, type VdiskLifecycle } from '../lifecycle/vdisk-lifecycle.ts';
import type { Compare, ConfigStore, Put, StoreEntry } from '../types.ts';
import type { VolumeCode, VolumeDecision } from './volume-outcome.ts';
import {
  type ReplicationPoint,
  replicationPointSchema,
  type VolumeRecord,
  vdiskVolumeSchema,
  volumeSchema,
} from './volume-records.ts';
import { volumeWrites } from './volume-writes.ts';

/** What etcd of this zone holds around a volume when something is decided about it. */
export interface VolumeFacts {
  readonly record: VolumeRecord | null;
  readonly vdiskExists: boolean;
  readonly hasLog: boolean;
  /** The volume that the vdisk is. */
  readonly volumeOfVdisk: string | null;
  readonly owner: string | null;
  readonly lifecycle: VdiskLifecycle | null;
  /** What is being done to the vdisk, as a sentence; null: nothing. */
  readonly busy: string | null;
}

export interface VolumeChange extends RetryOptions {
  readonly volume: string;
  /** Of a volume that is to be: its vdisk. */
  readonly vdisk?: string;
  /** An operator's order; absent for what a service finds out by itself. */
  readonly order?: {
    readonly operation: string;
    readonly kind: string;
    readonly request: Readonly<Record<string, unknown>>;
    readonly by: string;
  };
  /** Must hold as well: the right of whoever keeps the volume in step. */
  readonly compare?: readonly Compare[];
  /** Unix milliseconds; default the clock of this process. */
  readonly now?: () => number;
}

export interface VolumeResult {
  readonly outcome: 'applied' | 'already' | 'refused' | 'conflict';
  readonly code: VolumeCode;
  readonly reason: string;
  readonly volume: string;
  readonly operation: string;
  /** As it was before, and is now. */
  readonly before: VolumeRecord | null;
  readonly record: VolumeRecord | null;
}

/**
 * Reads, decides and writes; again when others were faster. The same operation again changes nothing and gives the same answer.
 *
 * @throws StoreError when etcd does not answer, ConfigValueError when a stored value cannot be used
 */
export async function applyVolume(
  store: ConfigStore,
  change: VolumeChange,
  decide: (facts: VolumeFacts, now: number) => VolumeDecision,
): Promise<VolumeResult> {
  const { volume, order, now = Date.now } = change;
  const operation = order?.operation ?? '';
  const canonical = order === undefined ? '' : canonicalRequest(order.kind, order.request);
  const attempt = async (): Promise<VolumeResult | 'conflict'> => {
    const found = await readAround(store, change);
    if (found === 'conflict') return 'conflict';
    const { entries, facts } = found;
    const { record: before } = facts;
    const same = { volume, operation, before };
    const mark = order === undefined ? null : recordIn(entries, operationKey(operation), operationSchema);
    if (mark !== null)
      return repeatOf(mark, canonical) === 'reused'
        ? {
            ...same,
            outcome: 'refused',
            code: 'operation-reused',
            reason: reusedReason(mark),
            record: before,
          }
        : { ...same, outcome: 'already', code: 'same-operation', reason: mark.reason, record: before };
    const at = now();
    const decision = decide(facts, at);
    const { outcome, code, reason, next = before } = decision;
    if (outcome === 'refused') return { ...same, outcome, code, reason, record: before };
    const isChange = outcome === 'applied' && decision.next !== undefined;
    const stores = async (puts: readonly Put[], deletes: readonly string[]): Promise<boolean> => {
      const compare = [...entries].map(([key, entry]) => ({ key, revision: entry?.revision ?? 'absent' }));
      const all = [...compare, ...(change.compare ?? [])];
      return (await store.transact({ compare: all, puts: [...puts], deletes: [...deletes] })).ok;
    };
    const writes = isChange ? volumeWrites(facts, volume, next, at) : { puts: [], deletes: [] };
    if ('refusal' in writes) {
      const result = { ...same, outcome: 'refused' as const, code: 'vdisk-busy' as const };
      const told = order === undefined ? busyInstead(before, next, writes.refusal, at) : null;
      if (told === null) return { ...result, reason: writes.refusal, record: before };
      const key = volumeKey(volume);
      const isStored = await stores([{ key, value: formatRecord(volumeSchema, key, told) }], []);
      return isStored ? { ...result, reason: writes.refusal, record: told } : 'conflict';
    }
    // Also of what was so already: the same order again, after others, is still the same order.
    const done =
      order === undefined
        ? []
        : [
            markOf({
              ...{ operation, kind: order.kind, request: canonical, outcome, reason, at, subject: volume },
              answer: { volume, by: order.by },
            }),
          ];
    if (!isChange && done.length === 0) return { ...same, outcome, code, reason, record: before };
    const isStored = await stores([...done, ...writes.puts], writes.deletes);
    return isStored ? { ...same, outcome, code, reason, record: next } : 'conflict';
  };
  const result = await untilNoConflict(attempt, change);
  if (result !== 'conflict') return result;
  const reason = `volume ${volume} was changed by others at every attempt, or is kept by another process now; try again`;
  return { outcome: 'conflict', code: 'conflict', reason, volume, operation, before: null, record: null };
}

/** What is put on record where it cannot be done yet: that it must, and why it is not; null: that is on record. */
function busyInstead(
  before: VolumeRecord | null,
  next: VolumeRecord | null,
  refusal: string,
  at: number,
): VolumeRecord | null {
  if (before === null || next === null) return null;
  const { trouble } = before;
  if (trouble?.code === 'vdisk-busy' && trouble.reason === refusal) return null;
  const { known, rival } = next;
  return { ...before, known, rival, trouble: { code: 'vdisk-busy', reason: refusal, at }, changedAt: at };
}

/** Null: there is none. Throws StoreError, ConfigValueError. */
export async function readVolume(
  store: Pick<ConfigStore, 'get'>,
  volume: string,
): Promise<VolumeRecord | null> {
  const key = volumeKey(volume);
  const entry = await store.get(key);
  return entry === null ? null : parseRecord(volumeSchema, key, entry.value);
}

/** The volume that a vdisk is. Null: it is none. Throws StoreError, ConfigValueError. */
export async function readVolumeOf(
  store: Pick<ConfigStore, 'get'>,
  vdisk: string,
): Promise<VolumeRecord | null> {
  const key = vdiskVolumeKey(vdisk);
  const entry = await store.get(key);
  return entry === null ? null : readVolume(store, parseRecord(vdiskVolumeSchema, key, entry.value).volume);
}

/**
 * All of this zone, by name.
 *
 * @param bad told of each record that cannot be used; without it the first one is thrown
 * @throws StoreError, ConfigValueError
 */
export async function listVolumes(
  store: Pick<ConfigStore, 'list'>,
  bad?: (error: ConfigValueError) => void,
): Promise<VolumeRecord[]> {
  const { entries } = await store.list(VOLUMES_PREFIX);
  return entries.flatMap(({ key, value }) => {
    try {
      return parseRecord(volumeSchema, key, value);
    } catch (error) {
      if (!(error instanceof ConfigValueError) || bad === undefined) throw error;
      bad(error);
      return [];
    }
  });
}

/** States of the primary that this zone reached and remembers, oldest first. Throws StoreError, ConfigValueError. */
export async function listVolumePoints(
  store: Pick<ConfigStore, 'list'>,
  volume: string,
): Promise<ReplicationPoint[]> {
  const { entries } = await store.list(volumePointsPrefix(volume));
  return entries
    .map(({ key, value }) => parseRecord(replicationPointSchema, key, value))
    .sort((a, b) => a.at - b.at || a.number - b.number);
}

async function readAround(
  store: ConfigStore,
  { volume, vdisk: asked, order }: VolumeChange,
): Promise<{ entries: ReadonlyMap<string, StoreEntry | null>; facts: VolumeFacts } | 'conflict'> {
  const key = volumeKey(volume);
  const known = await readVolume(store, volume);
  const vdisk = known?.vdisk ?? asked;
  const marks = order === undefined ? [] : [operationKey(order.operation)];
  const around =
    vdisk === undefined || vdisk === ''
      ? []
      : [vdiskStaticKey, tlogConfigKey, vdiskVolumeKey, ownerKey, vdiskLifecycleKey].map((of) => of(vdisk));
  const { entries } = await store.getMany([key, ...marks, ...around]);
  const record = recordIn(entries, key, volumeSchema);
  // It became a volume, or another one, between the two reads.
  if (record !== null && record.vdisk !== vdisk) return 'conflict';
  if (vdisk === undefined || vdisk === '') {
    const nothing = {
      vdiskExists: false,
      hasLog: false,
      volumeOfVdisk: null,
      owner: null,
      lifecycle: null,
      busy: null,
    };
    return { entries, facts: { record, ...nothing } };
  }
  const lifecycle = lifecycleIn(entries, vdisk);
  return {
    entries,
    facts: {
      record,
      vdiskExists: entries.get(vdiskStaticKey(vdisk)) != null,
      hasLog: entries.get(tlogConfigKey(vdisk)) != null,
      volumeOfVdisk: recordIn(entries, vdiskVolumeKey(vdisk), vdiskVolumeSchema)?.volume ?? null,
      owner: recordIn(entries, ownerKey(vdisk), ownerSchema)?.server ?? null,
      lifecycle,
      busy: busyWith(vdisk, lifecycle)?.reason ?? null,
    },
  };
}
