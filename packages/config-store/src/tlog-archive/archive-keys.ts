import { SALVOR_PREFIX, TLOGS_PREFIX } from '../keys.ts';

/** Under a lease each: the processes that archive logs. */
export const TLOG_REPLAYERS_PREFIX: string = `${SALVOR_PREFIX}tlog-replayers/`;

/** Under a lease: who archives this log. Ids of vdisks with a log are tokens of a subject, so they stand in keys as they are. */
export const tlogArchiverKey = (vdisk: string): string => `${TLOGS_PREFIX}${vdisk}/archiver`;
/** How far the archive of a log is. */
export const tlogArchivedKey = (vdisk: string): string => `${TLOGS_PREFIX}${vdisk}/archived`;
export const tlogReplayerKey = (instance: string): string => `${TLOG_REPLAYERS_PREFIX}${instance}`;
/** Under a lease: who takes snapshots of the configuration. */
export const configurationKeeperKey = `${SALVOR_PREFIX}configuration-keeper`;
/** Why the configuration is not kept in Tier-2 now, while that is so. */
export const configurationTroubleKey = `${SALVOR_PREFIX}configuration-trouble`;

/** The vdisk of a key that makes it one with a log; null for any other key. */
export function vdiskWithLog(key: string): string | null {
  return /^\/salvor\/tlogs\/([A-Za-z0-9_:-]{1,64})\/config$/.exec(key)?.[1] ?? null;
}
