import type { BusEvent } from '@salvor/bus';
import type { ConfigStore } from '@salvor/config-store';
import type { Logger, Metrics } from '@salvor/service-kit';
import type { Announcement } from '../announcements.ts';
import type { HookBook } from './hook-book.ts';
import type { busOnlyTypes } from './hook-points.ts';
import { HookRunner } from './hook-runner.ts';
import { HookWatch } from './hook-watch.ts';

/** The hooks of a coordinator at work. */
export interface Hooks {
  readonly book: HookBook;
  /** Runs of a hook that have not ended. */
  readonly pendingOf: (hook: string) => number;
  /** Takes an event that only the bus tells. Rejects when its hooks could not be recorded. */
  readonly take: (event: BusEvent<(typeof busOnlyTypes)[number]>) => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** Waits for etcd as long as that takes. */
export async function startHooks({
  store,
  log,
  metrics,
  by,
  book,
}: {
  readonly store: ConfigStore;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly by: string;
  readonly book: HookBook;
}): Promise<Hooks> {
  const ended = metrics.counter('salvor_hook_runs_total', 'Hook runs that ended', ['hook', 'outcome']);
  const watch = new HookWatch({ store, book, log, by });
  const runner = new HookRunner({ store, book, log, by, ended });
  await watch.start();
  await runner.start();
  metrics.gaugeFrom('salvor_hook_runs_pending', 'Hook runs that have not ended', () => runner.pending());
  const reload = (): void => void book.reload();
  process.on('SIGHUP', reload);
  return {
    book,
    pendingOf: (hook) => runner.pendingOf(hook),
    take: ({ id, type, payload }) => watch.take({ id, type, payload } as Announcement),
    stop: async () => {
      process.off('SIGHUP', reload);
      await watch.stop();
      await runner.stop();
    },
  };
}
