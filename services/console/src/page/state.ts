/**
 * What the console sends to its page. Plain JSON; times are milliseconds since 1970 UTC by the clock of the console. A
 * section is sent as a whole whenever it differs from what was sent before.
 */
import type {
  AlertDescription,
  ClusterSummary,
  EngineDescription,
  HealingStatusReply,
  IncidentDescription,
  OperationDescription,
  PlanMember,
  PlanRunDescription,
  PlanSummary,
  RecoveryDescription,
  RepairState,
  VdiskSummary,
  VolumeDescription,
} from '@salvor/contracts';

export interface Sections {
  readonly bus: BusState;
  /** What could not be asked for: its section shows what was known before. By name of the command. */
  readonly troubles: readonly Trouble[];
  readonly clusters: readonly ClusterSummary[];
  readonly engines: readonly EngineDescription[];
  readonly vdisks: ShownVdisks;
  readonly incidents: readonly ToldIncident[];
  readonly repairs: readonly ShownRepair[];
  readonly operations: readonly ShownOperation[];
  readonly volumes: readonly ShownVolume[];
  /** Recovery plans that are not deleted. */
  readonly plans: readonly ShownPlan[];
  readonly alerts: readonly AlertDescription[];
  readonly healing: HealingStatusReply | null;
  readonly recoveries: readonly RecoveryDescription[];
  readonly news: readonly News[];
  /** Commands that who has a token may give here; empty when the console only shows. */
  readonly actions: readonly string[];
}

export type SectionName = keyof Sections;

/** `snapshot` has every section, `change` those that differ. */
export type Message = { readonly at: number; readonly sections: Partial<Sections> };

export interface BusState {
  readonly connected: boolean;
  /** Since when it is so. */
  readonly since: number;
  /** When everything was last answered; null before the first time. */
  readonly answeredAt: number | null;
}

export interface Trouble {
  readonly command: string;
  readonly message: string;
  /** Since when what is shown is old. */
  readonly since: number;
}

/** At most as many vdisks as a page can show. */
export interface ShownVdisks {
  readonly total: number;
  readonly shown: readonly VdiskSummary[];
}

export interface ToldIncident
  extends Pick<
    IncidentDescription,
    'incident' | 'cluster' | 'shard' | 'address' | 'status' | 'attempt' | 'openedAt' | 'unavailable'
  > {
  readonly closedAt: number | null;
  readonly outcome: string | null;
  readonly held: boolean;
  readonly acknowledgedBy: string | null;
  readonly heading: string;
  readonly happenings: readonly { readonly at: number; readonly lines: readonly string[] }[];
  readonly ending: string;
}

/** Time and value. */
export type Sample = readonly [at: number, value: number];

export interface Progress {
  readonly done: number;
  readonly total: number | null;
  /** Over the last samples; null while there are too few, or nothing moves. */
  readonly perSecond: number | null;
  readonly leftMs: number | null;
  /** Of `done`. */
  readonly samples: readonly Sample[];
}

export interface ShownRepair extends RepairState {
  readonly progress: Progress | null;
}

export interface ShownOperation extends OperationDescription {
  readonly progress: Progress | null;
}

export interface ShownVolume
  extends Pick<
    VolumeDescription,
    | 'volume'
    | 'zone'
    | 'vdisk'
    | 'role'
    | 'status'
    | 'conditions'
    | 'phase'
    | 'reason'
    | 'generation'
    | 'mode'
    | 'changedAt'
  > {
  /** The records that this zone wrote and the primary lacks are to be decided on. */
  readonly isSplit: boolean;
  readonly peer: string | null;
  readonly peerSeenAt: number | null;
  readonly lag: NonNullable<VolumeDescription['lag']> | null;
  /** Milliseconds behind. */
  readonly lagMs: readonly Sample[];
  readonly copy: { readonly way: string; readonly progress: Progress } | null;
}

/** A plan; what both zones have of it is null until that was asked. */
export interface ShownPlan extends PlanSummary {
  readonly members: readonly PlanMember[] | null;
  /** Why the other zone cannot be asked; empty when it can. */
  readonly otherReason: string;
  /** The latest run in this zone. */
  readonly latest: ShownRun | null;
}

export interface ShownRun
  extends Pick<
    PlanRunDescription,
    'run' | 'kind' | 'status' | 'direction' | 'reason' | 'source' | 'target' | 'beganAt' | 'steps'
  > {
  readonly endedAt: number | null;
  /** Writes that are lost; null: not known. */
  readonly lostWrites: number | null;
  readonly lostMs: number | null;
  readonly servedAfterMs: number | null;
}

export interface News {
  readonly at: number;
  readonly type: string;
  readonly text: string;
  readonly alarming: boolean;
}

/** What an action is answered with, other than with its reply. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
}
