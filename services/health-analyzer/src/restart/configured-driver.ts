import { ConfigurationError } from '@salvor/service-kit';
import { DockerDriver } from './docker-driver.ts';
import { ExecDriver, type RestartCommands } from './exec-driver.ts';
import { NomadDriver } from './nomad-driver.ts';
import type { RestartDriver } from './restart-driver.ts';
import type { RestartDriverName } from './restart-settings.ts';

export interface RestartConfiguration {
  readonly restartDriver: RestartDriverName;
  readonly restartCommand: RestartCommands;
  readonly dockerSocket: string;
  readonly dockerContainer: string;
  readonly nomadAddress: string;
  readonly nomadNamespace: string;
  readonly nomadJob: string;
  readonly nomadTask: string;
  readonly nomadToken: string;
}

/** How long a container has to end by itself before Docker kills it, in seconds. */
const DOCKER_STOP_SECONDS = 5;

/**
 * The driver that is configured, null for none.
 *
 * @throws ConfigurationError when it lacks what it needs to find an engine
 */
export function configuredDriver(config: RestartConfiguration): RestartDriver | null {
  switch (config.restartDriver) {
    case 'none':
      return null;
    case 'exec': {
      const { restartCommand } = config;
      if (Object.keys(restartCommand).length === 0)
        throw missing('exec', 'SALVOR_RESTART_COMMAND', '["systemctl","restart","redis@{port}"]');
      return new ExecDriver(restartCommand);
    }
    case 'docker': {
      const { dockerSocket: socketPath, dockerContainer: container } = config;
      if (container === '') throw missing('docker', 'SALVOR_DOCKER_CONTAINER', 'redis-{port}');
      return new DockerDriver({ socketPath, container, stopSeconds: DOCKER_STOP_SECONDS });
    }
    case 'nomad': {
      const { nomadAddress: baseUrl, nomadNamespace: namespace, nomadJob: job } = config;
      if (job === '') throw missing('nomad', 'SALVOR_NOMAD_JOB', 'redis-{port}');
      return new NomadDriver({ baseUrl, namespace, job, task: config.nomadTask, token: config.nomadToken });
    }
    default:
      return config.restartDriver satisfies never;
  }
}

function missing(driver: string, variable: string, example: string): ConfigurationError {
  const expected = `the driver '${driver}' needs it`;
  return new ConfigurationError(
    'bad-configuration',
    `${variable} is not set: ${expected} (for example ${variable}=${example})`,
    [{ path: variable, expected }],
  );
}
