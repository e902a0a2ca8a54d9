/** Which keys of the configuration belong together: each group is brought back in one transaction. */
import { parseKey } from '@salvor/config-store';

export type GroupKind = 'cluster' | 'vdisk' | 'rest';

export interface KeyGroup {
  readonly kind: GroupKind;
  readonly name: string;
}

/** What operators hold back everywhere: it comes before all others. */
export const HEALING: KeyGroup = { kind: 'rest', name: 'healing' };

const ARCHIVED = /^\/salvor\/tlogs\/([A-Za-z0-9_:-]{1,64})\/archived$/;

/** Null: no group of its own; operations go with the vdisks that name them. */
export function groupOf(key: string): KeyGroup | null {
  const archived = ARCHIVED.exec(key)?.[1];
  if (archived !== undefined) return { kind: 'vdisk', name: archived };
  const about = parseKey(key);
  switch (about?.kind) {
    case 'cluster-storage':
    case 'cluster-zerostor':
    case 'cluster-tlog':
    case 'salvor-cluster':
    case 'incident':
    case 'unavailable':
    case 'recovery':
    case 'recovered-vdisk':
    case 'healing-cluster':
      return { kind: 'cluster', name: about.cluster };
    case 'vdisk-static':
    case 'vdisk-nbd':
    case 'vdisk-tlog':
    case 'vdisk-lifecycle':
    case 'vdisk-template':
    case 'vdisk-volume':
    case 'tlog-config':
    case 'tlog-state':
    case 'tlog-snapshot':
      return { kind: 'vdisk', name: about.vdisk };
    case 'server-vdisks':
      return { kind: 'rest', name: `server ${about.server}` };
    case 'instance':
      return { kind: 'rest', name: `instance ${about.instance}` };
    case 'volume':
    case 'volume-point':
      return { kind: 'rest', name: `volume ${about.volume}` };
    case 'rbd-volume':
      return { kind: 'rest', name: `rbd volume ${about.volume}` };
    case 'archive':
      return { kind: 'rest', name: `archive ${about.archive} of volume ${about.volume}` };
    case 'plan':
      return { kind: 'rest', name: `plan ${about.plan}` };
    case 'healing-everywhere':
      return HEALING;
    default:
      return null;
  }
}

export function groupId({ kind, name }: KeyGroup): string {
  return `${kind} ${name}`;
}
