import { integer, orElse, type Setting } from '@salvor/service-kit';
import { z } from 'zod';
import type { RestartCommands } from './exec-driver.ts';

export const RESTART_DRIVERS = ['none', 'exec', 'docker', 'nomad'] as const;
export type RestartDriverName = (typeof RESTART_DRIVERS)[number];

const commandSchema = z.array(z.string()).min(1, 'expected a program and its arguments');
const EXPECTED_COMMANDS =
  'expected a JSON array of a program and its arguments, or a JSON object with such an array for each address';

const commandsSchema = z.preprocess(
  (value) => {
    if (typeof value !== 'string') return value ?? [];
    try {
      return JSON.parse(value);
    } catch {
      return value;
    }
  },
  z.union([z.array(z.string()), z.record(z.string(), commandSchema)], { error: EXPECTED_COMMANDS }),
) as unknown as z.ZodType<RestartCommands>;

/** How engines that stay away are restarted. */
export const restartSettings: {
  restartDriver: Setting<RestartDriverName>;
  restartCommand: Setting<RestartCommands>;
  restartAfterMs: Setting<number>;
  restartAttempts: Setting<number>;
  restartBackoffMs: Setting<number>;
  restartTimeoutMs: Setting<number>;
  dockerSocket: Setting<string>;
  dockerContainer: Setting<string>;
  nomadAddress: Setting<string>;
  nomadNamespace: Setting<string>;
  nomadJob: Setting<string>;
  nomadTask: Setting<string>;
  nomadToken: Setting<string>;
} = {
  restartDriver: {
    schema: orElse(z.enum(RESTART_DRIVERS, `expected one of ${RESTART_DRIVERS.join(', ')}`), 'none'),
    help: 'what restarts an engine that stays away: none, exec, docker, nomad',
    example: 'exec',
  },
  restartCommand: {
    schema: commandsSchema,
    help: 'exec: program and arguments as a JSON array, or an object with one for each address, `*` for the others; {address}, {host}, {port} are filled in',
    example: '["systemctl","restart","redis@{port}"]',
  },
  restartAfterMs: {
    schema: orElse(integer(0, 86_400_000), 10_000),
    help: 'an engine that was unreachable or hung for so long is restarted',
    example: '10000',
  },
  restartAttempts: {
    schema: orElse(integer(1, 16), 3),
    help: 'attempts in one incident',
    example: '3',
  },
  restartBackoffMs: {
    schema: orElse(integer(100, 86_400_000), 30_000),
    help: 'from the first attempt to the second; doubled for each further one',
    example: '30000',
  },
  restartTimeoutMs: {
    schema: orElse(integer(100, 3_600_000), 30_000),
    help: 'an attempt that takes longer is given up',
    example: '30000',
  },
  dockerSocket: {
    schema: orElse(z.string(), '/var/run/docker.sock'),
    help: 'docker: unix socket of the Docker Engine',
    example: '/var/run/docker.sock',
  },
  dockerContainer: {
    schema: orElse(z.string(), ''),
    help: 'docker: name of the container, or label:<name>=<value>; {address}, {host}, {port} are filled in',
    example: 'redis-{port}',
  },
  nomadAddress: {
    schema: orElse(
      z.url({ protocol: /^https?$/, error: 'expected http://host:port' }),
      'http://127.0.0.1:4646',
    ),
    help: "nomad: base of the HTTP API's URLs",
    example: 'http://127.0.0.1:4646',
  },
  nomadNamespace: {
    schema: orElse(z.string(), 'default'),
    help: 'nomad: namespace of the job',
    example: 'storage',
  },
  nomadJob: {
    schema: orElse(z.string(), ''),
    help: 'nomad: job that the engine is a part of; {address}, {host}, {port} are filled in',
    example: 'redis-{port}',
  },
  nomadTask: {
    schema: orElse(z.string(), ''),
    help: 'nomad: task to restart, likewise; all tasks of the allocation when empty',
    example: 'redis',
  },
  nomadToken: {
    schema: orElse(z.string(), ''),
    help: 'nomad: ACL token with read-job and alloc-lifecycle',
    secret: true,
    example: 'from SALVOR_NOMAD_TOKEN_FILE',
  },
};
