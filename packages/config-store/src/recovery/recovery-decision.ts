/**
 * The state machine of a recovery: what both members of a pair have lost is brought back from the log. Pure: the caller
 * loads the state, stores what is next by compare-and-set, and carries the replay out.
 */
import type { ClusterState } from '../healing/cluster-state.ts';
import { judged } from '../healing/cluster-status.ts';
import { cut } from '../healing/engine-move.ts';
import { assertRule } from '../healing/invariant.ts';
import type { SalvorClusterRecord } from '../healing/records.ts';
import type {
  BeginRecovery,
  CancelRecovery,
  PrepareRecovery,
  RecoveryCode,
  RecoveryDecision,
  RecoveryFailed,
  RecoveryFinished,
  RecoveryInput,
  RecoveryMeasured,
  RecoveryOrder,
  RecoveryState,
  RecoveryWritten,
} from './recovery-input.ts';
import { mergedVdisks, newRecovery, withHistory } from './recovery-plan.ts';
import {
  isWorse,
  type LostPair,
  type RecoveryRecord,
  type RecoveryStatus,
  recoveryPairsMax,
  recoverySchema,
} from './recovery-record.ts';
import {
  lostShards,
  type PairedClusters,
  pairedClusters,
  planPairs,
  withoutLostEngines,
} from './surviving-configuration.ts';

const namedMax = 8;

export function decideRecovery(state: RecoveryState, input: RecoveryInput, nowMs: number): RecoveryDecision {
  assertRule(Number.isSafeInteger(nowMs) && nowMs >= 0, `now is Unix milliseconds, found ${nowMs}`);
  const decision = decide(state, input, nowMs);
  assertRule(
    (decision.outcome === 'applied') === (decision.recovery !== undefined),
    'exactly what is applied is stored',
  );
  return decision;
}

function decide(state: RecoveryState, input: RecoveryInput, now: number): RecoveryDecision {
  if (input.kind === 'prepare') return prepare(state, input, now);
  const { recovery } = state;
  if (recovery === null) return refuse('no-recovery', `no recovery of ${state.cluster.cluster} is prepared`);
  if (input.kind === 'begin') return begin(state, recovery, input, now);
  if (input.kind === 'cancel') return cancel(state, recovery, input, now);
  if (input.recovery !== recovery.id || input.attempt !== recovery.attempt) {
    const about = `attempt ${input.attempt} of ${input.recovery}`;
    return refuse(
      'stale-attempt',
      `this is about ${about}, and ${recovery.id} is at attempt ${recovery.attempt}`,
    );
  }
  switch (input.kind) {
    case 'measured':
      return measured(recovery, input, now);
    case 'written':
      return written(recovery, input, now);
    case 'finished':
      return finished(state, recovery, input, now);
    case 'fail':
      return fail(recovery, input, now);
  }
}

function prepare(
  { cluster: state, recovery }: RecoveryState,
  input: PrepareRecovery,
  now: number,
): RecoveryDecision {
  const { cluster } = state;
  if (state.record.role !== 'primary')
    return refuse(
      'wrong-role',
      `${cluster} is a slave cluster: a recovery is of its primary, ${state.record.partner ?? 'none'}`,
    );
  const clusters = pairedClusters(state);
  const { shards, waitFor } = withOrderedPairs(clusters, recovery, lostShards(clusters, input));
  if (shards.length === 0) {
    if (recovery?.status === 'prepared' && recovery.after === undefined)
      return end(recovery, 'cancelled', `its engines are not lost any more${tail(waitFor)}`, input, now);
    return waitFor.length === 0
      ? refuse('nothing-lost', `every pair of ${cluster} has a live member`)
      : refuse('not-permanent', `no pair of ${cluster} is gone for good: ${waitFor.join('; ')}`);
  }
  const pairs = planPairs(clusters, shards);
  const isOpen =
    recovery !== null &&
    (recovery.status === 'prepared' || recovery.after !== undefined) &&
    recovery.status !== 'done';
  if (!isOpen) {
    if (recovery?.status === 'cancelled' && !input.ordered && sameShards(recovery.pairs, pairs)) {
      const by = recovery.history.at(-1)?.by ?? 'an operator';
      return refuse(
        'was-cancelled',
        `${by} cancelled the recovery of ${named(pairs)} of ${cluster}; it is prepared again on order`,
      );
    }
    const place = { cluster, pairs, at: now, slave: clusters.slave?.cluster ?? null };
    const fresh = { ...newRecovery(place, input), ...(input.ordered ? { ordered: true } : {}) };
    return apply('prepared', fresh.reason, fresh);
  }
  if (recovery.status === 'prepared') {
    const kept = recovery.pairs.filter(({ applied, shard }) => applied && !shards.includes(shard));
    const all = [...kept, ...pairs];
    const vdisks = mergedVdisks(recovery, input.vdisks);
    const next = { ...recovery, pairs: all, vdisks, ...(input.ordered ? { ordered: true } : {}) };
    if (isSame(next, recovery)) return { outcome: 'already', code: 'same-state', reason: recovery.reason };
    const before = recovery.after === undefined ? input.read : recovery.before;
    return apply('prepared', recovery.reason, { ...next, before, updatedAt: now });
  }
  const kept = recovery.pairs.filter(({ shard }) => !shards.includes(shard));
  const reason = `${named(pairs)} of ${cluster} was lost too: everything is replayed again once that is ordered`;
  const more = {
    ...recovery,
    attempt: recovery.attempt + 1,
    pairs: [...kept, ...pairs].slice(0, recovery.pairs.length + pairs.length),
    vdisks: mergedVdisks(recovery, input.vdisks),
    ...(input.ordered ? { ordered: true } : {}),
  };
  return apply('prepared', reason, withHistory(more, 'prepared', { ...input, reason, at: now }));
}

/** What an operator has said of the pairs of a plan holds until it is begun, unless an engine of theirs is back. */
function withOrderedPairs(
  clusters: PairedClusters,
  recovery: RecoveryRecord | null,
  judged: ReturnType<typeof lostShards>,
): ReturnType<typeof lostShards> {
  if (recovery?.status !== 'prepared' || recovery.ordered !== true) return judged;
  const own = new Set(recovery.pairs.filter(({ applied }) => !applied).map(({ shard }) => shard));
  const down = lostShards(clusters, { ordered: true }).shards.filter((shard) => own.has(shard));
  const shards = [...new Set([...judged.shards, ...down])].sort((a, b) => a - b);
  return { shards: shards.slice(0, recoveryPairsMax), waitFor: judged.waitFor };
}

/**
 * A walk through a log finds what is missing within it. That it is not whole behind its end etcd alone knows: what was written there
 * is in no segment. So the worse of the two counts.
 */
function measured(recovery: RecoveryRecord, input: RecoveryMeasured, now: number): RecoveryDecision {
  if (recovery.status === 'done') return refuse('over', `recovery ${recovery.id} is done`);
  const found = new Map(input.vdisks.map((one) => [one.vdisk, one]));
  const vdisks = recovery.vdisks.map((one) => {
    const known = found.get(one.vdisk);
    if (known === undefined) return one;
    const { why, unproven: _unproven, ...rest } = one;
    const isWorseBefore = isWorse(one.recoverable, known.recoverable);
    if (!isWorseBefore) return { ...rest, ...known };
    return { ...rest, ...known, recoverable: one.recoverable, ...(why === undefined ? {} : { why }) };
  });
  const rate = input.rate === undefined ? {} : { rate: input.rate };
  return apply('measured', recovery.reason, { ...recovery, ...rate, vdisks, updatedAt: now });
}

function begin(
  { cluster: state }: RecoveryState,
  recovery: RecoveryRecord,
  input: BeginRecovery,
  now: number,
): RecoveryDecision {
  const { id, status, operation } = recovery;
  if (status === 'replaying' || status === 'verifying') {
    return operation === input.operation
      ? { outcome: 'already', code: 'same-state', reason: recovery.reason }
      : refuse('under-way', `operation ${operation ?? 'unknown'} is carrying recovery ${id} out`);
  }
  if (status === 'done') return refuse('over', `recovery ${id} is done: ${recovery.reason}`);
  if (status !== 'prepared' && recovery.after === undefined)
    return refuse('over', `recovery ${id} was ${status} before anything was changed; prepare it again`);
  const { operation: _, ...rest } = recovery;
  const order = { by: input.by, operation: input.operation, at: now };
  if (status !== 'prepared') {
    const reason = 'the replay is begun again';
    return apply(
      'begun-again',
      reason,
      withHistory({ ...rest, operation: input.operation }, 'replaying', { ...order, reason }),
    );
  }
  const clusters = pairedClusters(state);
  const due = recovery.pairs.filter(({ applied }) => !applied).map(({ shard }) => shard);
  const { shards, waitFor } = lostShards(clusters, { ordered: true });
  const back = due.filter((shard) => !shards.includes(shard));
  if (back.length > 0)
    return refuse(
      'nothing-lost',
      `pair ${back.join(', ')} is not lost any more${tail(waitFor)}; look at the plan again`,
    );
  const pairs = planPairs(clusters, due);
  const stuck = pairs.filter(({ way }) => way === 'none');
  if (stuck.length > 0) {
    const needs = stuck.map(({ shard, waitsFor = '' }) => `pair ${shard}: ${waitsFor}`).join('; ');
    return refuse('engines-needed', `recovery ${id} cannot begin: ${needs}`);
  }
  const done = withoutLostEngines(clusters, pairs, order);
  const reason = `the blocks of ${named(pairs)} come back from the log`;
  const applied = new Map(pairs.map((pair) => [pair.shard, { ...pair, applied: true }]));
  const next = {
    ...rest,
    after: {},
    operation: input.operation,
    pairs: recovery.pairs.map((pair) => applied.get(pair.shard) ?? pair),
  };
  return {
    ...apply('begun', reason, withHistory(next, 'replaying', { ...order, reason })),
    clusters: withRecovery(done.clusters, id, order),
    closed: done.closed.map((incident) => ({ ...incident, recovery: { id } })),
  };
}

function written(recovery: RecoveryRecord, input: RecoveryWritten, now: number): RecoveryDecision {
  if (recovery.status === 'verifying')
    return { outcome: 'already', code: 'same-state', reason: recovery.reason };
  if (recovery.status !== 'replaying') return refuse('over', `recovery ${recovery.id} is ${recovery.status}`);
  const reason = 'every block was written; what was written is read once more';
  return apply('written', reason, withHistory(recovery, 'verifying', { ...input, reason, at: now }));
}

function finished(
  { cluster: state }: RecoveryState,
  recovery: RecoveryRecord,
  input: RecoveryFinished,
  now: number,
): RecoveryDecision {
  const { id, status, vdisks } = recovery;
  if (status === 'done') return { outcome: 'already', code: 'same-state', reason: recovery.reason };
  if (status !== 'replaying' && status !== 'verifying') return refuse('over', `recovery ${id} is ${status}`);
  const missing = vdisks.filter(
    ({ vdisk, recoverable }) => recoverable === 'all' && !input.restored.has(vdisk),
  );
  if (missing.length > 0) {
    const some = missing
      .slice(0, namedMax)
      .map(({ vdisk }) => vdisk)
      .join(', ');
    return refuse(
      'vdisks-missing',
      `recovery ${id} still waits for ${missing.length} of ${vdisks.length} vdisks: ${some}`,
    );
  }
  const left = vdisks.filter(({ vdisk, recoverable }) => recoverable !== 'all' && !input.restored.has(vdisk));
  const lost =
    left.length === 0 ? '' : `; ${left.length} lost blocks that no log holds, and wait for an operator`;
  const reason = `${vdisks.length - left.length} of ${vdisks.length} vdisks are whole again${lost}`;
  const order = { by: input.by, operation: input.operation, at: now };
  return {
    ...apply('done', reason, { ...withHistory(recovery, 'done', { ...order, reason }), endedAt: now }),
    clusters: withRecovery(pairedClusters(state), null, order),
  };
}

/** Before anything was changed, the plan is dropped. After that nothing can be taken back: the vdisks stay as they are. */
function cancel(
  _: RecoveryState,
  recovery: RecoveryRecord,
  input: CancelRecovery,
  now: number,
): RecoveryDecision {
  if (input.recovery !== undefined && input.recovery !== recovery.id)
    return refuse('no-recovery', `there is no recovery ${input.recovery}, the latest is ${recovery.id}`);
  if (recovery.status === 'cancelled')
    return { outcome: 'already', code: 'same-state', reason: recovery.reason };
  if (recovery.status === 'done') return refuse('over', `recovery ${recovery.id} is done`);
  const reason =
    recovery.after === undefined
      ? `cancelled by ${input.by} before anything was changed`
      : `cancelled by ${input.by}: vdisks that are not restored stay locked until a replay is begun again`;
  return end(recovery, 'cancelled', reason, input, now);
}

function fail(recovery: RecoveryRecord, input: RecoveryFailed, now: number): RecoveryDecision {
  if (recovery.status !== 'replaying' && recovery.status !== 'verifying')
    return refuse('over', `recovery ${recovery.id} is ${recovery.status}`);
  return end(recovery, 'failed', cut(input.reason), input, now);
}

function end(
  recovery: RecoveryRecord,
  to: RecoveryStatus,
  reason: string,
  { by, operation }: RecoveryOrder,
  at: number,
): RecoveryDecision {
  const code = to === 'failed' ? 'failed' : 'cancelled';
  return apply(code, reason, withHistory(recovery, to, { by, operation, at, reason }));
}

/** Until the blocks are back a cluster is not healthy, although every engine serves. */
function withRecovery(
  { primary, slave }: PairedClusters,
  recovery: string | null,
  { at, operation }: { readonly at: number; readonly operation: string },
): PairedClusters {
  const marked = (side: ClusterState, other: ClusterState | null): ClusterState => {
    const { recovery: _, ...rest } = side.record;
    const record: SalvorClusterRecord = recovery === null ? rest : { ...rest, recovery };
    const { status, reason } = judged(record, side.storage.servers, other?.storage.servers);
    const changed = status === record.status ? {} : { changed: { from: record.status, to: status, at } };
    return { ...side, record: { ...record, status, reason, ...changed, updatedAt: at, operation } };
  };
  return { primary: marked(primary, slave), slave: slave === null ? null : marked(slave, primary) };
}

/** The schema puts the members of a record in order. */
function isSame(a: RecoveryRecord, b: RecoveryRecord): boolean {
  return JSON.stringify(recoverySchema.parse(a)) === JSON.stringify(recoverySchema.parse(b));
}

function sameShards(a: readonly LostPair[], b: readonly LostPair[]): boolean {
  const text = (pairs: readonly LostPair[]) =>
    JSON.stringify(pairs.map(({ members }) => members.map(({ incident }) => incident)));
  return text(a) === text(b);
}

function named(pairs: readonly LostPair[]): string {
  return `pair ${pairs.map(({ shard }) => shard).join(', ')}`;
}

function tail(waitFor: readonly string[]): string {
  return waitFor.length === 0 ? '' : `: ${waitFor.join('; ')}`;
}

function apply(code: RecoveryCode, reason: string, recovery: RecoveryRecord): RecoveryDecision {
  return { outcome: 'applied', code, reason, recovery };
}

function refuse(code: RecoveryCode, reason: string): RecoveryDecision {
  return { outcome: 'refused', code, reason };
}
