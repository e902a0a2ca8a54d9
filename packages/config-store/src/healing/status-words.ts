/** The moves an engine's status may make; the words themselves are those of the cluster configuration. */
import type { EngineStatus } from '../cluster-storage.ts';

/** Every move there is. `rip` has none: a shard that is gone for good does not come back. */
export const engineMoves: Readonly<Record<EngineStatus, readonly EngineStatus[]>> = {
  online: ['offline'],
  offline: ['repair-tmp-outage', 'repair-final-outage', 'online'],
  'repair-tmp-outage': ['online', 'offline'],
  'repair-final-outage': ['online', 'rip', 'offline'],
  rip: [],
};

export const incidentStatuses = ['offline', 'repair-tmp-outage', 'repair-final-outage'] as const;
export type IncidentStatus = (typeof incidentStatuses)[number];

export function isIncidentStatus(status: EngineStatus): status is IncidentStatus {
  return status !== 'online' && status !== 'rip';
}
