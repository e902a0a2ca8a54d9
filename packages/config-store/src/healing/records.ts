/**
 * Salvor's own records in etcd (JSON), as zod schemas. Unknown members are kept when a record is read and
 * written again, so that an older service does not erase what a newer one wrote.
 */
import { z } from 'zod';
import { ENGINE_STATUSES } from '../cluster-storage.ts';
import { rememberRecords } from './record-text.ts';
import { incidentStatuses } from './status-words.ts';

/** How many distinct reporters an incident remembers; more reporters are no more evidence. */
export const incidentReportersMax = 16;
/** How many moves an incident remembers; the first one and the latest ones are kept. */
export const incidentHistoryMax = 64;
/** How many pieces of evidence a verdict keeps. */
export const verdictEvidenceMax = 32;
/** How many engines that left a cluster its record remembers. */
export const retiredEnginesMax = 256;
/** How much of a sentence from outside (a reason, a detail) is kept. */
export const sentenceCharsMax = 1024;

const millis = z.number().int().min(0);
const text = z.string().min(1);

/** How many actions of operators an incident remembers; the latest are kept. */
export const incidentActionsMax = 64;
/** How many failures of an engine are remembered to tell whether it flaps. */
export const failuresKeptMax = 32;

export const verdictSchema = z.enum(['temporary', 'permanent', 'false_alarm']);
export type Verdict = z.infer<typeof verdictSchema>;

export const evidenceSchema = z.looseObject({
  kind: text,
  detail: z.string(),
  at: millis,
  /** Who saw it, where that is not who gave the verdict. */
  observer: z.string().optional(),
});
export type Evidence = z.infer<typeof evidenceSchema>;

export const engineRefSchema = z.looseObject({ address: text, db: z.number().int().min(0).default(0) });
export type EngineRef = z.infer<typeof engineRefSchema>;

const replacementSchema = z.looseObject({
  address: text,
  db: z.number().int().min(0),
  generation: z.number().int().min(1),
});

export const holdKinds = ['planned', 'flapping', 'cancelled', 'writes-lost'] as const;
export type HoldKind = (typeof holdKinds)[number];

/** Why an engine stays offline until an operator says otherwise, whatever the analyzer finds. */
export const holdSchema = z.looseObject({
  kind: z.enum(holdKinds),
  by: text,
  at: millis,
  reason: z.string(),
  operation: text,
  /** Of a cancelled repair: the verdict that is applied when it is resumed. */
  verdict: z.enum(['temporary', 'permanent']).optional(),
});
export type Hold = z.infer<typeof holdSchema>;

/** One thing that somebody did by hand about an incident. `action` is a word of the commands: `engine.take-offline`. */
export const operatorActionSchema = z.looseObject({
  at: millis,
  by: text,
  action: text,
  reason: z.string(),
  operation: text,
});
export type OperatorAction = z.infer<typeof operatorActionSchema>;

/** What an operator gave up to have a stale engine back, as far as it was known then. */
export const dataLossSchema = z.looseObject({
  by: text,
  at: millis,
  reason: z.string(),
  vdisks: z.array(
    z.looseObject({
      vdisk: text,
      /** Blocks that the engine lacks, where its partner could be asked. */
      blocks: z.number().int().min(0).optional(),
      /** Blocks that the shard has: no more can be lost. */
      atMost: z.number().int().min(0).optional(),
      detail: z.string(),
    }),
  ),
});
export type DataLoss = z.infer<typeof dataLossSchema>;

/** `/salvor/incidents/<cluster>/<shard>`: the one open outage of an engine. Times are Unix milliseconds. */
export const incidentSchema = z.looseObject({
  id: text,
  cluster: text,
  shard: z.number().int().min(0),
  address: text,
  db: z.number().int().min(0),
  status: z.enum(incidentStatuses),
  /** 1 for the first time it went offline, one more for every time it failed again under repair. */
  attempt: z.number().int().min(1),
  openedAt: millis,
  /**
   * Of one that was brought back with a lost etcd: the revision that had opened it there. Those of the present etcd are higher,
   * so the order of outages stays what it was.
   */
  openedIn: z.number().int().min(1).optional(),
  reporters: z
    .array(z.looseObject({ reporter: text, at: millis, reason: z.string() }))
    .max(incidentReportersMax),
  /** How many reports the record has counted; repeats that changed nothing are not counted. */
  reportedTimes: z.number().int().min(0),
  verdict: z
    .looseObject({
      verdict: verdictSchema,
      reason: z.string(),
      evidence: z.array(evidenceSchema),
      by: text,
      at: millis,
      operator: z.boolean().default(false),
    })
    .optional(),
  /** The spare being rebuilt now; the same as the `replacement` of the engine's entry in the cluster. */
  replacement: replacementSchema.optional(),
  /** The attempt in which that spare was taken: what is on record of attempts from there on is on it. */
  spareSince: z.number().int().min(1).optional(),
  /** The highest generation given to a spare in this incident; a half-built spare's number is not given again. */
  lastGeneration: z.number().int().min(1).optional(),
  /** How the blocks of a lost engine come to be on two engines again, once that was begun. */
  repairKind: z.enum(['spare', 'spread']).optional(),
  /**
   * Of a spread: the partner, which has every block, and goes with the lost engine when all of them are elsewhere. `failed`
   * when that ended an incident of its own.
   */
  survivor: engineRefSchema.extend({ cluster: text, failed: z.boolean().optional() }).optional(),
  /** Why a lost engine is not rebuilt yet, as a sentence. */
  waitsFor: z.string().optional(),
  /** Servers that leave the engine alone for a while, after false alarms: they do not repair it before `until`. */
  doubted: z.array(z.looseObject({ reporter: text, until: millis })).optional(),
  hold: holdSchema.optional(),
  acknowledged: z.looseObject({ by: text, at: millis, reason: z.string() }).optional(),
  actions: z.array(operatorActionSchema).max(incidentActionsMax).optional(),
  lost: dataLossSchema.optional(),
  /** A rebuild was begun: the dirty map no longer tells what the old engine missed. */
  rebuildBegun: z.boolean().default(false),
  history: z
    .array(
      z.looseObject({
        at: millis,
        from: z.enum(ENGINE_STATUSES),
        to: z.enum(ENGINE_STATUSES),
        attempt: z.number().int().min(1),
        reason: z.string(),
        by: text,
        operation: text,
        /** Revision of etcd that stored the step; the next change of the incident writes it down. */
        revision: z.number().int().optional(),
      }),
    )
    .max(incidentHistoryMax),
});
export type IncidentRecord = z.infer<typeof incidentSchema>;

export const incidentOutcomes = [
  'repaired',
  'replaced',
  'spread',
  'false-alarm',
  'data-loss-accepted',
  'recovered',
] as const;
export type IncidentOutcome = (typeof incidentOutcomes)[number];

/** `/salvor/incidents-closed/<id>`: what an incident was when it ended. */
export const closedIncidentSchema = incidentSchema.extend({
  outcome: z.enum(incidentOutcomes),
  closedAt: millis,
  durationMs: z.number().int().min(0),
  /** Of `recovered`: what brings the blocks back; once that has ended, when, and with what result. */
  recovery: z.looseObject({ id: text, endedAt: millis.optional(), result: z.string().optional() }).optional(),
});
export type ClosedIncident = z.infer<typeof closedIncidentSchema>;

export const clusterStatusSchema = z.enum(['healthy', 'repairing', 'unhealthy']);
export type ClusterStatus = z.infer<typeof clusterStatusSchema>;
export const clusterRoleSchema = z.enum(['primary', 'slave']);
export type ClusterRole = z.infer<typeof clusterRoleSchema>;

/** A server found an engine failing that everybody else found well. */
export const falseAlarmSchema = z.looseObject({ reporter: text, at: millis });
export type FalseAlarm = z.infer<typeof falseAlarmSchema>;

/** `/salvor/clusters/<cluster>`. `partner` is the cluster whose shard i makes a pair with shard i of this one. */
export const salvorClusterSchema = z.looseObject({
  status: clusterStatusSchema,
  /** Why it has this status, as a sentence. */
  reason: z.string().optional(),
  /** The last change of status: who missed it when it happened can still tell it. */
  changed: z.looseObject({ from: clusterStatusSchema, to: clusterStatusSchema, at: millis }).optional(),
  role: clusterRoleSchema,
  partner: text.optional(),
  /** The recovery from the log that is bringing blocks back: until its end the cluster is not healthy. */
  recovery: text.optional(),
  spares: z.array(engineRefSchema),
  retired: z.array(z.looseObject({ address: text, db: z.number().int().min(0), incident: text, at: millis })),
  /** By shard number: when the engine last went online; a report of an earlier failure is stale. */
  lastOnlineAt: z.record(z.string().regex(/^\d+$/), millis).default({}),
  /** By shard number: when the engine failed lately, the latest last; what was acknowledged is forgotten. */
  failures: z.record(z.string().regex(/^\d+$/), z.array(millis).max(failuresKeptMax)).optional(),
  /** By shard number: what turned out to be false alarms lately, the latest last. */
  falseAlarms: z.record(z.string().regex(/^\d+$/), z.array(falseAlarmSchema)).optional(),
  updatedAt: millis,
  operation: text,
});
export type SalvorClusterRecord = z.infer<typeof salvorClusterSchema>;

/** How many times of maintenance a cluster has at once, those that ended included until the next one begins. */
export const downtimesMax = 64;
/** How many changes of the controls are remembered. */
export const controlsLogMax = 64;

export const downtimeSchema = z.looseObject({
  id: text,
  /** Only of this engine; without it, of the whole cluster. */
  address: text.optional(),
  begunAt: millis,
  until: millis,
  by: text,
  reason: z.string(),
  operation: text,
});
export type Downtime = z.infer<typeof downtimeSchema>;

/** `/salvor/healing/everywhere` and `/salvor/healing/clusters/<cluster>`: what operators hold back. */
export const healingControlsSchema = z.looseObject({
  /** Nothing is judged or repaired; failures are recorded as ever. */
  pause: z.looseObject({ by: text, at: millis, reason: z.string(), operation: text }).optional(),
  /** Nothing is judged; only of clusters. */
  downtimes: z.array(downtimeSchema).max(downtimesMax).default([]),
  log: z.array(operatorActionSchema).max(controlsLogMax).default([]),
});
export type HealingControls = z.infer<typeof healingControlsSchema>;

/** `/salvor/repairs/<incident>/<attempt>/<vdisk>`: the owner of a vdisk says that its blocks are back. */
export const repairSchema = z.looseObject({
  vdisk: text,
  incident: text,
  attempt: z.number().int().min(1),
  server: text,
  /** Create revision of the owner key, as a decimal string: etcd counts in 64 bits. */
  epoch: z.string().regex(/^\d+$/),
  dirtyBlocks: z.number().int().min(0),
  copiedBlocks: z.number().int().min(0),
  /** Of the copied blocks, those that hold data. */
  storedBlocks: z.number().int().min(0).optional(),
  repairMs: z.number().int().min(0),
  at: millis,
});
export type RepairRecord = z.infer<typeof repairSchema>;

export const workStatuses = ['running', 'completed', 'failed', 'cancelled'] as const;
export type WorkStatus = (typeof workStatuses)[number];

/** What an operation that outlives its command does now, and where it goes on after the process that does it has died. */
export const workSchema = z.looseObject({
  status: z.enum(workStatuses),
  /** What it does, waits for, or did, as a sentence. */
  message: z.string(),
  /** Steps; what a step is depends on the kind of operation. */
  done: z.number().int().min(0).optional(),
  total: z.number().int().min(0).optional(),
  updatedAt: millis,
  endedAt: millis.optional(),
  /** Why it failed, or what it waits for: a stable word. */
  code: text.optional(),
  /** Somebody wants it to stop. Whoever does the work ends it when that is safe. */
  cancel: z.looseObject({ by: text, at: millis }).optional(),
  /** Nobody works on it until somebody wants it to go on; it may still be cancelled. */
  pause: z.looseObject({ by: text, at: millis }).optional(),
  /** Belongs to the kind of operation, which checks it when it reads it. */
  checkpoint: z.unknown().optional(),
});
export type WorkRecord = z.infer<typeof workSchema>;

/** `/salvor/operations/<id>`: what an operation did, written with its effect, so that a repeat finds the answer. */
export const operationSchema = z.looseObject({
  operation: text,
  kind: text,
  /** The request in canonical form: the same operation id with another request is refused. */
  request: z.string(),
  outcome: z.enum(['applied', 'already']),
  reason: z.string(),
  answer: z.unknown().optional(),
  at: millis,
  /** What it is about: the id of a vdisk or a cluster. */
  subject: text.optional(),
  /** Only of operations that go on after their command was answered. */
  work: workSchema.optional(),
});
export type OperationRecord = z.infer<typeof operationSchema>;

/** `/salvor/operation-workers/<id>`, held under a lease: who carries the operation out now. */
export const operationWorkerSchema = z.looseObject({ worker: text, since: millis });

/** `/salvor/vdisks/<id>/owner`, held under a lease: who may write the vdisk now. */
export const ownerSchema = z.looseObject({
  server: text,
  instance: text,
  since: millis,
  /** The operation that it is owned for; none where it is owned for clients. */
  operation: text.optional(),
});
export type OwnerRecord = z.infer<typeof ownerSchema>;

/** `/salvor/vdisks/<id>/takeover`, held under a lease: the server that takes the vdisk; no other may begin to own it meanwhile. */
export const takeoverSchema = z.looseObject({ server: text, instance: text, operation: text, since: millis });
export type TakeoverRecord = z.infer<typeof takeoverSchema>;

/** Each is read by every service at every change of its cluster; twice as many as engines that may fail at once. */
rememberRecords(incidentSchema, 256);
rememberRecords(salvorClusterSchema, 32);
