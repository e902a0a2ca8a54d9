import type { CommandHandlers } from '@salvor/bus';
import {
  applyHealingControl,
  type ConfigStore,
  type Downtime,
  downtimeMsMax,
  type HealingControls,
  readHealingControls,
} from '@salvor/config-store';
import type { DowntimeInit, HealingOfClusterInit, HealingPauseInit } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import { accepted } from './command-replies.ts';
import { openIncidents, readCluster, readClusters } from './descriptions.ts';
import { describeRepairs } from './repair-list.ts';

/** The commands with which operators hold healing back, and see what is held back and under way. */
export function healingCommandHandlers(store: ConfigStore): CommandHandlers {
  const control = async (
    kind: 'pause' | 'resume',
    { cluster, reason, by }: { cluster?: string | undefined; reason: string; by?: string | undefined },
    operation: string,
  ) => {
    const input = { kind, by: by ?? 'operator', reason, operation };
    const result = await applyHealingControl(store, cluster, input);
    return accepted(result, cluster === undefined ? {} : { cluster });
  };
  return {
    'healing.pause': (request, { operationId }) => control('pause', request, operationId),
    'healing.resume': (request, { operationId }) => control('resume', request, operationId),
    'healing.status': async () => {
      const everywhere = pauseOf(await readHealingControls(store));
      const incidents = await openIncidents(store);
      const now = Date.now();
      const clusters = (await readClusters(store)).map(async ({ cluster }): Promise<HealingOfClusterInit> => {
        const controls = await readHealingControls(store, cluster);
        const pause = pauseOf(controls);
        const held = incidents.flatMap(({ id, address, hold, cluster: where }) =>
          hold === undefined || where !== cluster
            ? []
            : [
                {
                  address,
                  incident: id,
                  hold: { kind: hold.kind, by: hold.by, reason: hold.reason, at: hold.at },
                },
              ],
        );
        const downtimes = runningDowntimes(cluster, controls, now);
        return { cluster, downtimes, held, ...(pause === undefined ? {} : { pause }) };
      });
      return {
        clusters: await Promise.all(clusters),
        ...(everywhere === undefined ? {} : { everywhere }),
      };
    },
    'downtime.begin': async ({ target, seconds, reason, by }, { operationId: operation }) => {
      const place = await targetOf(store, target);
      const durationMs = Math.min(seconds * 1_000, downtimeMsMax + 1);
      const input = { ...place.about, by: by ?? 'operator', reason, operation, durationMs };
      const result = await applyHealingControl(store, place.cluster, { kind: 'begin-downtime', ...input });
      const reply = accepted(result, { target, cluster: place.cluster });
      const { downtimes } = await readHealingControls(store, place.cluster);
      const begun = downtimes.find(({ address }) => address === place.about.address);
      return { ...reply, ...(begun === undefined ? {} : { until: begun.until }) };
    },
    'downtime.end': async ({ target, reason, by }, { operationId: operation }) => {
      const place = await targetOf(store, target);
      const input = { ...place.about, by: by ?? 'operator', reason, operation };
      const result = await applyHealingControl(store, place.cluster, { kind: 'end-downtime', ...input });
      return accepted(result, { target, cluster: place.cluster });
    },
    'downtime.list': async ({ cluster }) => {
      const clusters =
        cluster === undefined ? await readClusters(store) : [await readCluster(store, cluster)];
      const now = Date.now();
      const listed = clusters.map(async ({ cluster: name }) =>
        runningDowntimes(name, await readHealingControls(store, name), now),
      );
      return { downtimes: (await Promise.all(listed)).flat().sort((a, b) => a.until - b.until) };
    },
    'repair.list': async ({ cluster }) => ({
      repairs: await describeRepairs(store, await openIncidents(store), cluster),
    }),
  };
}

/** A cluster by its id, or the cluster of an engine by that engine's address. */
async function targetOf(
  store: ConfigStore,
  target: string,
): Promise<{ cluster: string; about: { address?: string } }> {
  const clusters = await readClusters(store);
  const named = clusters.find(({ cluster }) => cluster === target);
  if (named !== undefined) return { cluster: named.cluster, about: {} };
  const holder = clusters.find(({ storage }) => storage.servers.some(({ address }) => address === target));
  if (holder !== undefined) return { cluster: holder.cluster, about: { address: target } };
  throw new SalvorError(
    'unknown-target',
    `expected the id of a cluster or host:port of an engine, found ${JSON.stringify(target)}, which is neither; see 'salvor engine list'`,
  );
}

function pauseOf({ pause }: HealingControls): HealingPauseInit | undefined {
  return pause === undefined ? undefined : { by: pause.by, reason: pause.reason, at: pause.at };
}

function runningDowntimes(cluster: string, { downtimes }: HealingControls, now: number): DowntimeInit[] {
  return downtimes
    .filter(({ until }) => until > now)
    .map(({ address, begunAt, until, by, reason }: Downtime) => {
      return { cluster, ...(address === undefined ? {} : { address }), begunAt, until, by, reason };
    });
}
