import { type AdmissionOptions, admit, type VdiskAdmissionResult } from '../healing/admit-vdisk.ts';
import { canonicalRequest } from '../healing/operation-mark.ts';
import { formatRecord, recordIn } from '../healing/record-text.ts';
import { operationSchema } from '../healing/records.ts';
import { refuse, repeated, type VdiskAdmission } from '../healing/vdisk-admission.ts';
import {
  clusterStorageKey,
  operationKey,
  ownerKey,
  vdiskLifecycleKey,
  vdiskNbdKey,
  vdiskStaticKey,
} from '../keys.ts';
import type { ConfigStore } from '../types.ts';
import { parseVdiskNbd } from '../vdisk-config.ts';
import { lifecycleIn, vdiskLifecycleSchema } from './vdisk-lifecycle.ts';
import type { VdiskRemoval } from './vdisk-removal.ts';

export interface OrphanRemovalRequest {
  readonly cluster: string;
  readonly vdisk: string;
  /** Must be the id of the vdisk once more. */
  readonly confirm: string;
}

/**
 * Begins the operation that removes what a cluster's engines hold under the id of a vdisk that has no place there. Refused
 * for every vdisk that etcd knows on that cluster. Throws as createVdisk.
 */
export async function removeOrphan(
  store: ConfigStore,
  request: OrphanRemovalRequest,
  options: AdmissionOptions,
): Promise<VdiskAdmissionResult> {
  const { cluster, vdisk, confirm } = request;
  const { operation, now = Date.now } = options;
  const plainly = (
    code: 'invalid-vdisk-id' | 'invalid-confirmation',
    reason: string,
  ): VdiskAdmissionResult => {
    return { outcome: 'refused', code, reason, vdisk, operation };
  };
  if (vdisk === '' || cluster === '')
    return plainly('invalid-vdisk-id', 'vdisk and cluster ids must not be empty');
  if (confirm !== vdisk) {
    const reason = `what is removed cannot be brought back: confirm is to be the vdisk id ${vdisk}, found ${JSON.stringify(confirm)}`;
    return plainly('invalid-confirmation', reason);
  }
  const canonical = canonicalRequest('vdisk.delete-orphan', { ...request });
  const lifecycleAt = vdiskLifecycleKey(vdisk);
  const keys = [
    vdiskStaticKey(vdisk),
    vdiskNbdKey(vdisk),
    lifecycleAt,
    ownerKey(vdisk),
    clusterStorageKey(cluster),
  ];
  return admit(store, vdisk, 'vdisk.delete-orphan', options, async () => {
    const { entries, revision } = await store.getMany([...keys, operationKey(operation)]);
    const nbd = entries.get(vdiskNbdKey(vdisk)) ?? null;
    const exists = nbd !== null || entries.get(vdiskStaticKey(vdisk)) != null;
    const { storageClusterID, slaveStorageClusterID } =
      nbd === null ? { storageClusterID: cluster, slaveStorageClusterID: '' } : parseVdiskNbd(nbd.value);
    const isAtHome = exists && [storageClusterID, slaveStorageClusterID].includes(cluster);
    const lifecycle = lifecycleIn(entries, vdisk);
    const admission = ((): VdiskAdmission => {
      const repeat = repeated(recordIn(entries, operationKey(operation), operationSchema), canonical);
      if (repeat !== null) return repeat;
      if (entries.get(clusterStorageKey(cluster)) == null) {
        return refuse('unknown-cluster', `there is no storage cluster ${cluster}`);
      }
      if (isAtHome) {
        return refuse(
          'not-an-orphan',
          `vdisk ${vdisk} lives on cluster ${cluster}: delete it with vdisk.delete`,
        );
      }
      if (lifecycle !== null) {
        const who = lifecycle.operations.join(', ');
        return refuse(
          'vdisk-busy',
          `operation ${who} is ${lifecycle.state} vdisk ${vdisk}; wait for its end`,
        );
      }
      const reason = `what cluster ${cluster} holds of vdisk ${vdisk} is being removed`;
      return { outcome: 'applied', code: 'admitted', reason };
    })();
    const removal: VdiskRemoval = {
      ...{ vdisk, type: 'db', clusters: [cluster], done: [] },
      ...{ orphan: true, untilEpoch: revision },
    };
    const tombstone = { state: 'deleting' as const, operations: [operation], at: now() };
    // The id of a vdisk that lives elsewhere stays in use.
    const puts = exists
      ? []
      : [{ key: lifecycleAt, value: formatRecord(vdiskLifecycleSchema, lifecycleAt, tombstone) }];
    const work = { message: `removes what cluster ${cluster} holds of vdisk ${vdisk}`, checkpoint: removal };
    return { canonical, admission, entries, puts, deletes: [], work };
  });
}
