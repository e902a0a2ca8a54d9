import { integer, orElse, type Setting } from '@salvor/service-kit';
import { engineLoginSettings } from '@salvor/vdisk';
import { restartSettings } from './restart/restart-settings.ts';

/** What a health-analyzer is configured with, beside what every service has. */
export const analyzerSettings: {
  probeIntervalMs: Setting<number>;
  probeTimeoutMs: Setting<number>;
  healthyProbes: Setting<number>;
  permanentAfterMs: Setting<number>;
  sweepIntervalMs: Setting<number>;
} & typeof engineLoginSettings &
  typeof restartSettings = {
  probeIntervalMs: {
    schema: orElse(integer(10, 60_000), 250),
    help: 'pause between two probes of an engine that is down',
    example: '250',
  },
  probeTimeoutMs: {
    schema: orElse(integer(10, 60_000), 1_500),
    help: 'an engine that answers later counts as hung',
    example: '1500',
  },
  healthyProbes: {
    schema: orElse(integer(1, 100), 2),
    help: 'healthy probes in a row before an engine counts as back',
    example: '2',
  },
  permanentAfterMs: {
    schema: orElse(integer(100, 30 * 86_400_000), 900_000),
    help: 'an engine that stays away for so long is given up and rebuilt on a spare',
    example: '900000',
  },
  sweepIntervalMs: {
    schema: orElse(integer(100, 3_600_000), 2_000),
    help: 'pause between two looks at every engine that is online, used or not',
    example: '2000',
  },
  ...engineLoginSettings,
  ...restartSettings,
};
