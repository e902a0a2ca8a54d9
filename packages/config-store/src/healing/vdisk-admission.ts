/** Whether a vdisk may be created or deleted now, and what is written for it. Pure. */
import type { ServerEntry } from '../cluster-storage.ts';
import type { VdiskLifecycle } from '../lifecycle/vdisk-lifecycle.ts';
import { tlogHindrance } from '../tlog/tlog-hindrance.ts';
import type { TlogPolicy } from '../tlog/tlog-records.ts';
import type { VdiskNbd, VdiskStatic } from '../vdisk-config.ts';
import { repeatOf, reusedReason } from './operation-mark.ts';
import type { OperationRecord, OwnerRecord, SalvorClusterRecord } from './records.ts';

export interface VdiskCreateRequest {
  readonly vdisk: string;
  readonly type: string;
  readonly sizeGiB: number;
  /** Bytes. */
  readonly blockSize: number;
  readonly cluster: string;
  readonly slaveCluster?: string;
  readonly readOnly: boolean;
  /** A vdisk of type boot to make this one from. */
  readonly templateVdisk?: string;
  /** It gets a transaction log with this policy; absent: none. */
  readonly tlog?: TlogPolicy;
}

/** The vdisk that is to be a template, as far as it exists. */
export interface TemplateState {
  readonly static: VdiskStatic | null;
  readonly nbd: VdiskNbd | null;
  /** It still lacks the block map of its own template. */
  readonly isPending: boolean;
  /** Clusters whose garbage is being collected, among the template's and the new vdisk's. */
  readonly collecting: readonly string[];
}

export interface AdmittingCluster {
  readonly cluster: string;
  readonly servers: readonly ServerEntry[];
  readonly record: SalvorClusterRecord;
}

export interface VdiskCreateState {
  readonly primary: AdmittingCluster | null;
  /** The slave cluster named by the request; null when there is no such cluster. */
  readonly slave: AdmittingCluster | null;
  /** Whether any configuration of that vdisk exists. */
  readonly exists: boolean;
  readonly lifecycle: VdiskLifecycle | null;
  /** What the request names as the template; null or absent when it names none. */
  readonly template?: TemplateState | null;
  readonly mark: OperationRecord | null;
}

export interface VdiskDeleteState {
  /** The volume that the vdisk is; absent: none. */
  readonly volume?: string;
  readonly exists: boolean;
  /** The vdisk's clusters, as far as they exist. */
  readonly clusters: readonly AdmittingCluster[];
  readonly owner: OwnerRecord | null;
  readonly lifecycle: VdiskLifecycle | null;
  readonly mark: OperationRecord | null;
}

export type VdiskAdmissionCode =
  | 'admitted'
  | 'same-operation'
  | 'operation-reused'
  | 'invalid-vdisk-id'
  | 'type-refused'
  | 'template-refused'
  | 'collection-running'
  | 'invalid-size'
  | 'invalid-block-size'
  | 'unknown-cluster'
  | 'wrong-role'
  | 'clusters-not-paired'
  | 'slave-too-small'
  | 'cluster-not-healthy'
  | 'vdisk-exists'
  | 'log-refused'
  | 'log-there'
  | 'no-log'
  | 'vdisk-busy'
  | 'shrink-refused'
  | 'same-size'
  | 'invalid-confirmation'
  | 'not-an-orphan'
  | 'unknown-vdisk'
  | 'vdisk-owned';

export interface VdiskAdmission {
  readonly outcome: 'applied' | 'already' | 'refused';
  readonly code: VdiskAdmissionCode;
  /** A sentence for the log and the operator. */
  readonly reason: string;
  /** What is written for a vdisk that may be created. */
  readonly static?: VdiskStatic;
  readonly nbd?: VdiskNbd;
}

const idPattern = /^[A-Za-z0-9_:-]{1,64}$/;
const blockBytesMin = 512;
/** The largest block that fits a message of the log, with room for its header. */
export const blockBytesMax = 256 * 1024;
export const vdiskGiBMax = 64 * 1024;
const servedTypes = ['db', 'cache', 'tmp', 'volume', 'boot'] as const;

export function decideVdiskCreate(
  state: VdiskCreateState,
  request: VdiskCreateRequest,
  canonical: string,
): VdiskAdmission {
  const repeat = repeated(state.mark, canonical);
  if (repeat !== null) return repeat;
  const { vdisk, sizeGiB, blockSize, cluster, slaveCluster } = request;
  if (!idPattern.test(vdisk)) {
    return refuse(
      'invalid-vdisk-id',
      `a vdisk id is 1 to 64 of A-Z a-z 0-9 _ : -, found ${JSON.stringify(vdisk)}`,
    );
  }
  const type = servedTypes.find((served) => served === request.type);
  if (type === undefined)
    return refuse('type-refused', `type is one of ${servedTypes.join(', ')}, found ${request.type}`);
  if (!Number.isSafeInteger(sizeGiB) || sizeGiB < 1 || sizeGiB > vdiskGiBMax) {
    return refuse('invalid-size', `sizeGiB is a whole number from 1 to ${vdiskGiBMax}, found ${sizeGiB}`);
  }
  if (!isPowerOfTwo(blockSize) || blockSize < blockBytesMin || blockSize > blockBytesMax) {
    const expected = `a power of two from ${blockBytesMin} to ${blockBytesMax}`;
    return refuse('invalid-block-size', `blockSize is ${expected}, found ${blockSize}`);
  }
  const hindrance = request.tlog === undefined ? null : tlogHindrance(vdisk, type);
  if (hindrance !== null) return refuse('log-refused', hindrance);
  if (state.exists)
    return refuse('vdisk-exists', `vdisk ${vdisk} exists; delete it first or choose another id`);
  const { lifecycle } = state;
  if (lifecycle !== null) {
    const which = lifecycle.state === 'importing' ? 'a' : 'the last';
    const why = `operation ${lifecycle.operations.join(', ')} is still ${lifecycle.state} ${which} vdisk of that id`;
    return refuse(
      'vdisk-busy',
      `vdisk ${vdisk} cannot be created yet: ${why}; wait for its end, or choose another id`,
    );
  }
  const misfit = misfitOf(state, request) ?? templateMisfit(state.template ?? null, request);
  if (misfit !== null) return misfit;
  const template = state.template?.nbd ?? null;
  return {
    outcome: 'applied',
    code: 'admitted',
    reason: `vdisk ${vdisk} is created on ${cluster}${slaveCluster === undefined ? '' : ` and ${slaveCluster}`}`,
    static: {
      ...{ blockSize, size: sizeGiB, type, readOnly: request.readOnly },
      templateVdiskID: request.templateVdisk ?? '',
    },
    nbd: {
      storageClusterID: cluster,
      templateStorageClusterID: template?.storageClusterID ?? '',
      slaveStorageClusterID: slaveCluster ?? '',
      tlogServerClusterID: '',
    },
  };
}

export function decideVdiskDelete(state: VdiskDeleteState, vdisk: string, canonical: string): VdiskAdmission {
  const settled = settledBefore(state, vdisk, canonical);
  if (settled !== null) return settled;
  if (!state.exists) return refuse('unknown-vdisk', `there is no vdisk ${vdisk}`);
  if (state.volume !== undefined)
    return refuse(
      'vdisk-busy',
      `vdisk ${vdisk} is volume ${state.volume}, which another zone may follow; 'salvor volume disable ${state.volume}' first`,
    );
  if (state.owner !== null) {
    return refuse(
      'vdisk-owned',
      `vdisk ${vdisk} is in use by ${state.owner.server}; disconnect its clients first`,
    );
  }
  const sick = state.clusters.map(sickness).find((reason) => reason !== null);
  if (sick != null) return refuse('cluster-not-healthy', `vdisk ${vdisk} cannot be deleted now: ${sick}`);
  return {
    outcome: 'applied',
    code: 'admitted',
    reason: `vdisk ${vdisk} is deleted; what it held is being freed`,
  };
}

/** The same operation has changed the vdisk already, or another one has it. */
export function settledBefore(
  { mark, lifecycle }: { readonly mark: OperationRecord | null; readonly lifecycle: VdiskLifecycle | null },
  vdisk: string,
  canonical: string,
): VdiskAdmission | null {
  return repeated(mark, canonical) ?? busyWith(vdisk, lifecycle);
}

/** Another operation has the vdisk. */
export function busyWith(vdisk: string, lifecycle: VdiskLifecycle | null): VdiskAdmission | null {
  if (lifecycle === null) return null;
  const { state, operations } = lifecycle;
  const names = operations.join(', ');
  switch (state) {
    case 'deleting':
      return refuse(
        'unknown-vdisk',
        `vdisk ${vdisk} is deleted already: operation ${names} is freeing what it held`,
      );
    case 'cloning':
      return refuse(
        'vdisk-busy',
        `vdisk ${vdisk} is still being made by operation ${names}; cancel that operation instead`,
      );
    case 'clone-source':
      return refuse(
        'vdisk-busy',
        `vdisk ${vdisk} is being cloned by operation ${names}; wait for its end, or cancel it`,
      );
    case 'restoring':
      return refuse(
        'vdisk-busy',
        `vdisk ${vdisk} has lost blocks, which recovery ${names} brings back; wait for its end, or give them up ('salvor dr accept-loss')`,
      );
    case 'rolling-back':
      return refuse(
        'vdisk-busy',
        `vdisk ${vdisk} is being rolled back by operation ${names}; wait for its end, or cancel it`,
      );
    case 'exporting':
      return refuse(
        'vdisk-busy',
        `vdisk ${vdisk} is being exported by operation ${names}; wait for its end, or cancel it`,
      );
    case 'importing':
      return refuse(
        'vdisk-busy',
        `vdisk ${vdisk} is still being imported by operation ${names}; cancel that operation instead`,
      );
    case 'secondary':
      return refuse(
        'vdisk-busy',
        `vdisk ${vdisk} is the secondary copy of a volume (${names}), whose content comes from another zone; 'salvor volume disable' makes it an ordinary one`,
      );
    case 'resizing':
      return refuse(
        'vdisk-busy',
        `vdisk ${vdisk} is being resized by operation ${names}; try again in a few seconds`,
      );
  }
}

function misfitOf({ primary, slave }: VdiskCreateState, request: VdiskCreateRequest): VdiskAdmission | null {
  const { vdisk, cluster, slaveCluster } = request;
  if (primary === null) return refuse('unknown-cluster', `there is no storage cluster ${cluster}`);
  if (primary.record.role !== 'primary') {
    return refuse('wrong-role', `cluster ${cluster} is a slave; a vdisk's cluster must be a primary`);
  }
  if (slaveCluster !== undefined) {
    if (slave === null) return refuse('unknown-cluster', `there is no storage cluster ${slaveCluster}`);
    if (slave.record.role !== 'slave') {
      return refuse(
        'wrong-role',
        `cluster ${slaveCluster} is a primary; a vdisk's slave cluster must be a slave`,
      );
    }
    if (primary.record.partner !== slaveCluster) {
      const partner = primary.record.partner ?? 'no cluster';
      return refuse(
        'clusters-not-paired',
        `cluster ${cluster} is paired with ${partner}, not with ${slaveCluster}`,
      );
    }
    if (slave.servers.length < primary.servers.length) {
      const found = `${slaveCluster} has ${slave.servers.length}, ${cluster} has ${primary.servers.length}`;
      return refuse('slave-too-small', `a slave cluster needs an engine for each of the primary: ${found}`);
    }
  }
  const sick = [primary, ...(slave === null ? [] : [slave])].map(sickness).find((reason) => reason !== null);
  return sick == null ? null : refuse('cluster-not-healthy', `vdisk ${vdisk} cannot be created now: ${sick}`);
}

/** Why the vdisk cannot be made from that template; null when it can, or when there is none. */
function templateMisfit(template: TemplateState | null, request: VdiskCreateRequest): VdiskAdmission | null {
  if (template === null) return null;
  const { templateVdisk = '', type, blockSize, sizeGiB } = request;
  const no = (why: string): VdiskAdmission =>
    refuse('template-refused', `vdisk ${templateVdisk} cannot be the template: ${why}`);
  const { static: shape, nbd } = template;
  if (shape === null || nbd === null) return no('there is no such vdisk');
  if (type !== 'boot' || shape.type !== 'boot')
    return no(`both vdisks must be of type boot, it is ${shape.type}, and the new one ${type}`);
  if (shape.blockSize !== blockSize)
    return no(`it has blocks of ${shape.blockSize} bytes, and the new vdisk ${blockSize}`);
  if (shape.size > sizeGiB) return no(`it has ${shape.size} GiB, and the new vdisk ${sizeGiB}`);
  if (template.isPending) return no('it has not got the blocks of its own template yet; use it once');
  // Content is looked for in a vdisk's own cluster and in one other: not in a third.
  const { templateStorageClusterID: further, storageClusterID: home } = nbd;
  if (further !== '' && further !== home)
    return no(`some of its blocks may still lie on cluster ${further}, that of its own template`);
  const [collecting] = template.collecting;
  if (collecting === undefined) return null;
  const why = `the garbage of cluster ${collecting} is being collected`;
  return refuse(
    'collection-running',
    `vdisk ${request.vdisk} cannot be made from a template now: ${why}; try again`,
  );
}

/** Why a cluster takes part in no create or delete now. The configuration is asked too: other tools may edit it. */
export function sickness({ cluster, servers, record }: AdmittingCluster): string | null {
  const down = servers.findIndex(({ status }) => status !== 'online' && status !== 'rip');
  const engine = servers[down];
  if (engine !== undefined)
    return `cluster ${cluster} is not healthy: ${engine.address} (shard ${down}) is ${engine.status}`;
  return record.status === 'healthy'
    ? null
    : `cluster ${cluster} is ${record.status}; wait until it is healthy`;
}

export function repeated(mark: OperationRecord | null, canonical: string): VdiskAdmission | null {
  const repeat = repeatOf(mark, canonical);
  if (mark === null || repeat === 'first') return null;
  if (repeat === 'reused') return refuse('operation-reused', reusedReason(mark));
  return { outcome: 'already', code: 'same-operation', reason: `done before: ${mark.reason}` };
}

export function refuse(code: VdiskAdmissionCode, reason: string): VdiskAdmission {
  return { outcome: 'refused', code, reason };
}

function isPowerOfTwo(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0 && Number.isInteger(Math.log2(value));
}
