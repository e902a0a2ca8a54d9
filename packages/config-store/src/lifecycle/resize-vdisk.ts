import {
  type AdmissionOptions,
  admit,
  type Entries,
  type VdiskAdmissionResult,
} from '../healing/admit-vdisk.ts';
import { clusterIn } from '../healing/apply-vdisk-admission.ts';
import { canonicalRequest } from '../healing/operation-mark.ts';
import { formatRecord, recordIn } from '../healing/record-text.ts';
import { operationSchema, ownerSchema } from '../healing/records.ts';
import { refuse } from '../healing/vdisk-admission.ts';
import {
  clusterStorageKey,
  operationKey,
  ownerKey,
  salvorClusterKey,
  vdiskLifecycleKey,
  vdiskNbdKey,
  vdiskStaticKey,
} from '../keys.ts';
import type { ConfigStore, Lease } from '../types.ts';
import {
  formatVdiskStatic,
  parseVdiskNbd,
  parseVdiskStatic,
  type VdiskNbd,
  type VdiskStatic,
} from '../vdisk-config.ts';
import { decideVdiskResize, type VdiskResizeRequest } from './resize-decision.ts';
import { lifecycleIn, vdiskLifecycleSchema } from './vdisk-lifecycle.ts';

/** What is stored beyond the new end, on any copy. */
export interface BeyondEnd {
  readonly blocks: number;
  /** The highest of them. */
  readonly last: number;
  /** Whether the look ended before all of them were counted. */
  readonly atLeast?: boolean;
}

export interface VdiskShape {
  readonly static: VdiskStatic;
  readonly nbd: VdiskNbd;
}

export interface ResizeOptions extends AdmissionOptions {
  /** Looks at every copy, while nobody can mount the vdisk; null when nothing is stored beyond the new end. */
  readonly lookBeyond: (shape: VdiskShape) => Promise<BeyondEnd | null>;
}

/** How long a shrink may keep a vdisk from being mounted after the death of the process that does it. */
const LOCK_TTL_SECONDS = 10;

/** What was read when it turned out that somebody has to look first. */
interface Look {
  readonly entries: Entries;
  readonly shape: VdiskShape;
}

/**
 * Gives a vdisk another size. To grow is one compared transaction, and its owner follows. To shrink, the vdisk is locked
 * for as long as every copy is looked at. The same operation id again changes nothing and gives the same answer.
 *
 * @throws StoreError when etcd does not answer, ConfigValueError when a stored value cannot be used, and as `lookBeyond` does.
 */
export async function resizeVdisk(
  store: ConfigStore,
  request: VdiskResizeRequest,
  options: ResizeOptions,
): Promise<VdiskAdmissionResult> {
  const looks: Look[] = [];
  const result = await resize(store, request, options, { look: (look) => looks.push(look) });
  const look = looks.at(-1);
  if (look === undefined || result.code !== 'shrink-refused') return result;
  const lease = await store.grantLease(LOCK_TTL_SECONDS);
  try {
    if (!(await lock(store, look.entries, request.vdisk, options, lease))) return contended(request, options);
    const beyond = await options.lookBeyond(look.shape);
    return await resize(store, request, options, { beyond });
  } finally {
    await lease.revoke().catch(() => lease.release());
  }
}

async function resize(
  store: ConfigStore,
  request: VdiskResizeRequest,
  options: ResizeOptions,
  seen: { readonly beyond: BeyondEnd | null } | { look: (look: Look) => void },
): Promise<VdiskAdmissionResult> {
  const { vdisk, sizeGiB } = request;
  const { operation } = options;
  if (vdisk === '') {
    const reason = 'vdisk ids must not be empty';
    return { outcome: 'refused', code: 'invalid-vdisk-id', reason, vdisk, operation };
  }
  const canonical = canonicalRequest('vdisk.resize', { ...request });
  return admit(store, vdisk, 'vdisk.resize', options, async () => {
    const nbd = await store.get(vdiskNbdKey(vdisk));
    const names = nbd === null ? [] : clustersOf(parseVdiskNbd(nbd.value));
    const own = [vdiskStaticKey(vdisk), vdiskNbdKey(vdisk), vdiskLifecycleKey(vdisk), ownerKey(vdisk)];
    const shared = names.flatMap((name) => [clusterStorageKey(name), salvorClusterKey(name)]);
    const { entries } = await store.getMany([...own, operationKey(operation), ...shared]);
    const storage = entries.get(vdiskNbdKey(vdisk)) ?? null;
    if (storage?.revision !== nbd?.revision) return 'conflict';
    const fixed = entries.get(vdiskStaticKey(vdisk)) ?? null;
    const isWhole = fixed !== null && storage !== null;
    const state = {
      static: isWhole ? parseVdiskStatic(fixed.value) : null,
      clusters: names.flatMap((name) => clusterIn(entries, name) ?? []),
      owner: recordIn(entries, ownerKey(vdisk), ownerSchema),
      lifecycle: lifecycleIn(entries, vdisk),
      mark: recordIn(entries, operationKey(operation), operationSchema),
      operation,
    };
    const decided = decideVdiskResize(state, request, canonical, 'beyond' in seen && seen.beyond === null);
    const nothing = { canonical, entries, puts: [], deletes: [] };
    if (decided.outcome === 'look') {
      const { reason } = decided;
      if ('look' in seen && state.static !== null && storage !== null) {
        seen.look({ entries, shape: { static: state.static, nbd: parseVdiskNbd(storage.value) } });
      }
      const found = 'beyond' in seen ? seen.beyond : null;
      const why =
        found === null ? 'its copies have to be looked at first' : beyondText(found, state.static, sizeGiB);
      return { ...nothing, admission: refuse('shrink-refused', `${reason}, but ${why}`) };
    }
    if (decided.outcome !== 'applied' || decided.static === undefined)
      return { ...nothing, admission: decided };
    const puts = [{ key: vdiskStaticKey(vdisk), value: formatVdiskStatic(decided.static) }];
    // The lock of this operation; what keeps clients from a secondary stays.
    const deletes = state.lifecycle?.state === 'resizing' ? [vdiskLifecycleKey(vdisk)] : [];
    return { canonical, admission: decided, entries, puts, deletes };
  });
}

/** Nobody mounts the vdisk from here on, until the lease ends; on condition that nothing has changed. */
async function lock(
  store: ConfigStore,
  entries: Entries,
  vdisk: string,
  { operation, now = Date.now }: ResizeOptions,
  lease: Lease,
): Promise<boolean> {
  const key = vdiskLifecycleKey(vdisk);
  const record = { state: 'resizing' as const, operations: [operation], at: now() };
  const value = formatRecord(vdiskLifecycleSchema, key, record);
  const { ok } = await store.transact({
    compare: [...entries].map(([read, entry]) => ({ key: read, revision: entry?.revision ?? 'absent' })),
    puts: [{ key, value, lease: lease.id }],
  });
  return ok;
}

function beyondText(
  { blocks, last, atLeast = false }: BeyondEnd,
  fixed: VdiskStatic | null,
  sizeGiB: number,
): string {
  const where = fixed === null ? '' : ` (byte ${last * fixed.blockSize})`;
  const count = blocks === 1 ? '1 block is' : `${atLeast ? 'more than ' : ''}${blocks} blocks are`;
  return `${count} stored beyond ${sizeGiB} GiB, the last of them block ${last}${where}: discard them first`;
}

function contended({ vdisk }: VdiskResizeRequest, { operation }: ResizeOptions): VdiskAdmissionResult {
  const reason = `vdisk ${vdisk} was mounted or changed by others meanwhile; try again`;
  return { outcome: 'conflict', code: 'conflict', reason, vdisk, operation };
}

function clustersOf({ storageClusterID, slaveStorageClusterID }: VdiskNbd): string[] {
  return [...new Set([storageClusterID, slaveStorageClusterID])].filter((name) => name !== '');
}
