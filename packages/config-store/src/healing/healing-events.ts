/** What a decision announces, shaped as the payloads of the event catalogue. Times are Unix milliseconds. */
import type { EngineStatus } from '../cluster-storage.ts';
import type { ClusterStatus, IncidentOutcome } from './records.ts';

export interface EngineStatusChangedPayload {
  cluster: string;
  shard: number;
  address: string;
  from: EngineStatus;
  to: EngineStatus;
  incident: string;
  attempt: number;
  reason: string;
  by: string;
  operation: string;
  at: number;
  /** How long the engine was in `from`, where that is known. */
  durationMs?: number;
  /** The spare that is rebuilt, or that took the place of `address`. */
  replacement?: string;
}

export interface IncidentOpenedPayload {
  incident: string;
  cluster: string;
  shard: number;
  address: string;
  reason: string;
  reporter: string;
  at: number;
}

export interface IncidentClosedPayload {
  incident: string;
  cluster: string;
  shard: number;
  address: string;
  outcome: IncidentOutcome;
  durationMs: number;
  at: number;
}

export interface ClusterStatusChangedPayload {
  cluster: string;
  from: ClusterStatus;
  to: ClusterStatus;
  reason: string;
  at: number;
}

export type HealingEvent =
  | { type: 'engine.status-changed'; payload: EngineStatusChangedPayload }
  | { type: 'incident.opened'; payload: IncidentOpenedPayload }
  | { type: 'incident.closed'; payload: IncidentClosedPayload }
  | { type: 'cluster.status-changed'; payload: ClusterStatusChangedPayload };
