// Generated from packages/contracts/schemas by scripts/generate.ts. Do not edit.

/** Alerts. */
export interface AlertListReply {
  /** The latest first. */
  alerts: AlertDescription[];
}
export interface AlertListReplyInit {
  alerts: readonly AlertDescriptionInit[];
}

/** Lists what neither progresses nor ends. */
export interface AlertListRequest {
  /** Also alerts that were cleared; they are remembered for 7 days. */
  all: boolean;
}
export interface AlertListRequestInit {
  all?: boolean | undefined;
}

/** What the archive does now. */
export interface ArchiveFullBackupReply {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type ArchiveFullBackupReplyInit = ArchiveFullBackupReply;

/** Takes every block of the primary anew. History that is there stays. */
export interface ArchiveFullBackupRequest {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type ArchiveFullBackupRequestInit = ArchiveFullBackupRequest;

/** What the archive does now. */
export interface ArchiveHashBackupReply {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type ArchiveHashBackupReplyInit = ArchiveHashBackupReply;

/** Compares the archive with the primary by hashes, and takes what differs. */
export interface ArchiveHashBackupRequest {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type ArchiveHashBackupRequestInit = ArchiveHashBackupRequest;

/** What the volume is now. */
export interface ArchiveInitStorageReply {
  /** Volume id. */
  volume: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type ArchiveInitStorageReplyInit = ArchiveInitStorageReply;

/** Makes a vdisk with a transaction log the volume again, or for the first time; archives that hold the volume compare themselves with it. */
export interface ArchiveInitStorageRequest {
  /** Volume id. */
  volume: string;
  /** The vdisk that has its content. */
  vdisk: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type ArchiveInitStorageRequestInit = ArchiveInitStorageRequest;

/** One answer for each archive of the volume. */
export interface ArchiveIsOverflowReply {
  /** Volume id. */
  volume: string;
  /** One of them at least. */
  isOverflow: boolean;
  /** Each of them. */
  archives: ArchiveAnswer[];
}
export interface ArchiveIsOverflowReplyInit {
  volume: string;
  isOverflow: boolean;
  archives: readonly ArchiveAnswerInit[];
}

/** Whether the source of an archive lost what the archive had not taken yet. */
export interface ArchiveIsOverflowRequest {
  /** Volume id. */
  volume: string;
  /** Only this one. */
  archive?: string | undefined;
}
export type ArchiveIsOverflowRequestInit = ArchiveIsOverflowRequest;

/** One answer for each archive of the volume. */
export interface ArchiveIsSendErrorReply {
  /** Volume id. */
  volume: string;
  /** One of them at least. */
  isSendError: boolean;
  /** Each of them. */
  archives: ArchiveAnswer[];
}
export interface ArchiveIsSendErrorReplyInit {
  volume: string;
  isSendError: boolean;
  archives: readonly ArchiveAnswerInit[];
}

/** Whether nothing comes to an archive, or nothing can. */
export interface ArchiveIsSendErrorRequest {
  /** Volume id. */
  volume: string;
  /** Only this one. */
  archive?: string | undefined;
}
export type ArchiveIsSendErrorRequestInit = ArchiveIsSendErrorRequest;

/** Who was kicked, and what each waits for. */
export interface ArchiveKickReply {
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** By archive: whether it had trouble, and which. */
  kicked: ArchiveAnswer[];
  /** What was done, as a sentence. */
  reason: string;
}
export interface ArchiveKickReplyInit {
  operation: string;
  outcome: Outcome;
  kicked: readonly ArchiveAnswerInit[];
  reason: string;
}

/** Makes whatever waits try again now. */
export interface ArchiveKickRequest {
  /** Only this one. */
  archive?: string | undefined;
  /** Only this one. */
  volume?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type ArchiveKickRequestInit = ArchiveKickRequest;

/** By archive and volume. */
export interface ArchiveListReply {
  /** All of this zone. */
  archives: ArchiveDescription[];
}
export interface ArchiveListReplyInit {
  archives: readonly ArchiveDescriptionInit[];
}

/** The volumes in archives. */
export type ArchiveListRequest = Record<string, never>;
export type ArchiveListRequestInit = ArchiveListRequest;

/** What the archive is now. */
export interface ArchiveMakePrimaryReply {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type ArchiveMakePrimaryReplyInit = ArchiveMakePrimaryReply;

/** Makes an archive the primary one of a volume. */
export interface ArchiveMakePrimaryRequest {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** Although it lacks what the present one acknowledged. */
  force: boolean;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface ArchiveMakePrimaryRequestInit {
  archive: string;
  volume: string;
  force?: boolean | undefined;
  operationId?: string | undefined;
}

/** What the other archive does now. */
export interface ArchiveReplicateReply {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type ArchiveReplicateReplyInit = ArchiveReplicateReply;

/** Makes another archive that takes what this one holds, its history included, and goes on with it. */
export interface ArchiveReplicateRequest {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** Name of the other archive. */
  to: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type ArchiveReplicateRequestInit = ArchiveReplicateRequest;

/** The operation; it goes on after this answer. */
export interface ArchiveRestoreReply {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** The vdisk. */
  vdisk: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type ArchiveRestoreReplyInit = ArchiveRestoreReply;

/** Brings a vdisk to a state that an archive holds. Every block is compared afterwards. */
export interface ArchiveRestoreRequest {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** The vdisk; its content is replaced. */
  vdisk: string;
  /** Makes the vdisk, on this primary cluster; absent: it is there. */
  cluster?: string | undefined;
  /** Slave cluster of the vdisk that is made. */
  slaveCluster?: string | undefined;
  /** The state after this record of the archive. One of the three at most; default: the newest. */
  atSequence?: number | undefined;
  /** The newest state of this time or before. */
  atTime?: number | undefined;
  /** A snapshot of the archive. */
  atSnapshot?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type ArchiveRestoreRequestInit = ArchiveRestoreRequest;

/** What it keeps now. */
export interface ArchiveSetRetentionReply {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type ArchiveSetRetentionReplyInit = ArchiveSetRetentionReply;

/** Says which states an archive keeps. */
export interface ArchiveSetRetentionRequest {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** Every state that is younger can be restored, in milliseconds. */
  everyStateMs: number;
  /** How many older ones can be, beside snapshots. */
  points: number;
  /** From one of these to the next, in milliseconds. */
  pointEveryMs: number;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface ArchiveSetRetentionRequestInit {
  archive: string;
  volume: string;
  everyStateMs: number;
  points?: number | undefined;
  pointEveryMs?: number | undefined;
  operationId?: string | undefined;
}

/** The name, and whether its state is there. */
export interface ArchiveSnapshotReply {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type ArchiveSnapshotReplyInit = ArchiveSnapshotReply;

/** Names the state that the volume has now, in an archive. */
export interface ArchiveSnapshotRequest {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** Its name. */
  name: string;
  /** Removes the name instead; the state goes with retention. */
  remove: boolean;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface ArchiveSnapshotRequestInit {
  archive: string;
  volume: string;
  name: string;
  remove?: boolean | undefined;
  operationId?: string | undefined;
}

/** What the archive does now. */
export interface ArchiveStartSynchronizingReply {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type ArchiveStartSynchronizingReplyInit = ArchiveStartSynchronizingReply;

/** Makes an archive take a volume: all of it first, then its log as it is written. */
export interface ArchiveStartSynchronizingRequest {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** The zone that has the volume; default this one. */
  zone?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type ArchiveStartSynchronizingRequestInit = ArchiveStartSynchronizingRequest;

/** Each archive that holds it. */
export interface ArchiveStatusReply {
  /** Primary first. */
  archives: ArchiveDescription[];
}
export interface ArchiveStatusReplyInit {
  archives: readonly ArchiveDescriptionInit[];
}

/** A volume in its archives. */
export interface ArchiveStatusRequest {
  /** Volume id. */
  volume: string;
  /** Only this one. */
  archive?: string | undefined;
}
export type ArchiveStatusRequestInit = ArchiveStatusRequest;

/** What the archive does now. */
export interface ArchiveStopSynchronizingReply {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type ArchiveStopSynchronizingReplyInit = ArchiveStopSynchronizingReply;

/** Ends what start-synchronizing began. What the archive holds stays. */
export interface ArchiveStopSynchronizingRequest {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** The volume is no volume of this archive any more; its files stay. */
  forget: boolean;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface ArchiveStopSynchronizingRequestInit {
  archive: string;
  volume: string;
  forget?: boolean | undefined;
  operationId?: string | undefined;
}

/** The operation; it goes on after this answer. */
export interface ArchiveVerifyReply {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type ArchiveVerifyReplyInit = ArchiveVerifyReply;

/** Reads all that an archive holds of a volume, against its checksums. Indexes that are missing are written again; nothing else is changed. */
export interface ArchiveVerifyRequest {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type ArchiveVerifyRequestInit = ArchiveVerifyRequest;

/** Hook runs. */
export interface AuditListReply {
  /** The latest first. */
  entries: AuditEntry[];
}
export interface AuditListReplyInit {
  entries: readonly AuditEntryInit[];
}

/** Lists which hooks were run, for what, and what came of it. */
export interface AuditListRequest {
  /** Only those of this incident. */
  incident?: string | undefined;
  /** Only runs of this hook. */
  hook?: string | undefined;
  /** Only those that stop or start this instance. */
  instance?: string | undefined;
  /** Only this run. */
  run?: string | undefined;
  /** At most so many, the latest first. */
  limit: number;
}
export interface AuditListRequestInit {
  incident?: string | undefined;
  hook?: string | undefined;
  instance?: string | undefined;
  run?: string | undefined;
  limit?: number | undefined;
}

/** The cluster has the spares. */
export interface ClusterAddSparesReply {
  /** Cluster id. */
  cluster: string;
  /** Id of the operation that made the change; ask operation.get for its end. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type ClusterAddSparesReplyInit = ClusterAddSparesReply;

/** Gives a storage cluster spare engines. A lost engine that waits for one is rebuilt at once. */
export interface ClusterAddSparesRequest {
  /** Cluster id. */
  cluster: string;
  /** At least one; each empty, and in no cluster. */
  spares: EngineAddress[];
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface ClusterAddSparesRequestInit {
  cluster: string;
  spares: readonly EngineAddressInit[];
  operationId?: string | undefined;
}

/** The collection has begun. */
export interface ClusterCollectGarbageReply {
  /** Cluster id. */
  cluster: string;
  /** Id of the operation that makes the change; ask operation.get for its end. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type ClusterCollectGarbageReplyInit = ClusterCollectGarbageReply;

/** Frees content of deduped (boot) vdisks that no block map names any more, on a cluster and its slave, in the background. Refused while an engine of them is away. */
export interface ClusterCollectGarbageRequest {
  /** Primary cluster. */
  cluster: string;
  /** Go on although the engines have block maps of vdisks that etcd does not know. What these name is kept; nobody else may be writing them. */
  includeUnknown: boolean;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface ClusterCollectGarbageRequestInit {
  cluster: string;
  includeUnknown?: boolean | undefined;
  operationId?: string | undefined;
}

/** The cluster is known. */
export interface ClusterCreateReply {
  /** Cluster id. */
  cluster: string;
  /** Id of the operation that made the change; ask operation.get for its end. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type ClusterCreateReplyInit = ClusterCreateReply;

/** Makes a storage cluster known, with its engines in shard order and its spares. */
export interface ClusterCreateRequest {
  /** Cluster id. */
  cluster: string;
  /** What it is used for. */
  role: ClusterRole;
  /** In shard order; at least one. */
  engines: EngineAddress[];
  /** Engines that can take the place of a lost one. */
  spares: EngineAddress[];
  /** The cluster its shards are paired with; must have as many engines. */
  partner?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface ClusterCreateRequestInit {
  cluster: string;
  role: ClusterRole;
  engines: readonly EngineAddressInit[];
  spares?: readonly EngineAddressInit[] | undefined;
  partner?: string | undefined;
  operationId?: string | undefined;
}

/** One storage cluster. */
export interface ClusterGetReply {
  /** The cluster. */
  cluster: ClusterDescription;
}
export interface ClusterGetReplyInit {
  cluster: ClusterDescriptionInit;
}

/** Shows one storage cluster with all its engines. */
export interface ClusterGetRequest {
  /** Cluster id. */
  cluster: string;
}
export type ClusterGetRequestInit = ClusterGetRequest;

/** All storage clusters. */
export interface ClusterListReply {
  /** Ordered by id. */
  clusters: ClusterSummary[];
}
export interface ClusterListReplyInit {
  clusters: readonly ClusterSummaryInit[];
}

/** Lists the storage clusters. */
export type ClusterListRequest = Record<string, never>;
export type ClusterListRequestInit = ClusterListRequest;

/** The cluster no longer has the spare. */
export interface ClusterRemoveSpareReply {
  /** Cluster id. */
  cluster: string;
  /** host:port of the engine. */
  address: string;
  /** Id of the operation that made the change. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type ClusterRemoveSpareReplyInit = ClusterRemoveSpareReply;

/** Takes an idle spare out of a cluster. */
export interface ClusterRemoveSpareRequest {
  /** Cluster id. */
  cluster: string;
  /** host:port of the spare. */
  address: string;
  /** Why; kept in the audit trail. */
  reason: string;
  /** Who decides; default operator. */
  by?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type ClusterRemoveSpareRequestInit = ClusterRemoveSpareRequest;

/** The downtime has begun. */
export interface DowntimeBeginReply {
  /** Id of a cluster, or host:port of an engine. */
  target: string;
  /** The cluster, or that of the engine. */
  cluster: string;
  /** When it ends by itself, milliseconds since 1970 UTC. */
  until?: number | undefined;
  /** Id of the operation that made the change. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type DowntimeBeginReplyInit = DowntimeBeginReply;

/** Announces maintenance: failures are recorded, and nothing is judged or repaired because of them until it ends, by itself after its time. */
export interface DowntimeBeginRequest {
  /** Id of a cluster, or host:port of an engine. */
  target: string;
  /** How long; at most 30 days. */
  seconds: number;
  /** Why; kept in the audit trail. */
  reason: string;
  /** Who decides; default operator. */
  by?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type DowntimeBeginRequestInit = DowntimeBeginRequest;

/** The downtime is over. */
export interface DowntimeEndReply {
  /** Id of a cluster, or host:port of an engine. */
  target: string;
  /** The cluster, or that of the engine. */
  cluster: string;
  /** Id of the operation that made the change. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type DowntimeEndReplyInit = DowntimeEndReply;

/** Ends a downtime before its time: what is due goes on. */
export interface DowntimeEndRequest {
  /** Id of a cluster, or host:port of an engine. */
  target: string;
  /** Why; kept in the audit trail. */
  reason: string;
  /** Who decides; default operator. */
  by?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type DowntimeEndRequestInit = DowntimeEndRequest;

/** The downtimes. */
export interface DowntimeListReply {
  /** The one that ends first comes first. */
  downtimes: Downtime[];
}
export interface DowntimeListReplyInit {
  downtimes: readonly DowntimeInit[];
}

/** Lists the downtimes that have not ended. */
export interface DowntimeListRequest {
  /** Only those of this cluster. */
  cluster?: string | undefined;
}
export type DowntimeListRequestInit = DowntimeListRequest;

/** The loss is accepted. */
export interface DrAcceptLossReply {
  /** Vdisk. */
  vdisk: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type DrAcceptLossReplyInit = DrAcceptLossReply;

/** Gives up the blocks of a vdisk that no log can bring back; they read as zeros. The vdisk may be mounted again. */
export interface DrAcceptLossRequest {
  /** Vdisk. */
  vdisk: string;
  /** How many blocks are given up: exactly what the recovery says. */
  blocks: number;
  /** Why; kept in the audit trail. */
  reason: string;
  /** Who decides; default operator. */
  by?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type DrAcceptLossRequestInit = DrAcceptLossRequest;

/** It is cancelled. */
export interface DrCancelReply {
  /** Primary cluster. */
  cluster: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type DrCancelReplyInit = DrCancelReply;

/** Drops a plan; or stops a replay, whose vdisks stay locked until it is begun again. */
export interface DrCancelRequest {
  /** Primary cluster. */
  cluster: string;
  /** Who decides; default operator. */
  by?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type DrCancelRequestInit = DrCancelRequest;

/** The plan. */
export interface DrPlanReply {
  /** The recovery. */
  recovery: RecoveryDescription;
  /** Id of the operation that prepared it. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export interface DrPlanReplyInit {
  recovery: RecoveryDescriptionInit;
  operation: string;
  outcome: Outcome;
  reason: string;
}

/** Shows what would be done about pairs whose members are both gone for good; prepares the recovery if none is. */
export interface DrPlanRequest {
  /** Primary cluster. */
  cluster: string;
  /** The engines that are down will not come back, whatever was judged. */
  order: boolean;
  /** Who decides; default operator. */
  by?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface DrPlanRequestInit {
  cluster: string;
  order?: boolean | undefined;
  by?: string | undefined;
  operationId?: string | undefined;
}

/** The recovery has begun. */
export interface DrRecoverReply {
  /** Id of the operation; ask dr.report for its progress and result, operation.cancel to stop it. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type DrRecoverReplyInit = DrRecoverReply;

/** Brings back what Tier-1 (JetStream and etcd) held from what Tier-2 and the survivors have: a cluster of Salvor, or the segments of a Pravega directory. What is in Tier-1 otherwise is left as it is. */
export interface DrRecoverRequest {
  /** The directory of Tier-2, on the machine of the service: an absolute path. */
  root: string;
  /** auto: as the directory tells; salvor: what Salvor archived; pravega; pravega-chunked or pravega-legacy where it has files of both of its layouts. */
  layout: string;
  /** Only look, and tell what there is. */
  dryRun: boolean;
  /** Without dryRun it has to be the word yes. */
  confirm?: string | undefined;
  /** Where the backup and the report go; default backup_system in the directory. */
  backupDir?: string | undefined;
  /** Of a Pravega directory: how many containers the cluster had; default: deduced from the metadata. */
  containers?: number | undefined;
  /** Replace what Tier-1 has otherwise: segments, or keys of etcd. */
  replace: boolean;
  /** Bring the configuration back although engines of it do not answer, which may hold the only current blocks of their pairs: what may be stale then is written offline. */
  acceptUnreachable: boolean;
  /** Which of the configurations in the directory counts: the name of a file in _system/configuration, or a time (ISO 8601), then the newest one until then. Default: the newest one. */
  configuration?: string | undefined;
  /** Id of the installation that the directory is of: goes on although etcd, JetStream or the engines seem to be of another one. */
  installation?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface DrRecoverRequestInit {
  root: string;
  layout?: string | undefined;
  dryRun?: boolean | undefined;
  confirm?: string | undefined;
  backupDir?: string | undefined;
  containers?: number | undefined;
  replace?: boolean | undefined;
  acceptUnreachable?: boolean | undefined;
  configuration?: string | undefined;
  installation?: string | undefined;
  operationId?: string | undefined;
}

/** The replay has begun. */
export interface DrReplayReply {
  /** Primary cluster. */
  cluster: string;
  /** Id of the operation that replays; ask operation.get for its end. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type DrReplayReplyInit = DrReplayReply;

/** Brings the blocks back from the log: of a recovery that is prepared, or, where none is open, of the vdisks that are named. Refused while one of them is owned. */
export interface DrReplayRequest {
  /** Primary cluster. */
  cluster: string;
  /** Only this vdisk. A recovery that has not begun takes all of them. */
  vdisk?: string | undefined;
  /** Revision of etcd with the configuration from before the loss; with after, only blocks whose shard was lost are touched. */
  before?: number | undefined;
  /** Revision of etcd with the configuration that survived. */
  after?: number | undefined;
  /** Only walk through the logs, and tell what would be written. */
  dryRun: boolean;
  /** Take vdisks away from those who own them. */
  force: boolean;
  /** Who decides; default operator. */
  by?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface DrReplayRequestInit {
  cluster: string;
  vdisk?: string | undefined;
  before?: number | undefined;
  after?: number | undefined;
  dryRun?: boolean | undefined;
  force?: boolean | undefined;
  by?: string | undefined;
  operationId?: string | undefined;
}

/** A recovery of Tier-1. */
export interface DrReportReply {
  /** Operation. */
  operation: string;
  /** running, completed, failed or cancelled. */
  status: string;
  /** What it does, or how it ended, as a sentence. */
  message: string;
  /** Why it failed, or waits, as a stable word. */
  code?: string | undefined;
  /** Steps done: segments of a Pravega directory, else clusters, vdisks and the rest. */
  done?: number | undefined;
  /** Steps to do. */
  total?: number | undefined;
  /** Of a Pravega directory: what was found so far. */
  recovery?: SegmentRecovery | undefined;
  /** Of Salvor's own Tier-2: what was found and done. */
  tier1?: Tier1Recovery | undefined;
}
export interface DrReportReplyInit {
  operation: string;
  status: string;
  message: string;
  code?: string | undefined;
  done?: number | undefined;
  total?: number | undefined;
  recovery?: SegmentRecoveryInit | undefined;
  tier1?: Tier1RecoveryInit | undefined;
}

/** How far a recovery of Tier-1 is, and what it found. */
export interface DrReportRequest {
  /** Operation; default the latest recovery. */
  operation?: string | undefined;
}
export type DrReportRequestInit = DrReportRequest;

/** The latest recovery, if there was one. */
export interface DrStatusReply {
  /** The recovery. */
  recovery?: RecoveryDescription | undefined;
}
export interface DrStatusReplyInit {
  recovery?: RecoveryDescriptionInit | undefined;
}

/** Shows the latest recovery of a cluster. */
export interface DrStatusRequest {
  /** Primary cluster. */
  cluster: string;
}
export type DrStatusRequestInit = DrStatusRequest;

/** The verification has begun. */
export interface DrVerifyReply {
  /** Id of the operation; ask dr.report for its progress and result, operation.cancel to stop it. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type DrVerifyReplyInit = DrVerifyReply;

/** Reads a Tier-2 directory to its last byte, walks all that is in it, and holds it against what Tier-1 has. Nothing is changed. */
export interface DrVerifyRequest {
  /** The directory, on the machine of the service: an absolute path. */
  root: string;
  /** auto: as the directory tells, which has to be one of Pravega; pravega, or pravega-chunked or pravega-legacy where it has files of both. */
  layout: string;
  /** How many containers the cluster had; default: deduced from the metadata. */
  containers?: number | undefined;
  /** Compare with what Tier-1 has; without it, the directory alone. */
  tier1: boolean;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface DrVerifyRequestInit {
  root: string;
  layout?: string | undefined;
  containers?: number | undefined;
  tier1?: boolean | undefined;
  operationId?: string | undefined;
}

/** What was done, or would be. */
export interface EngineBringOnlineReply {
  /** host:port of the engine. */
  address: string;
  /** Engine status after the change. */
  status: string;
  /** The incident it is written in; absent when there is none. */
  incident?: string | undefined;
  /** What is given up, as far as it is known; empty when nothing is. */
  lost: LostData[];
  /** Nothing was changed. */
  dryRun: boolean;
  /** Id of the operation that made the change. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export interface EngineBringOnlineReplyInit {
  address: string;
  status: string;
  incident?: string | undefined;
  lost?: readonly LostDataInit[] | undefined;
  dryRun?: boolean | undefined;
  operation: string;
  outcome: Outcome;
  reason: string;
}

/** Brings an engine back that is offline: through a repair of what it missed, or as it is when it missed nothing. Refused when it is stale and nobody has what it missed. */
export interface EngineBringOnlineRequest {
  /** host:port of the engine. */
  address: string;
  /** Why; kept in the audit trail. */
  reason: string;
  /** Brings back a stale engine as it is, and gives up what it missed. */
  acceptDataLoss: boolean;
  /** Only says what would be done, and what would be lost. */
  dryRun: boolean;
  /** Who decides; default operator. */
  by?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface EngineBringOnlineRequestInit {
  address: string;
  reason: string;
  acceptDataLoss?: boolean | undefined;
  dryRun?: boolean | undefined;
  by?: string | undefined;
  operationId?: string | undefined;
}

/** One storage engine. */
export interface EngineGetReply {
  /** The engine. */
  engine: EngineDescription;
  /** Its open incident, if any. */
  incident?: IncidentDescription | undefined;
}
export interface EngineGetReplyInit {
  engine: EngineDescriptionInit;
  incident?: IncidentDescriptionInit | undefined;
}

/** Shows one storage engine and its open incident. */
export interface EngineGetRequest {
  /** host:port of the engine. */
  address: string;
}
export type EngineGetRequestInit = EngineGetRequest;

/** Storage engines. */
export interface EngineListReply {
  /** Ordered by cluster and shard. */
  engines: EngineDescription[];
}
export interface EngineListReplyInit {
  engines: readonly EngineDescriptionInit[];
}

/** Lists the storage engines. */
export interface EngineListRequest {
  /** Only those of this cluster. */
  cluster?: string | undefined;
}
export type EngineListRequestInit = EngineListRequest;

/** How the engine looks. */
export interface EngineProbeReply {
  /** host:port of the engine. */
  address: string;
  /** What the probe alone would say, such as healthy, temporary, permanent, unreachable. */
  status: string;
  /** Why, as a sentence. */
  reason: string;
  /** What was tried and seen. */
  evidence: Evidence[];
  /** When the probe ended, milliseconds since 1970 UTC. */
  at: number;
}
export interface EngineProbeReplyInit {
  address: string;
  status: string;
  reason: string;
  evidence: readonly EvidenceInit[];
  at: number;
}

/** Probes a storage engine now and says how it looks. Changes nothing. */
export interface EngineProbeRequest {
  /** host:port of the engine. */
  address: string;
  /** Redis database number. */
  db: number;
}
export interface EngineProbeRequestInit {
  address: string;
  db?: number | undefined;
}

/** The engine is on its way out. */
export interface EngineReplaceReply {
  /** host:port of the engine. */
  address: string;
  /** Engine status after the change. */
  status: string;
  /** The incident it is written in; absent when there is none. */
  incident?: string | undefined;
  /** host:port of the engine that takes its place. */
  replacement?: string | undefined;
  /** Id of the operation that made the change. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type EngineReplaceReplyInit = EngineReplaceReply;

/** Replaces an engine by a given one: that is made a spare, if it is none, and is filled from the partner. */
export interface EngineReplaceRequest {
  /** host:port of the engine. */
  address: string;
  /** The engine that takes the place: empty, and in no cluster, or an idle spare of this one. */
  with: EngineAddress;
  /** Why; kept in the audit trail. */
  reason: string;
  /** Who decides; default operator. */
  by?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface EngineReplaceRequestInit {
  address: string;
  with: EngineAddressInit;
  reason: string;
  by?: string | undefined;
  operationId?: string | undefined;
}

/** The report was taken. */
export interface EngineReportFailureReply {
  /** host:port of the engine. */
  address: string;
  /** Engine status after the report. */
  status: string;
  /** The incident, if there is one. */
  incident?: string | undefined;
  /** Id of the operation that made the change; ask operation.get for its end. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type EngineReportFailureReplyInit = EngineReportFailureReply;

/** Reports a storage engine as failed, as an NBD server would. */
export interface EngineReportFailureRequest {
  /** host:port of the engine. */
  address: string;
  /** What was seen. */
  reason: string;
  /** Who reports; default operator. */
  reporter?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type EngineReportFailureRequestInit = EngineReportFailureRequest;

/** The engine is on its way out. */
export interface EngineRetireReply {
  /** host:port of the engine. */
  address: string;
  /** Engine status after the change. */
  status: string;
  /** The incident it is written in; absent when there is none. */
  incident?: string | undefined;
  /** host:port of the spare that takes its place; absent for an idle spare. */
  replacement?: string | undefined;
  /** Id of the operation that made the change. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type EngineRetireReplyInit = EngineRetireReply;

/** Removes an engine as planned: a spare is filled from its partner and takes its place, then it is out of the cluster. An idle spare just goes. */
export interface EngineRetireRequest {
  /** host:port of the engine. */
  address: string;
  /** Why; kept in the audit trail. */
  reason: string;
  /** Who decides; default operator. */
  by?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type EngineRetireRequestInit = EngineRetireRequest;

/** The verdict was given. */
export interface EngineSetVerdictReply {
  /** host:port of the engine. */
  address: string;
  /** Engine status after the verdict. */
  status: string;
  /** The incident. */
  incident: string;
  /** Id of the operation that made the change; ask operation.get for its end. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type EngineSetVerdictReplyInit = EngineSetVerdictReply;

/** Decides what the open outage of an engine is, over what the analyzer says. */
export interface EngineSetVerdictRequest {
  /** host:port of the engine. */
  address: string;
  /** What the outage is. */
  verdict: Verdict;
  /** Why; kept in the audit trail. */
  reason: string;
  /** Who decides; default operator. */
  by?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type EngineSetVerdictRequestInit = EngineSetVerdictRequest;

/** The engine is offline. */
export interface EngineTakeOfflineReply {
  /** host:port of the engine. */
  address: string;
  /** Engine status after the change. */
  status: string;
  /** The incident it is written in; absent when there is none. */
  incident?: string | undefined;
  /** Id of the operation that made the change. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type EngineTakeOfflineReplyInit = EngineTakeOfflineReply;

/** Takes an engine out of service; its partner serves. It stays offline, whatever is found, until engine.bring-online. Refused when data would become unavailable. */
export interface EngineTakeOfflineRequest {
  /** host:port of the engine. */
  address: string;
  /** Why; kept in the audit trail. */
  reason: string;
  /** Although data becomes unavailable. */
  force: boolean;
  /** Who decides; default operator. */
  by?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface EngineTakeOfflineRequestInit {
  address: string;
  reason: string;
  force?: boolean | undefined;
  by?: string | undefined;
  operationId?: string | undefined;
}

/** Healing is paused. */
export interface HealingPauseReply {
  /** Only of this cluster; default all. */
  cluster?: string | undefined;
  /** Id of the operation that made the change. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type HealingPauseReplyInit = HealingPauseReply;

/** Pauses healing: no verdict of an analyzer is applied, and repairs stop copying. Failures are recorded as ever, and partners serve. */
export interface HealingPauseRequest {
  /** Only of this cluster; default all. */
  cluster?: string | undefined;
  /** Why; kept in the audit trail. */
  reason: string;
  /** Who decides; default operator. */
  by?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type HealingPauseRequestInit = HealingPauseRequest;

/** Healing goes on. */
export interface HealingResumeReply {
  /** Only of this cluster; default all. */
  cluster?: string | undefined;
  /** Id of the operation that made the change. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type HealingResumeReplyInit = HealingResumeReply;

/** Ends a pause: what is due goes on. */
export interface HealingResumeRequest {
  /** Only of this cluster; default all. */
  cluster?: string | undefined;
  /** Why; kept in the audit trail. */
  reason: string;
  /** Who decides; default operator. */
  by?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type HealingResumeRequestInit = HealingResumeRequest;

/** What is held back. */
export interface HealingStatusReply {
  /** The pause of all healing. */
  everywhere?: HealingPause | undefined;
  /** Every cluster. */
  clusters: HealingOfCluster[];
}
export interface HealingStatusReplyInit {
  everywhere?: HealingPauseInit | undefined;
  clusters: readonly HealingOfClusterInit[];
}

/** What is held back: pauses, downtimes, and engines that are held offline. */
export type HealingStatusRequest = Record<string, never>;
export type HealingStatusRequestInit = HealingStatusRequest;

/** Hooks. */
export interface HookListReply {
  /** File that they are configured in. */
  file?: string | undefined;
  /** As in the file. */
  hooks: HookDescription[];
}
export interface HookListReplyInit {
  file?: string | undefined;
  hooks: readonly HookDescriptionInit[];
}

/** Lists the hooks that are configured. */
export type HookListRequest = Record<string, never>;
export type HookListRequestInit = HookListRequest;

/** The hook is to run; ask audit.list for what came of it. */
export interface HookTestReply {
  /** Id of the run. */
  run: string;
  /** Name of the hook. */
  hook: string;
  /** Operation id. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type HookTestReplyInit = HookTestReply;

/** Runs a hook with the example of an event. The event says that it is a test. */
export interface HookTestRequest {
  /** Name of the hook. */
  hook: string;
  /** One of its points; default: its first. */
  point?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type HookTestRequestInit = HookTestRequest;

/** The incident is acknowledged. */
export interface IncidentAcknowledgeReply {
  /** Incident id. */
  incident: string;
  /** Engine status after the change. */
  status: string;
  /** Id of the operation that made the change. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type IncidentAcknowledgeReplyInit = IncidentAcknowledgeReply;

/** Says that somebody has seen an incident. An engine that is held offline because it keeps failing is judged again. */
export interface IncidentAcknowledgeRequest {
  /** Incident id. */
  incident: string;
  /** Why; kept in the audit trail. */
  reason: string;
  /** Who decides; default operator. */
  by?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type IncidentAcknowledgeRequestInit = IncidentAcknowledgeRequest;

/** One incident. */
export interface IncidentGetReply {
  /** The incident. */
  incident: IncidentDescription;
}
export interface IncidentGetReplyInit {
  incident: IncidentDescriptionInit;
}

/** Shows one incident: who reported it, the verdict, every step. */
export interface IncidentGetRequest {
  /** Incident id. */
  incident: string;
}
export type IncidentGetRequestInit = IncidentGetRequest;

/** Incidents. */
export interface IncidentListReply {
  /** Newest first. */
  incidents: IncidentDescription[];
}
export interface IncidentListReplyInit {
  incidents: readonly IncidentDescriptionInit[];
}

/** Lists the incidents. */
export interface IncidentListRequest {
  /** Closed ones too. */
  all: boolean;
}
export interface IncidentListRequestInit {
  all?: boolean | undefined;
}

/** The instance is forgotten. */
export interface InstanceDeleteReply {
  /** Instance id. */
  instance: string;
  /** Operation id. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type InstanceDeleteReplyInit = InstanceDeleteReply;

/** Forgets an instance. Runs nothing. */
export interface InstanceDeleteRequest {
  /** Instance id. */
  instance: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type InstanceDeleteRequestInit = InstanceDeleteRequest;

/** One instance. */
export interface InstanceGetReply {
  /** The instance. */
  instance: InstanceDescription;
}
export interface InstanceGetReplyInit {
  instance: InstanceDescriptionInit;
}

/** Shows one instance. */
export interface InstanceGetRequest {
  /** Instance id. */
  instance: string;
}
export type InstanceGetRequestInit = InstanceGetRequest;

/** Instances. */
export interface InstanceListReply {
  /** Ordered by id. */
  instances: InstanceDescription[];
}
export interface InstanceListReplyInit {
  instances: readonly InstanceDescriptionInit[];
}

/** Lists the instances. */
export interface InstanceListRequest {
  /** Only those that use this vdisk. */
  vdisk?: string | undefined;
}
export type InstanceListRequestInit = InstanceListRequest;

/** The instance is known. */
export interface InstanceSetReply {
  /** Instance id. */
  instance: string;
  /** Operation id. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type InstanceSetReplyInit = InstanceSetReply;

/** Makes a VM or process that uses vdisks known, or changes what is known of it. Runs nothing. */
export interface InstanceSetRequest {
  /** Instance id. */
  instance: string;
  /** Vdisks that it uses. */
  vdisks: string[];
  /** Zone that it runs in. */
  zone?: string | undefined;
  /** NBD server through which it uses them; default: whoever owns one of its vdisks when it matters. */
  server?: string | undefined;
  /** Hook that stops it; default: every hook at instance.stop. */
  stopHook?: string | undefined;
  /** Hook that starts it; default: every hook at instance.start. */
  startHook?: string | undefined;
  /** Who starts it again after Salvor stopped it: automatic, or operator. */
  restart: string;
  /** What happens when its NBD server has crashed and is back: ignore, for clients that reconnect, or start. */
  onServerExit: string;
  /** Hook that keeps the instance of this id in the other zone from running, when a recovery plan fails over to this zone. */
  fenceHook?: string | undefined;
  /** A new one is taken for stopped, and stays so until somebody or a recovery plan starts it. */
  standby: boolean;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface InstanceSetRequestInit {
  instance: string;
  vdisks: readonly string[];
  zone?: string | undefined;
  server?: string | undefined;
  stopHook?: string | undefined;
  startHook?: string | undefined;
  restart?: string | undefined;
  onServerExit?: string | undefined;
  fenceHook?: string | undefined;
  standby?: boolean | undefined;
  operationId?: string | undefined;
}

/** The instance is to start; ask instance.get for what came of it. */
export interface InstanceStartReply {
  /** Instance id. */
  instance: string;
  /** Operation id. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type InstanceStartReplyInit = InstanceStartReply;

/** Starts an instance through its hook. */
export interface InstanceStartRequest {
  /** Instance id. */
  instance: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type InstanceStartRequestInit = InstanceStartRequest;

/** The instance is to stop; ask instance.get for what came of it. */
export interface InstanceStopReply {
  /** Instance id. */
  instance: string;
  /** Operation id. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type InstanceStopReplyInit = InstanceStopReply;

/** Stops an instance through its hook. Salvor does not start it again by itself. */
export interface InstanceStopRequest {
  /** Instance id. */
  instance: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type InstanceStopRequestInit = InstanceStopRequest;

/** The part of one NBD server in a cut. */
export interface NbdserverCutReply {
  /** Server id. */
  server: string;
  /** Id of the cut. */
  cut: string;
  /** With collect: where each log was, durable by now. */
  places: CutPlace[];
  /** Id of the request; nothing is remembered of it. */
  operation: string;
  /** already: this very cut was begun before, and is still under way. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export interface NbdserverCutReplyInit {
  server: string;
  cut: string;
  places?: readonly CutPlaceInit[] | undefined;
  operation: string;
  outcome: Outcome;
  reason: string;
}

/** Asks an NBD server for its part of a cut through the logs of several vdisks: first where each log is at one moment, then, with collect, to let writes be answered again and to say where that was. Sent to the subject followed by the id of the server. */
export interface NbdserverCutRequest {
  /** Id of the cut, a new one for each. */
  cut: string;
  /** Vdisks that this server owns; with collect: none. */
  vdisks: CutVdisk[];
  /** For how long, at most, writes to them are not answered until the cut is collected, milliseconds, at most 5000; 0: they are answered, as this server owns all vdisks of the cut. */
  holdMs: number;
  /** The second part. */
  collect: boolean;
  /** Idempotency key. Not needed: the id of the cut is one. */
  operationId?: string | undefined;
}
export interface NbdserverCutRequestInit {
  cut: string;
  vdisks?: readonly CutVdiskInit[] | undefined;
  holdMs?: number | undefined;
  collect?: boolean | undefined;
  operationId?: string | undefined;
}

/** How an NBD server sees a storage engine. */
export interface NbdserverProbeReply {
  /** Server id. */
  server: string;
  /** host:port of the engine. */
  address: string;
  /** What the probe found, such as healthy, loading, unreachable, hung. */
  status: string;
  /** Why, as a sentence. */
  reason: string;
  /** Vdisks that this server owns and that have blocks on the engine. */
  vdisks: VdiskOnOutage[];
  /** When the probe ended, milliseconds since 1970 UTC. */
  at: number;
}
export interface NbdserverProbeReplyInit {
  server: string;
  address: string;
  status: string;
  reason: string;
  vdisks: readonly VdiskOnOutageInit[];
  at: number;
}

/** Asks an NBD server how it sees a storage engine from where it is. Changes nothing. Each server also answers on this subject followed by its id. */
export interface NbdserverProbeRequest {
  /** host:port of the engine. */
  address: string;
  /** Redis database number. */
  db: number;
  /** The identity that the engine should have, as it is stored there; empty: it is not looked at. */
  identity: string;
}
export interface NbdserverProbeRequestInit {
  address: string;
  db?: number | undefined;
  identity?: string | undefined;
}

/** One NBD server. */
export interface NbdserverStatusReply {
  /** Server id. */
  server: string;
  /** Where it listens, as an NBD URI. */
  uri: string;
  /** Vdisks it has. */
  vdisks: ServedVdisk[];
}
export interface NbdserverStatusReplyInit {
  server: string;
  uri: string;
  vdisks: readonly ServedVdiskInit[];
}

/** Shows what an NBD server serves. Each server also answers on this subject followed by its id. */
export type NbdserverStatusRequest = Record<string, never>;
export type NbdserverStatusRequestInit = NbdserverStatusRequest;

/** The operation was asked to stop. */
export interface OperationCancelReply {
  /** Id of the operation that is to stop; ask operation.get for its end. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type OperationCancelReplyInit = OperationCancelReply;

/** Asks an operation that is under way to stop. It ends as cancelled when that is safe; a deletion cannot be cancelled. */
export interface OperationCancelRequest {
  /** Id of the operation to stop. */
  operation: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type OperationCancelRequestInit = OperationCancelRequest;

/** One operation. */
export interface OperationGetReply {
  /** The operation. */
  operation: OperationDescription;
}
export interface OperationGetReplyInit {
  operation: OperationDescriptionInit;
}

/** Shows what became of an accepted command. */
export interface OperationGetRequest {
  /** Operation id. */
  operation: string;
}
export type OperationGetRequestInit = OperationGetRequest;

/** Operations. */
export interface OperationListReply {
  /** The latest first. */
  operations: OperationDescription[];
}
export interface OperationListReplyInit {
  operations: readonly OperationDescriptionInit[];
}

/** Lists the operations that are under way, or all that are remembered. */
export interface OperationListRequest {
  /** Also those that have ended; they are remembered for 7 days. */
  all: boolean;
  /** Only those of this command, such as vdisk.clone. */
  kind?: string | undefined;
  /** Only those about this id, such as a vdisk. */
  subject?: string | undefined;
  /** At most so many, the latest first. */
  limit: number;
}
export interface OperationListRequestInit {
  all?: boolean | undefined;
  kind?: string | undefined;
  subject?: string | undefined;
  limit?: number | undefined;
}

/** The operation waits. */
export interface OperationPauseReply {
  /** Id of the operation that is to wait. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type OperationPauseReplyInit = OperationPauseReply;

/** Lets an operation that is under way wait. What it did so far stays done; operation.resume lets it go on from there. */
export interface OperationPauseRequest {
  /** Id of the operation that is to wait. */
  operation: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type OperationPauseRequestInit = OperationPauseRequest;

/** The operation goes on. */
export interface OperationResumeReply {
  /** Id of the operation that is to go on. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type OperationResumeReplyInit = OperationResumeReply;

/** Lets a paused operation go on where it was. */
export interface OperationResumeRequest {
  /** Id of the operation that is to go on. */
  operation: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type OperationResumeRequestInit = OperationResumeRequest;

/** The plan is on record. */
export interface PlanApplyReply {
  /** Plan id, the same in both zones. */
  plan: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
  /** Its version. */
  version: number;
}
export type PlanApplyReplyInit = PlanApplyReply;

/** Writes a recovery plan, or its next version. The other zone takes it over. */
export interface PlanApplyRequest {
  /** The plan, as YAML or JSON. */
  document: string;
  /** It must not be there yet. */
  create: boolean;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface PlanApplyRequestInit {
  document: string;
  create?: boolean | undefined;
  operationId?: string | undefined;
}

/** The plan is deleted. */
export interface PlanDeleteReply {
  /** Plan id, the same in both zones. */
  plan: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type PlanDeleteReplyInit = PlanDeleteReply;

/** Deletes a recovery plan, in both zones. Changes nothing about its volumes and instances. */
export interface PlanDeleteRequest {
  /** Plan id, the same in both zones. */
  plan: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type PlanDeleteRequestInit = PlanDeleteRequest;

/** One recovery plan. */
export interface PlanGetReply {
  /** The plan. */
  plan: PlanSummary;
  /** What was written, as JSON; empty: it was deleted. */
  document: string;
}
export interface PlanGetReplyInit {
  plan: PlanSummaryInit;
  document: string;
}

/** Shows one recovery plan as it was written. */
export interface PlanGetRequest {
  /** Plan id, the same in both zones. */
  plan: string;
}
export type PlanGetRequestInit = PlanGetRequest;

/** Recovery plans. */
export interface PlanListReply {
  /** The zone that answers. */
  zone: string;
  /** Ordered by id. */
  plans: PlanSummary[];
}
export interface PlanListReplyInit {
  zone: string;
  plans: readonly PlanSummaryInit[];
}

/** Lists the recovery plans. */
export interface PlanListRequest {
  /** Also those that were deleted: another zone asks so. */
  all: boolean;
}
export interface PlanListRequestInit {
  all?: boolean | undefined;
}

/** A run of a recovery plan. */
export interface PlanReportReply {
  /** The run. */
  run: PlanRunDescription;
}
export interface PlanReportReplyInit {
  run: PlanRunDescriptionInit;
}

/** Tells what a run of a recovery plan did and came to: steps, loss and time. */
export interface PlanReportRequest {
  /** Plan id, the same in both zones. */
  plan: string;
  /** Id of the run; default: the latest one in this zone. */
  run?: string | undefined;
}
export type PlanReportRequestInit = PlanReportRequest;

/** The run was begun. */
export interface PlanRunReply {
  /** Plan id, the same in both zones. */
  plan: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type PlanRunReplyInit = PlanRunReply;

/** Runs a recovery plan in this zone. Goes on after the answer; operation.get and plan.report tell how far it is. */
export interface PlanRunRequest {
  /** Plan id, the same in both zones. */
  plan: string;
  /** planned: the volumes come here without loss; failover: the other zone is lost; test: instances are started here on clones; cleanup: ends a test; reprotect: after a failover, the other zone follows this one. */
  kind: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type PlanRunRequestInit = PlanRunRequest;

/** One recovery plan, now. */
export interface PlanStatusReply {
  /** The plan. */
  plan: PlanSummary;
  /** This zone. */
  zone: string;
  /** The other zone. */
  other: string;
  /** Version of the plan that the other zone has; absent: it cannot be asked, or has none. */
  otherVersion?: number | undefined;
  /** Why there is none; empty: there is. */
  otherReason: string;
  /** Volumes and instances, in the order of the plan. */
  members: PlanMember[];
  /** The latest run in this zone. */
  latest?: PlanRunDescription | undefined;
  /** When the latest test that succeeded here ended. */
  testedAt?: number | undefined;
}
export interface PlanStatusReplyInit {
  plan: PlanSummaryInit;
  zone: string;
  other: string;
  otherVersion?: number | undefined;
  otherReason: string;
  members: readonly PlanMemberInit[];
  latest?: PlanRunDescriptionInit | undefined;
  testedAt?: number | undefined;
}

/** Shows a recovery plan with its volumes and instances as both zones have them now. */
export interface PlanStatusRequest {
  /** Plan id, the same in both zones. */
  plan: string;
}
export type PlanStatusRequestInit = PlanStatusRequest;

/** The repair is stopped. */
export interface RepairCancelReply {
  /** Incident id. */
  incident: string;
  /** Engine status after the change. */
  status: string;
  /** Id of the operation that made the change. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type RepairCancelReplyInit = RepairCancelReply;

/** Stops a repair: the engine is offline again, and what it misses stays marked on its partner. It goes on with repair.resume. A spare that was being filled is given up. */
export interface RepairCancelRequest {
  /** Incident id. */
  incident: string;
  /** Why; kept in the audit trail. */
  reason: string;
  /** Who decides; default operator. */
  by?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type RepairCancelRequestInit = RepairCancelRequest;

/** The repairs. */
export interface RepairListReply {
  /** In the order of incidents and vdisks. */
  repairs: RepairState[];
}
export interface RepairListReplyInit {
  repairs: readonly RepairStateInit[];
}

/** Lists the repairs that open incidents wait for, one for each vdisk. */
export interface RepairListRequest {
  /** Only those of this cluster. */
  cluster?: string | undefined;
}
export type RepairListRequestInit = RepairListRequest;

/** The repair goes on. */
export interface RepairResumeReply {
  /** Incident id. */
  incident: string;
  /** Engine status after the change. */
  status: string;
  /** Id of the operation that made the change. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type RepairResumeReplyInit = RepairResumeReply;

/** Goes on with a cancelled repair. */
export interface RepairResumeRequest {
  /** Incident id. */
  incident: string;
  /** Why; kept in the audit trail. */
  reason: string;
  /** Who decides; default operator. */
  by?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type RepairResumeRequestInit = RepairResumeRequest;

/** The repair goes on. */
export interface RepairRetryReply {
  /** Incident id. */
  incident: string;
  /** Engine status after the change. */
  status: string;
  /** Id of the operation that made the change. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type RepairRetryReplyInit = RepairRetryReply;

/** Begins a repair that is under way anew, or goes on with a cancelled one. */
export interface RepairRetryRequest {
  /** Incident id. */
  incident: string;
  /** Only of this vdisk: its owner tries again at once. */
  vdisk?: string | undefined;
  /** Why; kept in the audit trail. */
  reason: string;
  /** Who decides; default operator. */
  by?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type RepairRetryRequestInit = RepairRetryRequest;

/** One segment in Tier-1. */
export interface SegmentGetReply {
  /** The segment. */
  segment: SegmentDescription;
}
export interface SegmentGetReplyInit {
  segment: SegmentDescriptionInit;
}

/** One segment in Tier-1. */
export interface SegmentGetRequest {
  /** Name. */
  segment: string;
}
export type SegmentGetRequestInit = SegmentGetRequest;

/** A page of segments. */
export interface SegmentListReply {
  /** In order of containers, and names in them. */
  segments: SegmentDescription[];
  /** For the next page; absent at the end. */
  next?: string | undefined;
}
export interface SegmentListReplyInit {
  segments: readonly SegmentDescriptionInit[];
  next?: string | undefined;
}

/** Segments in Tier-1, by container and name. */
export interface SegmentListRequest {
  /** Only this container. */
  container?: number | undefined;
  /** Only names that begin so. */
  prefix?: string | undefined;
  /** Where the page before ended: its next. */
  after?: string | undefined;
  /** At most so many, 1 to 500. */
  limit: number;
}
export interface SegmentListRequestInit {
  container?: number | undefined;
  prefix?: string | undefined;
  after?: string | undefined;
  limit?: number | undefined;
}

/** Log sources. */
export interface SourceListReply {
  /** In the order of the configuration. */
  sources: SourceDescription[];
}
export interface SourceListReplyInit {
  sources: readonly SourceDescriptionInit[];
}

/** Lists the log sources of this log-watcher. */
export type SourceListRequest = Record<string, never>;
export type SourceListRequestInit = SourceListRequest;

/** The vdisk has no transaction log. */
export interface TlogDisableReply {
  /** Vdisk id. */
  vdisk: string;
  /** Id of the operation that makes the change; ask operation.get for its end. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type TlogDisableReplyInit = TlogDisableReply;

/** Takes the transaction log away from a vdisk. What is archived of it stays; what JetStream has is let go. */
export interface TlogDisableRequest {
  /** Vdisk id. */
  vdisk: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type TlogDisableRequestInit = TlogDisableRequest;

/** The vdisk has a transaction log. */
export interface TlogEnableReply {
  /** Vdisk id. */
  vdisk: string;
  /** Id of the operation that makes the change; ask operation.get for its end. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type TlogEnableReplyInit = TlogEnableReply;

/** Gives a vdisk a transaction log, or its log another policy. Its owner begins with a copy of all blocks, while clients go on. */
export interface TlogEnableRequest {
  /** Vdisk id. */
  vdisk: string;
  /** block (writes wait while JetStream does not take them) or overflow (they go on, and the log is broken until it has a new copy of all blocks). */
  policy: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface TlogEnableRequestInit {
  vdisk: string;
  policy?: string | undefined;
  operationId?: string | undefined;
}

/** Transaction logs. */
export interface TlogStatusReply {
  /** One for each vdisk that has a log. */
  logs: TlogDescription[];
}
export interface TlogStatusReplyInit {
  logs: readonly TlogDescriptionInit[];
}

/** Transaction logs: what they hold, how far behind they are, and what a loss of power can cost. */
export interface TlogStatusRequest {
  /** Only that of this vdisk. */
  vdisk?: string | undefined;
}
export type TlogStatusRequestInit = TlogStatusRequest;

/** The verification has begun. */
export interface TlogVerifyReply {
  /** Id of the operation; ask operation.get for its progress and result, operation.cancel to stop it. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type TlogVerifyReplyInit = TlogVerifyReply;

/** Reads archived transaction logs as a whole, in the background, and says what is damaged or missing. Indexes that are missing or bad are written again. */
export interface TlogVerifyRequest {
  /** Only the log of this vdisk; default all. */
  vdisk?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type TlogVerifyRequestInit = TlogVerifyRequest;

/** The clone has begun. */
export interface VdiskCloneReply {
  /** Id of the new vdisk. */
  vdisk: string;
  /** Id of the operation that makes the change; ask operation.get for its end. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type VdiskCloneReplyInit = VdiskCloneReply;

/** Copies a vdisk to a new one, in the background. Refused while the source is owned, unless it is read-only. Until the operation ends the new vdisk is not served, and the source only if it is read-only. Of an earlier state it is made from the log of the source, which may be in use. */
export interface VdiskCloneRequest {
  /** Id of the vdisk to copy. */
  source: string;
  /** Id of the new vdisk. */
  vdisk: string;
  /** Primary cluster of the new vdisk. Default: the clusters of the source. */
  cluster?: string | undefined;
  /** Its slave cluster. Default: that of the source on the same cluster, none on another one. */
  slaveCluster?: string | undefined;
  /** As the source was after this record of its log. One of the three at most. */
  atSequence?: number | undefined;
  /** As the source was at this time, milliseconds since 1970 UTC. */
  atTime?: number | undefined;
  /** As the source was at this snapshot. */
  atSnapshot?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type VdiskCloneRequestInit = VdiskCloneRequest;

/** The vdisk exists. */
export interface VdiskCreateReply {
  /** Vdisk id. */
  vdisk: string;
  /** Id of the operation that made the change; ask operation.get for its end. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type VdiskCreateReplyInit = VdiskCreateReply;

/** Creates a vdisk. Refused while one of its clusters is not healthy. */
export interface VdiskCreateRequest {
  /** Vdisk id. */
  vdisk: string;
  /** Type: db, cache, tmp, volume, or boot, which is deduped. */
  type: VdiskType;
  /** Size in GiB, at least 1. */
  sizeGiB: number;
  /** Block size in bytes, a power of two. */
  blockSize: number;
  /** Primary cluster. */
  cluster: string;
  /** Slave cluster; needed to survive the loss of an engine. */
  slaveCluster?: string | undefined;
  /** Whether writes are refused. */
  readOnly: boolean;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
  /** Vdisk of type boot to make this one from: it gets the blocks that the template has at its first use. Needs type boot. */
  templateVdisk?: string | undefined;
  /** It gets a transaction log, with this policy: block or overflow. Default: none. */
  tlog?: string | undefined;
}
export interface VdiskCreateRequestInit {
  vdisk: string;
  type: VdiskType;
  sizeGiB: number;
  blockSize?: number | undefined;
  cluster: string;
  slaveCluster?: string | undefined;
  readOnly?: boolean | undefined;
  operationId?: string | undefined;
  templateVdisk?: string | undefined;
  tlog?: string | undefined;
}

/** The removal has begun. */
export interface VdiskDeleteOrphanReply {
  /** Vdisk id. */
  vdisk: string;
  /** Id of the operation that makes the change; ask operation.get for its end. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type VdiskDeleteOrphanReplyInit = VdiskDeleteOrphanReply;

/** Removes what the engines of a cluster hold of a vdisk that has no place there, in the background. Refused for every vdisk that lives on that cluster. */
export interface VdiskDeleteOrphanRequest {
  /** Cluster id. */
  cluster: string;
  /** Vdisk id. */
  vdisk: string;
  /** The vdisk id once more: what is removed cannot be brought back. */
  confirm: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type VdiskDeleteOrphanRequestInit = VdiskDeleteOrphanRequest;

/** The vdisk is gone; its blocks are being freed. */
export interface VdiskDeleteReply {
  /** Vdisk id. */
  vdisk: string;
  /** Id of the operation that made the change; ask operation.get for its end. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type VdiskDeleteReplyInit = VdiskDeleteReply;

/** Deletes a vdisk, and frees its blocks in the background. Its id is free when that operation has ended. Refused while it is owned, or while one of its clusters is not healthy. */
export interface VdiskDeleteRequest {
  /** Vdisk id. */
  vdisk: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type VdiskDeleteRequestInit = VdiskDeleteRequest;

/** One vdisk. */
export interface VdiskDescribeReply {
  /** The vdisk. */
  vdisk: VdiskDescription;
}
export interface VdiskDescribeReplyInit {
  vdisk: VdiskDescriptionInit;
}

/** Shows one vdisk: what it holds on each engine, its copies, its owner, its repairs and operations. Engines that do not answer are named. */
export interface VdiskDescribeRequest {
  /** Vdisk id. */
  vdisk: string;
}
export type VdiskDescribeRequestInit = VdiskDescribeRequest;

/** The export has begun. */
export interface VdiskExportReply {
  /** Vdisk id. */
  vdisk: string;
  /** Id of the operation; ask operation.get for its progress and end, operation.cancel to stop it. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type VdiskExportReplyInit = VdiskExportReply;

/** Writes a vdisk to a file in the folder exports/ of Tier-2, in the background. A vdisk with a transaction log may be in use: the file holds its newest state in the log, or the one that is named. One without is read from its engines: it must not be in use, and is not served until the operation ends. */
export interface VdiskExportRequest {
  /** Vdisk id. */
  vdisk: string;
  /** Name of the file, of A-Z a-z 0-9 _ : % = - and dots inside; one that is there already is refused. */
  file: string;
  /** As it was after this record of its log. One of the three at most. */
  atSequence?: number | undefined;
  /** As it was at this time, milliseconds since 1970 UTC. */
  atTime?: number | undefined;
  /** As it was at this snapshot. */
  atSnapshot?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type VdiskExportRequestInit = VdiskExportRequest;

/** The import has begun. */
export interface VdiskImportReply {
  /** Vdisk id. */
  vdisk: string;
  /** Id of the operation; ask operation.get for its progress and end, operation.cancel to stop it. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type VdiskImportReplyInit = VdiskImportReply;

/** Makes a new vdisk from an exported file in the folder exports/ of Tier-2, in the background. The file is read through and checked before anything is made. Until the operation ends the vdisk is not served. */
export interface VdiskImportRequest {
  /** Name of the file. */
  file: string;
  /** Id of the new vdisk; one that exists is refused. */
  vdisk: string;
  /** Its primary cluster. */
  cluster: string;
  /** Its slave cluster. Default: none. */
  slaveCluster?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type VdiskImportRequestInit = VdiskImportRequest;

/** All vdisks. */
export interface VdiskListReply {
  /** Ordered by id. */
  vdisks: VdiskSummary[];
}
export interface VdiskListReplyInit {
  vdisks: readonly VdiskSummaryInit[];
}

/** Lists the vdisks. */
export interface VdiskListRequest {
  /** Only those that live on this cluster, as primary or slave. */
  cluster?: string | undefined;
}
export type VdiskListRequestInit = VdiskListRequest;

/** What was found. */
export interface VdiskOrphansReply {
  /** Cluster id. */
  cluster: string;
  /** Ordered by vdisk id. */
  orphans: VdiskRemains[];
  /** In shard order, spares last. */
  engines: ScannedEngine[];
}
export interface VdiskOrphansReplyInit {
  cluster: string;
  orphans: readonly VdiskRemainsInit[];
  engines: readonly ScannedEngineInit[];
}

/** Looks through the engines of a cluster, spares included, for keys of vdisks that have no place there. Removes nothing. */
export interface VdiskOrphansRequest {
  /** Cluster id. */
  cluster: string;
}
export type VdiskOrphansRequestInit = VdiskOrphansRequest;

/** The vdisk has the size. */
export interface VdiskResizeReply {
  /** Vdisk id. */
  vdisk: string;
  /** Its size in GiB. */
  sizeGiB: number;
  /** Id of the operation that makes the change; ask operation.get for its end. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type VdiskResizeReplyInit = VdiskResizeReply;

/** Gives a vdisk another size. It grows while it is in use; clients see the new size when they connect again. It shrinks only with force, unowned, and with nothing stored beyond the new end. */
export interface VdiskResizeRequest {
  /** Vdisk id. */
  vdisk: string;
  /** New size in GiB. */
  sizeGiB: number;
  /** Allows to shrink, on the conditions above. */
  force: boolean;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface VdiskResizeRequestInit {
  vdisk: string;
  sizeGiB: number;
  force?: boolean | undefined;
  operationId?: string | undefined;
}

/** The rollback has begun. */
export interface VdiskRollbackReply {
  /** Vdisk id. */
  vdisk: string;
  /** Id of the operation; ask operation.get for its progress and end, operation.cancel to stop it. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type VdiskRollbackReplyInit = VdiskRollbackReply;

/** Brings a vdisk back to an earlier state from its transaction log. Refused while it is owned. Only blocks that differ are written, and they are logged: a rollback can be undone by another one. */
export interface VdiskRollbackRequest {
  /** Vdisk id. */
  vdisk: string;
  /** As it was after this record of its log. One of the three at most. */
  atSequence?: number | undefined;
  /** As it was at this time, milliseconds since 1970 UTC. */
  atTime?: number | undefined;
  /** As it was at this snapshot. */
  atSnapshot?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type VdiskRollbackRequestInit = VdiskRollbackRequest;

/** The scrub has begun. */
export interface VdiskScrubReply {
  /** Vdisk id. */
  vdisk: string;
  /** Id of the operation; ask operation.get for its progress and result, operation.cancel to stop it. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type VdiskScrubReplyInit = VdiskScrubReply;

/** Compares both copies of every block of a vdisk, in the background, while clients go on. What is proven wrong is repaired. */
export interface VdiskScrubRequest {
  /** Vdisk id. */
  vdisk: string;
  /** False: only report. */
  repair: boolean;
  /** primary or slave: whose copy is taken where neither checksums nor write history prove one right. Default: such differences are reported only. */
  prefer?: string | undefined;
  /** MiB a second of each copy at most, 0 = no limit. Default: SALVOR_SCRUB_BANDWIDTH_MIB of the server that carries it out. */
  bandwidthMiBs?: number | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface VdiskScrubRequestInit {
  vdisk: string;
  repair?: boolean | undefined;
  prefer?: string | undefined;
  bandwidthMiBs?: number | undefined;
  operationId?: string | undefined;
}

/** The snapshot is being taken. */
export interface VdiskSnapshotCreateReply {
  /** Vdisk id. */
  vdisk: string;
  /** Id of the operation; ask operation.get for its progress and end, operation.cancel to stop it. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type VdiskSnapshotCreateReplyInit = VdiskSnapshotCreateReply;

/** Names the present state of a vdisk that has a transaction log, behind everything its clients were answered. The owner does it; one that nobody has mounted is taken for it. */
export interface VdiskSnapshotCreateRequest {
  /** Vdisk id. */
  vdisk: string;
  /** Name of the snapshot: 1 to 64 of A-Z a-z 0-9 _ : -. */
  name: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type VdiskSnapshotCreateRequestInit = VdiskSnapshotCreateRequest;

/** The snapshot is gone. */
export interface VdiskSnapshotDeleteReply {
  /** Vdisk id. */
  vdisk: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type VdiskSnapshotDeleteReplyInit = VdiskSnapshotDeleteReply;

/** Forgets a snapshot; what the log keeps for it may be compacted. */
export interface VdiskSnapshotDeleteRequest {
  /** Vdisk id. */
  vdisk: string;
  /** Name of the snapshot: 1 to 64 of A-Z a-z 0-9 _ : -. */
  name: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type VdiskSnapshotDeleteRequestInit = VdiskSnapshotDeleteRequest;

/** The snapshots, oldest first. */
export interface VdiskSnapshotListReply {
  /** The snapshots. */
  snapshots: VdiskSnapshot[];
}
export interface VdiskSnapshotListReplyInit {
  snapshots: readonly VdiskSnapshotInit[];
}

/** Lists the snapshots of a vdisk. */
export interface VdiskSnapshotListRequest {
  /** Vdisk id. */
  vdisk: string;
}
export type VdiskSnapshotListRequestInit = VdiskSnapshotListRequest;

/** The vdisk is mounted on that server. */
export interface VdiskTakeoverReply {
  /** Vdisk id. */
  vdisk: string;
  /** Id of the NBD server that serves it now. */
  server: string;
  /** Id of the NBD server that owned it before; null when nobody did. */
  from?: string | undefined;
  /** Id of the operation that made the change; ask operation.get for its end. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type VdiskTakeoverReplyInit = VdiskTakeoverReply;

/** Moves a vdisk from the NBD server that owns it to another one. The owner answers what is under way and lets go; with force one that does not answer is replaced, and the engines refuse it from then on. */
export interface VdiskTakeoverRequest {
  /** Vdisk id. */
  vdisk: string;
  /** Id of the NBD server that takes it. */
  server: string;
  /** Replace an owner that does not answer, and take it though an engine cannot be reached from that server. */
  force: boolean;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface VdiskTakeoverRequestInit {
  vdisk: string;
  server: string;
  force?: boolean | undefined;
  operationId?: string | undefined;
}

/** The clone was ordered. */
export interface VolumeCloneReply {
  /** Volume id, the same in both zones. */
  volume: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something; already: it is done. */
  outcome: Outcome;
  /** What was done, or what it waits for, as a sentence. */
  reason: string;
  /** Its image; empty: it is not there yet. */
  clone: string;
}
export interface VolumeCloneReplyInit {
  volume: string;
  operation: string;
  outcome: Outcome;
  reason: string;
  clone?: string | undefined;
}

/** Of driver rbd: a writable image of a point, beside the volume, which goes on. A vdisk is cloned with vdisk.clone. */
export interface VolumeCloneRequest {
  /** Volume id, the same in both zones. */
  volume: string;
  /** A point that is whole in this zone; empty: the newest. */
  point: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface VolumeCloneRequestInit {
  volume: string;
  point?: string | undefined;
  operationId?: string | undefined;
}

/** Hashes of bulks, or blocks that differ. */
export interface VolumeCompareReply {
  /** Volume id, the same in both zones. */
  volume: string;
  /** Names the copies on the engines that were read; another text: they are other ones, or may have been changed by a repair. */
  image: string;
  /** Bytes of a block. */
  blockSize: number;
  /** Blocks of a bulk; the last one of a vdisk may have fewer. */
  bulkBlocks: number;
  /** The first half of the SHA-256 of each bulk, 16 bytes each: of the range, or of the bulks that are answered. */
  hashes: Buffer;
  /** Of the bulks that were asked for, how many are answered: the others did not fit in. */
  answered: number;
  /** Blocks that differ and are zeros. */
  zeros: number[];
  /** Blocks that differ and are not. */
  blocks: number[];
  /** The content of these blocks, one after the other. */
  data: Buffer;
  /** How far the engines that were read are, after it. */
  positions: TlogPosition[];
  /** A server has the vdisk: what the engines have beyond the log comes to the log yet. */
  isOwned: boolean;
  /** False: the log has not all that was written; its next owner begins it anew. */
  isLogWhole: boolean;
  /** none or brotli: what data is, all of it together. */
  compression: string;
}
export interface VolumeCompareReplyInit {
  volume: string;
  image: string;
  blockSize: number;
  bulkBlocks: number;
  hashes?: Buffer | undefined;
  answered?: number | undefined;
  zeros?: readonly number[] | undefined;
  blocks?: readonly number[] | undefined;
  data?: Buffer | undefined;
  positions?: readonly TlogPositionInit[] | undefined;
  isOwned?: boolean | undefined;
  isLogWhole?: boolean | undefined;
  compression?: string | undefined;
}

/** Asks a primary for hashes of its blocks, or for those of its blocks that the one who asks does not have. Reads only. */
export interface VolumeCompareRequest {
  /** Volume id, the same in both zones. */
  volume: string;
  /** Generation that it must have; 0: whichever. */
  generation: number;
  /** Zone that holds that generation. */
  generationZone: string;
  /** Incarnation of that generation. */
  incarnation: string;
  /** First block of the range whose hashes are wanted; a bulk begins there. */
  first: number;
  /** Blocks of that range; 0: only how far the engines are. */
  count: number;
  /** First blocks of bulks whose differing blocks are wanted; then no range is looked at. */
  bulks: number[];
  /** Of each block in tags: 2 (the lower half of the CRC-32, big-endian) or 32 (SHA-256). */
  tagBytes: number;
  /** What who asks has: the tags of all blocks of these bulks, one after the other. */
  tags: Buffer;
  /** Batches that the engines must have at least. */
  positions: TlogPosition[];
  /** none or brotli: how the content of blocks may be answered. */
  compression: string;
}
export interface VolumeCompareRequestInit {
  volume: string;
  generation?: number | undefined;
  generationZone?: string | undefined;
  incarnation?: string | undefined;
  first?: number | undefined;
  count?: number | undefined;
  bulks?: readonly number[] | undefined;
  tagBytes?: number | undefined;
  tags?: Buffer | undefined;
  positions?: readonly TlogPositionInit[] | undefined;
  compression?: string | undefined;
}

/** The volume is primary here no more. */
export interface VolumeDemoteReply {
  /** Volume id, the same in both zones. */
  volume: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type VolumeDemoteReplyInit = VolumeDemoteReply;

/** Makes the primary of this zone a secondary; nobody may use its vdisk. */
export interface VolumeDemoteRequest {
  /** Volume id, the same in both zones. */
  volume: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type VolumeDemoteRequestInit = VolumeDemoteRequest;

/** The vdisk is a volume no more. */
export interface VolumeDisableReply {
  /** Volume id, the same in both zones. */
  volume: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type VolumeDisableReplyInit = VolumeDisableReply;

/** Makes the vdisk of a volume an ordinary one again, as it is. The other zone keeps its copy. */
export interface VolumeDisableRequest {
  /** Volume id, the same in both zones. */
  volume: string;
  /** Also when it is no complete copy, or has writes that the other zone lacks. */
  force: boolean;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface VolumeDisableRequestInit {
  volume: string;
  force?: boolean | undefined;
  operationId?: string | undefined;
}

/** The vdisk is a volume. */
export interface VolumeEnableReply {
  /** Volume id, the same in both zones. */
  volume: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type VolumeEnableReplyInit = VolumeEnableReply;

/** Makes a vdisk with a transaction log, or an image of Ceph, a volume: the primary, or the copy of a primary in another zone. */
export interface VolumeEnableRequest {
  /** Volume id, the same in both zones. */
  volume: string;
  /** Vdisk id in this zone; of driver rbd the image in its pool. */
  vdisk: string;
  /** Zone whose copy it becomes, and whose content replaces its own; absent: it is the primary. */
  from?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
  /** native (a vdisk, by its transaction log) or rbd (an image, by Ceph RBD mirroring); empty: native. */
  driver: string;
}
export interface VolumeEnableRequestInit {
  volume: string;
  vdisk: string;
  from?: string | undefined;
  operationId?: string | undefined;
  driver?: string | undefined;
}

/** Volumes. */
export interface VolumeListReply {
  /** By name. */
  volumes: VolumeDescription[];
}
export interface VolumeListReplyInit {
  volumes: readonly VolumeDescriptionInit[];
}

/** All volumes of this zone. */
export type VolumeListRequest = Record<string, never>;
export type VolumeListRequestInit = VolumeListRequest;

/** Segments as they are in the stream. */
export interface VolumeLogReply {
  /** Volume id, the same in both zones. */
  volume: string;
  /** Stream sequence of each segment. */
  places: number[];
  /** Bytes of each segment. */
  lengths: number[];
  /** Stream sequence to go on from. */
  next: number;
  /** Nothing of the log was left behind it. */
  end: boolean;
  /** none or brotli: what data is, all of it together. */
  compression: string;
  /** The segments, one after the other. */
  data: Buffer;
}
export interface VolumeLogReplyInit {
  volume: string;
  places?: readonly number[] | undefined;
  lengths?: readonly number[] | undefined;
  next: number;
  end: boolean;
  compression?: string | undefined;
  data?: Buffer | undefined;
}

/** Reads the transaction log of a primary from JetStream by way of its managers, which compress it. Reads only. */
export interface VolumeLogRequest {
  /** Volume id, the same in both zones. */
  volume: string;
  /** Container whose stream is read; it has to be the one that the log is in. */
  container: number;
  /** Stream sequence to read from, inclusive. */
  from: number;
  /** Stream sequence to read to, inclusive. Default: the newest. */
  upTo?: number | undefined;
  /** Of all segments together, before they are compressed; one always fits. */
  maxBytes: number;
  /** Segments at most. */
  atMost: number;
  /** none or brotli. */
  compression: string;
}
export interface VolumeLogRequestInit {
  volume: string;
  container: number;
  from?: number | undefined;
  upTo?: number | undefined;
  maxBytes?: number | undefined;
  atMost?: number | undefined;
  compression?: string | undefined;
}

/** The promote was begun. */
export interface VolumePromoteReply {
  /** Volume id, the same in both zones. */
  volume: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type VolumePromoteReplyInit = VolumePromoteReply;

/** Makes the secondary of this zone the primary, once all that arrived is applied. Raises the generation. */
export interface VolumePromoteRequest {
  /** Volume id, the same in both zones. */
  volume: string;
  /** Although the other zone is primary, or does not answer: what did not arrive is lost to this side, and what the other side writes from then on is a split brain. */
  force: boolean;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
  /** Of driver rbd, with force: a clone of this point takes the place of the image; empty: what is newest. */
  point: string;
}
export interface VolumePromoteRequestInit {
  volume: string;
  force?: boolean | undefined;
  operationId?: string | undefined;
  point?: string | undefined;
}

/** The removal was ordered. */
export interface VolumeRemoveCloneReply {
  /** Volume id, the same in both zones. */
  volume: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something; already: it is done. */
  outcome: Outcome;
  /** What was done, or what it waits for, as a sentence. */
  reason: string;
}
export type VolumeRemoveCloneReplyInit = VolumeRemoveCloneReply;

/** Of driver rbd: removes an image that volume.clone made. */
export interface VolumeRemoveCloneRequest {
  /** Volume id, the same in both zones. */
  volume: string;
  /** The image, as volume.clone and volume.status tell it. */
  clone: string;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type VolumeRemoveCloneRequestInit = VolumeRemoveCloneRequest;

/** Who may follow the volume. */
export interface VolumeReplicateReply {
  /** Volume id, the same in both zones. */
  volume: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type VolumeReplicateReplyInit = VolumeReplicateReply;

/** Lets another zone follow a primary, says how, or ends that. */
export interface VolumeReplicateRequest {
  /** Volume id, the same in both zones. */
  volume: string;
  /** The other zone. */
  to: string;
  /** instant (the other zone follows the transaction log), one-time (each order is one run), periodic (by its schedule) or none; empty: as it is, instant for a zone that did not follow. */
  mode: string;
  /** MiB a second that come over for this volume at most, 0: no limit. Default: as it is. */
  bandwidthMib?: number | undefined;
  /** none or brotli: what comes over of it is compressed by the managers of the primary. Default: as it is. */
  compression?: string | undefined;
  /** Of mode periodic: milliseconds from one run to the next, 1000 or more. Default: as it is. */
  everyMs?: number | undefined;
  /** Of mode periodic: the first run. Default: as it is, else now. */
  startAt?: number | undefined;
  /** Of mode periodic: what becomes of slots when nobody was there: run-once (default; one run for all of them) or skip. */
  missed?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export interface VolumeReplicateRequestInit {
  volume: string;
  to: string;
  mode?: string | undefined;
  bandwidthMib?: number | undefined;
  compression?: string | undefined;
  everyMs?: number | undefined;
  startAt?: number | undefined;
  missed?: string | undefined;
  operationId?: string | undefined;
}

/** The resync was begun. */
export interface VolumeResyncReply {
  /** Volume id, the same in both zones. */
  volume: string;
  /** Id of the operation. */
  operation: string;
  /** Whether this call changed something. */
  outcome: Outcome;
  /** What was done, as a sentence. */
  reason: string;
}
export type VolumeResyncReplyInit = VolumeResyncReply;

/** Brings the secondary of this zone to what the primary has, block by block. */
export interface VolumeResyncRequest {
  /** Volume id, the same in both zones. */
  volume: string;
  /** This zone, when it has writes that the primary lacks: they are given up. */
  discard?: string | undefined;
  /** Idempotency key: the same id twice is one effect and the same answer. Default: the Nats-Msg-Id header, else generated. */
  operationId?: string | undefined;
}
export type VolumeResyncRequestInit = VolumeResyncRequest;

/** A volume. */
export interface VolumeStatusReply {
  /** The volume. */
  volume: VolumeDescription;
}
export interface VolumeStatusReplyInit {
  volume: VolumeDescriptionInit;
}

/** One volume as this zone sees it. */
export interface VolumeStatusRequest {
  /** Volume id, the same in both zones. */
  volume: string;
}
export type VolumeStatusRequestInit = VolumeStatusRequest;

/** The volume as this zone sees it from then on. */
export interface VolumeTellReply {
  /** The volume. */
  volume: VolumeDescription;
}
export interface VolumeTellReplyInit {
  volume: VolumeDescriptionInit;
}

/** Tells a zone how the other one sees a volume; it steps down when that one was promoted after it. Telling again changes nothing. */
export interface VolumeTellRequest {
  /** What the other zone answers to volume.status. */
  told: VolumeDescription;
}
export interface VolumeTellRequestInit {
  told: VolumeDescriptionInit;
}

/** What an alert was about goes on again, or is over. */
export interface AlertCleared {
  /** Alert id. */
  alert: string;
  /** Stable word: repair-stuck, verdict-late, engine-held, no-spare, operation-stuck, takeover-stuck, cluster-unhealthy, instance-stuck, recovery-waits, log-not-archived, configuration-not-kept, archive-unprotected. */
  kind: string;
  /** The id of what neither progresses nor ends. */
  subject: string;
  /** What it waited for, as a sentence. */
  message: string;
  /** How long the alert was raised, milliseconds. */
  durationMs: number;
  /** Incident it belongs to. */
  incident?: string | undefined;
  /** Cluster it is about. */
  cluster?: string | undefined;
  /** Vdisk it is about. */
  vdisk?: string | undefined;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type AlertClearedInit = AlertCleared;

/** Something neither progresses nor ends: somebody should look. */
export interface AlertRaised {
  /** Alert id. */
  alert: string;
  /** Stable word: repair-stuck, verdict-late, engine-held, no-spare, operation-stuck, takeover-stuck, cluster-unhealthy, instance-stuck, recovery-waits, log-not-archived, configuration-not-kept, archive-unprotected. */
  kind: string;
  /** The id of what neither progresses nor ends. */
  subject: string;
  /** What it waits for, as a sentence. */
  message: string;
  /** When it last made progress, milliseconds since 1970 UTC. */
  since: number;
  /** Incident it belongs to. */
  incident?: string | undefined;
  /** Cluster it is about. */
  cluster?: string | undefined;
  /** Vdisk it is about. */
  vdisk?: string | undefined;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type AlertRaisedInit = AlertRaised;

/** A storage cluster has another status. */
export interface ClusterStatusChanged {
  /** Cluster. */
  cluster: string;
  /** Status before: healthy, repairing or unhealthy. */
  from: string;
  /** Status now. */
  to: string;
  /** Why, as a sentence. */
  reason: string;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type ClusterStatusChangedInit = ClusterStatusChanged;

/** Somebody saw a storage engine fail. A report, not yet a fact: the coordinator opens at most one incident for any number of them. */
export interface EngineFailureReported {
  /** host:port of the engine. */
  address: string;
  /** Who reports: server id, service or operator. */
  reporter: string;
  /** Cluster, when the reporter knows it. */
  cluster?: string | undefined;
  /** Vdisk whose I/O failed, when there is one. */
  vdisk?: string | undefined;
  /** What was seen. */
  reason: string;
  /** Where the report comes from, such as nbd-server, 0-disk, operator. */
  source: string;
  /** When the reporter saw it, milliseconds since 1970 UTC. */
  detectedAt: number;
  /** The log line it was read from, if any. */
  raw?: string | undefined;
  /** When it was published, milliseconds since 1970 UTC. */
  at: number;
}
export type EngineFailureReportedInit = EngineFailureReported;

/** A storage engine has another status. Announced after the change is in the configuration store. */
export interface EngineStatusChanged {
  /** Cluster. */
  cluster: string;
  /** Shard. */
  shard: number;
  /** host:port of the engine. */
  address: string;
  /** Status before: online, offline, repair-tmp-outage, repair-final-outage or rip. */
  from: string;
  /** Status now. */
  to: string;
  /** Incident this belongs to. */
  incident: string;
  /** Attempt of the incident. */
  attempt: number;
  /** Why, as a sentence. */
  reason: string;
  /** Service or operator that decided. */
  by: string;
  /** Operation that made the change. */
  operation: string;
  /** How long the engine had the status before, milliseconds. */
  durationMs?: number | undefined;
  /** host:port of the spare that takes over, if one does. */
  replacement?: string | undefined;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type EngineStatusChangedInit = EngineStatusChanged;

/** It was decided what an outage is. */
export interface EngineVerdictGiven {
  /** Cluster. */
  cluster: string;
  /** Shard. */
  shard: number;
  /** host:port of the engine. */
  address: string;
  /** Incident. */
  incident: string;
  /** Attempt the verdict is about; a verdict on an older attempt is void. */
  attempt: number;
  /** What the outage is. */
  verdict: Verdict;
  /** Why, as a sentence. */
  reason: string;
  /** The observations it rests on. */
  evidence: Evidence[];
  /** Service or operator that decided. */
  by: string;
  /** Of a false alarm: whether a write was taken without the engine; null when that is not known. */
  missedWrites?: boolean | undefined;
  /** Of a false alarm: the server that alone found the engine failing. */
  oddReporter?: string | undefined;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export interface EngineVerdictGivenInit {
  cluster: string;
  shard: number;
  address: string;
  incident: string;
  attempt: number;
  verdict: Verdict;
  reason: string;
  evidence: readonly EvidenceInit[];
  by: string;
  missedWrites?: boolean | undefined;
  oddReporter?: string | undefined;
  at: number;
}

/** An outage of an engine is over. */
export interface IncidentClosed {
  /** Incident id. */
  incident: string;
  /** Cluster. */
  cluster: string;
  /** Shard. */
  shard: number;
  /** host:port of the engine the incident was about. */
  address: string;
  /** How it ended, such as repaired, replaced, false-alarm, retired. */
  outcome: string;
  /** From the first report to the end, milliseconds. */
  durationMs: number;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type IncidentClosedInit = IncidentClosed;

/** An outage of an engine began. */
export interface IncidentOpened {
  /** Incident id. */
  incident: string;
  /** Cluster. */
  cluster: string;
  /** Shard. */
  shard: number;
  /** host:port of the engine. */
  address: string;
  /** What was reported. */
  reason: string;
  /** Who reported it first. */
  reporter: string;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type IncidentOpenedInit = IncidentOpened;

/** An instance, which is a VM or process that uses vdisks, is stopped or started through hooks. */
export interface InstanceStatusChanged {
  /** Instance id. */
  instance: string;
  /** Status before: started, stopping, stopped, stop-failed, starting or start-failed. */
  from: string;
  /** Status now. */
  to: string;
  /** Why, as a sentence. */
  reason: string;
  /** Incident that it is stopped for. */
  incident?: string | undefined;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type InstanceStatusChangedInit = InstanceStatusChanged;

/** A log line could not be understood. Nothing is lost: the line is here. */
export interface LogLineRejected {
  /** Log source id. */
  source: string;
  /** What was expected and what was found. */
  reason: string;
  /** The line as read, cut to 8 KiB. */
  line: Buffer;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type LogLineRejectedInit = LogLineRejected;

/** An NBD server process ended. */
export interface NbdserverExited {
  /** Server id. */
  server: string;
  /** Exit code; absent when a signal ended it. */
  code?: number | undefined;
  /** Signal name, such as SIGKILL. */
  signal?: string | undefined;
  /** When it will be restarted, milliseconds from now; absent when it will not. */
  restartInMs?: number | undefined;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type NbdserverExitedInit = NbdserverExited;

/** An NBD server process runs. */
export interface NbdserverStarted {
  /** Server id. */
  server: string;
  /** Process id. */
  pid: number;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type NbdserverStartedInit = NbdserverStarted;

/** An accepted operation is done. */
export interface OperationCompleted {
  /** Operation id. */
  operation: string;
  /** The command. */
  kind: string;
  /** What was done, as a sentence. */
  message: string;
  /** How long it took, milliseconds. */
  durationMs?: number | undefined;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type OperationCompletedInit = OperationCompleted;

/** An accepted operation failed and will not be tried again by itself. */
export interface OperationFailed {
  /** Operation id. */
  operation: string;
  /** The command. */
  kind: string;
  /** Stable error code. */
  code: string;
  /** Why, and what to do, as a sentence. */
  message: string;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type OperationFailedInit = OperationFailed;

/** An accepted operation goes on. */
export interface OperationProgress {
  /** Operation id. */
  operation: string;
  /** The command, such as vdisk.delete. */
  kind: string;
  /** What it does now, as a sentence. */
  message: string;
  /** Steps done. */
  done?: number | undefined;
  /** Steps in all, when known. */
  total?: number | undefined;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type OperationProgressInit = OperationProgress;

/** A step of a run of a recovery plan began or ended. */
export interface PlanStepChanged {
  /** Plan id, the same in both zones. */
  plan: string;
  /** Id of the run, which is that of its operation. */
  run: string;
  /** planned, failover, test, cleanup or reprotect. */
  kind: string;
  /** What the step does. */
  act: string;
  /** Where. */
  zone: string;
  /** Group of the plan; empty: all of it. */
  group: string;
  /** The volume, instance or record; empty: all of them. */
  subject: string;
  /** Its status before. */
  from: string;
  /** Its status now: running, done, failed, undoing or undone. */
  to: string;
  /** What it did, or why it failed, as a sentence. */
  reason: string;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type PlanStepChangedInit = PlanStepChanged;

/** A recovery, from the log, of what both members of pairs have lost changed its status. */
export interface RecoveryStatusChanged {
  /** Id of the recovery. */
  recovery: string;
  /** Primary cluster. */
  cluster: string;
  /** Status before. */
  from?: string | undefined;
  /** Status now: prepared, replaying, verifying, done, cancelled or failed. */
  to: string;
  /** Why, as a sentence. */
  reason: string;
  /** Who did it. */
  by: string;
  /** Operation. */
  operation: string;
  /** Shards of the pairs that are lost. */
  pairs: number[];
  /** Vdisks that have lost blocks. */
  vdisks: number;
  /** Of them, those that their logs cannot bring back whole. */
  unrecoverable: number;
  /** When, milliseconds since 1970 UTC. */
  at: number;
}
export interface RecoveryStatusChangedInit {
  recovery: string;
  cluster: string;
  from?: string | undefined;
  to: string;
  reason: string;
  by: string;
  operation: string;
  pairs: readonly number[];
  vdisks: number;
  unrecoverable: number;
  at: number;
}

/** The owner of a vdisk has brought the blocks of one engine back. */
export interface RepairCompleted {
  /** repair-tmp-outage (dirty blocks copied back) or repair-final-outage (shard rebuilt elsewhere). */
  kind: string;
  /** host:port of the engine that was repaired or replaced. */
  address: string;
  /** Vdisk. */
  vdisk: string;
  /** NBD server that did it. */
  server: string;
  /** Incident; absent when a 0-Disk server reported it. */
  incident?: string | undefined;
  /** Attempt of the incident. */
  attempt?: number | undefined;
  /** Blocks that had to be copied. */
  dirtyBlocks?: number | undefined;
  /** Blocks that were copied. */
  copiedBlocks?: number | undefined;
  /** Of the copied blocks, those that hold data; the others are holes. */
  storedBlocks?: number | undefined;
  /** How long it took, milliseconds. */
  repairMs?: number | undefined;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type RepairCompletedInit = RepairCompleted;

/** How far the repair of a vdisk is. */
export interface RepairProgress {
  /** Vdisk. */
  vdisk: string;
  /** Incident. */
  incident: string;
  /** Attempt of the incident. */
  attempt: number;
  /** host:port of the engine being filled. */
  address: string;
  /** Blocks to copy, as known now; may grow while the vdisk is written. */
  totalBlocks: number;
  /** Blocks copied. */
  doneBlocks: number;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type RepairProgressInit = RepairProgress;

/** A vdisk exists. */
export interface VdiskCreated {
  /** Vdisk id. */
  vdisk: string;
  /** Type. */
  type: VdiskType;
  /** Size in GiB. */
  sizeGiB: number;
  /** Block size in bytes. */
  blockSize: number;
  /** Primary cluster. */
  cluster: string;
  /** Slave cluster, if it has one. */
  slaveCluster?: string | undefined;
  /** Operation that created it. */
  operation: string;
  /** Service or operator that asked. */
  by: string;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type VdiskCreatedInit = VdiskCreated;

/** Part of a vdisk that could not be read or written can be again: the end of what vdisk.data-unavailable told. */
export interface VdiskDataAvailable {
  /** Vdisk. */
  vdisk: string;
  /** Primary cluster. */
  cluster: string;
  /** Shard whose blocks are available again. */
  shard: number;
  /** Why, as a sentence. */
  reason: string;
  /** Who reports it: the NBD server that serves it, or repair-coordinator. */
  server: string;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
  /** Since when it was unavailable, milliseconds since 1970 UTC; absent where the reporter does not know. */
  since?: number | undefined;
  /** Incident of the member that had failed last. */
  incident?: string | undefined;
}
export type VdiskDataAvailableInit = VdiskDataAvailable;

/** Part of a vdisk cannot be read or written: no live member of a pair is left. The rest of the vdisk goes on. */
export interface VdiskDataUnavailable {
  /** Vdisk. */
  vdisk: string;
  /** Primary cluster. */
  cluster: string;
  /** Shard whose blocks are unavailable. */
  shard: number;
  /** Why, as a sentence. */
  reason: string;
  /** NBD server that reports it. */
  server: string;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
  /** Blocks without a live copy; absent where the reporter does not know. */
  blocks?: number | undefined;
  /** Whether they were counted on an engine; else it is an upper bound from the size of the vdisk. */
  counted?: boolean | undefined;
  /** Incident of the member that failed last. */
  incident?: string | undefined;
  /** What is known of these blocks, as a sentence. */
  detail?: string | undefined;
}
export type VdiskDataUnavailableInit = VdiskDataUnavailable;

/** A vdisk is gone. */
export interface VdiskDeleted {
  /** Vdisk id. */
  vdisk: string;
  /** Primary cluster it lived on. */
  cluster: string;
  /** Slave cluster, if it had one. */
  slaveCluster?: string | undefined;
  /** Operation that deleted it. */
  operation: string;
  /** Service or operator that asked. */
  by: string;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type VdiskDeletedInit = VdiskDeleted;

/** An NBD server owns a vdisk now. */
export interface VdiskMounted {
  /** Vdisk. */
  vdisk: string;
  /** NBD server. */
  server: string;
  /** Fencing token: etcd create revision of the owner key. */
  epoch: number;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type VdiskMountedInit = VdiskMounted;

/** An NBD server has given a vdisk back. */
export interface VdiskReleased {
  /** Vdisk. */
  vdisk: string;
  /** NBD server. */
  server: string;
  /** Fencing token it had. */
  epoch: number;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type VdiskReleasedInit = VdiskReleased;

/** A volume changed its role, its phase, its generation or what troubles it, in one zone. */
export interface VolumeStatusChanged {
  /** Volume id, the same in both zones. */
  volume: string;
  /** The zone in which it changed. */
  zone: string;
  /** Phase before; empty: it was no volume. */
  from: string;
  /** Phase now; empty: it is a volume no more. */
  to: string;
  /** primary or secondary; empty: none. */
  role: string;
  /** Its generation. */
  generation: number;
  /** Why, as a sentence. */
  reason: string;
  /** Operation that changed it. */
  operation?: string | undefined;
  /** When this happened, milliseconds since 1970 UTC. */
  at: number;
}
export type VolumeStatusChangedInit = VolumeStatusChanged;

/** Something that neither progresses nor ends, or did so for a while. */
export interface AlertDescription {
  /** Alert id. */
  alert: string;
  /** Stable word: repair-stuck, verdict-late, engine-held, no-spare, operation-stuck, takeover-stuck, cluster-unhealthy, instance-stuck, recovery-waits, log-not-archived, configuration-not-kept, archive-unprotected. */
  kind: string;
  /** The id of what neither progresses nor ends. */
  subject: string;
  /** What it waits for, as a sentence. */
  message: string;
  /** When it last made progress, milliseconds since 1970 UTC. */
  since: number;
  /** When the alert was raised, milliseconds since 1970 UTC. */
  raisedAt: number;
  /** When it was cleared; absent while it is raised. */
  clearedAt?: number | undefined;
  /** Incident it belongs to. */
  incident?: string | undefined;
  /** Cluster it is about. */
  cluster?: string | undefined;
  /** Vdisk it is about. */
  vdisk?: string | undefined;
}
export type AlertDescriptionInit = AlertDescription;

/** What holds for one archive of a volume. */
export interface ArchiveAnswer {
  /** Name of the archive. */
  archive: string;
  /** Whether it is so. */
  is: boolean;
  /** Why, as a sentence; empty: it is not so. */
  reason: string;
}
export type ArchiveAnswerInit = ArchiveAnswer;

/** A comparison with the primary that is under way. */
export interface ArchiveBackup {
  /** full or hash. */
  way: string;
  /** Why it is made, as a sentence. */
  reason: string;
  /** First block that is not compared yet. */
  next: number;
  /** Blocks of the volume; 0: not known yet. */
  blocks: number;
  /** Blocks that differed. */
  sentBlocks: number;
  /** Bytes of these that came over. */
  sentBytes: number;
  /** Bytes of hashes, both ways. */
  hashBytes: number;
  /** When it was ordered. */
  beganAt: number;
}
export type ArchiveBackupInit = ArchiveBackup;

/** A volume as an archive holds it. */
export interface ArchiveDescription {
  /** Name of the archive. */
  archive: string;
  /** Volume id. */
  volume: string;
  /** primary or secondary. */
  role: string;
  /** Where its content comes from: zone <name> or archive <name>. */
  source: string;
  /** backup, following or stopped. */
  phase: string;
  /** protected, catching-up, backup, overflow, trouble or stopped. */
  status: string;
  /** What it does and why, as a sentence. */
  reason: string;
  /** Backups that are complete. */
  generation: number;
  /** Size of the volume; 0: not known yet. */
  sizeBytes: number;
  /** Bytes of a block. */
  blockSize: number;
  /** Last record that it holds, in its own numbers. */
  sequence?: number | undefined;
  /** The same record in the log of the source. */
  sourceSequence?: number | undefined;
  /** When the last write was made that it holds, by the clock of the source. */
  writtenAt?: number | undefined;
  /** Everything that the source had when it was last looked at is held. */
  isLevel: boolean;
  /** A complete state is held. */
  isRestorable: boolean;
  /** What the source lost before the archive had it, as a sentence; absent: nothing. */
  overflow?: string | undefined;
  /** Why nothing comes, as a sentence; absent: it does, or need not. */
  sendError?: string | undefined;
  /** What the archive itself had lost, as a sentence. */
  lost?: string | undefined;
  /** The backup that is under way. */
  backup?: ArchiveBackup | undefined;
  /** Times of which no state can be restored, oldest first. */
  holes: ArchiveHole[];
  /** Named states. */
  snapshots: ArchiveSnapshot[];
  /** Which states it keeps. */
  retention: ArchiveRetention;
  /** Last change of its record. */
  changedAt: number;
}
export interface ArchiveDescriptionInit {
  archive: string;
  volume: string;
  role: string;
  source: string;
  phase: string;
  status: string;
  reason: string;
  generation: number;
  sizeBytes: number;
  blockSize: number;
  sequence?: number | undefined;
  sourceSequence?: number | undefined;
  writtenAt?: number | undefined;
  isLevel: boolean;
  isRestorable: boolean;
  overflow?: string | undefined;
  sendError?: string | undefined;
  lost?: string | undefined;
  backup?: ArchiveBackupInit | undefined;
  holes: readonly ArchiveHoleInit[];
  snapshots: readonly ArchiveSnapshotInit[];
  retention: ArchiveRetentionInit;
  changedAt: number;
}

/** A stretch of time of which an archive can restore no state. */
export interface ArchiveHole {
  /** Last write before it. */
  from: number;
  /** When a backup ended it; absent: it has not ended. */
  to?: number | undefined;
  /** Why, as a sentence. */
  reason: string;
}
export type ArchiveHoleInit = ArchiveHole;

/** Which states an archive keeps. */
export interface ArchiveRetention {
  /** Every state that is younger can be restored, in milliseconds. */
  everyStateMs: number;
  /** How many older ones can be, beside snapshots. */
  points: number;
  /** From one of these to the next, in milliseconds. */
  pointEveryMs: number;
}
export type ArchiveRetentionInit = ArchiveRetention;

/** A named state of a volume in an archive. */
export interface ArchiveSnapshot {
  /** Its name. */
  name: string;
  /** promised (the archive does not have it yet), restorable, or lost (it never will). */
  state: string;
  /** Backup of the archive that its record is counted in. */
  generation: number;
  /** Its last record in the archive; absent: not there yet. */
  sequence?: number | undefined;
  /** When it was ordered. */
  at: number;
}
export type ArchiveSnapshotInit = ArchiveSnapshot;

/** One attempt to run a hook. */
export interface AuditAttempt {
  /** From 1. */
  attempt: number;
  /** Coordinator that ran it. */
  by: string;
  /** When it began, milliseconds since 1970 UTC. */
  startedAt: number;
  /** How long it took, milliseconds; absent while it runs. */
  durationMs?: number | undefined;
  /** running, succeeded, failed, timed-out, or interrupted when whoever ran it died. */
  outcome: string;
  /** Exit code of a program. */
  exitCode?: number | undefined;
  /** Signal that ended a program. */
  signal?: string | undefined;
  /** Status of the answer of a webhook. */
  httpStatus?: number | undefined;
  /** End of what it wrote, beginning of the answer, or why it could not be run. */
  detail?: string | undefined;
}
export type AuditAttemptInit = AuditAttempt;

/** One hook that was run, or is to run, for one event. */
export interface AuditEntry {
  /** Id of the run; runs are ordered by the time of their events. */
  run: string;
  /** Name of the hook. */
  hook: string;
  /** Point that it is hung up at, such as cluster.unhealthy. */
  point: string;
  /** exec or webhook. */
  kind: string;
  /** Id of the event: the idempotency key of the hook. */
  eventId: string;
  /** CloudEvents type of the event. */
  eventType: string;
  /** What the event is about. */
  subject: string;
  /** Incident it belongs to. */
  incident?: string | undefined;
  /** Instance that is stopped or started. */
  instance?: string | undefined;
  /** Who wanted it. */
  by: string;
  /** pending, succeeded or failed. */
  status: string;
  /** What came of it, as a sentence. */
  reason: string;
  /** When it was recorded, milliseconds since 1970 UTC. */
  createdAt: number;
  /** When it ended; absent while it is pending. */
  endedAt?: number | undefined;
  /** Oldest first. */
  attempts: AuditAttempt[];
}
export interface AuditEntryInit {
  run: string;
  hook: string;
  point: string;
  kind: string;
  eventId: string;
  eventType: string;
  subject: string;
  incident?: string | undefined;
  instance?: string | undefined;
  by: string;
  status: string;
  reason: string;
  createdAt: number;
  endedAt?: number | undefined;
  attempts: readonly AuditAttemptInit[];
}

/** A storage cluster with all its engines. */
export interface ClusterDescription {
  /** Cluster id. */
  cluster: string;
  /** What it is used for. */
  role: ClusterRole;
  /** healthy, repairing or unhealthy. */
  status: string;
  /** The cluster its shards are paired with. */
  partner?: string | undefined;
  /** In shard order. */
  engines: EngineDescription[];
  /** Engines that can take the place of a lost one. */
  spares: EngineAddress[];
  /** Engines that were replaced. */
  retired: RetiredEngine[];
  /** Last change, milliseconds since 1970 UTC. */
  updatedAt: number;
}
export interface ClusterDescriptionInit {
  cluster: string;
  role: ClusterRole;
  status: string;
  partner?: string | undefined;
  engines: readonly EngineDescriptionInit[];
  spares: readonly EngineAddressInit[];
  retired: readonly RetiredEngineInit[];
  updatedAt: number;
}

/** What a storage cluster is used for: shard i of a primary and shard i of its slave cluster make a pair. */
export type ClusterRole = 'primary' | 'slave';

/** One line about a storage cluster. */
export interface ClusterSummary {
  /** Cluster id. */
  cluster: string;
  /** What it is used for. */
  role: ClusterRole;
  /** healthy, repairing or unhealthy. */
  status: string;
  /** The cluster its shards are paired with. */
  partner?: string | undefined;
  /** Number of shards. */
  engines: number;
  /** How many of them are online. */
  enginesOnline: number;
  /** Spare engines left. */
  spares: number;
  /** Its shards without a live copy; for a slave cluster, see its primary. */
  unavailable: UnavailableShard[];
}
export interface ClusterSummaryInit {
  cluster: string;
  role: ClusterRole;
  status: string;
  partner?: string | undefined;
  engines: number;
  enginesOnline: number;
  spares: number;
  unavailable?: readonly UnavailableShardInit[] | undefined;
}

/** Where a cut goes through the log of a vdisk. */
export interface CutPlace {
  /** Vdisk id. */
  vdisk: string;
  /** The last segment before the cut. */
  segment: VolumeSegment;
}
export interface CutPlaceInit {
  vdisk: string;
  segment: VolumeSegmentInit;
}

/** A vdisk of a cut, under one owner. */
export interface CutVdisk {
  /** Vdisk id. */
  vdisk: string;
  /** Epoch of its owner. */
  epoch: number;
}
export type CutVdiskInit = CutVdisk;

/** Announced maintenance of a cluster or an engine. */
export interface Downtime {
  /** Cluster id. */
  cluster: string;
  /** host:port of the engine; absent when it is of the whole cluster. */
  address?: string | undefined;
  /** Begin, milliseconds since 1970 UTC. */
  begunAt: number;
  /** When it ends by itself, milliseconds since 1970 UTC. */
  until: number;
  /** Who announced it. */
  by: string;
  /** Why. */
  reason: string;
}
export type DowntimeInit = Downtime;

/** Where one storage engine listens. */
export interface EngineAddress {
  /** host:port of the Redis-protocol server. */
  address: string;
  /** Redis database number. */
  db: number;
}
export interface EngineAddressInit {
  address: string;
  db?: number | undefined;
}

/** One storage engine as the configuration store has it. */
export interface EngineDescription {
  /** Cluster it belongs to. */
  cluster: string;
  /** Role of that cluster. */
  role: ClusterRole;
  /** Position in the cluster, from 0. */
  shard: number;
  /** host:port. */
  address: string;
  /** Redis database number. */
  db: number;
  /** online, offline, repair-tmp-outage, repair-final-outage or rip. */
  status: string;
  /** 0-Disk's word for the status: online, offline, repair, respread or rip. */
  state: string;
  /** Raised each time another engine takes this shard. */
  generation: number;
  /** Spare being filled while status is repair-final-outage. */
  replacement?: EngineReplacement | undefined;
  /** Open incident, if any. */
  incident?: string | undefined;
}
export interface EngineDescriptionInit {
  cluster: string;
  role: ClusterRole;
  shard: number;
  address: string;
  db?: number | undefined;
  status: string;
  state: string;
  generation?: number | undefined;
  replacement?: EngineReplacementInit | undefined;
  incident?: string | undefined;
}

/** The spare that takes the place of a lost engine. */
export interface EngineReplacement {
  /** host:port of the spare. */
  address: string;
  /** Redis database number. */
  db: number;
  /** Generation the spare serves with: one more than the engine it replaces. */
  generation: number;
}
export interface EngineReplacementInit {
  address: string;
  db?: number | undefined;
  generation: number;
}

/** One observation a verdict rests on. */
export interface Evidence {
  /** What kind of observation, such as ping, identity, canary-write, reporter, process-exit, operator. */
  kind: string;
  /** What was seen, as a sentence. */
  detail: string;
  /** When it was seen, milliseconds since 1970 UTC. */
  at: number;
  /** Who saw it: a server id, an analyzer; empty where it is who decided. */
  observer: string;
}
export interface EvidenceInit {
  kind: string;
  detail: string;
  at: number;
  observer?: string | undefined;
}

/** What is held back on a cluster. */
export interface HealingOfCluster {
  /** Cluster id. */
  cluster: string;
  /** Absent when it is not paused. */
  pause?: HealingPause | undefined;
  /** Those that have not ended. */
  downtimes: Downtime[];
  /** Engines that are held offline. */
  held: HeldEngine[];
}
export interface HealingOfClusterInit {
  cluster: string;
  pause?: HealingPauseInit | undefined;
  downtimes?: readonly DowntimeInit[] | undefined;
  held?: readonly HeldEngineInit[] | undefined;
}

/** Healing that somebody paused. */
export interface HealingPause {
  /** Who paused it. */
  by: string;
  /** Why. */
  reason: string;
  /** When, milliseconds since 1970 UTC. */
  at: number;
}
export type HealingPauseInit = HealingPause;

/** An engine that stays offline until somebody says otherwise. */
export interface HeldEngine {
  /** host:port of the engine. */
  address: string;
  /** Its incident. */
  incident: string;
  /** Why. */
  hold: IncidentHold;
}
export interface HeldEngineInit {
  address: string;
  incident: string;
  hold: IncidentHoldInit;
}

/** A hook, as the coordinator that answers has it configured. */
export interface HookDescription {
  /** Name. */
  hook: string;
  /** Points that it is hung up at. */
  points: string[];
  /** exec or webhook. */
  kind: string;
  /** The program, or the URL without credentials and query. */
  target: string;
  /** Bound of one attempt, milliseconds. */
  timeoutMs: number;
  /** Attempts at most. */
  attempts: number;
  /** Events from before this time do not run it. */
  since?: number | undefined;
  /** Runs that have not ended. */
  pending: number;
  /** The latest run. */
  lastRun?: AuditEntry | undefined;
}
export interface HookDescriptionInit {
  hook: string;
  points: readonly string[];
  kind: string;
  target: string;
  timeoutMs: number;
  attempts: number;
  since?: number | undefined;
  pending: number;
  lastRun?: AuditEntryInit | undefined;
}

/** One outage of one engine, from the first report to its end: the audit trail. */
export interface IncidentDescription {
  /** Incident id. */
  incident: string;
  /** Cluster of the engine. */
  cluster: string;
  /** Its shard. */
  shard: number;
  /** host:port of the engine. */
  address: string;
  /** Redis database number. */
  db: number;
  /** Engine status in this incident: offline, repair-tmp-outage, repair-final-outage; the last one when closed. */
  status: string;
  /** Starts at 1; one more each time the engine fails again before the end. */
  attempt: number;
  /** First report, milliseconds since 1970 UTC. */
  openedAt: number;
  /** End; absent while the incident is open. */
  closedAt?: number | undefined;
  /** How it ended; absent while it is open. */
  outcome?: string | undefined;
  /** Distinct reporters, oldest first; bounded. */
  reporters: IncidentReporter[];
  /** How often it was reported, duplicates included. */
  reportedTimes: number;
  /** Absent until one was given. */
  verdict?: IncidentVerdict | undefined;
  /** Spare that takes the engine's place. */
  replacement?: EngineReplacement | undefined;
  /** How a lost engine's blocks come to be on two engines again: spare, spread. Absent before that began. */
  repairKind?: string | undefined;
  /** Every step, oldest first; bounded. */
  history: IncidentTransition[];
  /** Vdisks repaired in the current attempt. */
  repairs: VdiskRepair[];
  /** Shards without a live copy that this open incident is part of. */
  unavailable: UnavailableShard[];
  /** Vdisks repaired in attempts before this one. */
  earlierRepairs: VdiskRepair[];
  /** Why it stays offline; absent when nobody holds it. */
  hold?: IncidentHold | undefined;
  /** What was done by hand, oldest first; bounded. */
  actions: OperatorAction[];
  /** What was given up to have it back. */
  lost: LostData[];
  /** What it waits for now, as a sentence; absent once it is closed. */
  waitsFor?: string | undefined;
  /** The recovery from the log that brings back what it lost together with its partner. */
  recovery?: string | undefined;
  /** How that recovery ended. */
  recoveryResult?: string | undefined;
  /** When it ended. */
  recoveredAt?: number | undefined;
}
export interface IncidentDescriptionInit {
  incident: string;
  cluster: string;
  shard: number;
  address: string;
  db?: number | undefined;
  status: string;
  attempt: number;
  openedAt: number;
  closedAt?: number | undefined;
  outcome?: string | undefined;
  reporters: readonly IncidentReporterInit[];
  reportedTimes: number;
  verdict?: IncidentVerdictInit | undefined;
  replacement?: EngineReplacementInit | undefined;
  repairKind?: string | undefined;
  history: readonly IncidentTransitionInit[];
  repairs?: readonly VdiskRepairInit[] | undefined;
  unavailable?: readonly UnavailableShardInit[] | undefined;
  earlierRepairs?: readonly VdiskRepairInit[] | undefined;
  hold?: IncidentHoldInit | undefined;
  actions?: readonly OperatorActionInit[] | undefined;
  lost?: readonly LostDataInit[] | undefined;
  waitsFor?: string | undefined;
  recovery?: string | undefined;
  recoveryResult?: string | undefined;
  recoveredAt?: number | undefined;
}

/** Why an engine stays offline until somebody says otherwise. */
export interface IncidentHold {
  /** planned, flapping, cancelled or writes-lost. */
  kind: string;
  /** Who holds it; salvor for an engine that flaps. */
  by: string;
  /** Why. */
  reason: string;
  /** Since when, milliseconds since 1970 UTC. */
  at: number;
}
export type IncidentHoldInit = IncidentHold;

/** Who reported an outage, and when. */
export interface IncidentReporter {
  /** Server id, service or operator. */
  reporter: string;
  /** What the reporter saw. */
  reason: string;
  /** When it was reported, milliseconds since 1970 UTC. */
  at: number;
}
export type IncidentReporterInit = IncidentReporter;

/** One step of an engine through an incident. */
export interface IncidentTransition {
  /** Engine status before. */
  from: string;
  /** Engine status after. */
  to: string;
  /** Attempt of the incident. */
  attempt: number;
  /** Why, as a sentence. */
  reason: string;
  /** Service or operator that made the step. */
  by: string;
  /** Operation that made it. */
  operation: string;
  /** When, milliseconds since 1970 UTC. */
  at: number;
}
export type IncidentTransitionInit = IncidentTransition;

/** The verdict on an outage and what it rests on. */
export interface IncidentVerdict {
  /** What the outage is. */
  verdict: Verdict;
  /** Why, as a sentence. */
  reason: string;
  /** The observations. */
  evidence: Evidence[];
  /** Service or operator that decided. */
  by: string;
  /** When, milliseconds since 1970 UTC. */
  at: number;
}
export interface IncidentVerdictInit {
  verdict: Verdict;
  reason: string;
  evidence: readonly EvidenceInit[];
  by: string;
  at: number;
}

/** A VM or process that uses vdisks. */
export interface InstanceDescription {
  /** Instance id. */
  instance: string;
  /** Vdisks that it uses. */
  vdisks: string[];
  /** Zone that it runs in. */
  zone?: string | undefined;
  /** NBD server through which it uses them. */
  server?: string | undefined;
  /** What the operator wants: started or stopped. */
  desired: string;
  /** started, stopping, stopped, stop-failed, starting or start-failed. */
  status: string;
  /** Why, as a sentence. */
  reason: string;
  /** Hook that stops it; absent: every hook at instance.stop. */
  stopHook?: string | undefined;
  /** Hook that starts it; absent: every hook at instance.start. */
  startHook?: string | undefined;
  /** Hook that keeps the instance of this id in the other zone from running. */
  fenceHook?: string | undefined;
  /** automatic, or operator: who starts it again after Salvor stopped it. */
  restart: string;
  /** ignore, or start: what happens when its NBD server has crashed and is back. */
  onServerExit: string;
  /** When the status changed, milliseconds since 1970 UTC. */
  changedAt: number;
  /** Incident that it is stopped for. */
  incident?: string | undefined;
  /** Hook runs of the last change; ask audit.list for them. */
  runs: string[];
}
export interface InstanceDescriptionInit {
  instance: string;
  vdisks: readonly string[];
  zone?: string | undefined;
  server?: string | undefined;
  desired: string;
  status: string;
  reason: string;
  stopHook?: string | undefined;
  startHook?: string | undefined;
  fenceHook?: string | undefined;
  restart: string;
  onServerExit: string;
  changedAt: number;
  incident?: string | undefined;
  runs: readonly string[];
}

/** What a vdisk loses when a stale engine is brought back as it is. */
export interface LostData {
  /** Vdisk id. */
  vdisk: string;
  /** Blocks that the engine misses; absent when nobody could be asked. */
  blocks?: number | undefined;
  /** Blocks that the shard has: no more can be lost. */
  atMost?: number | undefined;
  /** How that is known, as a sentence. */
  detail: string;
}
export type LostDataInit = LostData;

/** The transaction log of a vdisk as its owner writes it. */
export interface MountedTlog {
  /** opening: not taken up yet, writes wait; whole: it has all that was flushed; basing: a copy of all blocks is being written; broken: it ended. */
  status: string;
  /** Why, as a sentence. */
  reason: string;
  /** Sequence at which the newest complete base begins; 0: none, nothing can be restored from it yet. */
  base: number;
  /** Of the last record. */
  sequence: number;
  /** Bytes that JetStream has not acknowledged yet. */
  pendingBytes: number;
  /** How long the oldest of them waits, milliseconds. */
  lagMs: number;
  /** Flushes of clients that wait for it. */
  flushesWaiting: number;
  /** Why JetStream does not take it, when it does not. */
  trouble?: string | undefined;
}
export type MountedTlogInit = MountedTlog;

/** A command that was accepted, and what became of it. */
export interface OperationDescription {
  /** Operation id. */
  operation: string;
  /** The command, such as vdisk.create. */
  kind: string;
  /** running, completed, failed or cancelled. */
  status: string;
  /** What it does or waits for, what was done, or why it failed, as a sentence. */
  message: string;
  /** When it was accepted, milliseconds since 1970 UTC. */
  startedAt: number;
  /** When it ended; absent while it runs. */
  endedAt?: number | undefined;
  /** The id of what it is about, such as a vdisk. */
  subject?: string | undefined;
  /** Steps done; what a step is depends on the command. */
  done?: number | undefined;
  /** Steps in all, when known. */
  total?: number | undefined;
  /** Stable word for why it failed, or for what it waits for. */
  code?: string | undefined;
  /** When it last said something; only of operations that go on after their command was answered. */
  updatedAt?: number | undefined;
  /** Whether it was asked to stop. */
  cancelRequested: boolean;
  /** Whether it waits until operation.resume. */
  paused: boolean;
}
export interface OperationDescriptionInit {
  operation: string;
  kind: string;
  status: string;
  message: string;
  startedAt: number;
  endedAt?: number | undefined;
  subject?: string | undefined;
  done?: number | undefined;
  total?: number | undefined;
  code?: string | undefined;
  updatedAt?: number | undefined;
  cancelRequested?: boolean | undefined;
  paused?: boolean | undefined;
}

/** Something that was done by hand. */
export interface OperatorAction {
  /** The command. */
  action: string;
  /** Who did it. */
  by: string;
  /** Why. */
  reason: string;
  /** Operation id. */
  operation: string;
  /** When, milliseconds since 1970 UTC. */
  at: number;
}
export type OperatorActionInit = OperatorAction;

/** applied: this call made the change. already: the same operation, or another one, had made it before. */
export type Outcome = 'applied' | 'already';

/** What a run of a plan came to for one volume. */
export interface PlanMeasure {
  /** Volume id, the same in both zones. */
  volume: string;
  /** Writes that the source had and the target lacks; absent: not known (yet). */
  lostWrites?: number | undefined;
  /** Age of the newest write that the target has, when the run began, milliseconds: at most that much time is lost; absent: not known. */
  lostMs?: number | undefined;
  /** From the begin of the run to the volume being primary in the target zone, milliseconds; absent: it is not. */
  promotedMs?: number | undefined;
  /** Generation of the source that the target goes on from; 0: not known. */
  generation: number;
  /** Record of that generation with which the target goes on. */
  sequence?: number | undefined;
}
export type PlanMeasureInit = PlanMeasure;

/** A volume or an instance of a plan, as both zones have it now. */
export interface PlanMember {
  /** Group of the plan. */
  group: string;
  /** volume or instance. */
  kind: string;
  /** Its id. */
  subject: string;
  /** Its status in this zone; of what is missing, why. */
  here: string;
  /** Its status in the other zone; of what is missing, or cannot be asked, why. */
  there: string;
}
export type PlanMemberInit = PlanMember;

/** A run of a recovery plan, and what it came to. */
export interface PlanRunDescription {
  /** Id of the run, which is that of its operation. */
  run: string;
  /** Plan id, the same in both zones. */
  plan: string;
  /** Version of the plan. */
  version: number;
  /** planned, failover, test, cleanup or reprotect. */
  kind: string;
  /** Zone in which it is carried out: that is to have the volumes. */
  target: string;
  /** The other zone. */
  source: string;
  /** running, completed, failed or cancelled. */
  status: string;
  /** forward; back: a step failed before the point of no return, and what was done is being, or was, taken back. */
  direction: string;
  /** What it does, waits for, or did, as a sentence. */
  reason: string;
  /** In their order. */
  steps: PlanStep[];
  /** For each volume. */
  volumes: PlanMeasure[];
  /** Writes lost in all volumes together; absent: not known (yet). */
  rpoWrites?: number | undefined;
  /** The largest of the volumes, milliseconds; absent: not known. */
  rpoMs?: number | undefined;
  /** From its begin to the last instance being started, or, without instances, to the last volume being primary, milliseconds; absent: it did not come to that. */
  rtoMs?: number | undefined;
  /** When it began, milliseconds since 1970 UTC. */
  beganAt: number;
  /** When it ended. */
  endedAt?: number | undefined;
}
export interface PlanRunDescriptionInit {
  run: string;
  plan: string;
  version: number;
  kind: string;
  target: string;
  source: string;
  status: string;
  direction: string;
  reason: string;
  steps: readonly PlanStepInit[];
  volumes: readonly PlanMeasureInit[];
  rpoWrites?: number | undefined;
  rpoMs?: number | undefined;
  rtoMs?: number | undefined;
  beganAt: number;
  endedAt?: number | undefined;
}

/** A step of a run of a plan. */
export interface PlanStep {
  /** check, stop, fence, demote, level, promote, record, start, protect, clone, start-test, stop-test or remove-clone. */
  act: string;
  /** Where. */
  zone: string;
  /** Group of the plan; empty: all of it. */
  group: string;
  /** The volume, instance or record; empty: all of them. */
  subject: string;
  /** pending, running, done, failed, undoing, or undone: what it did was taken back. */
  status: string;
  /** What it did, or waits for, as a sentence. */
  reason: string;
  /** When it began. */
  beganAt?: number | undefined;
  /** When it ended. */
  endedAt?: number | undefined;
}
export type PlanStepInit = PlanStep;

/** A recovery plan. */
export interface PlanSummary {
  /** Plan id, the same in both zones. */
  plan: string;
  /** Raised by each change; the higher one comes to be in both zones. */
  version: number;
  /** Zone in which this version was written. */
  writtenIn: string;
  /** It was deleted; what is deleted stays on record, so that the other zone does not bring it back. */
  deleted: boolean;
  /** Its two zones; none when it was deleted. */
  zones: string[];
  /** When this version was written, milliseconds since 1970 UTC. */
  changedAt: number;
  /** Its run that is under way in this zone. */
  active?: string | undefined;
}
export interface PlanSummaryInit {
  plan: string;
  version: number;
  writtenIn: string;
  deleted: boolean;
  zones: readonly string[];
  changedAt: number;
  active?: string | undefined;
}

/** A recovery, from the log, of what both members of pairs have lost. */
export interface RecoveryDescription {
  /** Id of the recovery. */
  recovery: string;
  /** Primary cluster. */
  cluster: string;
  /** Slave cluster. */
  slaveCluster?: string | undefined;
  /** prepared: the plan waits for an operator; replaying; verifying; done; cancelled; failed. */
  status: string;
  /** One more each time another pair was lost before the end. */
  attempt: number;
  /** Why it has this status, as a sentence. */
  reason: string;
  /** When the plan was made, milliseconds since 1970 UTC. */
  preparedAt: number;
  /** When it last changed. */
  updatedAt: number;
  /** When all blocks were back. */
  endedAt?: number | undefined;
  /** The pairs that are lost. */
  pairs: RecoveryPair[];
  /** The vdisks that have lost blocks. */
  vdisks: RecoveryVdisk[];
  /** Revision of etcd with the configurations from before. */
  beforeRevision?: number | undefined;
  /** Revision of etcd that put the surviving configuration in force. */
  afterRevision?: number | undefined;
  /** Rate that the estimates are made with. */
  bytesPerSecond?: number | undefined;
  /** How that rate is known. */
  rateFrom?: string | undefined;
  /** How long the replay of all vdisks takes at that rate. */
  estimateMs?: number | undefined;
  /** The operation that replays. */
  operation?: OperationDescription | undefined;
  /** What happened, in order. */
  history: RecoveryStep[];
}
export interface RecoveryDescriptionInit {
  recovery: string;
  cluster: string;
  slaveCluster?: string | undefined;
  status: string;
  attempt: number;
  reason: string;
  preparedAt: number;
  updatedAt: number;
  endedAt?: number | undefined;
  pairs: readonly RecoveryPairInit[];
  vdisks: readonly RecoveryVdiskInit[];
  beforeRevision?: number | undefined;
  afterRevision?: number | undefined;
  bytesPerSecond?: number | undefined;
  rateFrom?: string | undefined;
  estimateMs?: number | undefined;
  operation?: OperationDescriptionInit | undefined;
  history: readonly RecoveryStepInit[];
}

/** A pair whose members are both gone for good, and how it comes to be served again. */
export interface RecoveryPair {
  /** Shard of both clusters. */
  shard: number;
  /** spares: empty engines take their places; rip: its blocks come back onto the other pairs; none: engines must be added. */
  way: string;
  /** What is needed, where neither can be done. */
  waitsFor?: string | undefined;
  /** Addresses of the engines that are gone. */
  lost: string[];
  /** Addresses of the engines that take their places. */
  replacements: string[];
  /** Their incidents. */
  incidents: string[];
  /** The configuration is without the lost engines. */
  applied: boolean;
}
export interface RecoveryPairInit {
  shard: number;
  way: string;
  waitsFor?: string | undefined;
  lost: readonly string[];
  replacements: readonly string[];
  incidents: readonly string[];
  applied: boolean;
}

/** A step of a recovery. */
export interface RecoveryStep {
  /** When, milliseconds since 1970 UTC. */
  at: number;
  /** Status from then on. */
  to: string;
  /** Why, as a sentence. */
  reason: string;
  /** Who did it. */
  by: string;
  /** Operation. */
  operation: string;
}
export type RecoveryStepInit = RecoveryStep;

/** What a vdisk has lost, and what its log can bring back. */
export interface RecoveryVdisk {
  /** Vdisk. */
  vdisk: string;
  /** Blocks of it without a live copy; of a count that is not exact, at most so many. */
  blocks: number;
  /** The number of blocks is exact. */
  counted: boolean;
  /** all, part or nothing. */
  recoverable: string;
  /** Why not all of it. */
  why?: string | undefined;
  /** Blocks that are to be written, as a walk through its log found. */
  logBlocks?: number | undefined;
  /** Their bytes. */
  logBytes?: number | undefined;
  /** How long that takes at the measured rate. */
  estimateMs?: number | undefined;
  /** waits: nothing was done yet; locked: it cannot be mounted until its blocks are back; restored: they are; lost: what no log holds is to be given up; loss-accepted: it was. */
  state: string;
  /** Blocks that were written in this recovery. */
  restoredBlocks?: number | undefined;
  /** Of them, those that were read again and are right. */
  verifiedBlocks?: number | undefined;
  /** How long that took. */
  durationMs?: number | undefined;
  /** Blocks that an operator has to give up, or has given up. */
  lostBlocks?: number | undefined;
}
export type RecoveryVdiskInit = RecoveryVdisk;

/** The repair of one vdisk that an open incident waits for. */
export interface RepairState {
  /** Incident id. */
  incident: string;
  /** Attempt of the incident. */
  attempt: number;
  /** Cluster of the engine. */
  cluster: string;
  /** Its shard. */
  shard: number;
  /** host:port of the engine. */
  address: string;
  /** repair-tmp-outage or repair-final-outage; offline for a cancelled one. */
  kind: string;
  /** host:port of the spare that is filled. */
  replacement?: string | undefined;
  /** Vdisk id. */
  vdisk: string;
  /** repaired, repairing, waiting, paused or cancelled. */
  state: string;
  /** The NBD server that repairs, or repaired it; absent when nobody does. */
  server?: string | undefined;
  /** Blocks that were to be copied; absent until it is repaired. */
  dirtyBlocks?: number | undefined;
  /** Blocks that were copied; absent until it is repaired. */
  copiedBlocks?: number | undefined;
  /** How long it took, in milliseconds; absent until it is repaired. */
  repairMs?: number | undefined;
  /** What it waits for, as a sentence; empty when it is repaired. */
  waitsFor: string;
}
export type RepairStateInit = RepairState;

/** An engine that was replaced and serves no more. */
export interface RetiredEngine {
  /** host:port it had. */
  address: string;
  /** Redis database number. */
  db: number;
  /** Incident that ended its service. */
  incident: string;
  /** When it was retired, milliseconds since 1970 UTC. */
  at: number;
}
export interface RetiredEngineInit {
  address: string;
  db?: number | undefined;
  incident: string;
  at: number;
}

/** An engine that was looked through. */
export interface ScannedEngine {
  /** Engine, host:port. */
  address: string;
  /** Its shard; absent for a spare. */
  shard?: number | undefined;
  /** Keys looked at. */
  keys: number;
  /** Whether these were all. */
  complete: boolean;
  /** Why it could not be looked through. */
  problem?: string | undefined;
}
export type ScannedEngineInit = ScannedEngine;

/** An attribute of a segment. */
export interface SegmentAttribute {
  /** Id: a UUID, or hexadecimal where ids have another length. */
  id: string;
  /** Signed 64-bit number in decimal. */
  value: string;
}
export type SegmentAttributeInit = SegmentAttribute;

/** A segment in Tier-1: its metadata is in etcd, its bytes are in the stream of its container. */
export interface SegmentDescription {
  /** Name. */
  segment: string;
  /** Container it is in. */
  container: number;
  /** Offset behind its last byte. */
  length: number;
  /** Offset of its first byte: what comes before was truncated. */
  startOffset: number;
  /** Where its last whole event ends; less than the length where the last event is cut off. */
  appendAt: number;
  /** Whether it takes no more bytes. */
  sealed: boolean;
  /** What its bytes are: events, entries (a table), index-records, or bytes. */
  framing: string;
  /** Whole events between start offset and length; only where it has events. */
  events?: number | undefined;
  /** Where whole events lie one after the other; only where it has events. */
  runs: SegmentRange[];
  /** Keys of the table that are alive; only of a table. */
  entries?: number | undefined;
  /** Of the bytes from the start offset to the length; absent where not all could be read. */
  sha256?: string | undefined;
  /** Bytes that no file had. */
  lost: SegmentRange[];
  /** Attributes with a meaning of their own. */
  coreAttributes: SegmentAttribute[];
  /** How many others there are; they are in the log. */
  extendedAttributes: number;
  /** What may be otherwise; what is not here was told by an undamaged source. */
  uncertain: SegmentDoubt[];
  /** JetStream stream that has its log. */
  stream: string;
  /** Its log is under this subject: .content, .attributes and .entries. */
  subject: string;
  /** Messages of its content there. */
  messages: number;
  /** Operation that brought it back. */
  operation: string;
  /** When, milliseconds since 1970 UTC. */
  at: number;
}
export interface SegmentDescriptionInit {
  segment: string;
  container: number;
  length: number;
  startOffset: number;
  appendAt: number;
  sealed: boolean;
  framing: string;
  events?: number | undefined;
  runs: readonly SegmentRangeInit[];
  entries?: number | undefined;
  sha256?: string | undefined;
  lost: readonly SegmentRangeInit[];
  coreAttributes: readonly SegmentAttributeInit[];
  extendedAttributes: number;
  uncertain: readonly SegmentDoubtInit[];
  stream: string;
  subject: string;
  messages: number;
  operation: string;
  at: number;
}

/** A fact about a segment that may be otherwise. */
export interface SegmentDoubt {
  /** existence, container, length, startOffset, sealed, coreAttributes or extendedAttributes. */
  fact: string;
  /** Why, as a sentence. */
  why: string;
}
export type SegmentDoubtInit = SegmentDoubt;

/** Bytes [from, to) of a segment. */
export interface SegmentRange {
  /** First byte. */
  from: number;
  /** Behind the last byte. */
  to: number;
}
export type SegmentRangeInit = SegmentRange;

/** What a recovery found of one container. */
export interface SegmentRecoveryContainer {
  /** Container. */
  container: number;
  /** Segments. */
  segments: number;
  /** Bytes of their content. */
  bytes: number;
  /** Segments of which a fact is uncertain. */
  uncertain: number;
}
export type SegmentRecoveryContainerInit = SegmentRecoveryContainer;

/** What a recovery of segments found, and what it did. */
export interface SegmentRecovery {
  /** Operation. */
  operation: string;
  /** The directory of Tier-2, on the machine of the service. */
  root: string;
  /** Whether it only looked. */
  dryRun: boolean;
  /** chunked or legacy. */
  layout: string;
  /** How many containers the cluster had. */
  containerCount: number;
  /** What there is in each container. */
  containers: SegmentRecoveryContainer[];
  /** Segments that were found. */
  segments: number;
  /** Bytes of their content. */
  bytes: number;
  /** Segments that were gone through so far. */
  looked: number;
  /** Segments that this recovery wrote into Tier-1. */
  written: number;
  /** Segments that Tier-1 had already, with the same facts. */
  already: number;
  /** Segments that Tier-1 has otherwise, and that were left as they are. */
  differing: number;
  /** Segments that could not be written. */
  failed: number;
  /** Whole events in the segments that were gone through. */
  events: number;
  /** Keys of tables that are alive in them. */
  entries: number;
  /** Segments of which a fact is uncertain. */
  uncertain: number;
  /** Findings of damage in the tree. */
  damage: number;
  /** Findings that are explained. */
  notes: number;
  /** The first of what is wrong, uncertain or differing; the report has all. */
  trouble: string[];
  /** How much of that is not told here. */
  moreTrouble: number;
  /** Folder with the copy of the containers' metadata. */
  backup?: string | undefined;
  /** File with every segment, and every fact and where it is from, one JSON object a line. */
  report?: string | undefined;
  /** When this was written, milliseconds since 1970 UTC. */
  at: number;
}
export interface SegmentRecoveryInit {
  operation: string;
  root: string;
  dryRun: boolean;
  layout: string;
  containerCount: number;
  containers: readonly SegmentRecoveryContainerInit[];
  segments: number;
  bytes: number;
  looked: number;
  written: number;
  already: number;
  differing: number;
  failed: number;
  events: number;
  entries: number;
  uncertain: number;
  damage: number;
  notes: number;
  trouble: readonly string[];
  moreTrouble: number;
  backup?: string | undefined;
  report?: string | undefined;
  at: number;
}

/** A key of a table, or a part of its value where that is long. */
export interface SegmentTableEntry {
  /** Key. */
  key: Buffer;
  /** Version of the entry. */
  version: number;
  /** Where in the value these bytes belong. */
  position: number;
  /** Length of the whole value. */
  total: number;
  /** Bytes of the value. */
  value: Buffer;
}
export type SegmentTableEntryInit = SegmentTableEntry;

/** How an NBD server uses one pair of engines for one vdisk. */
export interface ServedPair {
  /** Shard number. */
  shard: number;
  /** mirrored, single, alone, repairing, holding, unavailable, or rip where its blocks are on other pairs. */
  mode: string;
}
export type ServedPairInit = ServedPair;

/** A vdisk as one NBD server serves it. */
export interface ServedVdisk {
  /** Vdisk id. */
  vdisk: string;
  /** Such as mounting, mounted, repairing, fenced, released. */
  state: string;
  /** Fencing token; 0 while the vdisk is not owned. */
  epoch: number;
  /** Open NBD connections. */
  connections: number;
  /** One per shard. */
  pairs: ServedPair[];
  /** Its transaction log, if it has one. */
  log?: MountedTlog | undefined;
}
export interface ServedVdiskInit {
  vdisk: string;
  state: string;
  epoch: number;
  connections: number;
  pairs: readonly ServedPairInit[];
  log?: MountedTlogInit | undefined;
}

/** The process a log source watches. */
export interface SourceChild {
  /** Process id; 0 while it is being restarted. */
  pid: number;
  /** How often it was restarted. */
  restarts: number;
}
export type SourceChildInit = SourceChild;

/** One place log-watcher reads lines from. */
export interface SourceDescription {
  /** Source id. */
  source: string;
  /** spawn, file, journald or stdin. */
  kind: string;
  /** How far it was read: a byte offset or a journal cursor; empty before the first line. */
  position: string;
  /** Lines read since the start. */
  linesRead: number;
  /** Lines that could not be understood; each was announced as log.line-rejected. */
  linesRejected: number;
  /** Only for kind spawn. */
  child?: SourceChild | undefined;
}
export interface SourceDescriptionInit {
  source: string;
  kind: string;
  position: string;
  linesRead: number;
  linesRejected: number;
  child?: SourceChildInit | undefined;
}

/** Segments of a log that are nowhere. */
export interface Tier1LostRange {
  /** Number of the first one. */
  from: number;
  /** Number of the last one. */
  to: number;
  /** Sequence of the last record before them. */
  after: number;
  /** Sequence of the first record behind them; null: there is none. */
  before?: number | undefined;
  /** How that is known, as a sentence. */
  why: string;
}
export type Tier1LostRangeInit = Tier1LostRange;

/** What a recovery of Tier-1 found, and what it did. */
export interface Tier1Recovery {
  /** Operation. */
  operation: string;
  /** The directory of Tier-2, on the machine of the service. */
  root: string;
  /** Whether it only looked. */
  dryRun: boolean;
  /** What was lost, as a sentence. */
  loss: string;
  /** File of the configuration that was used. */
  configuration?: string | undefined;
  /** When that was stored: what changed later is known from survivors alone. */
  configurationAt?: number | undefined;
  /** Revision of etcd when the recovery began. */
  revision: number;
  /** Revision that etcd is, or was to be, raised to, so that every new epoch is above all earlier ones; as it was when nothing was to be done. */
  raisedTo: number;
  /** Clusters that etcd has now. */
  clusters: number;
  /** Keys that were written, or would be. */
  keysWritten: number;
  /** Keys that etcd had already, with the same value. */
  keysThere: number;
  /** Keys of etcd that differ from the configuration and were left as they are. */
  keysKept: number;
  /** Keys of the configuration that were not brought back: what they tell of was deleted since. */
  keysWithheld: number;
  /** Streams, consumers and buckets that were made. */
  streamsMade: number;
  /** The first of the vdisks; the report has all. */
  vdisks: Tier1Vdisk[];
  /** How many are not told here. */
  moreVdisks: number;
  /** Segments of logs that are nowhere. */
  lostSegments: number;
  /** The first of what is lost, damaged or in doubt; the report has all. */
  trouble: string[];
  /** How much of that is not told here. */
  moreTrouble: number;
  /** Folder with the copy of what was there. */
  backup?: string | undefined;
  /** File with every fact and where it is from, one JSON object a line. */
  report?: string | undefined;
  /** When this was written, milliseconds since 1970 UTC. */
  at: number;
}
export interface Tier1RecoveryInit {
  operation: string;
  root: string;
  dryRun: boolean;
  loss: string;
  configuration?: string | undefined;
  configurationAt?: number | undefined;
  revision: number;
  raisedTo: number;
  clusters: number;
  keysWritten: number;
  keysThere: number;
  keysKept: number;
  keysWithheld: number;
  streamsMade: number;
  vdisks: readonly Tier1VdiskInit[];
  moreVdisks: number;
  lostSegments: number;
  trouble: readonly string[];
  moreTrouble: number;
  backup?: string | undefined;
  report?: string | undefined;
  at: number;
}

/** What became of a vdisk. */
export interface Tier1Vdisk {
  /** Vdisk. */
  vdisk: string;
  /** brought-back; there: etcd had it; deleted: it is not brought back; unknown: it left traces, and no configuration. */
  outcome: string;
  /** Why, as a sentence. */
  reason: string;
  /** It has a transaction log. */
  logged: boolean;
  /** Container of its log. */
  container?: number | undefined;
  /** Number of the last segment in Tier-2. */
  archivedTo?: number | undefined;
  /** Number of the oldest segment that survived in JetStream. */
  tailFrom?: number | undefined;
  /** Number of the newest one. */
  tailTo?: number | undefined;
  /** Sequence of the last record that is known. */
  sequence?: number | undefined;
  /** When that was written, by the clock of the owner. */
  lastAt?: number | undefined;
  /** State that its log has now: whole, basing or broken. */
  logStatus?: string | undefined;
  /** Segments that are nowhere. */
  lost: Tier1LostRange[];
  /** What cannot be known, as sentences. */
  doubts: string[];
}
export interface Tier1VdiskInit {
  vdisk: string;
  outcome: string;
  reason: string;
  logged: boolean;
  container?: number | undefined;
  archivedTo?: number | undefined;
  tailFrom?: number | undefined;
  tailTo?: number | undefined;
  sequence?: number | undefined;
  lastAt?: number | undefined;
  logStatus?: string | undefined;
  lost: readonly Tier1LostRangeInit[];
  doubts: readonly string[];
}

/** The transaction log of one vdisk. */
export interface TlogDescription {
  /** Vdisk id. */
  vdisk: string;
  /** block: writes wait while JetStream does not take them; overflow: they go on, and the log is broken. */
  policy: string;
  /** Which of the containers it is in. */
  container: number;
  /** How many there were when it got its log. */
  containers: number;
  /** JetStream stream of the container. */
  stream: string;
  /** whole: everything flushed can be restored; basing: a copy of all blocks is being written; broken: what came later cannot be restored. */
  status: string;
  /** Why, as a sentence. */
  reason: string;
  /** Since when, milliseconds since 1970 UTC. */
  since: number;
  /** Segments of it in JetStream. */
  segments: number;
  /** Number of the newest of them; 0: none. */
  newest: number;
  /** Number of the last segment that is archived. */
  archived?: number | undefined;
  /** Bytes of the stream, all vdisks together. */
  streamBytes: number;
  /** Bytes that fit into it. */
  streamMaxBytes: number;
  /** Servers that have a copy of it; 0: the stream could not be asked. */
  replicas: number;
  /** When nats-server writes it to its disks, as far as that is known. */
  fsync: string;
  /** What a loss of power can cost, as a sentence. */
  powerLoss: string;
  /** NBD server that owns the vdisk. */
  server?: string | undefined;
  /** What that server says of it. */
  mounted?: MountedTlog | undefined;
  /** What could not be asked, as a sentence. */
  problem?: string | undefined;
}
export interface TlogDescriptionInit {
  vdisk: string;
  policy: string;
  container: number;
  containers: number;
  stream: string;
  status: string;
  reason: string;
  since: number;
  segments: number;
  newest: number;
  archived?: number | undefined;
  streamBytes: number;
  streamMaxBytes: number;
  replicas: number;
  fsync: string;
  powerLoss: string;
  server?: string | undefined;
  mounted?: MountedTlogInit | undefined;
  problem?: string | undefined;
}

/** A shard of which no member is live: its blocks cannot be read or written. */
export interface UnavailableShard {
  /** Primary cluster. */
  cluster: string;
  /** Slave cluster; absent when the shard has one member. */
  slaveCluster?: string | undefined;
  /** Shard. */
  shard: number;
  /** Since when, milliseconds since 1970 UTC. */
  since: number;
  /** Blocks without a live copy, of all vdisks. */
  blocks: number;
  /** Whether all of them were counted on an engine; else it is an upper bound. */
  counted: boolean;
  /** Which engines are down, and which of them served last, as a sentence. */
  reason: string;
  /** By vdisk id. */
  vdisks: UnavailableVdisk[];
}
export interface UnavailableShardInit {
  cluster: string;
  slaveCluster?: string | undefined;
  shard: number;
  since: number;
  blocks: number;
  counted: boolean;
  reason: string;
  vdisks: readonly UnavailableVdiskInit[];
}

/** How much of a vdisk has no live copy on one shard. */
export interface UnavailableVdisk {
  /** Vdisk. */
  vdisk: string;
  /** Blocks without a live copy. */
  blocks: number;
  /** Whether they were counted on an engine; else it is an upper bound from the size of the vdisk. */
  counted: boolean;
  /** What is known, as a sentence. */
  detail: string;
}
export type UnavailableVdiskInit = UnavailableVdisk;

/** The copies of one shard of a vdisk. */
export interface VdiskCopies {
  /** Shard number. */
  shard: number;
  /** both, primary-only, slave-only, none; single where there is no slave cluster; rip where the blocks are on other shards. */
  state: string;
  /** Used blocks of the shard: as the copies that are online say, the greater number. */
  blocks?: number | undefined;
  /** As a sentence. */
  reason: string;
}
export type VdiskCopiesInit = VdiskCopies;

/** A vdisk, the clusters it lives on, and who has it. */
export interface VdiskDescription {
  /** Vdisk id. */
  vdisk: string;
  /** Type. */
  type: VdiskType;
  /** Size in GiB. */
  sizeGiB: number;
  /** Block size in bytes. */
  blockSize: number;
  /** Whether writes are refused. */
  readOnly: boolean;
  /** Primary cluster. */
  cluster: string;
  /** Its status: healthy, repairing or unhealthy. */
  clusterStatus: string;
  /** Slave cluster, if it has one. */
  slaveCluster?: string | undefined;
  /** Its status. */
  slaveClusterStatus?: string | undefined;
  /** Who may write it now; absent when nobody has it mounted. */
  owner?: VdiskOwner | undefined;
  /** Open incidents on its clusters. */
  openIncidents: string[];
  /** Repairs done for those incidents. */
  repairs: VdiskRepair[];
  /** available, in-use, cloning (being filled, not served), clone-source (served read-only), resizing, deleting (being freed). */
  status: string;
  /** Blocks that are stored, each counted once; absent when a shard has no copy that answers. */
  usedBlocks?: number | undefined;
  /** The same in bytes of content. */
  usedBytes?: number | undefined;
  /** Memory on all engines that answered, all copies and Salvor's own keys together. */
  realBytes?: number | undefined;
  /** Each place of the vdisk, primary first. */
  engines: VdiskOnEngine[];
  /** One per shard. */
  copies: VdiskCopies[];
  /** As its owner says. */
  mount?: ServedVdisk | undefined;
  /** Why the owner could not be asked. */
  mountProblem?: string | undefined;
  /** Those under way about it. */
  operations: OperationDescription[];
  /** The last scrub, if one is on record. */
  scrub?: VdiskScrub | undefined;
}
export interface VdiskDescriptionInit {
  vdisk: string;
  type: VdiskType;
  sizeGiB: number;
  blockSize: number;
  readOnly?: boolean | undefined;
  cluster: string;
  clusterStatus: string;
  slaveCluster?: string | undefined;
  slaveClusterStatus?: string | undefined;
  owner?: VdiskOwnerInit | undefined;
  openIncidents?: readonly string[] | undefined;
  repairs?: readonly VdiskRepairInit[] | undefined;
  status?: string | undefined;
  usedBlocks?: number | undefined;
  usedBytes?: number | undefined;
  realBytes?: number | undefined;
  engines?: readonly VdiskOnEngineInit[] | undefined;
  copies?: readonly VdiskCopiesInit[] | undefined;
  mount?: ServedVdiskInit | undefined;
  mountProblem?: string | undefined;
  operations?: readonly OperationDescriptionInit[] | undefined;
  scrub?: VdiskScrubInit | undefined;
}

/** What one engine holds of one vdisk. */
export interface VdiskOnEngine {
  /** Cluster id. */
  cluster: string;
  /** Primary or slave. */
  role: ClusterRole;
  /** Shard number. */
  shard: number;
  /** Engine, host:port; the spare while one is rebuilt. */
  address: string;
  /** Its status in etcd. */
  status: string;
  /** Blocks stored there; the others are zeros. */
  blocks?: number | undefined;
  /** Whether blocks was estimated from a part, where counting all would keep the engine busy. */
  estimated: boolean;
  /** Memory of the keys that hold blocks, as the engine estimates it from a sample. */
  dataBytes?: number | undefined;
  /** Memory of epoch, write history and dirty map. */
  overheadBytes?: number | undefined;
  /** Number of the last batch of writes applied there. */
  batch?: number | undefined;
  /** Blocks that its partner lacks. */
  dirtyBlocks?: number | undefined;
  /** Why the figures are missing. */
  problem?: string | undefined;
}
export interface VdiskOnEngineInit {
  cluster: string;
  role: ClusterRole;
  shard: number;
  address: string;
  status: string;
  blocks?: number | undefined;
  estimated?: boolean | undefined;
  dataBytes?: number | undefined;
  overheadBytes?: number | undefined;
  batch?: number | undefined;
  dirtyBlocks?: number | undefined;
  problem?: string | undefined;
}

/** What its owner knows of a vdisk with blocks on an engine that is down. */
export interface VdiskOnOutage {
  /** Vdisk. */
  vdisk: string;
  /** Whether a write was taken without the engine since it went down; null when the owner cannot tell. */
  missedWrites?: boolean | undefined;
}
export type VdiskOnOutageInit = VdiskOnOutage;

/** The one process that may write a vdisk now. */
export interface VdiskOwner {
  /** Id of the NBD server. */
  server: string;
  /** Fencing token: etcd create revision of the owner key. */
  epoch: number;
  /** When it took the vdisk, milliseconds since 1970 UTC. */
  since?: number | undefined;
}
export type VdiskOwnerInit = VdiskOwner;

/** What an engine holds under the id of a vdisk that has no place there. */
export interface VdiskRemains {
  /** Vdisk id. */
  vdisk: string;
  /** unknown-vdisk: etcd knows no such vdisk. other-cluster: it lives on other clusters. */
  why: string;
  /** Engine, host:port. */
  address: string;
  /** Its shard; absent for a spare. */
  shard?: number | undefined;
  /** Names of its keys there, eight at most. */
  keys: string[];
  /** How many keys there are. */
  keyCount: number;
  /** Memory that they take, as the engine estimates it. */
  bytes: number;
  /** Whether the scan ended before all keys were seen. */
  truncated: boolean;
}
export interface VdiskRemainsInit {
  vdisk: string;
  why: string;
  address: string;
  shard?: number | undefined;
  keys: readonly string[];
  keyCount: number;
  bytes: number;
  truncated?: boolean | undefined;
}

/** The repair of one vdisk in one attempt of one incident. */
export interface VdiskRepair {
  /** Vdisk id. */
  vdisk: string;
  /** Incident. */
  incident: string;
  /** Attempt of the incident. */
  attempt: number;
  /** NBD server that did it. */
  server: string;
  /** Blocks that had to be copied. */
  dirtyBlocks: number;
  /** Blocks that were copied. */
  copiedBlocks: number;
  /** How long it took, milliseconds. */
  repairMs: number;
  /** When it was complete, milliseconds since 1970 UTC. */
  at: number;
}
export type VdiskRepairInit = VdiskRepair;

/** The last comparison of the copies of a vdisk. */
export interface VdiskScrub {
  /** Id of the operation that makes the change; ask operation.get for its end. */
  operation: string;
  /** running, completed, failed or cancelled. */
  status: string;
  /** What it does, waits for, or found. */
  message: string;
  /** When it said so, milliseconds since 1970 UTC. */
  at: number;
}
export type VdiskScrubInit = VdiskScrub;

/** A named state of a vdisk in its transaction log. */
export interface VdiskSnapshot {
  /** Name. */
  name: string;
  /** Last record of the log before it. */
  sequence: number;
  /** When it was taken, milliseconds since 1970 UTC. */
  at: number;
}
export type VdiskSnapshotInit = VdiskSnapshot;

/** One line about a vdisk. */
export interface VdiskSummary {
  /** Vdisk id. */
  vdisk: string;
  /** Type. */
  type: VdiskType;
  /** Size in GiB. */
  sizeGiB: number;
  /** Block size in bytes. */
  blockSize: number;
  /** Whether writes are refused. */
  readOnly: boolean;
  /** Primary cluster. */
  cluster: string;
  /** Slave cluster, if it has one. */
  slaveCluster?: string | undefined;
  /** Who may write it now; absent when nobody has it mounted. */
  owner?: VdiskOwner | undefined;
  /** available, in-use, cloning (being filled, not served), clone-source (served read-only), resizing, deleting (being freed). */
  status: string;
  /** The operation that has it now. */
  operation?: string | undefined;
}
export interface VdiskSummaryInit {
  vdisk: string;
  type: VdiskType;
  sizeGiB: number;
  blockSize: number;
  readOnly?: boolean | undefined;
  cluster: string;
  slaveCluster?: string | undefined;
  owner?: VdiskOwnerInit | undefined;
  status?: string | undefined;
  operation?: string | undefined;
}

/** 0-Disk's vdisk types, and volume, Salvor's own, which 0-Disk refuses to serve. boot is deduped. unknown is what a reader takes types for that it does not know; none is created or served. */
export type VdiskType = 'db' | 'cache' | 'tmp' | 'boot' | 'volume' | 'unknown';

/** What an outage is: temporary (the data is still there), permanent (the data is lost), false_alarm (there was none). Plain JSON also accepts false-alarm. */
export type Verdict = 'temporary' | 'permanent' | 'false_alarm';

/** Something about a volume that an operator should know. */
export interface VolumeCondition {
  /** degraded, resyncing, split-brain, error, not-consistent (of a group: no state of one moment can be promoted here) or cut-late (of a group: no newer cut comes). */
  condition: string;
  /** Why, as a sentence. */
  reason: string;
}
export type VolumeConditionInit = VolumeCondition;

/** The last copy of a whole volume into this zone. */
export interface VolumeCopy {
  /** since-fork (blocks that either log names since the fork), compare (hashes of all blocks) or replay (the log of the primary). */
  way: string;
  /** Why that way, as a sentence. */
  reason: string;
  /** Of a comparison: all blocks before this one are done. */
  next: number;
  /** Blocks that are, or were, looked at. */
  blocks: number;
  /** Blocks that differed and came over. */
  sentBlocks: number;
  /** Bytes of these blocks. */
  sentBytes: number;
  /** Bytes of hashes, in both directions. */
  hashBytes: number;
  /** When it began. */
  beganAt: number;
  /** When it was complete; absent: it is not. */
  endedAt?: number | undefined;
}
export type VolumeCopyInit = VolumeCopy;

/** One moment of all volumes of a consistency group, in the log of one of them. */
export interface VolumeCut {
  /** The same for all volumes of the group. */
  id: string;
  /** Counts up. */
  number: number;
  /** When it was made, by the clock of the primary. */
  at: number;
  /** Generation of the primary. */
  generation: number;
  /** Zone that was primary. */
  generationZone: string;
  /** Of the volume. */
  incarnation: string;
  /** The last segment before it. */
  segment: VolumeSegment;
}
export interface VolumeCutInit {
  id: string;
  number: number;
  at: number;
  generation: number;
  generationZone: string;
  incarnation?: string | undefined;
  segment: VolumeSegmentInit;
}

/** A volume as one zone sees it. */
export interface VolumeDescription {
  /** The zone that answers. */
  zone: string;
  /** Volume id, the same in both zones. */
  volume: string;
  /** Vdisk id in this zone; of driver rbd pool and image. */
  vdisk: string;
  /** primary or secondary; of driver rbd also none or unknown. */
  role: string;
  /** active - primary, active - updating or active - secondary; of driver rbd inactive where none of them is true, and a condition says what is. */
  status: string;
  /** What is not as it should be. */
  conditions: VolumeCondition[];
  /** serving; of a secondary: settling, waiting, copying, following, split or resyncing. */
  phase: string;
  /** What it does and why, as a sentence. */
  reason: string;
  /** Generation of its content; 0: nothing was copied yet. */
  generation: number;
  /** Zone that holds that generation. */
  generationZone: string;
  /** The generations before, oldest first. */
  lineage: VolumeGeneration[];
  /** Of a primary: last record of its log before its generation. */
  begins: number;
  /** Of a secondary: how far it is in the log it follows; absent: it holds no complete state. */
  sequence?: number | undefined;
  /** Container of this zone's own log. */
  container: number;
  /** Segment behind which this zone's own log begins. */
  logBegins: number;
  /** Size of the vdisk. */
  sizeBytes: number;
  /** Bytes of a block. */
  blockSize: number;
  /** The other zone. */
  peer?: string | undefined;
  /** none, instant, one-time or periodic. */
  mode: string;
  /** When the other zone last answered. */
  peerSeenAt?: number | undefined;
  /** How far it is behind. */
  lag?: VolumeLag | undefined;
  /** Operation of a promote that is not done yet. */
  promotion?: string | undefined;
  /** Of a split brain. */
  divergence?: VolumeDivergence | undefined;
  /** The last state of the primary that was reached. */
  point?: VolumePoint | undefined;
  /** Last change of its record. */
  changedAt: number;
  /** Of the volume that the generation belongs to. */
  incarnation: string;
  /** Of a primary: the last segment of its log before its generation. */
  begun?: VolumeSegment | undefined;
  /** When that promote was asked for. */
  promotionAt?: number | undefined;
  /** Of a secondary: the last copy of everything. */
  copy?: VolumeCopy | undefined;
  /** MiB a second that come over at most; 0: no limit of its own. */
  bandwidthMib: number;
  /** none or brotli: how what comes over is compressed. */
  compression: string;
  /** Of modes one-time and periodic. */
  schedule?: VolumeSchedule | undefined;
  /** Of a secondary in these modes. */
  sync?: VolumeSync | undefined;
  /** What copies it: native or rbd. */
  driver: string;
  /** Of driver rbd: what is on record of its image. */
  rbd?: VolumeRbd | undefined;
  /** The consistency group that it is in. */
  group?: VolumeGroup | undefined;
}
export interface VolumeDescriptionInit {
  zone: string;
  volume: string;
  vdisk: string;
  role: string;
  status: string;
  conditions: readonly VolumeConditionInit[];
  phase: string;
  reason: string;
  generation: number;
  generationZone: string;
  lineage: readonly VolumeGenerationInit[];
  begins: number;
  sequence?: number | undefined;
  container: number;
  logBegins: number;
  sizeBytes: number;
  blockSize: number;
  peer?: string | undefined;
  mode: string;
  peerSeenAt?: number | undefined;
  lag?: VolumeLagInit | undefined;
  promotion?: string | undefined;
  divergence?: VolumeDivergenceInit | undefined;
  point?: VolumePointInit | undefined;
  changedAt: number;
  incarnation?: string | undefined;
  begun?: VolumeSegmentInit | undefined;
  promotionAt?: number | undefined;
  copy?: VolumeCopyInit | undefined;
  bandwidthMib?: number | undefined;
  compression?: string | undefined;
  schedule?: VolumeScheduleInit | undefined;
  sync?: VolumeSyncInit | undefined;
  driver?: string | undefined;
  rbd?: VolumeRbdInit | undefined;
  group?: VolumeGroupInit | undefined;
}

/** What both zones wrote after they parted. */
export interface VolumeDivergence {
  /** The other zone. */
  zone: string;
  /** Its generation. */
  generation: number;
  /** Generation of the last record that both have. */
  forkGeneration?: number | undefined;
  /** That record. */
  forkSequence?: number | undefined;
  /** Records that this zone wrote past it; absent: not known. */
  records?: number | undefined;
  /** When it was found. */
  at: number;
}
export type VolumeDivergenceInit = VolumeDivergence;

/** One life of a volume under one primary that is over. */
export interface VolumeGeneration {
  /** Raised by each promote. */
  number: number;
  /** Zone that was primary. */
  zone: string;
  /** Last record of its log that the next generation builds on. */
  ends: number;
  /** Of the volume: another one after it was disabled and enabled again. */
  incarnation: string;
  /** The segment of its log with that record. */
  segment?: VolumeSegment | undefined;
}
export interface VolumeGenerationInit {
  number: number;
  zone: string;
  ends: number;
  incarnation?: string | undefined;
  segment?: VolumeSegmentInit | undefined;
}

/** The consistency group that a volume is in, as one zone sees it. */
export interface VolumeGroup {
  /** Plan and group, <plan>/<group>. */
  group: string;
  /** Its volumes. */
  members: string[];
  /** Cuts that were made here, where it is, or was, primary, the oldest first. */
  made: VolumeCut[];
  /** Of a secondary: the newest cut that all volumes of the group have in this zone; it goes up to there and no further. */
  released?: VolumeCut | undefined;
  /** Of a secondary: cuts that its vdisk has stood at, the oldest first. */
  reached: VolumeReachedCut[];
  /** Why there is no newer cut; empty: there is nothing to say. */
  reason: string;
  /** Since when no cut can come as the group is, Unix milliseconds; null: one may. */
  hinderedAt?: number | undefined;
}
export interface VolumeGroupInit {
  group: string;
  members: readonly string[];
  made?: readonly VolumeCutInit[] | undefined;
  released?: VolumeCutInit | undefined;
  reached?: readonly VolumeReachedCutInit[] | undefined;
  reason?: string | undefined;
  hinderedAt?: number | undefined;
}

/** How far a secondary is behind its primary, as it sees that. */
export interface VolumeLag {
  /** Everything that was there when it looked last is applied; in modes one-time and periodic, what the last run was to bring. */
  level: boolean;
  /** Bytes of the primary's log that are not applied here, about. */
  bytes: number;
  /** Age of the last write that is applied, milliseconds, by both clocks; 0 while it is level. In modes one-time and periodic: since the last run that was completed began. */
  ms: number;
  /** When that was so. */
  observedAt: number;
}
export type VolumeLagInit = VolumeLag;

/** A state of the primary that was reached in this zone. */
export interface VolumePoint {
  /** Generation of the primary. */
  generation: number;
  /** Zone that was primary. */
  zone: string;
  /** Number of the point under this generation; never given again. */
  number: number;
  /** Last record of the primary's log that it has. */
  sequence: number;
  /** Record of this zone's own log that stands for it: a clone at it is that state. */
  ownSequence: number;
  /** When its last write was made, by the clock of the primary. */
  writtenAt: number;
  /** When it was complete here. */
  at: number;
  /** Bytes that came over since the point before. */
  bytes: number;
  /** When the first of them did; with at this is how long it took. */
  beganAt?: number | undefined;
}
export interface VolumePointInit {
  generation: number;
  zone: string;
  number: number;
  sequence: number;
  ownSequence: number;
  writtenAt: number;
  at: number;
  bytes?: number | undefined;
  beganAt?: number | undefined;
}

/** An order about a mirrored image that has not ended. */
export interface VolumeRbdOrder {
  /** Its operation id. */
  operation: string;
  /** enable, detach, take-point, promote, demote, resync, test-clone or remove-clone. */
  verb: string;
  /** What was begun last; empty: nothing yet. */
  step: string;
  /** What it waits for, as a sentence. */
  reason: string;
  /** When it was begun. */
  at: number;
}
export type VolumeRbdOrderInit = VolumeRbdOrder;

/** A snapshot that can be cloned, and was carried over by a mirror snapshot. */
export interface VolumeRbdPoint {
  /** dr-<n>; numbers are never given again. */
  name: string;
  /** Id of the mirror snapshot in the cluster of the primary, an unsigned 64-bit number; absent: not taken yet. */
  snapshot?: string | undefined;
  /** When it was begun. */
  at: number;
  /** All of it was seen in the other zone. */
  complete: boolean;
}
export type VolumeRbdPointInit = VolumeRbdPoint;

/** A promote of a mirrored image. */
export interface VolumeRbdPromotion {
  /** Zone that was promoted. */
  zone: string;
  /** When. */
  at: number;
  /** It was forced. */
  force: boolean;
  /** Mirror snapshot with which it began, an unsigned 64-bit number; absent: none. */
  snapshot?: string | undefined;
  /** Generation that began with it. */
  generation: number;
}
export type VolumeRbdPromotionInit = VolumeRbdPromotion;

/** A mirrored image, as one zone has it on record. */
export interface VolumeRbd {
  /** Pool in the cluster of the zone that answers. */
  pool: string;
  /** The image that is the volume here. */
  image: string;
  /** The image whose place it took, as a clone of a point; empty: none. */
  replaces: string;
  /** Oldest first. */
  points: VolumeRbdPoint[];
  /** What is under way. */
  order?: VolumeRbdOrder | undefined;
  /** The last promote in this zone. */
  promotion?: VolumeRbdPromotion | undefined;
  /** Clones of tests. */
  clones: string[];
  /** Images that keep what a resync would have lost, or a detach left. */
  kept: string[];
  /** Points that the other zone lacks; absent: not known. */
  backlog?: number | undefined;
  /** When the mirror daemon of this zone reported last. */
  reportedAt?: number | undefined;
}
export interface VolumeRbdInit {
  pool: string;
  image: string;
  replaces: string;
  points: readonly VolumeRbdPointInit[];
  order?: VolumeRbdOrderInit | undefined;
  promotion?: VolumeRbdPromotionInit | undefined;
  clones: readonly string[];
  kept: readonly string[];
  backlog?: number | undefined;
  reportedAt?: number | undefined;
}

/** A cut that the vdisk of a secondary has stood at. */
export interface VolumeReachedCut {
  /** The same for all volumes of the group. */
  id: string;
  /** Its number. */
  number: number;
  /** When it was made, by the clock of the primary. */
  at: number;
  /** Record of this zone's own log that stands for it: a clone at it is that state. */
  ownSequence: number;
}
export type VolumeReachedCutInit = VolumeReachedCut;

/** When a volume that is not followed all the time is synchronised. */
export interface VolumeSchedule {
  /** Milliseconds from one run to the next; 0: once. */
  everyMs: number;
  /** The first run. */
  startAt: number;
  /** What becomes of slots when nobody was there: run-once or skip. */
  missed: string;
}
export type VolumeScheduleInit = VolumeSchedule;

/** A segment of the log of a vdisk, told from every other that was given its number. */
export interface VolumeSegment {
  /** Its number. */
  number: number;
  /** Epoch of the owner that wrote it. */
  epoch: number;
  /** Its last record, or the one before its first where it has none. */
  last: number;
  /** When its last record was taken. */
  at: number;
  /** The record with which the base begins that it builds on. */
  base: number;
}
export type VolumeSegmentInit = VolumeSegment;

/** How far a secondary is with its schedule. */
export interface VolumeSync {
  /** Runs that were completed. */
  runs: number;
  /** Slots that passed with nobody there. */
  missed: number;
  /** Slots that came while a run was under way, and were skipped. */
  overlaps: number;
  /** The last slot that was dealt with. */
  slotAt?: number | undefined;
  /** The next slot; none: there is none any more, or it is due. */
  nextAt?: number | undefined;
  /** When the run began that is under way. */
  runningSince?: number | undefined;
  /** When the last run that was completed began: what is here is as the primary was then, or a moment after. */
  lastBeganAt?: number | undefined;
  /** When it was complete. */
  lastEndedAt?: number | undefined;
  /** Record of the primary that it went up to. */
  lastSequence: number;
}
export interface VolumeSyncInit {
  runs: number;
  missed: number;
  overlaps: number;
  slotAt?: number | undefined;
  nextAt?: number | undefined;
  runningSince?: number | undefined;
  lastBeganAt?: number | undefined;
  lastEndedAt?: number | undefined;
  lastSequence?: number | undefined;
}

/** A piece of a segment that is no stream of events, in a file. */
export interface ExportedBytes {
  /** Name of the segment. */
  segment: string;
  /** Where in the segment it belongs. */
  offset: number;
  /** Bytes. */
  data: Buffer;
}
export type ExportedBytesInit = ExportedBytes;

/** A key of a table that is alive, in a file. */
export interface ExportedEntry {
  /** Name of the table's segment. */
  segment: string;
  /** Key. */
  key: Buffer;
  /** Version of the entry. */
  version: number;
  /** Value. */
  value: Buffer;
}
export type ExportedEntryInit = ExportedEntry;

/** A whole event of a segment, in a file. */
export interface ExportedEvent {
  /** Name of the segment. */
  segment: string;
  /** Where it begins in the segment, with its header. */
  offset: number;
  /** What was written. */
  payload: Buffer;
}
export type ExportedEventInit = ExportedEvent;

/** bytes: content. hole: content that no file had. attributes: extended attributes. entries: keys of a table. end: all of the segment has been written, the other parts included. */
export type SegmentEntryKind = 'bytes' | 'hole' | 'attributes' | 'entries' | 'end';

/** A message of the log of one segment. Content ends with the digest of the segment. */
export interface SegmentLogEntry {
  /** Name of the segment. */
  segment: string;
  /** 1, 2, 3 … without a gap, in each part. */
  number: number;
  /** Operation that wrote it. */
  operation: string;
  /** What it holds. */
  kind: SegmentEntryKind;
  /** Of bytes and holes: where they begin. */
  offset: number;
  /** Of a hole: where it ends. */
  to: number;
  /** Extended attributes. */
  attributes: SegmentAttribute[];
  /** Keys of a table that are alive, in the order in which they were written. */
  entries: SegmentTableEntry[];
  /** Content; at the end a SHA-256 sum of all facts of the segment. */
  data: Buffer;
}
export interface SegmentLogEntryInit {
  segment: string;
  number: number;
  operation: string;
  kind: SegmentEntryKind;
  offset?: number | undefined;
  to?: number | undefined;
  attributes?: readonly SegmentAttributeInit[] | undefined;
  entries?: readonly SegmentTableEntryInit[] | undefined;
  data?: Buffer | undefined;
}

/** What a compacted segment stands for: records that later ones made void were left out of it. */
export interface TlogCover {
  /** It stands for all segments from this number to its own. */
  number: number;
  /** It stands for all sequences from this one to its last. */
  first: number;
  /** States after this sequence and later are exact; those after an earlier one are not told any more. */
  exactFrom: number;
}
export type TlogCoverInit = TlogCover;

/** What the index of a chunk tells of one segment: all of it but the bytes of its blocks. */
export interface TlogIndexEntry {
  /** Number of the segment. */
  number: number;
  /** Epoch of the owner that wrote it. */
  epoch: number;
  /** Generation of the volume; 0 where there is none. */
  generation: number;
  /** What it is for. */
  kind: TlogSegmentKind;
  /** Of a snapshot: its name. */
  name: string;
  /** Sequence of its first record, or the next one when it has none. */
  first: number;
  /** When its first record was taken, milliseconds since 1970 UTC. */
  firstAt: number;
  /** When its last record was taken. */
  lastAt: number;
  /** Sequence at which the newest complete base begins; 0: there is none. */
  base: number;
  /** Bytes of a block. */
  blockSize: number;
  /** For each shard the batch up to which everything is in the log, this segment included. */
  positions: TlogPosition[];
  /** Only of what compaction made of several segments. */
  covers?: TlogCover | undefined;
  /** Offset of the bytes of its blocks in the chunk file. */
  dataAt: number;
  /** The changes, with rising sequences; their bytes follow each other from dataAt on. */
  records: TlogRecord[];
}
export interface TlogIndexEntryInit {
  number: number;
  epoch: number;
  generation?: number | undefined;
  kind: TlogSegmentKind;
  name?: string | undefined;
  first: number;
  firstAt: number;
  lastAt: number;
  base?: number | undefined;
  blockSize: number;
  positions: readonly TlogPositionInit[];
  covers?: TlogCoverInit | undefined;
  dataAt: number;
  records: readonly TlogRecordInit[];
}

/** How far the log is with one shard. */
export interface TlogPosition {
  /** Shard. */
  shard: number;
  /** Number of the last batch of the pair whose changes are in the log. */
  batch: number;
}
export type TlogPositionInit = TlogPosition;

/** One change of one block. */
export interface TlogRecord {
  /** Place in the log of the vdisk: 1, 2, 3 … without a gap, but for what compaction left out. */
  sequence: number;
  /** Index of the block. */
  block: number;
  /** Bytes of the block in data; 0: the block was deleted, and reads as zeros. */
  length: number;
  /** CRC-32 of these bytes, as in zlib; 0 for a deleted block. */
  checksum: number;
}
export type TlogRecordInit = TlogRecord;

/** begin: an owner takes the log up. writes: changes. baseBegin, base, baseComplete: a copy of every block that is stored. snapshot: a named position, after everything before it. */
export type TlogSegmentKind = 'begin' | 'writes' | 'baseBegin' | 'base' | 'baseComplete' | 'snapshot';

/** A piece of the transaction log of one vdisk: changes of blocks in the order in which the engines took them. */
export interface TlogSegment {
  /** Vdisk. */
  vdisk: string;
  /** Number of this segment of the vdisk: 1, 2, 3 … without a gap. */
  number: number;
  /** Epoch of the owner that wrote it; never falls from one segment to the next. */
  epoch: number;
  /** Generation of the volume; 0 where there is none. */
  generation: number;
  /** What it is for. */
  kind: TlogSegmentKind;
  /** Of a snapshot: its name. */
  name: string;
  /** Sequence of its first record, or the next one when it has none. */
  first: number;
  /** When its first record was taken, milliseconds since 1970 UTC. */
  firstAt: number;
  /** When its last record was taken. */
  lastAt: number;
  /** Sequence at which the newest complete base begins: what no record from there on names is zeros. 0: there is none. */
  base: number;
  /** Bytes of a block. */
  blockSize: number;
  /** For each shard the batch up to which everything is in the log, this segment included. */
  positions: TlogPosition[];
  /** The changes, with rising sequences. */
  records: TlogRecord[];
  /** Only of what compaction made of several segments. */
  covers?: TlogCover | undefined;
  /** The bytes of all blocks that were set, one after the other. */
  data: Buffer;
}
export interface TlogSegmentInit {
  vdisk: string;
  number: number;
  epoch: number;
  generation?: number | undefined;
  kind: TlogSegmentKind;
  name?: string | undefined;
  first: number;
  firstAt: number;
  lastAt: number;
  base?: number | undefined;
  blockSize: number;
  positions: readonly TlogPositionInit[];
  records: readonly TlogRecordInit[];
  covers?: TlogCoverInit | undefined;
  data: Buffer;
}

/** A block of an exported vdisk that is not zeros. */
export interface VdiskExportBlock {
  /** Number of the block, from 0 on. */
  block: number;
  /** CRC-32 (zlib's) of the data. */
  checksum: number;
  /** Its bytes; where they are fewer than a block, zeros follow. */
  data: Buffer;
}
export type VdiskExportBlockInit = VdiskExportBlock;

/** What the file of an exported vdisk ends with: a file without it is not whole. */
export interface VdiskExportEnd {
  /** Blocks in the file. */
  blocks: number;
  /** Bytes of the file in front of this record. */
  bytes: number;
  /** SHA-256 of these bytes, 64 hex digits. */
  sha256: string;
}
export type VdiskExportEndInit = VdiskExportEnd;

/** A record of the file of an exported vdisk: a block, in any order, or, as the last one, the end. */
export interface VdiskExportRecord {
  /** A block. */
  block?: VdiskExportBlock | undefined;
  /** The end. */
  end?: VdiskExportEnd | undefined;
}
export interface VdiskExportRecordInit {
  block?: VdiskExportBlockInit | undefined;
  end?: VdiskExportEndInit | undefined;
}

/** What `decode` gives for each record: every field with a default is there. */
export interface RecordTypes {
  readonly AlertListReply: AlertListReply;
  readonly AlertListRequest: AlertListRequest;
  readonly ArchiveFullBackupReply: ArchiveFullBackupReply;
  readonly ArchiveFullBackupRequest: ArchiveFullBackupRequest;
  readonly ArchiveHashBackupReply: ArchiveHashBackupReply;
  readonly ArchiveHashBackupRequest: ArchiveHashBackupRequest;
  readonly ArchiveInitStorageReply: ArchiveInitStorageReply;
  readonly ArchiveInitStorageRequest: ArchiveInitStorageRequest;
  readonly ArchiveIsOverflowReply: ArchiveIsOverflowReply;
  readonly ArchiveIsOverflowRequest: ArchiveIsOverflowRequest;
  readonly ArchiveIsSendErrorReply: ArchiveIsSendErrorReply;
  readonly ArchiveIsSendErrorRequest: ArchiveIsSendErrorRequest;
  readonly ArchiveKickReply: ArchiveKickReply;
  readonly ArchiveKickRequest: ArchiveKickRequest;
  readonly ArchiveListReply: ArchiveListReply;
  readonly ArchiveListRequest: ArchiveListRequest;
  readonly ArchiveMakePrimaryReply: ArchiveMakePrimaryReply;
  readonly ArchiveMakePrimaryRequest: ArchiveMakePrimaryRequest;
  readonly ArchiveReplicateReply: ArchiveReplicateReply;
  readonly ArchiveReplicateRequest: ArchiveReplicateRequest;
  readonly ArchiveRestoreReply: ArchiveRestoreReply;
  readonly ArchiveRestoreRequest: ArchiveRestoreRequest;
  readonly ArchiveSetRetentionReply: ArchiveSetRetentionReply;
  readonly ArchiveSetRetentionRequest: ArchiveSetRetentionRequest;
  readonly ArchiveSnapshotReply: ArchiveSnapshotReply;
  readonly ArchiveSnapshotRequest: ArchiveSnapshotRequest;
  readonly ArchiveStartSynchronizingReply: ArchiveStartSynchronizingReply;
  readonly ArchiveStartSynchronizingRequest: ArchiveStartSynchronizingRequest;
  readonly ArchiveStatusReply: ArchiveStatusReply;
  readonly ArchiveStatusRequest: ArchiveStatusRequest;
  readonly ArchiveStopSynchronizingReply: ArchiveStopSynchronizingReply;
  readonly ArchiveStopSynchronizingRequest: ArchiveStopSynchronizingRequest;
  readonly ArchiveVerifyReply: ArchiveVerifyReply;
  readonly ArchiveVerifyRequest: ArchiveVerifyRequest;
  readonly AuditListReply: AuditListReply;
  readonly AuditListRequest: AuditListRequest;
  readonly ClusterAddSparesReply: ClusterAddSparesReply;
  readonly ClusterAddSparesRequest: ClusterAddSparesRequest;
  readonly ClusterCollectGarbageReply: ClusterCollectGarbageReply;
  readonly ClusterCollectGarbageRequest: ClusterCollectGarbageRequest;
  readonly ClusterCreateReply: ClusterCreateReply;
  readonly ClusterCreateRequest: ClusterCreateRequest;
  readonly ClusterGetReply: ClusterGetReply;
  readonly ClusterGetRequest: ClusterGetRequest;
  readonly ClusterListReply: ClusterListReply;
  readonly ClusterListRequest: ClusterListRequest;
  readonly ClusterRemoveSpareReply: ClusterRemoveSpareReply;
  readonly ClusterRemoveSpareRequest: ClusterRemoveSpareRequest;
  readonly DowntimeBeginReply: DowntimeBeginReply;
  readonly DowntimeBeginRequest: DowntimeBeginRequest;
  readonly DowntimeEndReply: DowntimeEndReply;
  readonly DowntimeEndRequest: DowntimeEndRequest;
  readonly DowntimeListReply: DowntimeListReply;
  readonly DowntimeListRequest: DowntimeListRequest;
  readonly DrAcceptLossReply: DrAcceptLossReply;
  readonly DrAcceptLossRequest: DrAcceptLossRequest;
  readonly DrCancelReply: DrCancelReply;
  readonly DrCancelRequest: DrCancelRequest;
  readonly DrPlanReply: DrPlanReply;
  readonly DrPlanRequest: DrPlanRequest;
  readonly DrRecoverReply: DrRecoverReply;
  readonly DrRecoverRequest: DrRecoverRequest;
  readonly DrReplayReply: DrReplayReply;
  readonly DrReplayRequest: DrReplayRequest;
  readonly DrReportReply: DrReportReply;
  readonly DrReportRequest: DrReportRequest;
  readonly DrStatusReply: DrStatusReply;
  readonly DrStatusRequest: DrStatusRequest;
  readonly DrVerifyReply: DrVerifyReply;
  readonly DrVerifyRequest: DrVerifyRequest;
  readonly EngineBringOnlineReply: EngineBringOnlineReply;
  readonly EngineBringOnlineRequest: EngineBringOnlineRequest;
  readonly EngineGetReply: EngineGetReply;
  readonly EngineGetRequest: EngineGetRequest;
  readonly EngineListReply: EngineListReply;
  readonly EngineListRequest: EngineListRequest;
  readonly EngineProbeReply: EngineProbeReply;
  readonly EngineProbeRequest: EngineProbeRequest;
  readonly EngineReplaceReply: EngineReplaceReply;
  readonly EngineReplaceRequest: EngineReplaceRequest;
  readonly EngineReportFailureReply: EngineReportFailureReply;
  readonly EngineReportFailureRequest: EngineReportFailureRequest;
  readonly EngineRetireReply: EngineRetireReply;
  readonly EngineRetireRequest: EngineRetireRequest;
  readonly EngineSetVerdictReply: EngineSetVerdictReply;
  readonly EngineSetVerdictRequest: EngineSetVerdictRequest;
  readonly EngineTakeOfflineReply: EngineTakeOfflineReply;
  readonly EngineTakeOfflineRequest: EngineTakeOfflineRequest;
  readonly HealingPauseReply: HealingPauseReply;
  readonly HealingPauseRequest: HealingPauseRequest;
  readonly HealingResumeReply: HealingResumeReply;
  readonly HealingResumeRequest: HealingResumeRequest;
  readonly HealingStatusReply: HealingStatusReply;
  readonly HealingStatusRequest: HealingStatusRequest;
  readonly HookListReply: HookListReply;
  readonly HookListRequest: HookListRequest;
  readonly HookTestReply: HookTestReply;
  readonly HookTestRequest: HookTestRequest;
  readonly IncidentAcknowledgeReply: IncidentAcknowledgeReply;
  readonly IncidentAcknowledgeRequest: IncidentAcknowledgeRequest;
  readonly IncidentGetReply: IncidentGetReply;
  readonly IncidentGetRequest: IncidentGetRequest;
  readonly IncidentListReply: IncidentListReply;
  readonly IncidentListRequest: IncidentListRequest;
  readonly InstanceDeleteReply: InstanceDeleteReply;
  readonly InstanceDeleteRequest: InstanceDeleteRequest;
  readonly InstanceGetReply: InstanceGetReply;
  readonly InstanceGetRequest: InstanceGetRequest;
  readonly InstanceListReply: InstanceListReply;
  readonly InstanceListRequest: InstanceListRequest;
  readonly InstanceSetReply: InstanceSetReply;
  readonly InstanceSetRequest: InstanceSetRequest;
  readonly InstanceStartReply: InstanceStartReply;
  readonly InstanceStartRequest: InstanceStartRequest;
  readonly InstanceStopReply: InstanceStopReply;
  readonly InstanceStopRequest: InstanceStopRequest;
  readonly NbdserverCutReply: NbdserverCutReply;
  readonly NbdserverCutRequest: NbdserverCutRequest;
  readonly NbdserverProbeReply: NbdserverProbeReply;
  readonly NbdserverProbeRequest: NbdserverProbeRequest;
  readonly NbdserverStatusReply: NbdserverStatusReply;
  readonly NbdserverStatusRequest: NbdserverStatusRequest;
  readonly OperationCancelReply: OperationCancelReply;
  readonly OperationCancelRequest: OperationCancelRequest;
  readonly OperationGetReply: OperationGetReply;
  readonly OperationGetRequest: OperationGetRequest;
  readonly OperationListReply: OperationListReply;
  readonly OperationListRequest: OperationListRequest;
  readonly OperationPauseReply: OperationPauseReply;
  readonly OperationPauseRequest: OperationPauseRequest;
  readonly OperationResumeReply: OperationResumeReply;
  readonly OperationResumeRequest: OperationResumeRequest;
  readonly PlanApplyReply: PlanApplyReply;
  readonly PlanApplyRequest: PlanApplyRequest;
  readonly PlanDeleteReply: PlanDeleteReply;
  readonly PlanDeleteRequest: PlanDeleteRequest;
  readonly PlanGetReply: PlanGetReply;
  readonly PlanGetRequest: PlanGetRequest;
  readonly PlanListReply: PlanListReply;
  readonly PlanListRequest: PlanListRequest;
  readonly PlanReportReply: PlanReportReply;
  readonly PlanReportRequest: PlanReportRequest;
  readonly PlanRunReply: PlanRunReply;
  readonly PlanRunRequest: PlanRunRequest;
  readonly PlanStatusReply: PlanStatusReply;
  readonly PlanStatusRequest: PlanStatusRequest;
  readonly RepairCancelReply: RepairCancelReply;
  readonly RepairCancelRequest: RepairCancelRequest;
  readonly RepairListReply: RepairListReply;
  readonly RepairListRequest: RepairListRequest;
  readonly RepairResumeReply: RepairResumeReply;
  readonly RepairResumeRequest: RepairResumeRequest;
  readonly RepairRetryReply: RepairRetryReply;
  readonly RepairRetryRequest: RepairRetryRequest;
  readonly SegmentGetReply: SegmentGetReply;
  readonly SegmentGetRequest: SegmentGetRequest;
  readonly SegmentListReply: SegmentListReply;
  readonly SegmentListRequest: SegmentListRequest;
  readonly SourceListReply: SourceListReply;
  readonly SourceListRequest: SourceListRequest;
  readonly TlogDisableReply: TlogDisableReply;
  readonly TlogDisableRequest: TlogDisableRequest;
  readonly TlogEnableReply: TlogEnableReply;
  readonly TlogEnableRequest: TlogEnableRequest;
  readonly TlogStatusReply: TlogStatusReply;
  readonly TlogStatusRequest: TlogStatusRequest;
  readonly TlogVerifyReply: TlogVerifyReply;
  readonly TlogVerifyRequest: TlogVerifyRequest;
  readonly VdiskCloneReply: VdiskCloneReply;
  readonly VdiskCloneRequest: VdiskCloneRequest;
  readonly VdiskCreateReply: VdiskCreateReply;
  readonly VdiskCreateRequest: VdiskCreateRequest;
  readonly VdiskDeleteOrphanReply: VdiskDeleteOrphanReply;
  readonly VdiskDeleteOrphanRequest: VdiskDeleteOrphanRequest;
  readonly VdiskDeleteReply: VdiskDeleteReply;
  readonly VdiskDeleteRequest: VdiskDeleteRequest;
  readonly VdiskDescribeReply: VdiskDescribeReply;
  readonly VdiskDescribeRequest: VdiskDescribeRequest;
  readonly VdiskExportReply: VdiskExportReply;
  readonly VdiskExportRequest: VdiskExportRequest;
  readonly VdiskImportReply: VdiskImportReply;
  readonly VdiskImportRequest: VdiskImportRequest;
  readonly VdiskListReply: VdiskListReply;
  readonly VdiskListRequest: VdiskListRequest;
  readonly VdiskOrphansReply: VdiskOrphansReply;
  readonly VdiskOrphansRequest: VdiskOrphansRequest;
  readonly VdiskResizeReply: VdiskResizeReply;
  readonly VdiskResizeRequest: VdiskResizeRequest;
  readonly VdiskRollbackReply: VdiskRollbackReply;
  readonly VdiskRollbackRequest: VdiskRollbackRequest;
  readonly VdiskScrubReply: VdiskScrubReply;
  readonly VdiskScrubRequest: VdiskScrubRequest;
  readonly VdiskSnapshotCreateReply: VdiskSnapshotCreateReply;
  readonly VdiskSnapshotCreateRequest: VdiskSnapshotCreateRequest;
  readonly VdiskSnapshotDeleteReply: VdiskSnapshotDeleteReply;
  readonly VdiskSnapshotDeleteRequest: VdiskSnapshotDeleteRequest;
  readonly VdiskSnapshotListReply: VdiskSnapshotListReply;
  readonly VdiskSnapshotListRequest: VdiskSnapshotListRequest;
  readonly VdiskTakeoverReply: VdiskTakeoverReply;
  readonly VdiskTakeoverRequest: VdiskTakeoverRequest;
  readonly VolumeCloneReply: VolumeCloneReply;
  readonly VolumeCloneRequest: VolumeCloneRequest;
  readonly VolumeCompareReply: VolumeCompareReply;
  readonly VolumeCompareRequest: VolumeCompareRequest;
  readonly VolumeDemoteReply: VolumeDemoteReply;
  readonly VolumeDemoteRequest: VolumeDemoteRequest;
  readonly VolumeDisableReply: VolumeDisableReply;
  readonly VolumeDisableRequest: VolumeDisableRequest;
  readonly VolumeEnableReply: VolumeEnableReply;
  readonly VolumeEnableRequest: VolumeEnableRequest;
  readonly VolumeListReply: VolumeListReply;
  readonly VolumeListRequest: VolumeListRequest;
  readonly VolumeLogReply: VolumeLogReply;
  readonly VolumeLogRequest: VolumeLogRequest;
  readonly VolumePromoteReply: VolumePromoteReply;
  readonly VolumePromoteRequest: VolumePromoteRequest;
  readonly VolumeRemoveCloneReply: VolumeRemoveCloneReply;
  readonly VolumeRemoveCloneRequest: VolumeRemoveCloneRequest;
  readonly VolumeReplicateReply: VolumeReplicateReply;
  readonly VolumeReplicateRequest: VolumeReplicateRequest;
  readonly VolumeResyncReply: VolumeResyncReply;
  readonly VolumeResyncRequest: VolumeResyncRequest;
  readonly VolumeStatusReply: VolumeStatusReply;
  readonly VolumeStatusRequest: VolumeStatusRequest;
  readonly VolumeTellReply: VolumeTellReply;
  readonly VolumeTellRequest: VolumeTellRequest;
  readonly AlertCleared: AlertCleared;
  readonly AlertRaised: AlertRaised;
  readonly ClusterStatusChanged: ClusterStatusChanged;
  readonly EngineFailureReported: EngineFailureReported;
  readonly EngineStatusChanged: EngineStatusChanged;
  readonly EngineVerdictGiven: EngineVerdictGiven;
  readonly IncidentClosed: IncidentClosed;
  readonly IncidentOpened: IncidentOpened;
  readonly InstanceStatusChanged: InstanceStatusChanged;
  readonly LogLineRejected: LogLineRejected;
  readonly NbdserverExited: NbdserverExited;
  readonly NbdserverStarted: NbdserverStarted;
  readonly OperationCompleted: OperationCompleted;
  readonly OperationFailed: OperationFailed;
  readonly OperationProgress: OperationProgress;
  readonly PlanStepChanged: PlanStepChanged;
  readonly RecoveryStatusChanged: RecoveryStatusChanged;
  readonly RepairCompleted: RepairCompleted;
  readonly RepairProgress: RepairProgress;
  readonly VdiskCreated: VdiskCreated;
  readonly VdiskDataAvailable: VdiskDataAvailable;
  readonly VdiskDataUnavailable: VdiskDataUnavailable;
  readonly VdiskDeleted: VdiskDeleted;
  readonly VdiskMounted: VdiskMounted;
  readonly VdiskReleased: VdiskReleased;
  readonly VolumeStatusChanged: VolumeStatusChanged;
  readonly AlertDescription: AlertDescription;
  readonly ArchiveAnswer: ArchiveAnswer;
  readonly ArchiveBackup: ArchiveBackup;
  readonly ArchiveDescription: ArchiveDescription;
  readonly ArchiveHole: ArchiveHole;
  readonly ArchiveRetention: ArchiveRetention;
  readonly ArchiveSnapshot: ArchiveSnapshot;
  readonly AuditAttempt: AuditAttempt;
  readonly AuditEntry: AuditEntry;
  readonly ClusterDescription: ClusterDescription;
  readonly ClusterSummary: ClusterSummary;
  readonly CutPlace: CutPlace;
  readonly CutVdisk: CutVdisk;
  readonly Downtime: Downtime;
  readonly EngineAddress: EngineAddress;
  readonly EngineDescription: EngineDescription;
  readonly EngineReplacement: EngineReplacement;
  readonly Evidence: Evidence;
  readonly HealingOfCluster: HealingOfCluster;
  readonly HealingPause: HealingPause;
  readonly HeldEngine: HeldEngine;
  readonly HookDescription: HookDescription;
  readonly IncidentDescription: IncidentDescription;
  readonly IncidentHold: IncidentHold;
  readonly IncidentReporter: IncidentReporter;
  readonly IncidentTransition: IncidentTransition;
  readonly IncidentVerdict: IncidentVerdict;
  readonly InstanceDescription: InstanceDescription;
  readonly LostData: LostData;
  readonly MountedTlog: MountedTlog;
  readonly OperationDescription: OperationDescription;
  readonly OperatorAction: OperatorAction;
  readonly PlanMeasure: PlanMeasure;
  readonly PlanMember: PlanMember;
  readonly PlanRunDescription: PlanRunDescription;
  readonly PlanStep: PlanStep;
  readonly PlanSummary: PlanSummary;
  readonly RecoveryDescription: RecoveryDescription;
  readonly RecoveryPair: RecoveryPair;
  readonly RecoveryStep: RecoveryStep;
  readonly RecoveryVdisk: RecoveryVdisk;
  readonly RepairState: RepairState;
  readonly RetiredEngine: RetiredEngine;
  readonly ScannedEngine: ScannedEngine;
  readonly SegmentAttribute: SegmentAttribute;
  readonly SegmentDescription: SegmentDescription;
  readonly SegmentDoubt: SegmentDoubt;
  readonly SegmentRange: SegmentRange;
  readonly SegmentRecoveryContainer: SegmentRecoveryContainer;
  readonly SegmentRecovery: SegmentRecovery;
  readonly SegmentTableEntry: SegmentTableEntry;
  readonly ServedPair: ServedPair;
  readonly ServedVdisk: ServedVdisk;
  readonly SourceChild: SourceChild;
  readonly SourceDescription: SourceDescription;
  readonly Tier1LostRange: Tier1LostRange;
  readonly Tier1Recovery: Tier1Recovery;
  readonly Tier1Vdisk: Tier1Vdisk;
  readonly TlogDescription: TlogDescription;
  readonly UnavailableShard: UnavailableShard;
  readonly UnavailableVdisk: UnavailableVdisk;
  readonly VdiskCopies: VdiskCopies;
  readonly VdiskDescription: VdiskDescription;
  readonly VdiskOnEngine: VdiskOnEngine;
  readonly VdiskOnOutage: VdiskOnOutage;
  readonly VdiskOwner: VdiskOwner;
  readonly VdiskRemains: VdiskRemains;
  readonly VdiskRepair: VdiskRepair;
  readonly VdiskScrub: VdiskScrub;
  readonly VdiskSnapshot: VdiskSnapshot;
  readonly VdiskSummary: VdiskSummary;
  readonly VolumeCondition: VolumeCondition;
  readonly VolumeCopy: VolumeCopy;
  readonly VolumeCut: VolumeCut;
  readonly VolumeDescription: VolumeDescription;
  readonly VolumeDivergence: VolumeDivergence;
  readonly VolumeGeneration: VolumeGeneration;
  readonly VolumeGroup: VolumeGroup;
  readonly VolumeLag: VolumeLag;
  readonly VolumePoint: VolumePoint;
  readonly VolumeRbdOrder: VolumeRbdOrder;
  readonly VolumeRbdPoint: VolumeRbdPoint;
  readonly VolumeRbdPromotion: VolumeRbdPromotion;
  readonly VolumeRbd: VolumeRbd;
  readonly VolumeReachedCut: VolumeReachedCut;
  readonly VolumeSchedule: VolumeSchedule;
  readonly VolumeSegment: VolumeSegment;
  readonly VolumeSync: VolumeSync;
  readonly ExportedBytes: ExportedBytes;
  readonly ExportedEntry: ExportedEntry;
  readonly ExportedEvent: ExportedEvent;
  readonly SegmentLogEntry: SegmentLogEntry;
  readonly TlogCover: TlogCover;
  readonly TlogIndexEntry: TlogIndexEntry;
  readonly TlogPosition: TlogPosition;
  readonly TlogRecord: TlogRecord;
  readonly TlogSegment: TlogSegment;
  readonly VdiskExportBlock: VdiskExportBlock;
  readonly VdiskExportEnd: VdiskExportEnd;
  readonly VdiskExportRecord: VdiskExportRecord;
}

/** What `encode` takes for each record: fields with a default may be left out. */
export interface RecordInits {
  readonly AlertListReply: AlertListReplyInit;
  readonly AlertListRequest: AlertListRequestInit;
  readonly ArchiveFullBackupReply: ArchiveFullBackupReplyInit;
  readonly ArchiveFullBackupRequest: ArchiveFullBackupRequestInit;
  readonly ArchiveHashBackupReply: ArchiveHashBackupReplyInit;
  readonly ArchiveHashBackupRequest: ArchiveHashBackupRequestInit;
  readonly ArchiveInitStorageReply: ArchiveInitStorageReplyInit;
  readonly ArchiveInitStorageRequest: ArchiveInitStorageRequestInit;
  readonly ArchiveIsOverflowReply: ArchiveIsOverflowReplyInit;
  readonly ArchiveIsOverflowRequest: ArchiveIsOverflowRequestInit;
  readonly ArchiveIsSendErrorReply: ArchiveIsSendErrorReplyInit;
  readonly ArchiveIsSendErrorRequest: ArchiveIsSendErrorRequestInit;
  readonly ArchiveKickReply: ArchiveKickReplyInit;
  readonly ArchiveKickRequest: ArchiveKickRequestInit;
  readonly ArchiveListReply: ArchiveListReplyInit;
  readonly ArchiveListRequest: ArchiveListRequestInit;
  readonly ArchiveMakePrimaryReply: ArchiveMakePrimaryReplyInit;
  readonly ArchiveMakePrimaryRequest: ArchiveMakePrimaryRequestInit;
  readonly ArchiveReplicateReply: ArchiveReplicateReplyInit;
  readonly ArchiveReplicateRequest: ArchiveReplicateRequestInit;
  readonly ArchiveRestoreReply: ArchiveRestoreReplyInit;
  readonly ArchiveRestoreRequest: ArchiveRestoreRequestInit;
  readonly ArchiveSetRetentionReply: ArchiveSetRetentionReplyInit;
  readonly ArchiveSetRetentionRequest: ArchiveSetRetentionRequestInit;
  readonly ArchiveSnapshotReply: ArchiveSnapshotReplyInit;
  readonly ArchiveSnapshotRequest: ArchiveSnapshotRequestInit;
  readonly ArchiveStartSynchronizingReply: ArchiveStartSynchronizingReplyInit;
  readonly ArchiveStartSynchronizingRequest: ArchiveStartSynchronizingRequestInit;
  readonly ArchiveStatusReply: ArchiveStatusReplyInit;
  readonly ArchiveStatusRequest: ArchiveStatusRequestInit;
  readonly ArchiveStopSynchronizingReply: ArchiveStopSynchronizingReplyInit;
  readonly ArchiveStopSynchronizingRequest: ArchiveStopSynchronizingRequestInit;
  readonly ArchiveVerifyReply: ArchiveVerifyReplyInit;
  readonly ArchiveVerifyRequest: ArchiveVerifyRequestInit;
  readonly AuditListReply: AuditListReplyInit;
  readonly AuditListRequest: AuditListRequestInit;
  readonly ClusterAddSparesReply: ClusterAddSparesReplyInit;
  readonly ClusterAddSparesRequest: ClusterAddSparesRequestInit;
  readonly ClusterCollectGarbageReply: ClusterCollectGarbageReplyInit;
  readonly ClusterCollectGarbageRequest: ClusterCollectGarbageRequestInit;
  readonly ClusterCreateReply: ClusterCreateReplyInit;
  readonly ClusterCreateRequest: ClusterCreateRequestInit;
  readonly ClusterGetReply: ClusterGetReplyInit;
  readonly ClusterGetRequest: ClusterGetRequestInit;
  readonly ClusterListReply: ClusterListReplyInit;
  readonly ClusterListRequest: ClusterListRequestInit;
  readonly ClusterRemoveSpareReply: ClusterRemoveSpareReplyInit;
  readonly ClusterRemoveSpareRequest: ClusterRemoveSpareRequestInit;
  readonly DowntimeBeginReply: DowntimeBeginReplyInit;
  readonly DowntimeBeginRequest: DowntimeBeginRequestInit;
  readonly DowntimeEndReply: DowntimeEndReplyInit;
  readonly DowntimeEndRequest: DowntimeEndRequestInit;
  readonly DowntimeListReply: DowntimeListReplyInit;
  readonly DowntimeListRequest: DowntimeListRequestInit;
  readonly DrAcceptLossReply: DrAcceptLossReplyInit;
  readonly DrAcceptLossRequest: DrAcceptLossRequestInit;
  readonly DrCancelReply: DrCancelReplyInit;
  readonly DrCancelRequest: DrCancelRequestInit;
  readonly DrPlanReply: DrPlanReplyInit;
  readonly DrPlanRequest: DrPlanRequestInit;
  readonly DrRecoverReply: DrRecoverReplyInit;
  readonly DrRecoverRequest: DrRecoverRequestInit;
  readonly DrReplayReply: DrReplayReplyInit;
  readonly DrReplayRequest: DrReplayRequestInit;
  readonly DrReportReply: DrReportReplyInit;
  readonly DrReportRequest: DrReportRequestInit;
  readonly DrStatusReply: DrStatusReplyInit;
  readonly DrStatusRequest: DrStatusRequestInit;
  readonly DrVerifyReply: DrVerifyReplyInit;
  readonly DrVerifyRequest: DrVerifyRequestInit;
  readonly EngineBringOnlineReply: EngineBringOnlineReplyInit;
  readonly EngineBringOnlineRequest: EngineBringOnlineRequestInit;
  readonly EngineGetReply: EngineGetReplyInit;
  readonly EngineGetRequest: EngineGetRequestInit;
  readonly EngineListReply: EngineListReplyInit;
  readonly EngineListRequest: EngineListRequestInit;
  readonly EngineProbeReply: EngineProbeReplyInit;
  readonly EngineProbeRequest: EngineProbeRequestInit;
  readonly EngineReplaceReply: EngineReplaceReplyInit;
  readonly EngineReplaceRequest: EngineReplaceRequestInit;
  readonly EngineReportFailureReply: EngineReportFailureReplyInit;
  readonly EngineReportFailureRequest: EngineReportFailureRequestInit;
  readonly EngineRetireReply: EngineRetireReplyInit;
  readonly EngineRetireRequest: EngineRetireRequestInit;
  readonly EngineSetVerdictReply: EngineSetVerdictReplyInit;
  readonly EngineSetVerdictRequest: EngineSetVerdictRequestInit;
  readonly EngineTakeOfflineReply: EngineTakeOfflineReplyInit;
  readonly EngineTakeOfflineRequest: EngineTakeOfflineRequestInit;
  readonly HealingPauseReply: HealingPauseReplyInit;
  readonly HealingPauseRequest: HealingPauseRequestInit;
  readonly HealingResumeReply: HealingResumeReplyInit;
  readonly HealingResumeRequest: HealingResumeRequestInit;
  readonly HealingStatusReply: HealingStatusReplyInit;
  readonly HealingStatusRequest: HealingStatusRequestInit;
  readonly HookListReply: HookListReplyInit;
  readonly HookListRequest: HookListRequestInit;
  readonly HookTestReply: HookTestReplyInit;
  readonly HookTestRequest: HookTestRequestInit;
  readonly IncidentAcknowledgeReply: IncidentAcknowledgeReplyInit;
  readonly IncidentAcknowledgeRequest: IncidentAcknowledgeRequestInit;
  readonly IncidentGetReply: IncidentGetReplyInit;
  readonly IncidentGetRequest: IncidentGetRequestInit;
  readonly IncidentListReply: IncidentListReplyInit;
  readonly IncidentListRequest: IncidentListRequestInit;
  readonly InstanceDeleteReply: InstanceDeleteReplyInit;
  readonly InstanceDeleteRequest: InstanceDeleteRequestInit;
  readonly InstanceGetReply: InstanceGetReplyInit;
  readonly InstanceGetRequest: InstanceGetRequestInit;
  readonly InstanceListReply: InstanceListReplyInit;
  readonly InstanceListRequest: InstanceListRequestInit;
  readonly InstanceSetReply: InstanceSetReplyInit;
  readonly InstanceSetRequest: InstanceSetRequestInit;
  readonly InstanceStartReply: InstanceStartReplyInit;
  readonly InstanceStartRequest: InstanceStartRequestInit;
  readonly InstanceStopReply: InstanceStopReplyInit;
  readonly InstanceStopRequest: InstanceStopRequestInit;
  readonly NbdserverCutReply: NbdserverCutReplyInit;
  readonly NbdserverCutRequest: NbdserverCutRequestInit;
  readonly NbdserverProbeReply: NbdserverProbeReplyInit;
  readonly NbdserverProbeRequest: NbdserverProbeRequestInit;
  readonly NbdserverStatusReply: NbdserverStatusReplyInit;
  readonly NbdserverStatusRequest: NbdserverStatusRequestInit;
  readonly OperationCancelReply: OperationCancelReplyInit;
  readonly OperationCancelRequest: OperationCancelRequestInit;
  readonly OperationGetReply: OperationGetReplyInit;
  readonly OperationGetRequest: OperationGetRequestInit;
  readonly OperationListReply: OperationListReplyInit;
  readonly OperationListRequest: OperationListRequestInit;
  readonly OperationPauseReply: OperationPauseReplyInit;
  readonly OperationPauseRequest: OperationPauseRequestInit;
  readonly OperationResumeReply: OperationResumeReplyInit;
  readonly OperationResumeRequest: OperationResumeRequestInit;
  readonly PlanApplyReply: PlanApplyReplyInit;
  readonly PlanApplyRequest: PlanApplyRequestInit;
  readonly PlanDeleteReply: PlanDeleteReplyInit;
  readonly PlanDeleteRequest: PlanDeleteRequestInit;
  readonly PlanGetReply: PlanGetReplyInit;
  readonly PlanGetRequest: PlanGetRequestInit;
  readonly PlanListReply: PlanListReplyInit;
  readonly PlanListRequest: PlanListRequestInit;
  readonly PlanReportReply: PlanReportReplyInit;
  readonly PlanReportRequest: PlanReportRequestInit;
  readonly PlanRunReply: PlanRunReplyInit;
  readonly PlanRunRequest: PlanRunRequestInit;
  readonly PlanStatusReply: PlanStatusReplyInit;
  readonly PlanStatusRequest: PlanStatusRequestInit;
  readonly RepairCancelReply: RepairCancelReplyInit;
  readonly RepairCancelRequest: RepairCancelRequestInit;
  readonly RepairListReply: RepairListReplyInit;
  readonly RepairListRequest: RepairListRequestInit;
  readonly RepairResumeReply: RepairResumeReplyInit;
  readonly RepairResumeRequest: RepairResumeRequestInit;
  readonly RepairRetryReply: RepairRetryReplyInit;
  readonly RepairRetryRequest: RepairRetryRequestInit;
  readonly SegmentGetReply: SegmentGetReplyInit;
  readonly SegmentGetRequest: SegmentGetRequestInit;
  readonly SegmentListReply: SegmentListReplyInit;
  readonly SegmentListRequest: SegmentListRequestInit;
  readonly SourceListReply: SourceListReplyInit;
  readonly SourceListRequest: SourceListRequestInit;
  readonly TlogDisableReply: TlogDisableReplyInit;
  readonly TlogDisableRequest: TlogDisableRequestInit;
  readonly TlogEnableReply: TlogEnableReplyInit;
  readonly TlogEnableRequest: TlogEnableRequestInit;
  readonly TlogStatusReply: TlogStatusReplyInit;
  readonly TlogStatusRequest: TlogStatusRequestInit;
  readonly TlogVerifyReply: TlogVerifyReplyInit;
  readonly TlogVerifyRequest: TlogVerifyRequestInit;
  readonly VdiskCloneReply: VdiskCloneReplyInit;
  readonly VdiskCloneRequest: VdiskCloneRequestInit;
  readonly VdiskCreateReply: VdiskCreateReplyInit;
  readonly VdiskCreateRequest: VdiskCreateRequestInit;
  readonly VdiskDeleteOrphanReply: VdiskDeleteOrphanReplyInit;
  readonly VdiskDeleteOrphanRequest: VdiskDeleteOrphanRequestInit;
  readonly VdiskDeleteReply: VdiskDeleteReplyInit;
  readonly VdiskDeleteRequest: VdiskDeleteRequestInit;
  readonly VdiskDescribeReply: VdiskDescribeReplyInit;
  readonly VdiskDescribeRequest: VdiskDescribeRequestInit;
  readonly VdiskExportReply: VdiskExportReplyInit;
  readonly VdiskExportRequest: VdiskExportRequestInit;
  readonly VdiskImportReply: VdiskImportReplyInit;
  readonly VdiskImportRequest: VdiskImportRequestInit;
  readonly VdiskListReply: VdiskListReplyInit;
  readonly VdiskListRequest: VdiskListRequestInit;
  readonly VdiskOrphansReply: VdiskOrphansReplyInit;
  readonly VdiskOrphansRequest: VdiskOrphansRequestInit;
  readonly VdiskResizeReply: VdiskResizeReplyInit;
  readonly VdiskResizeRequest: VdiskResizeRequestInit;
  readonly VdiskRollbackReply: VdiskRollbackReplyInit;
  readonly VdiskRollbackRequest: VdiskRollbackRequestInit;
  readonly VdiskScrubReply: VdiskScrubReplyInit;
  readonly VdiskScrubRequest: VdiskScrubRequestInit;
  readonly VdiskSnapshotCreateReply: VdiskSnapshotCreateReplyInit;
  readonly VdiskSnapshotCreateRequest: VdiskSnapshotCreateRequestInit;
  readonly VdiskSnapshotDeleteReply: VdiskSnapshotDeleteReplyInit;
  readonly VdiskSnapshotDeleteRequest: VdiskSnapshotDeleteRequestInit;
  readonly VdiskSnapshotListReply: VdiskSnapshotListReplyInit;
  readonly VdiskSnapshotListRequest: VdiskSnapshotListRequestInit;
  readonly VdiskTakeoverReply: VdiskTakeoverReplyInit;
  readonly VdiskTakeoverRequest: VdiskTakeoverRequestInit;
  readonly VolumeCloneReply: VolumeCloneReplyInit;
  readonly VolumeCloneRequest: VolumeCloneRequestInit;
  readonly VolumeCompareReply: VolumeCompareReplyInit;
  readonly VolumeCompareRequest: VolumeCompareRequestInit;
  readonly VolumeDemoteReply: VolumeDemoteReplyInit;
  readonly VolumeDemoteRequest: VolumeDemoteRequestInit;
  readonly VolumeDisableReply: VolumeDisableReplyInit;
  readonly VolumeDisableRequest: VolumeDisableRequestInit;
  readonly VolumeEnableReply: VolumeEnableReplyInit;
  readonly VolumeEnableRequest: VolumeEnableRequestInit;
  readonly VolumeListReply: VolumeListReplyInit;
  readonly VolumeListRequest: VolumeListRequestInit;
  readonly VolumeLogReply: VolumeLogReplyInit;
  readonly VolumeLogRequest: VolumeLogRequestInit;
  readonly VolumePromoteReply: VolumePromoteReplyInit;
  readonly VolumePromoteRequest: VolumePromoteRequestInit;
  readonly VolumeRemoveCloneReply: VolumeRemoveCloneReplyInit;
  readonly VolumeRemoveCloneRequest: VolumeRemoveCloneRequestInit;
  readonly VolumeReplicateReply: VolumeReplicateReplyInit;
  readonly VolumeReplicateRequest: VolumeReplicateRequestInit;
  readonly VolumeResyncReply: VolumeResyncReplyInit;
  readonly VolumeResyncRequest: VolumeResyncRequestInit;
  readonly VolumeStatusReply: VolumeStatusReplyInit;
  readonly VolumeStatusRequest: VolumeStatusRequestInit;
  readonly VolumeTellReply: VolumeTellReplyInit;
  readonly VolumeTellRequest: VolumeTellRequestInit;
  readonly AlertCleared: AlertClearedInit;
  readonly AlertRaised: AlertRaisedInit;
  readonly ClusterStatusChanged: ClusterStatusChangedInit;
  readonly EngineFailureReported: EngineFailureReportedInit;
  readonly EngineStatusChanged: EngineStatusChangedInit;
  readonly EngineVerdictGiven: EngineVerdictGivenInit;
  readonly IncidentClosed: IncidentClosedInit;
  readonly IncidentOpened: IncidentOpenedInit;
  readonly InstanceStatusChanged: InstanceStatusChangedInit;
  readonly LogLineRejected: LogLineRejectedInit;
  readonly NbdserverExited: NbdserverExitedInit;
  readonly NbdserverStarted: NbdserverStartedInit;
  readonly OperationCompleted: OperationCompletedInit;
  readonly OperationFailed: OperationFailedInit;
  readonly OperationProgress: OperationProgressInit;
  readonly PlanStepChanged: PlanStepChangedInit;
  readonly RecoveryStatusChanged: RecoveryStatusChangedInit;
  readonly RepairCompleted: RepairCompletedInit;
  readonly RepairProgress: RepairProgressInit;
  readonly VdiskCreated: VdiskCreatedInit;
  readonly VdiskDataAvailable: VdiskDataAvailableInit;
  readonly VdiskDataUnavailable: VdiskDataUnavailableInit;
  readonly VdiskDeleted: VdiskDeletedInit;
  readonly VdiskMounted: VdiskMountedInit;
  readonly VdiskReleased: VdiskReleasedInit;
  readonly VolumeStatusChanged: VolumeStatusChangedInit;
  readonly AlertDescription: AlertDescriptionInit;
  readonly ArchiveAnswer: ArchiveAnswerInit;
  readonly ArchiveBackup: ArchiveBackupInit;
  readonly ArchiveDescription: ArchiveDescriptionInit;
  readonly ArchiveHole: ArchiveHoleInit;
  readonly ArchiveRetention: ArchiveRetentionInit;
  readonly ArchiveSnapshot: ArchiveSnapshotInit;
  readonly AuditAttempt: AuditAttemptInit;
  readonly AuditEntry: AuditEntryInit;
  readonly ClusterDescription: ClusterDescriptionInit;
  readonly ClusterSummary: ClusterSummaryInit;
  readonly CutPlace: CutPlaceInit;
  readonly CutVdisk: CutVdiskInit;
  readonly Downtime: DowntimeInit;
  readonly EngineAddress: EngineAddressInit;
  readonly EngineDescription: EngineDescriptionInit;
  readonly EngineReplacement: EngineReplacementInit;
  readonly Evidence: EvidenceInit;
  readonly HealingOfCluster: HealingOfClusterInit;
  readonly HealingPause: HealingPauseInit;
  readonly HeldEngine: HeldEngineInit;
  readonly HookDescription: HookDescriptionInit;
  readonly IncidentDescription: IncidentDescriptionInit;
  readonly IncidentHold: IncidentHoldInit;
  readonly IncidentReporter: IncidentReporterInit;
  readonly IncidentTransition: IncidentTransitionInit;
  readonly IncidentVerdict: IncidentVerdictInit;
  readonly InstanceDescription: InstanceDescriptionInit;
  readonly LostData: LostDataInit;
  readonly MountedTlog: MountedTlogInit;
  readonly OperationDescription: OperationDescriptionInit;
  readonly OperatorAction: OperatorActionInit;
  readonly PlanMeasure: PlanMeasureInit;
  readonly PlanMember: PlanMemberInit;
  readonly PlanRunDescription: PlanRunDescriptionInit;
  readonly PlanStep: PlanStepInit;
  readonly PlanSummary: PlanSummaryInit;
  readonly RecoveryDescription: RecoveryDescriptionInit;
  readonly RecoveryPair: RecoveryPairInit;
  readonly RecoveryStep: RecoveryStepInit;
  readonly RecoveryVdisk: RecoveryVdiskInit;
  readonly RepairState: RepairStateInit;
  readonly RetiredEngine: RetiredEngineInit;
  readonly ScannedEngine: ScannedEngineInit;
  readonly SegmentAttribute: SegmentAttributeInit;
  readonly SegmentDescription: SegmentDescriptionInit;
  readonly SegmentDoubt: SegmentDoubtInit;
  readonly SegmentRange: SegmentRangeInit;
  readonly SegmentRecoveryContainer: SegmentRecoveryContainerInit;
  readonly SegmentRecovery: SegmentRecoveryInit;
  readonly SegmentTableEntry: SegmentTableEntryInit;
  readonly ServedPair: ServedPairInit;
  readonly ServedVdisk: ServedVdiskInit;
  readonly SourceChild: SourceChildInit;
  readonly SourceDescription: SourceDescriptionInit;
  readonly Tier1LostRange: Tier1LostRangeInit;
  readonly Tier1Recovery: Tier1RecoveryInit;
  readonly Tier1Vdisk: Tier1VdiskInit;
  readonly TlogDescription: TlogDescriptionInit;
  readonly UnavailableShard: UnavailableShardInit;
  readonly UnavailableVdisk: UnavailableVdiskInit;
  readonly VdiskCopies: VdiskCopiesInit;
  readonly VdiskDescription: VdiskDescriptionInit;
  readonly VdiskOnEngine: VdiskOnEngineInit;
  readonly VdiskOnOutage: VdiskOnOutageInit;
  readonly VdiskOwner: VdiskOwnerInit;
  readonly VdiskRemains: VdiskRemainsInit;
  readonly VdiskRepair: VdiskRepairInit;
  readonly VdiskScrub: VdiskScrubInit;
  readonly VdiskSnapshot: VdiskSnapshotInit;
  readonly VdiskSummary: VdiskSummaryInit;
  readonly VolumeCondition: VolumeConditionInit;
  readonly VolumeCopy: VolumeCopyInit;
  readonly VolumeCut: VolumeCutInit;
  readonly VolumeDescription: VolumeDescriptionInit;
  readonly VolumeDivergence: VolumeDivergenceInit;
  readonly VolumeGeneration: VolumeGenerationInit;
  readonly VolumeGroup: VolumeGroupInit;
  readonly VolumeLag: VolumeLagInit;
  readonly VolumePoint: VolumePointInit;
  readonly VolumeRbdOrder: VolumeRbdOrderInit;
  readonly VolumeRbdPoint: VolumeRbdPointInit;
  readonly VolumeRbdPromotion: VolumeRbdPromotionInit;
  readonly VolumeRbd: VolumeRbdInit;
  readonly VolumeReachedCut: VolumeReachedCutInit;
  readonly VolumeSchedule: VolumeScheduleInit;
  readonly VolumeSegment: VolumeSegmentInit;
  readonly VolumeSync: VolumeSyncInit;
  readonly ExportedBytes: ExportedBytesInit;
  readonly ExportedEntry: ExportedEntryInit;
  readonly ExportedEvent: ExportedEventInit;
  readonly SegmentLogEntry: SegmentLogEntryInit;
  readonly TlogCover: TlogCoverInit;
  readonly TlogIndexEntry: TlogIndexEntryInit;
  readonly TlogPosition: TlogPositionInit;
  readonly TlogRecord: TlogRecordInit;
  readonly TlogSegment: TlogSegmentInit;
  readonly VdiskExportBlock: VdiskExportBlockInit;
  readonly VdiskExportEnd: VdiskExportEndInit;
  readonly VdiskExportRecord: VdiskExportRecordInit;
}

/** The record that carries each event. */
export interface EventRecords {
  readonly 'alert.cleared': 'AlertCleared';
  readonly 'alert.raised': 'AlertRaised';
  readonly 'cluster.status-changed': 'ClusterStatusChanged';
  readonly 'engine.failure-reported': 'EngineFailureReported';
  readonly 'engine.status-changed': 'EngineStatusChanged';
  readonly 'engine.verdict-given': 'EngineVerdictGiven';
  readonly 'incident.closed': 'IncidentClosed';
  readonly 'incident.opened': 'IncidentOpened';
  readonly 'instance.status-changed': 'InstanceStatusChanged';
  readonly 'log.line-rejected': 'LogLineRejected';
  readonly 'nbdserver.exited': 'NbdserverExited';
  readonly 'nbdserver.started': 'NbdserverStarted';
  readonly 'operation.completed': 'OperationCompleted';
  readonly 'operation.failed': 'OperationFailed';
  readonly 'operation.progress': 'OperationProgress';
  readonly 'plan.step-changed': 'PlanStepChanged';
  readonly 'recovery.status-changed': 'RecoveryStatusChanged';
  readonly 'repair.completed': 'RepairCompleted';
  readonly 'repair.progress': 'RepairProgress';
  readonly 'vdisk.created': 'VdiskCreated';
  readonly 'vdisk.data-available': 'VdiskDataAvailable';
  readonly 'vdisk.data-unavailable': 'VdiskDataUnavailable';
  readonly 'vdisk.deleted': 'VdiskDeleted';
  readonly 'vdisk.mounted': 'VdiskMounted';
  readonly 'vdisk.released': 'VdiskReleased';
  readonly 'volume.status-changed': 'VolumeStatusChanged';
}

/** The records of each command. */
export interface CommandRecords {
  readonly 'alert.list': { readonly request: 'AlertListRequest'; readonly reply: 'AlertListReply' };
  readonly 'archive.full-backup': { readonly request: 'ArchiveFullBackupRequest'; readonly reply: 'ArchiveFullBackupReply' };
  readonly 'archive.hash-backup': { readonly request: 'ArchiveHashBackupRequest'; readonly reply: 'ArchiveHashBackupReply' };
  readonly 'archive.init-storage': { readonly request: 'ArchiveInitStorageRequest'; readonly reply: 'ArchiveInitStorageReply' };
  readonly 'archive.is-overflow': { readonly request: 'ArchiveIsOverflowRequest'; readonly reply: 'ArchiveIsOverflowReply' };
  readonly 'archive.is-send-error': { readonly request: 'ArchiveIsSendErrorRequest'; readonly reply: 'ArchiveIsSendErrorReply' };
  readonly 'archive.kick': { readonly request: 'ArchiveKickRequest'; readonly reply: 'ArchiveKickReply' };
  readonly 'archive.list': { readonly request: 'ArchiveListRequest'; readonly reply: 'ArchiveListReply' };
  readonly 'archive.make-primary': { readonly request: 'ArchiveMakePrimaryRequest'; readonly reply: 'ArchiveMakePrimaryReply' };
  readonly 'archive.replicate': { readonly request: 'ArchiveReplicateRequest'; readonly reply: 'ArchiveReplicateReply' };
  readonly 'archive.restore': { readonly request: 'ArchiveRestoreRequest'; readonly reply: 'ArchiveRestoreReply' };
  readonly 'archive.set-retention': { readonly request: 'ArchiveSetRetentionRequest'; readonly reply: 'ArchiveSetRetentionReply' };
  readonly 'archive.snapshot': { readonly request: 'ArchiveSnapshotRequest'; readonly reply: 'ArchiveSnapshotReply' };
  readonly 'archive.start-synchronizing': { readonly request: 'ArchiveStartSynchronizingRequest'; readonly reply: 'ArchiveStartSynchronizingReply' };
  readonly 'archive.status': { readonly request: 'ArchiveStatusRequest'; readonly reply: 'ArchiveStatusReply' };
  readonly 'archive.stop-synchronizing': { readonly request: 'ArchiveStopSynchronizingRequest'; readonly reply: 'ArchiveStopSynchronizingReply' };
  readonly 'archive.verify': { readonly request: 'ArchiveVerifyRequest'; readonly reply: 'ArchiveVerifyReply' };
  readonly 'audit.list': { readonly request: 'AuditListRequest'; readonly reply: 'AuditListReply' };
  readonly 'cluster.add-spares': { readonly request: 'ClusterAddSparesRequest'; readonly reply: 'ClusterAddSparesReply' };
  readonly 'cluster.collect-garbage': { readonly request: 'ClusterCollectGarbageRequest'; readonly reply: 'ClusterCollectGarbageReply' };
  readonly 'cluster.create': { readonly request: 'ClusterCreateRequest'; readonly reply: 'ClusterCreateReply' };
  readonly 'cluster.get': { readonly request: 'ClusterGetRequest'; readonly reply: 'ClusterGetReply' };
  readonly 'cluster.list': { readonly request: 'ClusterListRequest'; readonly reply: 'ClusterListReply' };
  readonly 'cluster.remove-spare': { readonly request: 'ClusterRemoveSpareRequest'; readonly reply: 'ClusterRemoveSpareReply' };
  readonly 'downtime.begin': { readonly request: 'DowntimeBeginRequest'; readonly reply: 'DowntimeBeginReply' };
  readonly 'downtime.end': { readonly request: 'DowntimeEndRequest'; readonly reply: 'DowntimeEndReply' };
  readonly 'downtime.list': { readonly request: 'DowntimeListRequest'; readonly reply: 'DowntimeListReply' };
  readonly 'dr.accept-loss': { readonly request: 'DrAcceptLossRequest'; readonly reply: 'DrAcceptLossReply' };
  readonly 'dr.cancel': { readonly request: 'DrCancelRequest'; readonly reply: 'DrCancelReply' };
  readonly 'dr.plan': { readonly request: 'DrPlanRequest'; readonly reply: 'DrPlanReply' };
  readonly 'dr.recover': { readonly request: 'DrRecoverRequest'; readonly reply: 'DrRecoverReply' };
  readonly 'dr.replay': { readonly request: 'DrReplayRequest'; readonly reply: 'DrReplayReply' };
  readonly 'dr.report': { readonly request: 'DrReportRequest'; readonly reply: 'DrReportReply' };
  readonly 'dr.status': { readonly request: 'DrStatusRequest'; readonly reply: 'DrStatusReply' };
  readonly 'dr.verify': { readonly request: 'DrVerifyRequest'; readonly reply: 'DrVerifyReply' };
  readonly 'engine.bring-online': { readonly request: 'EngineBringOnlineRequest'; readonly reply: 'EngineBringOnlineReply' };
  readonly 'engine.get': { readonly request: 'EngineGetRequest'; readonly reply: 'EngineGetReply' };
  readonly 'engine.list': { readonly request: 'EngineListRequest'; readonly reply: 'EngineListReply' };
  readonly 'engine.probe': { readonly request: 'EngineProbeRequest'; readonly reply: 'EngineProbeReply' };
  readonly 'engine.replace': { readonly request: 'EngineReplaceRequest'; readonly reply: 'EngineReplaceReply' };
  readonly 'engine.report-failure': { readonly request: 'EngineReportFailureRequest'; readonly reply: 'EngineReportFailureReply' };
  readonly 'engine.retire': { readonly request: 'EngineRetireRequest'; readonly reply: 'EngineRetireReply' };
  readonly 'engine.set-verdict': { readonly request: 'EngineSetVerdictRequest'; readonly reply: 'EngineSetVerdictReply' };
  readonly 'engine.take-offline': { readonly request: 'EngineTakeOfflineRequest'; readonly reply: 'EngineTakeOfflineReply' };
  readonly 'healing.pause': { readonly request: 'HealingPauseRequest'; readonly reply: 'HealingPauseReply' };
  readonly 'healing.resume': { readonly request: 'HealingResumeRequest'; readonly reply: 'HealingResumeReply' };
  readonly 'healing.status': { readonly request: 'HealingStatusRequest'; readonly reply: 'HealingStatusReply' };
  readonly 'hook.list': { readonly request: 'HookListRequest'; readonly reply: 'HookListReply' };
  readonly 'hook.test': { readonly request: 'HookTestRequest'; readonly reply: 'HookTestReply' };
  readonly 'incident.acknowledge': { readonly request: 'IncidentAcknowledgeRequest'; readonly reply: 'IncidentAcknowledgeReply' };
  readonly 'incident.get': { readonly request: 'IncidentGetRequest'; readonly reply: 'IncidentGetReply' };
  readonly 'incident.list': { readonly request: 'IncidentListRequest'; readonly reply: 'IncidentListReply' };
  readonly 'instance.delete': { readonly request: 'InstanceDeleteRequest'; readonly reply: 'InstanceDeleteReply' };
  readonly 'instance.get': { readonly request: 'InstanceGetRequest'; readonly reply: 'InstanceGetReply' };
  readonly 'instance.list': { readonly request: 'InstanceListRequest'; readonly reply: 'InstanceListReply' };
  readonly 'instance.set': { readonly request: 'InstanceSetRequest'; readonly reply: 'InstanceSetReply' };
  readonly 'instance.start': { readonly request: 'InstanceStartRequest'; readonly reply: 'InstanceStartReply' };
  readonly 'instance.stop': { readonly request: 'InstanceStopRequest'; readonly reply: 'InstanceStopReply' };
  readonly 'nbdserver.cut': { readonly request: 'NbdserverCutRequest'; readonly reply: 'NbdserverCutReply' };
  readonly 'nbdserver.probe': { readonly request: 'NbdserverProbeRequest'; readonly reply: 'NbdserverProbeReply' };
  readonly 'nbdserver.status': { readonly request: 'NbdserverStatusRequest'; readonly reply: 'NbdserverStatusReply' };
  readonly 'operation.cancel': { readonly request: 'OperationCancelRequest'; readonly reply: 'OperationCancelReply' };
  readonly 'operation.get': { readonly request: 'OperationGetRequest'; readonly reply: 'OperationGetReply' };
  readonly 'operation.list': { readonly request: 'OperationListRequest'; readonly reply: 'OperationListReply' };
  readonly 'operation.pause': { readonly request: 'OperationPauseRequest'; readonly reply: 'OperationPauseReply' };
  readonly 'operation.resume': { readonly request: 'OperationResumeRequest'; readonly reply: 'OperationResumeReply' };
  readonly 'plan.apply': { readonly request: 'PlanApplyRequest'; readonly reply: 'PlanApplyReply' };
  readonly 'plan.delete': { readonly request: 'PlanDeleteRequest'; readonly reply: 'PlanDeleteReply' };
  readonly 'plan.get': { readonly request: 'PlanGetRequest'; readonly reply: 'PlanGetReply' };
  readonly 'plan.list': { readonly request: 'PlanListRequest'; readonly reply: 'PlanListReply' };
  readonly 'plan.report': { readonly request: 'PlanReportRequest'; readonly reply: 'PlanReportReply' };
  readonly 'plan.run': { readonly request: 'PlanRunRequest'; readonly reply: 'PlanRunReply' };
  readonly 'plan.status': { readonly request: 'PlanStatusRequest'; readonly reply: 'PlanStatusReply' };
  readonly 'repair.cancel': { readonly request: 'RepairCancelRequest'; readonly reply: 'RepairCancelReply' };
  readonly 'repair.list': { readonly request: 'RepairListRequest'; readonly reply: 'RepairListReply' };
  readonly 'repair.resume': { readonly request: 'RepairResumeRequest'; readonly reply: 'RepairResumeReply' };
  readonly 'repair.retry': { readonly request: 'RepairRetryRequest'; readonly reply: 'RepairRetryReply' };
  readonly 'segment.get': { readonly request: 'SegmentGetRequest'; readonly reply: 'SegmentGetReply' };
  readonly 'segment.list': { readonly request: 'SegmentListRequest'; readonly reply: 'SegmentListReply' };
  readonly 'source.list': { readonly request: 'SourceListRequest'; readonly reply: 'SourceListReply' };
  readonly 'tlog.disable': { readonly request: 'TlogDisableRequest'; readonly reply: 'TlogDisableReply' };
  readonly 'tlog.enable': { readonly request: 'TlogEnableRequest'; readonly reply: 'TlogEnableReply' };
  readonly 'tlog.status': { readonly request: 'TlogStatusRequest'; readonly reply: 'TlogStatusReply' };
  readonly 'tlog.verify': { readonly request: 'TlogVerifyRequest'; readonly reply: 'TlogVerifyReply' };
  readonly 'vdisk.clone': { readonly request: 'VdiskCloneRequest'; readonly reply: 'VdiskCloneReply' };
  readonly 'vdisk.create': { readonly request: 'VdiskCreateRequest'; readonly reply: 'VdiskCreateReply' };
  readonly 'vdisk.delete-orphan': { readonly request: 'VdiskDeleteOrphanRequest'; readonly reply: 'VdiskDeleteOrphanReply' };
  readonly 'vdisk.delete': { readonly request: 'VdiskDeleteRequest'; readonly reply: 'VdiskDeleteReply' };
  readonly 'vdisk.describe': { readonly request: 'VdiskDescribeRequest'; readonly reply: 'VdiskDescribeReply' };
  readonly 'vdisk.export': { readonly request: 'VdiskExportRequest'; readonly reply: 'VdiskExportReply' };
  readonly 'vdisk.import': { readonly request: 'VdiskImportRequest'; readonly reply: 'VdiskImportReply' };
  readonly 'vdisk.list': { readonly request: 'VdiskListRequest'; readonly reply: 'VdiskListReply' };
  readonly 'vdisk.orphans': { readonly request: 'VdiskOrphansRequest'; readonly reply: 'VdiskOrphansReply' };
  readonly 'vdisk.resize': { readonly request: 'VdiskResizeRequest'; readonly reply: 'VdiskResizeReply' };
  readonly 'vdisk.rollback': { readonly request: 'VdiskRollbackRequest'; readonly reply: 'VdiskRollbackReply' };
  readonly 'vdisk.scrub': { readonly request: 'VdiskScrubRequest'; readonly reply: 'VdiskScrubReply' };
  readonly 'vdisk.snapshot.create': { readonly request: 'VdiskSnapshotCreateRequest'; readonly reply: 'VdiskSnapshotCreateReply' };
  readonly 'vdisk.snapshot.delete': { readonly request: 'VdiskSnapshotDeleteRequest'; readonly reply: 'VdiskSnapshotDeleteReply' };
  readonly 'vdisk.snapshot.list': { readonly request: 'VdiskSnapshotListRequest'; readonly reply: 'VdiskSnapshotListReply' };
  readonly 'vdisk.takeover': { readonly request: 'VdiskTakeoverRequest'; readonly reply: 'VdiskTakeoverReply' };
  readonly 'volume.clone': { readonly request: 'VolumeCloneRequest'; readonly reply: 'VolumeCloneReply' };
  readonly 'volume.compare': { readonly request: 'VolumeCompareRequest'; readonly reply: 'VolumeCompareReply' };
  readonly 'volume.demote': { readonly request: 'VolumeDemoteRequest'; readonly reply: 'VolumeDemoteReply' };
  readonly 'volume.disable': { readonly request: 'VolumeDisableRequest'; readonly reply: 'VolumeDisableReply' };
  readonly 'volume.enable': { readonly request: 'VolumeEnableRequest'; readonly reply: 'VolumeEnableReply' };
  readonly 'volume.list': { readonly request: 'VolumeListRequest'; readonly reply: 'VolumeListReply' };
  readonly 'volume.log': { readonly request: 'VolumeLogRequest'; readonly reply: 'VolumeLogReply' };
  readonly 'volume.promote': { readonly request: 'VolumePromoteRequest'; readonly reply: 'VolumePromoteReply' };
  readonly 'volume.remove-clone': { readonly request: 'VolumeRemoveCloneRequest'; readonly reply: 'VolumeRemoveCloneReply' };
  readonly 'volume.replicate': { readonly request: 'VolumeReplicateRequest'; readonly reply: 'VolumeReplicateReply' };
  readonly 'volume.resync': { readonly request: 'VolumeResyncRequest'; readonly reply: 'VolumeResyncReply' };
  readonly 'volume.status': { readonly request: 'VolumeStatusRequest'; readonly reply: 'VolumeStatusReply' };
  readonly 'volume.tell': { readonly request: 'VolumeTellRequest'; readonly reply: 'VolumeTellReply' };
}

export type RecordName = keyof RecordTypes;
export type EventType = keyof EventRecords;
export type CommandName = keyof CommandRecords;
