/** What operators are told a volume is. Pure. */
import { inconsistency } from './volume-group.ts';
import type { VolumeRecord } from './volume-records.ts';

export type VolumeStatus = 'active - primary' | 'active - updating' | 'active - secondary';
export type VolumeCondition =
  | 'degraded'
  | 'resyncing'
  | 'split-brain'
  | 'error'
  | 'not-consistent'
  | 'cut-late';

export interface VolumeView {
  readonly status: VolumeStatus;
  readonly conditions: readonly { readonly condition: VolumeCondition; readonly reason: string }[];
}

/** What is seen of the other zone now. */
export interface PeerView {
  readonly reachable: boolean;
  /** Of a secondary: records of the primary that are not applied here; null: not known. Of a primary: those that the other one lacks. */
  readonly behind: number | null;
  /** Why it is not reachable, or not complete; empty: it is. */
  readonly reason: string;
}

export function volumeView(record: VolumeRecord, peer: PeerView): VolumeView {
  const conditions: { condition: VolumeCondition; reason: string }[] = [];
  const { divergence, rival, phase, role, trouble } = record;
  if (divergence !== null && phase === 'split')
    conditions.push({ condition: 'split-brain', reason: record.reason });
  else if (rival !== null)
    conditions.push({
      condition: 'split-brain',
      reason: `zone ${rival.generation.zone} is, or was, primary as well (generation ${rival.generation.number})`,
    });
  if (phase === 'copying' || phase === 'resyncing')
    conditions.push({ condition: 'resyncing', reason: record.reason });
  if (trouble !== null) conditions.push({ condition: 'error', reason: trouble.reason });
  const torn = tornNow(record);
  if (torn !== null) conditions.push({ condition: 'not-consistent', reason: torn });
  if (record.group !== null && record.group.reason !== '')
    conditions.push({ condition: 'cut-late', reason: `group ${record.group.name}: ${record.group.reason}` });
  const isReplicated = record.peer !== null && record.mode !== 'none';
  if (isReplicated && (!peer.reachable || peer.reason !== ''))
    conditions.push({ condition: 'degraded', reason: peer.reason });
  if (role === 'primary') return { status: 'active - primary', conditions };
  const isLevel = phase === 'following' && peer.behind === 0 && record.promotion === null;
  const isIdle = phase === 'waiting' || phase === 'split';
  return {
    status: isLevel || (isIdle && record.promotion === null) ? 'active - secondary' : 'active - updating',
    conditions,
  };
}

/** Of a copy in a group: why it has no moment that could be promoted with the others. */
function tornNow(record: VolumeRecord): string | null {
  const { role, phase, group } = record;
  const isCopy = phase === 'copying' || phase === 'resyncing' || phase === 'following';
  if (role === 'primary' || group === null || !isCopy) return null;
  const { generation, sequence, segment } = (phase === 'following' ? null : record.kept) ?? record;
  if (sequence === null) return `volume ${record.volume} of group ${group.name} is not complete here`;
  return inconsistency(record, { generation, sequence, segment }, false);
}
