/** What all of it comes to, in a sentence: the first thing that is read. */
import type { Sections } from './state.ts';
import type { Tone } from './tone.ts';
import { counted } from './words.ts';

export interface Judgement {
  readonly tone: Tone;
  readonly headline: string;
  readonly detail: string;
}

export function judge(state: Sections): Judgement {
  const { clusters, engines, incidents, alerts, vdisks, volumes, recoveries } = state;
  const dark = clusters.flatMap(({ unavailable }) => unavailable);
  const away = engines.filter(({ status }) => status === 'offline');
  const down = away.length;
  const mending = engines.filter(({ status }) => status.startsWith('repair')).length;
  const open = incidents.filter(({ closedAt }) => closedAt === null).length;
  const split = volumes.filter(({ conditions }) =>
    conditions.some(({ condition }) => isGrave(condition)),
  ).length;
  const waiting = recoveries.filter(({ status }) => status === 'prepared').length;
  if (clusters.length === 0)
    return { tone: 'idle', headline: 'There is no cluster yet', detail: 'salvor cluster create makes one.' };
  if (dark.length > 0) {
    // A pair is told of by both its clusters.
    const pairs = new Set(
      dark.map(({ cluster, slaveCluster, shard }) => [cluster, slaveCluster ?? ''].sort().join() + shard),
    );
    const hit = new Set(dark.flatMap((shard) => shard.vdisks.map(({ vdisk }) => vdisk)));
    const next = waiting > 0 ? ' A recovery from the log is prepared, and waits for you.' : '';
    return {
      tone: 'bad',
      headline: 'Data is unavailable',
      detail: `${counted(pairs.size, 'pair')} ${pairs.size === 1 ? 'has' : 'have'} no live copy; ${counted(hit.size, 'vdisk')} ${hit.size === 1 ? 'is' : 'are'} hit.${next}`,
    };
  }
  if (split > 0)
    return {
      tone: 'bad',
      headline: `${counted(split, 'volume')} ${split === 1 ? 'needs' : 'need'} a decision`,
      detail: 'See replication below.',
    };
  if (down + mending > 0 || open > 0) {
    const parts = [
      ...(down > 1 ? [`${counted(down, 'engine')} are down, their partners serve`] : []),
      ...(down === 1
        ? away.map(
            ({ address, cluster, shard }) =>
              `${address} (${cluster} shard ${shard}) is down, its partner serves`,
          )
        : []),
      ...(mending > 0 ? [`${counted(mending, 'engine')} under repair`] : []),
    ];
    return {
      tone: down > 0 ? 'warn' : 'busy',
      headline:
        down > 0
          ? 'Everything is served, with less redundancy'
          : 'Everything is served, a repair is under way',
      detail: `${parts.join('; ') || counted(open, 'open incident')}.`,
    };
  }
  if (alerts.length > 0)
    return {
      tone: 'warn',
      headline: 'Everything is served',
      detail: `${counted(alerts.length, 'alert')} to look at.`,
    };
  const inUse = vdisks.shown.filter(({ owner }) => owner !== undefined).length;
  return {
    tone: 'good',
    headline: 'All is well',
    detail: `${counted(engines.filter(({ status }) => status === 'online').length, 'engine')} online, ${counted(vdisks.total, 'vdisk')}, ${inUse.toLocaleString('en')} in use.`,
  };
}

export function isGrave(condition: string): boolean {
  return condition === 'split-brain' || condition === 'error';
}
