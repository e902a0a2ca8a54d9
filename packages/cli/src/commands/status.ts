import type { Bus } from '@salvor/bus';
import type {
  AlertListReply,
  ClusterListReply,
  EngineDescription,
  EngineListReply,
  HealingStatusReply,
  IncidentListReply,
  VdiskListReply,
} from '@salvor/contracts';
import type { Call, Command } from '../command.ts';
import type { Session } from '../connection.ts';
import { failureOf } from '../failure.ts';
import { type Paint, paintStatus } from '../rendering/paint.ts';
import { counted, indented, printable, table, title } from '../rendering/text.ts';
import { dateTimeText } from '../rendering/time.ts';
import { unavailableText } from '../rendering/unavailable-text.ts';
import { ownerText } from '../rendering/vdisk-text.ts';
import { alertsText } from './alert.ts';
import { heldBackText, isHeldBack } from './healing.ts';
import { incidentHeaders, incidentRow } from './incident.ts';

const REDRAW_INTERVAL_MS = 1_000;
/** A burst of events redraws once. */
const REDRAW_SETTLE_MS = 50;
const CLEAR_SCREEN = '\u001b[H\u001b[2J\u001b[3J';

export const statusCommand: Command = {
  name: 'status',
  description:
    'Shows clusters, their engines in pairs, vdisks with their owners, alerts, what is held back, and open incidents.',
  options: {
    watch: { type: 'boolean', short: 'w', help: 'show it again on events and each second, until Ctrl-C' },
  },
  examples: ['salvor status', 'salvor status --watch', "salvor status --json | jq '.incidents'"],
  async run(call) {
    await call.withBus(async (session) => {
      if (call.args.flag('watch')) return watchStatus(call, session);
      const { status, json } = await askStatus(session);
      call.print(json, () => statusText(call.paint, status, Date.now()));
    });
  },
};

/** What the screen is made of. */
export interface Status {
  readonly clusters: ClusterListReply['clusters'];
  readonly engines: EngineListReply['engines'];
  readonly vdisks: VdiskListReply['vdisks'];
  readonly incidents: IncidentListReply['incidents'];
  readonly alerts: AlertListReply['alerts'];
  readonly healing: HealingStatusReply;
}

async function askStatus({ ask }: Session): Promise<{ status: Status; json: unknown }> {
  const [clusters, engines, vdisks, incidents, alerts, healing] = await Promise.all([
    ask('cluster.list', {}),
    ask('engine.list', {}),
    ask('vdisk.list', {}),
    ask('incident.list', { all: false }),
    ask('alert.list', { all: false }),
    ask('healing.status', {}),
  ]);
  const status = {
    ...clusters.reply,
    ...engines.reply,
    ...vdisks.reply,
    ...incidents.reply,
    ...alerts.reply,
    healing: healing.reply,
  };
  const json = Object.assign({}, clusters.json, engines.json, vdisks.json, incidents.json, alerts.json, {
    healing: healing.json,
  });
  return { status, json };
}

export function statusText(
  paint: Paint,
  { clusters, engines, vdisks, incidents, alerts, healing }: Status,
  now: number,
): string {
  const clusterRows = clusters.map((cluster) => [
    cluster.cluster,
    cluster.role,
    paintStatus(paint, cluster.status),
    `${cluster.enginesOnline}/${cluster.engines}`,
    `${cluster.spares}`,
    cluster.partner ?? '-',
  ]);
  const vdiskRows = vdisks.map((vdisk) => [
    vdisk.vdisk,
    vdisk.type,
    `${vdisk.sizeGiB} GiB`,
    vdisk.cluster,
    vdisk.slaveCluster ?? '-',
    ownerText(vdisk.owner),
  ]);
  const dark = clusters.flatMap(({ unavailable }) => unavailable);
  const sections = [
    [
      'Clusters',
      table(paint, ['cluster', 'role', 'status', 'online', 'spares', 'partner'], clusterRows, 'no clusters'),
    ],
    ['Engines', enginesText(paint, clusters, engines)],
    [
      'Vdisks',
      table(paint, ['vdisk', 'type', 'size', 'cluster', 'slave cluster', 'owner'], vdiskRows, 'no vdisks'),
    ],
    ...(alerts.length === 0
      ? []
      : [[counted(alerts.length, 'alert'), alertsText(paint, alerts, now)] as const]),
    ...(isHeldBack(healing) ? [['Held back', heldBackText(paint, healing, now)] as const] : []),
    ...(dark.length === 0 ? [] : [['Without a live copy', unavailableText(paint, dark)] as const]),
    [
      incidents.length === 0 ? 'Incidents' : counted(incidents.length, 'open incident'),
      table(
        paint,
        incidentHeaders,
        incidents.map((i) => incidentRow(paint, i, now)),
        'none open',
      ),
    ],
  ] as const;
  return sections.map(([name, body]) => `${title(paint, name)}${indented(body)}`).join('\n');
}

/** Paired clusters side by side, a shard a line; clusters without a partner alone. */
function enginesText(paint: Paint, clusters: Status['clusters'], engines: Status['engines']): string {
  const rows = clusters.flatMap(({ cluster, role, partner }) => {
    const isShownBesidePrimary =
      role === 'slave' && clusters.some((other) => other.partner === cluster && other.role === 'primary');
    if (isShownBesidePrimary) return [];
    const slaves = engines.filter((engine) => engine.cluster === partner);
    return engines
      .filter((engine) => engine.cluster === cluster)
      .map((engine) => [
        cluster,
        `${engine.shard}`,
        ...engineCells(paint, engine),
        ...engineCells(
          paint,
          slaves.find(({ shard }) => shard === engine.shard),
        ),
      ]);
  });
  return table(paint, ['cluster', 'shard', 'engine', 'status', 'pair engine', 'status'], rows, 'no engines');
}

function engineCells(paint: Paint, engine: EngineDescription | undefined): string[] {
  if (engine === undefined) return ['-', ''];
  const { address, status, replacement } = engine;
  const filling = replacement === undefined ? '' : ` -> ${printable(replacement.address)}`;
  return [`${printable(address)}${filling}`, paintStatus(paint, status)];
}

async function watchStatus(call: Call, session: Session): Promise<void> {
  const interrupted = call.terminal.interrupted();
  const news = new News();
  const watch = watchAll(session.bus, () => news.arrive());
  let lastJson = '';
  while (!interrupted.aborted) {
    const shown = await askStatus(session).then(
      ({ status, json }) => ({ text: statusText(call.paint, status, Date.now()), json }),
      (error: unknown) => {
        // The screen outlives a coordinator that restarts.
        const { code, message } = failureOf(error);
        return { text: `salvor: ${printable(message)}\n`, json: { code, message } };
      },
    );
    const json = JSON.stringify(shown.json);
    if (!call.args.flag('json')) call.terminal.out(screen(call, shown.text));
    else if (json !== lastJson) call.terminal.out(`${json}\n`);
    lastJson = json;
    await news.waitFor(REDRAW_INTERVAL_MS, interrupted);
  }
  await watch.stop();
}

function screen({ terminal, paint }: Call, text: string): string {
  const heading = paint('dim', `${dateTimeText(Date.now())}  Ctrl-C ends`);
  return `${terminal.isInteractive ? CLEAR_SCREEN : '\n'}${heading}\n\n${text}`;
}

function watchAll(bus: Bus, onEvent: () => void): { stop(): Promise<void> } {
  return bus.watchEvents({ types: 'all', handler: onEvent, onGap: onEvent });
}

/** Wakes the one who waits when something happened, at the latest after a time. */
class News {
  #wake: (() => void) | undefined;
  #settling: NodeJS.Timeout | undefined;

  arrive(): void {
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined;
      this.#wake?.();
    }, REDRAW_SETTLE_MS);
  }

  waitFor(timeoutMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
      else this.#wake = done;
    });
  }
}
