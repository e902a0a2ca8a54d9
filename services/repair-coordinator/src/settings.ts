import { integer, orElse, type Setting } from '@salvor/service-kit';
import { z } from 'zod';

/** What a repair-coordinator is configured with, beside what every service has. */
export const coordinatorSettings: {
  engineTimeoutMs: Setting<number>;
  enginePassword: Setting<string>;
  hooksFile: Setting<string>;
} = {
  engineTimeoutMs: {
    schema: orElse(integer(50, 60_000), 2_000),
    help: 'bound of a call to a storage engine',
    example: '2000',
  },
  enginePassword: {
    schema: orElse(z.string(), ''),
    help: 'password of the storage engines',
    secret: true,
    example: 'from SALVOR_ENGINE_PASSWORD_FILE',
  },
  hooksFile: {
    schema: orElse(z.string(), ''),
    help: 'YAML or JSON file of the hooks; the same for every coordinator. Read again on SIGHUP',
    example: '/etc/salvor/hooks.yaml',
  },
};
