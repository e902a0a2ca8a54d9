/** Faults in what the coordinators and the configuration store decide. */
import type { ClusterState } from '../../../packages/config-store/src/healing/cluster-state.ts';
import type { EngineStatusDecision } from '../../../packages/config-store/src/healing/engine-status-decision.ts';
import { dropKeptSpare } from '../../../packages/config-store/src/healing/kept-spare.ts';
import { released } from '../../../packages/config-store/src/healing/operator-action.ts';
import type { AdmittingCluster } from '../../../packages/config-store/src/healing/vdisk-admission.ts';
import type { Mutation } from './mutation.ts';

export const healingMutations: readonly Mutation[] = [
  {
    name: 'missed-vdisk',
    fault: 'an engine is online as soon as one vdisk of its cluster is repaired',
    mutate: ({ decideEngineStatus }) => ({
      decideEngineStatus: (state, input, now) =>
        decideEngineStatus(
          state,
          input.kind === 'repairs-complete' ? { ...input, vdisks: input.repaired } : input,
          now,
        ),
    }),
  },
  {
    name: 'online-before-repair',
    fault: 'an engine that answers again is online at once',
    mutate: ({ decideEngineStatus }) => ({
      decideEngineStatus: (state, input, now) => {
        const decision = decideEngineStatus(state, input, now);
        const { next, incident } = decision;
        if (input.kind !== 'verdict' || next === undefined || incident?.status !== 'repair-tmp-outage')
          return decision;
        const { id, attempt } = incident;
        const none: ReadonlySet<string> = new Set();
        const done = {
          kind: 'repairs-complete',
          incident: id,
          attempt,
          repaired: none,
          vdisks: none,
        } as const;
        return decideEngineStatus(next, { ...done, by: input.by, operation: input.operation }, now);
      },
    }),
  },
  {
    name: 'false-alarm-trusted',
    fault: 'a false alarm brings an engine back although writes were missed',
    mutate: ({ decideEngineStatus }) => ({
      decideEngineStatus: (state, input, now) =>
        decideEngineStatus(state, input.kind === 'verdict' ? { ...input, missedWrites: false } : input, now),
    }),
  },
  {
    name: 'older-attempt-counts',
    fault: 'the completion of an older attempt of an incident ends the one that is open',
    mutate: ({ decideEngineStatus }) => ({
      decideEngineStatus: (state, input, now) => {
        if (input.kind !== 'repairs-complete') return decideEngineStatus(state, input, now);
        const open = [...state.incidents.values()].find(({ id }) => id === input.incident);
        const attempt = open?.attempt ?? input.attempt;
        return decideEngineStatus(state, { ...input, attempt }, now);
      },
    }),
  },
  {
    name: 'spare-taken-twice',
    fault: 'a spare stays on the list when it is taken',
    mutate: ({ decideEngineStatus }) => ({
      decideEngineStatus: (state, input, now) =>
        withRecord(decideEngineStatus(state, input, now), (record) => ({
          ...record,
          spares: state.record.spares,
        })),
    }),
  },
  {
    name: 'old-reports-count',
    fault: 'a report of a failure that was healed since takes the engine offline again',
    mutate: ({ decideEngineStatus }) => ({
      decideEngineStatus: (state, input, now) =>
        decideEngineStatus(
          state,
          input.kind === 'failure-reported' ? { ...input, seenRevision: state.revision ?? '' } : input,
          now,
        ),
    }),
  },
  {
    name: 'attempt-not-counted',
    fault: 'an engine that fails again under repair goes on with the same attempt',
    mutate: ({ decideEngineStatus }) => ({
      decideEngineStatus: (state, input, now) => {
        const decision = decideEngineStatus(state, input, now);
        const { next, shard } = decision;
        const open = shard === undefined ? undefined : state.incidents.get(shard);
        const after = shard === undefined ? undefined : next?.incidents.get(shard);
        if (next === undefined || shard === undefined || open === undefined || after === undefined)
          return decision;
        if (after.attempt === open.attempt) return decision;
        const incident = { ...after, attempt: open.attempt };
        return {
          ...decision,
          incident,
          next: { ...next, incidents: new Map(next.incidents).set(shard, incident) },
        };
      },
    }),
  },
  {
    name: 'reports-open-twice',
    fault: 'every report of an outage opens an incident of its own',
    mutate: ({ decideEngineStatus }) => ({
      decideEngineStatus: (state, input, now) => {
        const decision = decideEngineStatus(state, input, now);
        const { next, shard, code } = decision;
        const open = shard === undefined ? undefined : next?.incidents.get(shard);
        if (input.kind !== 'failure-reported' || code !== 'same-state' || next === undefined) return decision;
        if (shard === undefined || open === undefined) return decision;
        const incident = { ...open, id: `${open.id}-again` };
        return { ...decision, next: { ...next, incidents: new Map(next.incidents).set(shard, incident) } };
      },
    }),
  },
  {
    name: 'created-while-sick',
    fault: 'vdisks are created while a cluster is not healthy',
    mutate: ({ decideVdiskCreate }) => ({
      decideVdiskCreate: (state, request, canonical) =>
        decideVdiskCreate(
          { ...state, primary: pretend(state.primary), slave: pretend(state.slave) },
          request,
          canonical,
        ),
    }),
  },
  {
    name: 'deleted-while-sick',
    fault: 'vdisks are deleted while a cluster is not healthy',
    mutate: ({ decideVdiskDelete }) => ({
      decideVdiskDelete: (state, vdisk, canonical) =>
        decideVdiskDelete({ ...state, clusters: [] }, vdisk, canonical),
    }),
  },
  {
    name: 'operation-repeated',
    fault: 'an operation that is asked for twice is carried out twice',
    mutate: () => ({ repeatOf: () => 'first' }),
  },
  {
    name: 'identity-not-needed',
    fault: 'an engine that lost its identity is judged temporary',
    mutate: ({ decideVerdict }) => ({
      decideVerdict: (view, policy, now) => {
        const decision = decideVerdict(view, policy, now);
        return decision.kind === 'verdict' && view.findings.at(-1)?.kind === 'identity-lost'
          ? { ...decision, verdict: 'temporary' }
          : decision;
      },
    }),
  },
  {
    name: 'repair-given-up',
    fault: 'a finished repair is not put on record any more once the owner key was gone',
    mutate: ({ decideRecordingStep }) => ({
      decideRecordingStep: (result) =>
        result.code === 'not-owner' ? 'unwanted' : decideRecordingStep(result),
    }),
  },
  {
    name: 'loss-waits-for-ever',
    fault: 'an engine that does not come back is never given up',
    mutate: ({ decideVerdict }) => ({
      decideVerdict: (view, policy, now) =>
        decideVerdict(view, { ...policy, permanentAfterMs: Number.MAX_SAFE_INTEGER }, now),
    }),
  },
  {
    name: 'hold-ignored',
    fault: 'a verdict moves an engine that an operator holds',
    mutate: ({ decideEngineStatus }) => ({
      decideEngineStatus: (state, input, now) => {
        if (input.kind !== 'verdict') return decideEngineStatus(state, input, now);
        const incidents = new Map([...state.incidents].map(([shard, open]) => [shard, released(open)]));
        return decideEngineStatus({ ...state, incidents }, input, now);
      },
    }),
  },
  {
    name: 'pause-ignored',
    fault: 'verdicts are applied although healing is paused',
    mutate: ({ decideEngineStatus }) => ({
      decideEngineStatus: ({ controls: _held, ...state }, input, now) =>
        decideEngineStatus(state, input, now),
    }),
  },
  {
    name: 'spare-let-go',
    fault: 'a spare that fails while it is filled leaves at once, also while its partner is down',
    mutate: ({ decideEngineStatus }) => ({
      decideEngineStatus: (state, input, now) => {
        const decision = decideEngineStatus(state, input, now);
        const { next, shard, code } = decision;
        const incident = shard === undefined ? undefined : next?.incidents.get(shard);
        if (input.kind !== 'failure-reported' || code !== 'moved' || next === undefined) return decision;
        if (incident === undefined) return decision;
        const left = dropKeptSpare(next, incident, now);
        return { ...decision, incident: left.incident, next: left.state };
      },
    }),
  },
];

function withRecord(
  decision: EngineStatusDecision,
  change: (record: ClusterState['record']) => ClusterState['record'],
): EngineStatusDecision {
  const { next } = decision;
  return next === undefined ? decision : { ...decision, next: { ...next, record: change(next.record) } };
}

/** As if every engine of it were online. */
function pretend(cluster: AdmittingCluster | null): AdmittingCluster | null {
  if (cluster === null) return null;
  return { ...cluster, servers: [], record: { ...cluster.record, status: 'healthy' } };
}
