import type { CommandHandlers } from '@salvor/bus';
import {
  ALERTS_PREFIX,
  type AlertRecord,
  alertSchema,
  type ConfigStore,
  ConfigValueError,
  parseRecord,
} from '@salvor/config-store';

/** The commands about what neither progresses nor ends. */
export function alertCommandHandlers(store: ConfigStore): CommandHandlers {
  return {
    'alert.list': async ({ all }) => {
      const alerts = (await readAlerts(store)).filter(({ clearedAt }) => all || clearedAt === undefined);
      return {
        alerts: alerts
          .toSorted((a, b) => b.raisedAt - a.raisedAt)
          .map(({ alert, kind, subject, message, since, raisedAt, clearedAt, incident, cluster, vdisk }) => ({
            ...{ alert, kind, subject, message, since, raisedAt },
            ...(clearedAt === undefined ? {} : { clearedAt }),
            ...(incident === undefined ? {} : { incident }),
            ...(cluster === undefined ? {} : { cluster }),
            ...(vdisk === undefined ? {} : { vdisk }),
          })),
      };
    },
  };
}

/** What cannot be read is left out: the watchdog replaces it. */
async function readAlerts(store: ConfigStore): Promise<AlertRecord[]> {
  const { entries } = await store.list(ALERTS_PREFIX);
  return entries.flatMap(({ key, value }) => {
    try {
      return [parseRecord(alertSchema, key, value)];
    } catch (error) {
      if (error instanceof ConfigValueError) return [];
      throw error;
    }
  });
}
