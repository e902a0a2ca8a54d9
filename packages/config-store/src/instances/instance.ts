/** Instances: the VMs and processes that use vdisks, as far as Salvor stops and starts them through hooks. */
import { z } from 'zod';

/** Vdisks of one instance. */
export const instanceVdisksMax = 64;
/** Hook runs of one change. */
const runsMax = 64;

const millis = z.number().int().min(0);
const text = z.string().min(1);

export const instanceStatuses = [
  'started',
  'stopping',
  'stopped',
  'stop-failed',
  'starting',
  'start-failed',
] as const;
export type InstanceStatus = (typeof instanceStatuses)[number];
const statusSchema = z.enum(instanceStatuses);

/** Who starts it again after Salvor stopped it. */
export const instanceRestarts = ['automatic', 'operator'] as const;
/** What happens when its NBD server has crashed and is back. */
export const onServerExits = ['ignore', 'start'] as const;

export const instanceCauseSchema = z.looseObject({
  kind: z.enum(['data-unavailable', 'operator', 'server-exit']),
  at: millis,
  incident: text.optional(),
  /** The NBD server that ended. */
  server: text.optional(),
  /** Whether somebody starts that server again by itself. */
  returns: z.boolean().optional(),
});
export type InstanceCause = z.infer<typeof instanceCauseSchema>;

/** `/salvor/instances/<instance>`. Times are Unix milliseconds. */
export const instanceSchema = z.looseObject({
  instance: text,
  vdisks: z.array(text).min(1).max(instanceVdisksMax),
  zone: text.optional(),
  /** NBD server through which it uses them; absent: whoever owns one of them when it matters. */
  server: text.optional(),
  stopHook: text.optional(),
  startHook: text.optional(),
  /** Keeps the instance of this id in the other zone from running. */
  fenceHook: text.optional(),
  restart: z.enum(instanceRestarts),
  onServerExit: z.enum(onServerExits),
  /** What the operator wants. */
  desired: z.enum(['started', 'stopped']),
  status: statusSchema,
  reason: z.string(),
  changedAt: millis,
  /** The last change of status: who missed it when it happened can still tell it. */
  changed: z.looseObject({ from: statusSchema, to: statusSchema, at: millis }).optional(),
  /** Why it was stopped; absent while it is started. */
  cause: instanceCauseSchema.optional(),
  /** The hook runs of the last change. */
  runs: z.array(text).max(runsMax),
  operation: text,
});
export type InstanceRecord = z.infer<typeof instanceSchema>;
