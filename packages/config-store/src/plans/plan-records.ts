/** What etcd of one zone holds of recovery plans, as zod schemas. Times are Unix milliseconds. */
import { z } from 'zod';
import { storedPlanDocumentSchema } from './plan-document.ts';

const millis = z.number().int().min(0);
const count = z.number().int().min(0);
const text = z.string().min(1);

/** `/salvor/plans/<plan>`: the same in both of its zones, where the newest version comes to be in both. */
export const planSchema = z.looseObject({
  plan: text,
  version: z.number().int().min(1),
  /** In which this version was written. */
  zone: text,
  /** Null: it was deleted. What is deleted stays on record, so that the other zone does not bring it back. */
  document: storedPlanDocumentSchema.nullable(),
  /** Of what was deleted: the zones that it was of; empty: not known. */
  zones: z.array(text).default([]),
  changedAt: millis,
});
export type PlanRecord = z.infer<typeof planSchema>;

export const planRunKinds = ['planned', 'failover', 'test', 'cleanup', 'reprotect'] as const;
export type PlanRunKind = (typeof planRunKinds)[number];

export const planActs = [
  'check',
  'stop',
  'fence',
  'demote',
  'level',
  'promote',
  'record',
  'start',
  'protect',
  'clone',
  'start-test',
  'stop-test',
  'remove-clone',
] as const;
export type PlanAct = (typeof planActs)[number];

export const planStepSchema = z.looseObject({
  act: z.enum(planActs),
  /** Where. */
  zone: text,
  /** Group of the plan; empty: all of it. */
  group: z.string(),
  /** The volume, instance or record; empty: all of them. */
  subject: z.string(),
  /** `undone`: what it did was taken back. */
  status: z.enum(['pending', 'running', 'done', 'failed', 'undoing', 'undone']),
  reason: z.string(),
  beganAt: millis.nullable(),
  endedAt: millis.nullable(),
});
export type PlanStep = z.infer<typeof planStepSchema>;

/** What a run came to for one volume. */
export const planMeasureSchema = z.looseObject({
  volume: text,
  /** Writes that the source had and the target lacks; null: not known (yet). */
  lostWrites: count.nullable(),
  /** Age of the newest write that the target has, when the run began; null: not known. */
  lostMs: count.nullable(),
  /** From the begin of the run to the volume being primary in the target zone; null: it is not. */
  promotedMs: count.nullable(),
  /** Generation and record of the source that the target goes on from. */
  generation: count,
  sequence: count.nullable(),
  /** Of a test of a consistency group: the record of the target's own log at which the volume is cloned; null: its newest point. */
  cloneAt: count.nullable().default(null),
});
export type PlanMeasure = z.infer<typeof planMeasureSchema>;

/** `/salvor/plan-runs/<plan>/<run>` */
export const planRunSchema = z.looseObject({
  run: text,
  plan: text,
  version: z.number().int().min(1),
  kind: z.enum(planRunKinds),
  /** The zone that is to have the volumes, where the run is carried out; and the other one. */
  target: text,
  source: text,
  document: storedPlanDocumentSchema,
  steps: z.array(planStepSchema),
  /** `back`: a step failed before the point of no return; what was done is being taken back. */
  direction: z.enum(['forward', 'back']),
  status: z.enum(['running', 'completed', 'failed', 'cancelled']),
  isCancelled: z.boolean().default(false),
  reason: z.string(),
  /** Instances that were started in the source zone when it began; null: not looked yet. */
  started: z.array(text).nullable(),
  measures: z.array(planMeasureSchema),
  /** Of a test: the vdisks that stand for those of its volumes. */
  clones: z.array(z.looseObject({ volume: text, vdisk: text })).default([]),
  /** Of a cleanup: the tests whose clones and instances it removes. */
  tested: z.array(text).default([]),
  beganAt: millis,
  endedAt: millis.nullable(),
});
export type PlanRun = z.infer<typeof planRunSchema>;

/** `/salvor/plan-active/<plan>`: the one run that is under way in this zone. */
export const planActiveSchema = z.looseObject({ run: text });
