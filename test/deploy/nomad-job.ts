import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parse } from '@cdktn/hcl2json';
import { z } from 'zod';

const duration = z.string().regex(/^\d+(ms|s|m|h)$/);
/** A block that must be there once. */
const one = <S extends z.ZodType>(schema: S) =>
  z.tuple([schema]).transform(([block]) => block as z.output<S>);

const check = z.strictObject({
  name: z.string(),
  type: z.enum(['http', 'tcp']),
  path: z.string().optional(),
  interval: duration,
  timeout: duration,
});
const service = z.strictObject({
  name: z.string(),
  provider: z.literal('nomad'),
  port: z.string(),
  tags: z.array(z.string()),
  check: one(check),
});
const task = z.strictObject({
  driver: z.literal('docker'),
  user: z.string(),
  kill_signal: z.literal('SIGTERM'),
  kill_timeout: duration,
  config: one(
    z.strictObject({
      image: z.string(),
      command: z.string(),
      args: z.array(z.string()),
      ports: z.array(z.string()),
      network_mode: z.literal('host'),
      readonly_rootfs: z.boolean(),
      cap_drop: z.array(z.string()),
      security_opt: z.array(z.string()),
      mount: one(z.strictObject({ type: z.literal('tmpfs'), target: z.string(), readonly: z.boolean() })),
    }),
  ),
  env: one(z.record(z.string(), z.string())).optional(),
  template: z
    .array(
      z.strictObject({
        destination: z.string(),
        data: z.string(),
        perms: z.string(),
        uid: z.number(),
        gid: z.number(),
        change_mode: z.enum(['restart', 'signal', 'noop']),
      }),
    )
    .default([]),
  volume_mount: z.array(z.strictObject({ volume: z.string(), destination: z.string() })).default([]),
  resources: one(z.strictObject({ cpu: z.number(), memory: z.number() })),
});
const group = z.strictObject({
  count: z.union([z.number(), z.templateLiteral(['${var.', z.string(), '}'])]).optional(),
  constraint: one(
    z.strictObject({ operator: z.literal('distinct_hosts'), value: z.literal('true') }),
  ).optional(),
  network: one(
    z.strictObject({
      mode: z.literal('host'),
      port: z.record(z.string(), one(z.strictObject({ static: z.number().optional() }))),
    }),
  ),
  restart: one(
    z.strictObject({
      attempts: z.number(),
      interval: duration,
      delay: duration,
      mode: z.enum(['delay', 'fail']),
    }),
  ),
  reschedule: one(
    z.strictObject({
      delay: duration,
      delay_function: z.string(),
      max_delay: duration,
      unlimited: z.boolean(),
    }),
  ).optional(),
  volume: z
    .record(z.string(), one(z.strictObject({ type: z.literal('host'), source: z.string() })))
    .default({}),
  service: z.array(service),
  task: z.record(z.string(), one(task)),
});
const job = z.strictObject({
  type: z.enum(['service', 'system']),
  datacenters: z.array(z.string()),
  update: one(
    z.strictObject({
      max_parallel: z.number(),
      health_check: z.literal('checks').optional(),
      min_healthy_time: duration,
      healthy_deadline: duration,
      progress_deadline: duration.optional(),
      stagger: duration.optional(),
      auto_revert: z.boolean().optional(),
    }),
  ),
  group: z.record(z.string(), one(group)),
});
/** What of the job specification of Nomad our files use; a word that is not here is a mistake. */
const file = z.strictObject({
  variable: z
    .record(
      z.string(),
      one(
        z.strictObject({
          type: z.string(),
          description: z.string(),
          default: z.union([z.string(), z.number()]),
        }),
      ),
    )
    .default({}),
  job: z.record(z.string(), one(job)),
});

export type NomadTask = z.output<typeof task>;
export type NomadGroup = z.output<typeof group>;
export interface NomadJob extends Omit<z.output<typeof job>, 'group'> {
  readonly name: string;
  readonly variables: Readonly<Record<string, string>>;
  /** Our jobs have one group with one task, all three of one name. */
  readonly part: string;
  readonly group: NomadGroup;
  readonly task: NomadTask;
}

/** By the parser of HCL itself. Throws on what is no HCL, and ZodError on a word that Nomad or our jobs do not have. */
export async function readJob(path: string): Promise<NomadJob> {
  const { variable, job: jobs } = file.parse(await parse(basename(path), readFileSync(path, 'utf8')));
  const [name, found] = only(jobs);
  const [part, foundGroup] = only(found.group);
  const [taskName, foundTask] = only(foundGroup.task);
  if (name !== `salvor-${part}` || taskName !== part)
    throw new Error(`${path}: ${name}, ${part}, ${taskName}`);
  const variables = Object.fromEntries(
    Object.entries(variable).map(([of, { default: value }]) => [of, String(value)]),
  );
  return { ...found, name, variables, part, group: foundGroup, task: foundTask };
}

function only<T>(blocks: Readonly<Record<string, T>>): [string, T] {
  const [first, ...more] = Object.entries(blocks);
  if (first === undefined || more.length > 0)
    throw new Error(`expected one of ${Object.keys(blocks).join(', ')}`);
  return first;
}
