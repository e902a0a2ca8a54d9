/** What operators hold back, as the config-store stores it: pauses of healing, and downtimes. */
import type { ClusterState } from '../../packages/config-store/src/healing/cluster-state.ts';
import { canonicalRequest } from '../../packages/config-store/src/healing/operation-mark.ts';
import type {
  HealingControls,
  IncidentRecord,
  OperationRecord,
} from '../../packages/config-store/src/healing/records.ts';
import { withStoredRevision } from '../../packages/config-store/src/healing/step-revision.ts';
import type { Entry } from './etcd.ts';
import { type Flow, wait } from './flow.ts';
import { controlKey, INCIDENTS, incidentsPrefix, operationKey } from './keys.ts';
import type { Process } from './scheduler.ts';
import type { World } from './world.ts';

const ROUNDS_MAX = 16;

export type Control =
  | { readonly kind: 'pause' | 'resume' }
  | { readonly kind: 'begin-downtime'; readonly durationMs: number; readonly address?: string };

/** Changes what is held back on one cluster, or with `null` everywhere. */
export function* applyHealingControl(
  world: World,
  process: Process,
  cluster: string | null,
  control: Control,
  operation: string,
): Flow<void> {
  const { etcd, cores } = world;
  const key = controlKey(cluster);
  const kind = `healing-control.${control.kind}`;
  const canonical = canonicalRequest(kind, { cluster: cluster ?? undefined });
  const about = { by: 'operator', reason: 'asked for', operation };
  for (let round = 1; round <= ROUNDS_MAX; round++) {
    const [stored, mark, open] = yield* wait(
      etcd.call(
        process,
        () =>
          [
            etcd.get(key),
            etcd.get(operationKey(operation)),
            etcd.withPrefix(cluster === null ? INCIDENTS : incidentsPrefix(cluster)),
          ] as const,
      ),
    );
    const decision = cores.decideHealingControl(
      {
        ...(cluster === null ? {} : { cluster }),
        controls: (stored?.value as HealingControls | undefined) ?? { downtimes: [], log: [] },
        incidents: open.map(({ value }) => value as IncidentRecord),
        mark: (mark?.value as OperationRecord | undefined) ?? null,
      },
      { ...control, ...about },
      canonical,
      world.wallOf(process),
    );
    const { controls, incidents, outcome, reason } = decision;
    world.trace?.(`${process.name} takes ${operation}: ${outcome}: ${reason}`);
    if (outcome !== 'applied' || controls === undefined) return;
    const noted = new Map(incidents.map((incident) => [incident.id, incident]));
    const puts = open.flatMap((entry) => {
      const before = entry.value as IncidentRecord;
      const incident = noted.get(before.id);
      if (incident === undefined) return [];
      return [{ key: entry.key, value: withStoredRevision(incident, before, entry.revision) }];
    });
    const value: OperationRecord = { operation, kind, request: canonical, outcome, reason, at: 0 };
    const { ok } = yield* wait(
      etcd.call(process, () =>
        etcd.commit(
          [
            { key, revision: stored?.revision ?? 0 },
            { key: operationKey(operation), revision: mark?.revision ?? 0 },
            ...open.map((entry) => ({ key: entry.key, revision: entry.revision })),
          ],
          [{ key, value: controls }, { key: operationKey(operation), value }, ...puts],
        ),
      ),
    );
    if (ok) return;
  }
}

/** What is held back on a cluster, as a decision about it looks at it. */
export function controlsIn(
  cluster: string,
  read: (key: string) => HealingControls | null,
): Pick<ClusterState, 'controls'> {
  const [everywhere, own] = [read(controlKey(null)), read(controlKey(cluster))];
  if (everywhere === null && own === null) return {};
  return {
    controls: {
      ...(everywhere === null ? {} : { everywhere }),
      ...(own === null ? {} : { cluster: own }),
    },
  };
}

/** Why nothing is repaired on a cluster, undefined when nobody holds it back: what `healingPause` tells. */
export function pauseOf(cluster: string, cache: ReadonlyMap<string, Entry>): string | undefined {
  for (const key of [controlKey(null), controlKey(cluster)]) {
    const { pause } = (cache.get(key)?.value as HealingControls | undefined) ?? {};
    if (pause !== undefined) return `${pause.by} paused healing`;
  }
  return undefined;
}

/** Clusters whose healing is paused, null for all of them at once. */
export function pausedClusters({ etcd, clusters }: World): (string | null)[] {
  return [null, ...clusters].filter(
    (cluster) => (etcd.get(controlKey(cluster))?.value as HealingControls | undefined)?.pause !== undefined,
  );
}
