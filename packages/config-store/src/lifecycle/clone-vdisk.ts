import { z } from 'zod';
import { type AdmissionOptions, admit, type VdiskAdmissionResult } from '../healing/admit-vdisk.ts';
import { clusterIn } from '../healing/apply-vdisk-admission.ts';
import { canonicalRequest } from '../healing/operation-mark.ts';
import { formatRecord, recordIn } from '../healing/record-text.ts';
import { operationSchema, ownerSchema } from '../healing/records.ts';
import {
  clusterStorageKey,
  operationKey,
  ownerKey,
  salvorClusterKey,
  tlogConfigKey,
  vdiskLifecycleKey,
  vdiskNbdKey,
  vdiskStaticKey,
} from '../keys.ts';
import { logPointSchema } from '../tlog/log-point.ts';
import type { ConfigStore, Put, Transaction } from '../types.ts';
import { formatVdiskNbd, formatVdiskStatic, parseVdiskNbd, parseVdiskStatic } from '../vdisk-config.ts';
import { cloneClusters, decideVdiskClone, type VdiskCloneRequest } from './clone-decision.ts';
import { lifecycleIn, type VdiskLifecycle, vdiskLifecycleSchema } from './vdisk-lifecycle.ts';
import { vdiskRemovalSchema } from './vdisk-removal.ts';

/** Checkpoint of the operation that fills a clone. */
export const vdiskCloneSchema = z.looseObject({
  source: z.string().min(1),
  vdisk: z.string().min(1),
  /** An earlier state of the source, which comes from its log. */
  at: logPointSchema.optional(),
  /** The record of the log that stands for it, once that is known. */
  upTo: z.number().int().min(0).optional(),
  /** Where the replay of the log goes on. */
  replay: z.unknown().optional(),
  phase: z.enum(['copy', 'verify', 'discard']).default('copy'),
  /** The shard of the source that is gone through, and where. */
  shard: z.number().int().min(0).default(0),
  cursor: z.string().default('0'),
  /** The run of the engine that the cursor belongs to; with another one the shard begins anew. */
  run: z.string().default(''),
  /** Blocks gone through in this phase, or in this pass of it. */
  blocks: z.number().int().min(0).default(0),
  /** Blocks that this pass of the verification found different, and wrote again. */
  differing: z.number().int().min(0).default(0),
  /** Times that every block was compared. */
  passes: z.number().int().min(0).default(0),
  /** What is left to free, once it is given up. */
  removal: vdiskRemovalSchema.optional(),
  /** Why it is given up, once it is. */
  failure: z.looseObject({ code: z.string(), message: z.string() }).optional(),
});
export type VdiskClone = z.output<typeof vdiskCloneSchema>;

/**
 * Begins the operation that copies a vdisk to a new one. Until it ends the new one is not served, and the source only
 * read-only. The same operation id again changes nothing and gives the same answer.
 *
 * @throws StoreError when etcd does not answer, ConfigValueError when a stored value cannot be used.
 */
export async function cloneVdisk(
  store: ConfigStore,
  request: VdiskCloneRequest,
  options: AdmissionOptions,
): Promise<VdiskAdmissionResult> {
  const { source, vdisk } = request;
  const { operation, now = Date.now } = options;
  if ([source, vdisk, request.cluster, request.slaveCluster].includes('')) {
    const reason = 'vdisk and cluster ids must not be empty';
    return { outcome: 'refused', code: 'invalid-vdisk-id', reason, vdisk, operation };
  }
  const canonical = canonicalRequest('vdisk.clone', { ...request });
  const ofSource = [
    ...[vdiskStaticKey(source), vdiskNbdKey(source), vdiskLifecycleKey(source)],
    // Of an earlier state it does not matter who writes.
    request.at === undefined ? ownerKey(source) : tlogConfigKey(source),
  ];
  const ofTarget = [vdiskStaticKey(vdisk), vdiskNbdKey(vdisk), vdiskLifecycleKey(vdisk), ownerKey(vdisk)];
  const own = [...new Set([...ofSource, ...ofTarget]), operationKey(operation)];
  return admit(store, vdisk, 'vdisk.clone', options, async () => {
    const before = await store.get(vdiskNbdKey(source));
    const nbd = before === null ? null : parseVdiskNbd(before.value);
    const place = nbd === null ? null : cloneClusters(request, nbd);
    const names =
      place === null
        ? []
        : [place.cluster, ...(place.slaveCluster === undefined ? [] : [place.slaveCluster])];
    const { entries } = await store.getMany([
      ...own,
      ...new Set(names.flatMap((name) => [clusterStorageKey(name), salvorClusterKey(name)])),
    ]);
    if ((entries.get(vdiskNbdKey(source))?.revision ?? null) !== (before?.revision ?? null))
      return 'conflict';
    const fixed = entries.get(vdiskStaticKey(source)) ?? null;
    const sourceLifecycle = lifecycleIn(entries, source);
    const admission = decideVdiskClone(
      {
        source: fixed === null || nbd === null ? null : { static: parseVdiskStatic(fixed.value), nbd },
        sourceOwner: recordIn(entries, ownerKey(source), ownerSchema),
        sourceLifecycle,
        sourceHasLog: entries.get(tlogConfigKey(source)) != null,
        target: {
          primary: place === null ? null : clusterIn(entries, place.cluster),
          slave: place?.slaveCluster === undefined ? null : clusterIn(entries, place.slaveCluster),
          exists: entries.get(vdiskStaticKey(vdisk)) != null || entries.get(vdiskNbdKey(vdisk)) != null,
          lifecycle: lifecycleIn(entries, vdisk),
        },
        mark: recordIn(entries, operationKey(operation), operationSchema),
      },
      request,
      canonical,
    );
    const puts: Put[] = [];
    if (admission.static !== undefined && admission.nbd !== undefined) {
      puts.push({ key: vdiskStaticKey(vdisk), value: formatVdiskStatic(admission.static) });
      puts.push({ key: vdiskNbdKey(vdisk), value: formatVdiskNbd(admission.nbd) });
      puts.push(lifecyclePut(vdisk, { state: 'cloning', operations: [operation], at: now() }));
      const others = sourceLifecycle?.operations ?? [];
      if (request.at === undefined)
        puts.push(
          lifecyclePut(source, { state: 'clone-source', operations: [...others, operation], at: now() }),
        );
    }
    const { at } = request;
    const checkpoint = { source, vdisk, ...(at === undefined ? {} : { at }) };
    const work = { message: `copies vdisk ${source} to vdisk ${vdisk}`, checkpoint };
    return { canonical, admission, entries, puts, deletes: [], work };
  });
}

export interface CloneEndOptions {
  readonly source: string;
  readonly vdisk: string;
  readonly operation: string;
}

/** What is written when the clone is complete: both vdisks are as any other from then on. */
export async function cloneCompleted(
  store: ConfigStore,
  clone: CloneEndOptions,
): Promise<Partial<Transaction>> {
  const entries = await lifecycles(store, clone);
  const target = vdiskLifecycleKey(clone.vdisk);
  return merged(released(entries, clone), {
    compare: [{ key: target, revision: entries.get(target)?.revision ?? 'absent' }],
    deletes: [target],
  });
}

/** What is written when it is given up: the source is free, and what was copied belongs to nobody any more. */
export async function cloneGivenUp(
  store: ConfigStore,
  clone: CloneEndOptions,
  now: number,
): Promise<Partial<Transaction>> {
  const entries = await lifecycles(store, clone);
  const { vdisk, operation } = clone;
  const target = vdiskLifecycleKey(vdisk);
  return merged(released(entries, clone), {
    compare: [
      { key: target, revision: entries.get(target)?.revision ?? 'absent' },
      { key: ownerKey(vdisk), revision: 'absent' },
    ],
    puts: [lifecyclePut(vdisk, { state: 'deleting', operations: [operation], at: now })],
    deletes: [vdiskStaticKey(vdisk), vdiskNbdKey(vdisk)],
  });
}

type Lifecycles = Awaited<ReturnType<ConfigStore['getMany']>>['entries'];

async function lifecycles(store: ConfigStore, { source, vdisk }: CloneEndOptions): Promise<Lifecycles> {
  return (await store.getMany([vdiskLifecycleKey(source), vdiskLifecycleKey(vdisk)])).entries;
}

/** The source is no longer kept from changing by this operation. */
function released(entries: Lifecycles, { source, operation }: CloneEndOptions): Partial<Transaction> {
  const key = vdiskLifecycleKey(source);
  const lifecycle = lifecycleIn(entries, source);
  if (lifecycle?.operations.includes(operation) !== true) return {};
  const left = lifecycle.operations.filter((other) => other !== operation);
  const compare = [{ key, revision: entries.get(key)?.revision ?? 'absent' }];
  return left.length === 0
    ? { compare, deletes: [key] }
    : { compare, puts: [lifecyclePut(source, { ...lifecycle, operations: left })] };
}

function merged(a: Partial<Transaction>, b: Partial<Transaction>): Partial<Transaction> {
  return {
    compare: [...(a.compare ?? []), ...(b.compare ?? [])],
    puts: [...(a.puts ?? []), ...(b.puts ?? [])],
    deletes: [...(a.deletes ?? []), ...(b.deletes ?? [])],
  };
}

function lifecyclePut(vdisk: string, lifecycle: VdiskLifecycle): Put {
  const key = vdiskLifecycleKey(vdisk);
  return { key, value: formatRecord(vdiskLifecycleSchema, key, lifecycle) };
}
