/** A volume in two zones: how long a failover takes, what it loses, and how far the copy is behind. */
import { loadavg } from 'node:os';
import { NbdClient, RawNats, until } from '@salvor/testkit';
import { decodeSegment } from '../../packages/tlog/dist/index.js';
import { PLAIN, TwoZones, VDISK, VOLUME, type Zone } from '../e2e/two-zones.ts';
import { Counting, follows, lastWriteOf, untilLevel } from '../e2e/zone-load.ts';

export const zonesOptions = { 'writes-per-second': { type: 'string' } } as const;

/** Milliseconds. */
interface Timed {
  readonly median: number;
  readonly all: readonly number[];
  /** Median of a server's taking an ordinary vdisk and accepting a write, in the same rounds. */
  readonly mountMedian: number;
}

export interface ZonesBench {
  readonly loadAverage: number;
  /** Order of a forced promote, line cut, nothing left to apply, to the first write that was accepted. */
  readonly forced: Timed;
  /** Last write in one zone to the first in the other one. */
  readonly planned: Timed & { readonly lostWrites: number };
  readonly lag: {
    readonly wantedPerSecond: number;
    readonly writesPerSecond: number;
    readonly writes: number;
    /** From a write being sent until it is in the log of the secondary's own vdisk, milliseconds. */
    readonly p50: number;
    readonly p99: number;
    readonly max: number;
    /** The same until it is in the log of the primary. */
    readonly ownP99: number;
  };
  readonly broken: readonly string[];
}

const BLOCK = 4096;
const FORCED_MS_MAX = 200;
const LAG_P99_MS_MAX = 250;
const LOAD_BLOCKS = 65_536;
const AT_ONCE = 32;
const TICK_MS = 4;
const WAIT_MS = 120_000;

interface ZonesBenchOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly progress: (line: string) => void;
}

export async function benchZones(options: ZonesBenchOptions): Promise<ZonesBench> {
  const { rounds, progress } = options;
  await using zones = await TwoZones.start({ isArchived: false });
  await zones.replicate();
  const first = await zones.north.connected();
  await first.write(0, Buffer.alloc(BLOCK), { fua: true });
  await zones.south.untilStatus('active - secondary');
  await first.disconnect();
  const lag = await measureLag(zones, options);
  progress(`lag p99 ${lag.p99.toFixed(0)} ms at ${lag.writesPerSecond.toFixed(0)} writes a second`);
  let roles: [Zone, Zone] = [zones.north, zones.south];
  const [forced, planned, forcedMount, plannedMount]: number[][] = [[], [], [], []];
  const load = new Counting();
  let lostWrites = 0;
  for (let round = 0; round < rounds; round++) {
    const ms = await forcedPromote(zones, roles);
    roles = [roles[1], roles[0]];
    forced?.push(ms);
    forcedMount?.push(await mountTime(roles[0]));
    progress(`forced promote to first write: ${ms.toFixed(0)} ms`);
    const { rto, lost } = await plannedFailover(roles, load);
    roles = [roles[1], roles[0]];
    lostWrites += lost;
    planned?.push(rto);
    plannedMount?.push(await mountTime(roles[0]));
    progress(`planned failover: ${rto.toFixed(0)} ms without writes, ${lost} writes lost`);
  }
  const result = {
    loadAverage: loadavg()[0] ?? 0,
    forced: timed(forced ?? [], forcedMount ?? []),
    planned: { ...timed(planned ?? [], plannedMount ?? []), lostWrites },
    lag,
  };
  return { ...result, broken: faultsOf(result) };
}

function faultsOf({ forced, planned, lag }: Omit<ZonesBench, 'broken'>): string[] {
  const broken: string[] = [];
  if (forced.median > FORCED_MS_MAX)
    broken.push(`forced promote to first write: ${forced.median.toFixed(0)} ms`);
  if (planned.lostWrites > 0) broken.push(`a planned failover lost ${planned.lostWrites} writes`);
  if (lag.p99 > LAG_P99_MS_MAX) broken.push(`lag p99 ${lag.p99.toFixed(0)} ms`);
  if (lag.writesPerSecond < 0.95 * lag.wantedPerSecond)
    broken.push(`${lag.writesPerSecond.toFixed(0)} writes a second, wanted were ${lag.wantedPerSecond}`);
  return broken;
}

async function forcedPromote(zones: TwoZones, [from, to]: [Zone, Zone]): Promise<number> {
  await from.untilReleased();
  await untilLevel(to);
  zones.cut();
  const beganAt = performance.now();
  await to.healing.bus.request('volume.promote', { volume: VOLUME, force: true });
  const client = await served(to, VDISK);
  await client.write(0, Buffer.alloc(BLOCK, 1));
  const ms = performance.now() - beganAt;
  await client.disconnect();
  zones.mend();
  await follows(from);
  return ms;
}

async function plannedFailover(
  [from, to]: [Zone, Zone],
  load: Counting,
): Promise<{ readonly rto: number; readonly lost: number }> {
  const there = await from.connected();
  load.start(there);
  await load.more(500);
  await load.stop();
  const stoppedAt = performance.now();
  await there.flush();
  await there.disconnect();
  await from.untilReleased();
  await from.healing.bus.request('volume.demote', { volume: VOLUME });
  await to.healing.bus.request('volume.promote', { volume: VOLUME });
  const here = await served(to, VDISK);
  const acked = load.acked;
  load.start(here);
  await load.more(1);
  const rto = performance.now() - stoppedAt;
  await load.stop();
  const lost = load.acked - (await lastWriteOf(here));
  if (load.acked <= acked) throw new Error('nothing was written');
  await here.disconnect();
  await from.untilStatus('active - secondary');
  return { rto, lost };
}

/** A server takes a vdisk that nobody has, and accepts a write. */
async function mountTime(zone: Zone): Promise<number> {
  const isFree = async (): Promise<boolean> =>
    (await zone.healing.bus.request('vdisk.describe', { vdisk: PLAIN })).vdisk.owner === undefined;
  await until(isFree, { what: `${PLAIN} is free`, timeoutMs: WAIT_MS });
  const beganAt = performance.now();
  const client = await served(zone, PLAIN);
  await client.write(0, Buffer.alloc(BLOCK, 1));
  const ms = performance.now() - beganAt;
  await client.disconnect();
  return ms;
}

async function served(zone: Zone, vdisk: string): Promise<NbdClient> {
  let client: NbdClient | null = null;
  const connects = async (): Promise<boolean> => {
    client = await NbdClient.connect(zone.healing.server.unixUri(vdisk)).catch(() => null);
    return client !== null;
  };
  await until(connects, { what: `${vdisk} is served`, timeoutMs: WAIT_MS, intervalMs: 2 });
  if (client === null) throw new Error('not connected');
  return client;
}

/** Writes at a rate, each with the time at which it was sent; the logs of both zones tell when it was there. */
async function measureLag(
  { north, south }: TwoZones,
  { seconds, perSecond }: ZonesBenchOptions,
): Promise<ZonesBench['lag']> {
  const there = await Watched.of(south);
  const here = await Watched.of(north);
  const client = await north.connected();
  const origin = performance.now();
  const running = new Set<Promise<void>>();
  let sent = 0;
  const write = async (number: number): Promise<void> => {
    const data = Buffer.alloc(BLOCK);
    data.writeDoubleLE(performance.now());
    await client.write((number % LOAD_BLOCKS) * BLOCK, data);
  };
  // What the first moments take is no matter of the lag.
  const warmMs = 1_000;
  for (let now = 0; now < seconds * 1_000 + warmMs; now = performance.now() - origin) {
    const due = Math.floor((now * perSecond) / 1_000);
    while (sent < due && running.size < AT_ONCE) {
      const writing = write(sent++);
      running.add(writing);
      void writing.then(() => running.delete(writing));
    }
    if (running.size >= AT_ONCE) await Promise.race(running);
    else await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  await Promise.all(running);
  const took = (performance.now() - origin) / 1_000;
  await client.flush();
  await untilLevel(south);
  await client.disconnect();
  const from = origin + warmMs;
  const [lags, own] = [there.lags(from), here.lags(from)];
  await there.close();
  await here.close();
  return {
    ...{ wantedPerSecond: perSecond, writesPerSecond: sent / took, writes: lags.length },
    ...{ p50: percentile(lags, 0.5), p99: percentile(lags, 0.99), max: lags.at(-1) ?? Number.NaN },
    ownP99: percentile(own, 0.99),
  };
}

/** The log of the vdisk in a zone, as it comes. */
class Watched {
  readonly #nats: RawNats;
  readonly #came: { readonly at: number; readonly data: Buffer }[] = [];

  private constructor(nats: RawNats) {
    this.#nats = nats;
  }

  static async of(zone: Zone): Promise<Watched> {
    const { container } = await zone.status();
    const nats = await RawNats.connect(zone.healing.stack.natsUrl);
    const watched = new Watched(nats);
    nats.subscribe(`salvor.tlog.v1.${container}.${VDISK}`, ({ body }) =>
      watched.#came.push({ at: performance.now(), data: body }),
    );
    return watched;
  }

  /** Of every write that was sent from a moment on, ascending. */
  lags(from: number): number[] {
    const lags: number[] = [];
    for (const { at, data } of this.#came) {
      const segment = decodeSegment(data);
      let offset = 0;
      for (const { length } of segment.records) {
        const sentAt = length >= 8 ? segment.data.readDoubleLE(offset) : 0;
        offset += length;
        if (sentAt >= from && sentAt <= at) lags.push(at - sentAt);
      }
    }
    return lags.sort((a, b) => a - b);
  }

  async close(): Promise<void> {
    this.#nats.close();
  }
}

function timed(all: readonly number[], mounts: readonly number[]): Timed {
  return { median: median(all), all, mountMedian: median(mounts) };
}

function median(values: readonly number[]): number {
  return percentile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
}

/** Of values in ascending order. */
function percentile(values: readonly number[], share: number): number {
  return values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
}

export function zonesTable({ forced, planned, lag, broken }: ZonesBench): string {
  const ms = (value: number): string => `${value.toFixed(0)} ms`;
  const lines = [
    `forced promote to first write   ${ms(forced.median)} (${forced.all.map(ms).join(', ')}); a mount takes ${ms(forced.mountMedian)}`,
    `planned failover without writes ${ms(planned.median)} (${planned.all.map(ms).join(', ')}); a mount takes ${ms(planned.mountMedian)}; ${planned.lostWrites} writes lost`,
    `lag at ${lag.writesPerSecond.toFixed(0)} writes a second   p50 ${ms(lag.p50)}, p99 ${ms(lag.p99)}, max ${ms(lag.max)}; until it is in the primary's own log p99 ${ms(lag.ownP99)}`,
    ...broken.map((line) => `not as it should be: ${line}`),
  ];
  return `${lines.join('\n')}\n`;
}
