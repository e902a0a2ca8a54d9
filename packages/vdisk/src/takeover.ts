import {
  type ConfigStore,
  canonicalRequest,
  clusterStorageKey,
  formatRecord,
  formatServerVdisks,
  type Lease,
  markOf,
  type OperationRecord,
  type OwnerRecord,
  operationKey,
  operationSchema,
  ownerKey,
  ownerSchema,
  type Put,
  parseClusterStorage,
  parseRecord,
  parseServerVdisks,
  repeatOf,
  reusedReason,
  type StoreEntry,
  serverVdisksKey,
  takeoverKey,
  takeoverSchema,
} from '@salvor/config-store';
import { messageOf, pause, SalvorError } from '@salvor/service-kit';
import { EngineControl } from './engine-control.ts';
import type { EngineLogin } from './engine-login.ts';
import { OwnedElsewhereError, type OwnerIdentity } from './ownership.ts';
import { describeVdisk } from './vdisk-description.ts';

export interface TakeoverRequest {
  readonly vdisk: string;
  readonly operation: string;
  /** Replace an owner that does not answer. */
  readonly force: boolean;
}

export interface TakeoverSettings {
  readonly leaseTtlSeconds: number;
  readonly connectTimeoutMs: number;
  /** How long the owner has to answer what is under way and to let go. */
  readonly releaseWaitMs: number;
  readonly login?: EngineLogin | undefined;
}

export interface Takeover {
  readonly outcome: 'applied' | 'already';
  readonly reason: string;
  readonly from: string | null;
}

export class TakeoverError extends SalvorError {
  constructor(
    code:
      | 'operation-reused'
      | 'takeover-under-way'
      | 'owner-not-responding'
      | 'engine-unreachable'
      | 'owner-contended',
    message: string,
  ) {
    super(code, message);
  }
}

/** Mounts that may be joined to one that had seen the owner before. */
const MOUNT_ROUNDS_MAX = 3;
/** How often the owner key is looked at while the owner is asked to let go. */
const LOOK_AGAIN_MS = 50;
/** Rounds of recording the end while the lists of servers change. */
const RECORD_ROUNDS_MAX = 8;

/**
 * Takes a vdisk from its live owner for the server `who`. The wish is put into etcd under a lease: from then on nobody else
 * may begin to own the vdisk, and the owner, which follows that key, answers what is under way and gives its key back. An
 * owner that does not is replaced only by force; the fence on the engines stops it then. `mount` is called when the vdisk
 * is free. Whoever dies on the way leaves keys that expire with their leases.
 *
 * @throws TakeoverError, VdiskRefusedError, and what `mount` throws
 */
export async function takeOver(
  store: ConfigStore,
  who: OwnerIdentity,
  request: TakeoverRequest,
  settings: TakeoverSettings,
  mount: () => Promise<unknown>,
): Promise<Takeover> {
  const { vdisk } = request;
  const before = await repeated(store, who, request);
  if (before !== null) return before;
  const { clusters } = await describeVdisk(store, vdisk);
  const owner = await ownerOf(store, vdisk);
  if (owner?.record.instance === who.instance) {
    await mount();
    return finish(store, who, request, { outcome: 'already', from: null });
  }
  if (!request.force) await assertReachable(store, [clusters.primary, clusters.slave], who.server, settings);
  const lease = await store.grantLease(settings.leaseTtlSeconds);
  try {
    await announce(store, who, request, lease);
    await mountFreed(store, who, request, settings.releaseWaitMs, mount);
    const from = owner === null || owner.record.server === who.server ? null : owner.record.server;
    return await finish(store, who, request, { outcome: 'applied', from });
  } finally {
    await lease.revoke().catch(() => lease.release());
  }
}

async function repeated(
  store: ConfigStore,
  who: OwnerIdentity,
  request: TakeoverRequest,
): Promise<Takeover | null> {
  const key = operationKey(request.operation);
  const entry = await store.get(key);
  if (entry === null) return null;
  const mark: OperationRecord = parseRecord(operationSchema, key, entry.value);
  if (repeatOf(mark, canonical(who, request)) === 'reused')
    throw new TakeoverError('operation-reused', reusedReason(mark));
  const { from } = mark.answer as { from: string | null };
  return { outcome: 'already', reason: mark.reason, from };
}

function canonical({ server }: OwnerIdentity, { vdisk, force }: TakeoverRequest): string {
  return canonicalRequest('vdisk.takeover', { vdisk, server, force });
}

async function ownerOf(
  store: ConfigStore,
  vdisk: string,
): Promise<{ entry: StoreEntry; record: OwnerRecord } | null> {
  const key = ownerKey(vdisk);
  const entry = await store.get(key);
  return entry === null ? null : { entry, record: parseRecord(ownerSchema, key, entry.value) };
}

/** A server that does not reach an engine would report it as failed as soon as it mounts the vdisk. */
async function assertReachable(
  store: ConfigStore,
  clusters: readonly (string | null)[],
  server: string,
  { connectTimeoutMs: timeoutMs, login }: TakeoverSettings,
): Promise<void> {
  for (const cluster of clusters) {
    const entry = cluster === null ? null : await store.get(clusterStorageKey(cluster));
    if (entry === null) continue;
    const online = parseClusterStorage(entry.value).servers.filter(({ status }) => status === 'online');
    await Promise.all(
      online.map(({ address, db }) =>
        EngineControl.with({ address, db, login, timeoutMs }, (control) => control.identity()).catch(
          (error: unknown) => {
            const what = `server ${server} cannot use an engine that the vdisk needs: ${messageOf(error)}`;
            throw new TakeoverError('engine-unreachable', `${what}; with force it is taken nevertheless`);
          },
        ),
      ),
    );
  }
}

async function announce(
  store: ConfigStore,
  who: OwnerIdentity,
  { vdisk, operation }: TakeoverRequest,
  lease: Lease,
): Promise<void> {
  const key = takeoverKey(vdisk);
  const present = await store.get(key);
  if (present !== null) {
    const other = parseRecord(takeoverSchema, key, present.value);
    // What an earlier run of this server began, this one may go on with.
    if (other.server !== who.server || other.instance === who.instance) throw underWay(vdisk, other.server);
  }
  const value = formatRecord(takeoverSchema, key, { ...who, operation, since: Date.now() });
  const put = { key, value, lease: lease.id };
  const stored = await store.transact({
    compare: [{ key, revision: present?.revision ?? 'absent' }],
    puts: [put],
  });
  if (!stored.ok) throw underWay(vdisk, 'another server');
}

function underWay(vdisk: string, server: string): TakeoverError {
  return new TakeoverError(
    'takeover-under-way',
    `vdisk ${vdisk} is being taken over by ${server} already; ask again when that has ended`,
  );
}

/**
 * Mounts the vdisk once its owner has let it go. A client of this server may have begun to mount it before: that mount saw
 * the owner and is refused, and so is whoever joined it. The next one finds the vdisk free, which the wish in etcd keeps it.
 */
async function mountFreed(
  store: ConfigStore,
  who: OwnerIdentity,
  request: TakeoverRequest,
  releaseWaitMs: number,
  mount: () => Promise<unknown>,
): Promise<void> {
  for (let round = 1; ; round++) {
    await untilFree(store, who, request, releaseWaitMs);
    try {
      await mount();
      return;
    } catch (error) {
      if (!(error instanceof OwnedElsewhereError) || round === MOUNT_ROUNDS_MAX) throw error;
    }
  }
}

async function untilFree(
  store: ConfigStore,
  who: OwnerIdentity,
  { vdisk, force }: TakeoverRequest,
  releaseWaitMs: number,
): Promise<void> {
  const giveUpAt = performance.now() + releaseWaitMs;
  for (;;) {
    const owner = await ownerOf(store, vdisk);
    if (owner === null || owner.record.server === who.server) return;
    if (performance.now() < giveUpAt) {
      await pause(LOOK_AGAIN_MS);
      continue;
    }
    if (!force) {
      const what = `server ${owner.record.server} did not let go of vdisk ${vdisk} within ${releaseWaitMs} ms`;
      throw new TakeoverError(
        'owner-not-responding',
        `${what}: it may be paused or cut off; it loses the vdisk when its lease expires, or at once with force`,
      );
    }
    const { key, revision } = owner.entry;
    await store.transact({ compare: [{ key, revision }], deletes: [key] });
  }
}

/** Leaves the mark of the operation, and moves the vdisk from one server's own list of exports to the other's, where there are such. */
async function finish(
  store: ConfigStore,
  who: OwnerIdentity,
  request: TakeoverRequest,
  { outcome, from }: { outcome: 'applied' | 'already'; from: string | null },
): Promise<Takeover> {
  const { vdisk, operation } = request;
  const where = from === null ? '' : ` from server ${from}`;
  const reason =
    outcome === 'already'
      ? `server ${who.server} owns vdisk ${vdisk} already`
      : `server ${who.server} took vdisk ${vdisk}${where}`;
  const mark = markOf({
    operation,
    kind: 'vdisk.takeover',
    request: canonical(who, request),
    outcome,
    reason,
    answer: { from },
    subject: vdisk,
    at: Date.now(),
  });
  for (let round = 0; round < RECORD_ROUNDS_MAX; round++) {
    const lists = await movedLists(store, vdisk, from, who.server);
    const stored = await store.transact({
      compare: [
        { key: mark.key, revision: 'absent' },
        ...lists.map(({ key, revision }) => ({ key, revision })),
      ],
      puts: [mark, ...lists.map(({ put }) => put)],
      deletes: outcome === 'applied' ? [takeoverKey(vdisk)] : [],
    });
    if (stored.ok) return { outcome, reason, from };
    const before = await repeated(store, who, request);
    if (before !== null) return before;
  }
  throw new TakeoverError(
    'owner-contended',
    `the lists of exports changed ${RECORD_ROUNDS_MAX} times; try again`,
  );
}

async function movedLists(
  store: ConfigStore,
  vdisk: string,
  from: string | null,
  to: string,
): Promise<{ key: string; revision: string; put: Put }[]> {
  const moved: { key: string; revision: string; put: Put }[] = [];
  for (const server of [from, to]) {
    const entry = server === null ? null : await store.get(serverVdisksKey(server));
    if (entry === null) continue;
    const { key, revision, value } = entry;
    const list = parseServerVdisks(value);
    const others = list.vdisks.filter((listed) => listed !== vdisk);
    const vdisks = server === to ? [...others, vdisk] : others;
    if (list.vdisks.includes(vdisk) === (server === to)) continue;
    // 0-Disk has no empty lists, and without a list a server offers every vdisk: the last one stays listed.
    if (vdisks.length === 0) continue;
    moved.push({ key, revision, put: { key, value: formatServerVdisks({ ...list, vdisks }) } });
  }
  return moved;
}
