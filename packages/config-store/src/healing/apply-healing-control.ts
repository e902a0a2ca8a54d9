/** Stores what operators hold back, with a note in every open incident that it is about, in one transaction. */
import {
  clusterIncidentsPrefix,
  clusterStorageKey,
  healingClusterKey,
  healingEverywhereKey,
  INCIDENTS_PREFIX,
  incidentKey,
  operationKey,
} from '../keys.ts';
import type { Compare, ConfigStore, Put, StoreEntry } from '../types.ts';
import type { AdmissionOptions } from './admit-vdisk.ts';
import { untilNoConflict } from './compare-and-set.ts';
import {
  decideHealingControl,
  type HealingControlDecision,
  type HealingControlInput,
} from './healing-control.ts';
import { healingPause, healingPauseKeys } from './healing-pause.ts';
import { downtimeOf, holdSentence } from './held-back.ts';
import { canonicalRequest, markOf } from './operation-mark.ts';
import { formatRecord, parseRecord, recordIn } from './record-text.ts';
import {
  type HealingControls,
  healingControlsSchema,
  type IncidentRecord,
  incidentSchema,
  operationSchema,
} from './records.ts';
import { withStoredRevision } from './step-revision.ts';

/** Of more incidents at once, those noted are the first in the order of their keys; the log of the controls has it all. */
const incidentsNotedMax = 100;

export interface HealingControlResult {
  readonly outcome: 'applied' | 'already' | 'refused' | 'conflict';
  readonly code: HealingControlDecision['code'] | 'unknown-cluster' | 'conflict';
  readonly reason: string;
  readonly operation: string;
}

/**
 * Changes what is held back on one cluster, or everywhere.
 *
 * @throws StoreError when etcd does not answer, ConfigValueError when the stored controls cannot be read.
 */
export async function applyHealingControl(
  store: ConfigStore,
  cluster: string | undefined,
  input: HealingControlInput,
  { now = Date.now, ...retry }: Omit<AdmissionOptions, 'operation' | 'by'> = {},
): Promise<HealingControlResult> {
  const { operation } = input;
  const key = cluster === undefined ? healingEverywhereKey : healingClusterKey(cluster);
  const { kind, by: _by, reason: _reason, operation: _operation, ...about } = input;
  const canonical = canonicalRequest(`healing-control.${kind}`, { cluster, ...about });
  const result = await untilNoConflict(async (): Promise<HealingControlResult | 'conflict'> => {
    const exists = cluster === undefined ? [] : [clusterStorageKey(cluster)];
    const { entries } = await store.getMany([key, operationKey(operation), ...exists]);
    if (cluster !== undefined && entries.get(clusterStorageKey(cluster)) === null) {
      const reason = `there is no storage cluster ${cluster}`;
      return { outcome: 'refused', code: 'unknown-cluster', reason, operation };
    }
    const listed = await openIncidentsOf(store, cluster);
    const decision = decideHealingControl(
      {
        ...(cluster === undefined ? {} : { cluster }),
        controls: recordIn(entries, key, healingControlsSchema) ?? nothingHeld,
        incidents: listed.map(({ incident }) => incident),
        mark: recordIn(entries, operationKey(operation), operationSchema),
      },
      input,
      canonical,
      now(),
    );
    const { outcome, code, reason, controls, incidents } = decision;
    if (controls === undefined) return { outcome, code, reason, operation };
    const puts: Put[] = [
      { key, value: formatRecord(healingControlsSchema, key, controls) },
      markOf({
        operation,
        kind: `healing-control.${kind}`,
        request: canonical,
        outcome: 'applied',
        reason,
        at: now(),
      }),
    ];
    const compare: Compare[] = [key, operationKey(operation)].map((one) => revisionOf(one, entries.get(one)));
    for (const incident of incidents) {
      const known = listed.find((one) => one.incident.id === incident.id);
      const entry = known?.entry;
      const noted = withStoredRevision(incident, known?.incident, entry && Number(entry.revision));
      const own = incidentKey(incident.cluster, incident.shard);
      compare.push(revisionOf(own, entry));
      puts.push({ key: own, value: formatRecord(incidentSchema, own, noted) });
    }
    const stored = await store.transact({ compare, puts });
    return stored.ok ? { outcome, code, reason, operation } : 'conflict';
  }, retry);
  if (result !== 'conflict') return result;
  const reason = 'the incidents were changed by others at every attempt; try again';
  return { outcome: 'conflict', code: 'conflict', reason, operation };
}

/** What is held back on a cluster (`undefined`: everywhere). Throws as {@link applyHealingControl}. */
export async function readHealingControls(store: ConfigStore, cluster?: string): Promise<HealingControls> {
  const key = cluster === undefined ? healingEverywhereKey : healingClusterKey(cluster);
  const entry = await store.get(key);
  return entry === null ? nothingHeld : parseRecord(healingControlsSchema, key, entry.value);
}

/**
 * Why nothing is to be done now about an engine that is offline, as a sentence; undefined when nobody holds it back. Throws as
 * {@link applyHealingControl}.
 */
export async function heldByOperators(
  store: ConfigStore,
  incident: IncidentRecord,
  nowMs: number,
): Promise<string | undefined> {
  const { cluster, address, hold } = incident;
  if (hold !== undefined) return holdSentence(incident, hold);
  const { entries } = await store.getMany(healingPauseKeys(cluster));
  const paused = healingPause(entries, cluster);
  if (paused !== undefined) return `${paused}; it goes on with 'salvor healing resume'`;
  const { downtimes } = await readHealingControls(store, cluster);
  const downtime = downtimeOf(downtimes, address, nowMs);
  if (downtime === undefined) return undefined;
  const end = new Date(downtime.until).toISOString();
  return `${downtime.by} announced a downtime (${downtime.reason}), which ends at ${end}`;
}

const nothingHeld: HealingControls = { downtimes: [], log: [] };

async function openIncidentsOf(
  store: ConfigStore,
  cluster: string | undefined,
): Promise<{ incident: IncidentRecord; entry: StoreEntry }[]> {
  const prefix = cluster === undefined ? INCIDENTS_PREFIX : clusterIncidentsPrefix(cluster);
  const { entries } = await store.list(prefix);
  return entries
    .slice(0, incidentsNotedMax)
    .map((entry) => ({ entry, incident: parseRecord(incidentSchema, entry.key, entry.value) }));
}

function revisionOf(key: string, entry: StoreEntry | null | undefined): Compare {
  return { key, revision: entry?.revision ?? 'absent' };
}
