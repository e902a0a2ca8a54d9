import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';

const condition = z.enum(['service_healthy', 'service_completed_successfully', 'service_started']);

const healthcheck = z.union([
  z.strictObject({ disable: z.literal(true) }),
  z.strictObject({
    test: z.tuple([z.enum(['CMD', 'CMD-SHELL'])], z.string()),
    interval: z.string(),
    timeout: z.string(),
    retries: z.number(),
    start_period: z.string().optional(),
  }),
]);

const build = z.strictObject({
  context: z.string(),
  dockerfile: z.string(),
  target: z.string(),
  args: z.record(z.string(), z.string()).optional(),
});

/** What of the Compose specification our file uses; a word that is not here is a mistake. */
const service = z.strictObject({
  image: z.string(),
  build: build.optional(),
  command: z.array(z.string()).optional(),
  entrypoint: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).default({}),
  volumes: z.array(z.string()).default([]),
  secrets: z.array(z.string()).default([]),
  tmpfs: z.array(z.string()).default([]),
  ports: z.array(z.string()).default([]),
  networks: z.array(z.string()),
  depends_on: z.record(z.string(), z.strictObject({ condition })).default({}),
  healthcheck,
  user: z.string(),
  read_only: z.boolean(),
  cap_drop: z.array(z.string()),
  security_opt: z.array(z.string()),
  restart: z.enum(['unless-stopped', 'on-failure', 'no']),
  stop_grace_period: z.string().regex(/^\d+s$/),
  profiles: z.array(z.string()).default([]),
});

const file = z.object({
  name: z.string(),
  services: z.record(z.string(), service),
  networks: z.record(z.string(), z.strictObject({})),
  volumes: z.record(z.string(), z.strictObject({})),
  secrets: z.record(z.string(), z.strictObject({ file: z.string() })),
});

export type ComposeService = z.infer<typeof service>;
export type ComposeFile = z.infer<typeof file>;

/** Throws ZodError when a service has a member that it should not have, or lacks one. */
export function readCompose(path: string): ComposeFile {
  return file.parse(parse(readFileSync(path, 'utf8'), { merge: true }));
}

/** `name:/where[:ro]`, or `./file:/where[:ro]`. */
export function mountOf(volume: string): { readonly from: string; readonly to: string } {
  const [from = '', to = ''] = volume.split(':');
  return { from, to };
}
