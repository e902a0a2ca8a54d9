/** What operators hold back: healing is paused or resumed, a downtime begins or ends. Pure. */
import { cut } from './engine-move.ts';
import { repeatOf, reusedReason } from './operation-mark.ts';
import { withAction } from './operator-action.ts';
import {
  controlsLogMax,
  type Downtime,
  downtimesMax,
  type HealingControls,
  type IncidentRecord,
  type OperationRecord,
} from './records.ts';

/** No downtime is longer: one that nobody remembers would keep engines from being repaired for good. */
export const downtimeMsMax = 30 * 24 * 3_600_000;

interface Ordered {
  readonly by: string;
  readonly reason: string;
  readonly operation: string;
}

export type HealingControlInput = Ordered &
  (
    | { readonly kind: 'pause' | 'resume' }
    /** Of one engine, or of the whole cluster. A longer one takes the place of a shorter one. */
    | { readonly kind: 'begin-downtime'; readonly address?: string; readonly durationMs: number }
    | { readonly kind: 'end-downtime'; readonly address?: string }
  );

export interface HealingControlState {
  /** Undefined for what holds everywhere. */
  readonly cluster?: string;
  readonly controls: HealingControls;
  /** Open incidents that it is about. */
  readonly incidents: readonly IncidentRecord[];
  readonly mark: OperationRecord | null;
}

export interface HealingControlDecision {
  readonly outcome: 'applied' | 'already' | 'refused';
  readonly code: 'changed' | 'same-state' | 'same-operation' | 'operation-reused' | 'invalid-downtime';
  readonly reason: string;
  readonly controls?: HealingControls;
  /** The incidents that it is noted in. */
  readonly incidents: readonly IncidentRecord[];
}

export function decideHealingControl(
  state: HealingControlState,
  input: HealingControlInput,
  canonical: string,
  nowMs: number,
): HealingControlDecision {
  const repeat = repeatOf(state.mark, canonical);
  if (state.mark !== null && repeat === 'repeated')
    return answer('already', 'same-operation', `done before: ${state.mark.reason}`);
  if (state.mark !== null && repeat === 'reused')
    return answer('refused', 'operation-reused', reusedReason(state.mark));
  const where = state.cluster ?? 'every cluster';
  const { controls } = state;
  const { by, reason, operation } = input;
  switch (input.kind) {
    case 'pause': {
      if (controls.pause !== undefined)
        return same(
          `healing of ${where} is paused by ${controls.pause.by} already (${controls.pause.reason})`,
        );
      const pause = { by, at: nowMs, reason: cut(reason), operation };
      return change(state, input, { ...controls, pause }, `${by} paused the healing of ${where}`, nowMs);
    }
    case 'resume': {
      if (controls.pause === undefined) return same(`healing of ${where} is not paused`);
      const { pause: _ended, ...rest } = controls;
      return change(state, input, rest, `${by} resumed the healing of ${where}`, nowMs);
    }
    case 'begin-downtime':
      return beginDowntime(state, input, nowMs);
    case 'end-downtime': {
      const what = input.address ?? where;
      const kept = controls.downtimes.filter(({ address }) => address !== input.address);
      const isRunning = controls.downtimes.some(
        ({ address, until }) => address === input.address && until > nowMs,
      );
      if (!isRunning) return same(`${what} has no downtime`);
      const next = { ...controls, downtimes: kept };
      return change(state, input, next, `${by} ended the downtime of ${what}`, nowMs);
    }
  }
}

function beginDowntime(
  state: HealingControlState,
  input: HealingControlInput & { kind: 'begin-downtime' },
  nowMs: number,
): HealingControlDecision {
  const { address, durationMs, by, reason, operation } = input;
  const what = address ?? state.cluster ?? 'every cluster';
  if (!Number.isSafeInteger(durationMs) || durationMs < 1 || durationMs > downtimeMsMax) {
    const expected = `1 ms to ${downtimeMsMax / 86_400_000} days`;
    return answer('refused', 'invalid-downtime', `a downtime lasts ${expected}, found ${durationMs} ms`);
  }
  const until = nowMs + durationMs;
  const running = state.controls.downtimes.filter((one) => one.until > nowMs);
  const before = running.find((one) => one.address === address);
  if (before !== undefined && before.until >= until) {
    return same(
      `${what} has a downtime of ${before.by} that ends no earlier, at ${new Date(before.until).toISOString()}`,
    );
  }
  const others = running.filter((one) => one !== before);
  if (others.length >= downtimesMax) {
    const full = `a cluster has at most ${downtimesMax} downtimes; end one, or begin one of the whole cluster`;
    return answer('refused', 'invalid-downtime', full);
  }
  const downtime: Downtime = {
    ...{ id: operation, begunAt: before?.begunAt ?? nowMs, until, by, reason: cut(reason), operation },
    ...(address === undefined ? {} : { address }),
  };
  const next = { ...state.controls, downtimes: [...others, downtime] };
  const lasts = `${Math.round(durationMs / 1000)} s`;
  return change(state, input, next, `${by} announced a downtime of ${what} for ${lasts}`, nowMs);
}

const words = {
  pause: 'healing.pause',
  resume: 'healing.resume',
  'begin-downtime': 'downtime.begin',
  'end-downtime': 'downtime.end',
} as const;

function change(
  { incidents }: HealingControlState,
  input: HealingControlInput,
  controls: HealingControls,
  what: string,
  at: number,
): HealingControlDecision {
  const { by, operation, kind } = input;
  const action = words[kind];
  const reason = cut(`${what}: ${input.reason}`);
  const log = [...controls.log, { at, by, action, reason, operation }].slice(-controlsLogMax);
  const address = 'address' in input ? input.address : undefined;
  const concerned = incidents.filter((incident) => address === undefined || incident.address === address);
  return {
    ...{ outcome: 'applied', code: 'changed', reason },
    controls: { ...controls, log },
    incidents: concerned.map((incident) => withAction(incident, action, { by, at, operation, reason })),
  };
}

function same(reason: string): HealingControlDecision {
  return answer('already', 'same-state', reason);
}

function answer(
  outcome: HealingControlDecision['outcome'],
  code: HealingControlDecision['code'],
  reason: string,
): HealingControlDecision {
  return { outcome, code, reason, incidents: [] };
}
