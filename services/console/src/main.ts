import { join } from 'node:path';
import { type Bus, busOptions, connectBus } from '@salvor/bus';
import { runService, serverTls } from '@salvor/service-kit';
import { ActionDesk } from './actions/action-desk.ts';
import { allowedActions } from './actions/allowed-actions.ts';
import { readTokens } from './actions/tokens.ts';
import { Feed } from './feed/feed.ts';
import { readAssets } from './http/assets.ts';
import { PageServer } from './http/page-server.ts';
import { consoleSettings } from './settings.ts';
import { Situation } from './situation/situation.ts';

/** While nobody looks, everything is asked for so much more seldom. */
const IDLE_FACTOR = 5;
const ALIVE_MS = 3_000;
const STALL_MS = 20_000;

await runService({
  name: 'console',
  settings: consoleSettings,
  start: async ({ config, log, metrics, starting }) => {
    const now = (): number => Date.now();
    const operators = readTokens(config.consoleTokens);
    const dropped = metrics.counter('salvor_console_pages_dropped_total', 'Pages dropped for being slow');
    const acted = metrics.counter('salvor_console_actions_total', 'Actions given on the page', [
      'command',
      'outcome',
    ]);
    let bus: Bus | null = null;
    const situation: Situation = new Situation({
      ...{ log, now },
      intervalMs: config.refreshMs,
      idleIntervalMs: IDLE_FACTOR * config.refreshMs,
      isWatched: () => feed.size > 0,
      actions: operators.length === 0 ? [] : Object.keys(allowedActions),
      onChange: () => feed.changed(),
    });
    const feed: Feed = new Feed({
      ...{ now, aliveMs: ALIVE_MS, stallMs: STALL_MS },
      state: () => situation.sections(),
      clientsMax: config.pagesMax,
      dropped: () => dropped.add(),
    });
    metrics.gaugeFrom('salvor_console_pages', 'Pages that look at this console', () => feed.size);
    // Before there is a bus: a page that says what is missing is better than none.
    const page = await PageServer.start({
      ...{ host: config.pageHost, port: config.pagePort, feed, log },
      tls: serverTls('PAGE', { cert: config.pageTlsCert, key: config.pageTlsKey }),
      assets: readAssets({
        assets: join(import.meta.dirname, '../assets'),
        page: join(import.meta.dirname, 'page'),
      }),
      actions:
        operators.length === 0
          ? null
          : new ActionDesk({
              ...{ operators, log, now },
              bus: () => bus,
              acted: (command, outcome) => acted.add({ command, outcome }),
            }),
    });
    log.info({ page: page.url }, 'page served');
    starting('waits for NATS');
    const connected = await connectBus({ ...busOptions(config), name: 'console', log, metrics });
    bus = connected;
    situation.follow(connected);
    return {
      checks: { bus: () => (connected.connected() ? null : 'not connected to NATS') },
      shutdown: [
        { name: 'pages', run: () => feed.close() },
        { name: 'page server', run: () => page.close() },
        { name: 'questions', run: () => situation.stop() },
        { name: 'bus', run: () => connected.close({ deadlineMs: 2_000 }) },
      ],
    };
  },
});
