import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { VolumeDescription } from '@salvor/contracts';
import { codeOf, messageOf } from '@salvor/service-kit';
import { CuttableLine, freePort, ManagedProcess, NbdClient, serviceMain, until } from '@salvor/testkit';
import { HealingStack } from './healing-stack.ts';

const READY_TIMEOUT_MS = 120_000;
const STATE_TIMEOUT_MS = 120_000;
const LOG_TAIL_CHARS = 4_000;
export const VOLUME = 'vol1';
export const VDISK = 'v1';
/** A vdisk in each zone that is no volume. */
export const PLAIN = 'plain';

/** One complete zone: NATS, etcd, engines, services, and a replication-manager whose way to the other zone can be cut. */
export class Zone implements AsyncDisposable {
  readonly name: string;
  readonly healing: HealingStack;
  readonly #manager: ManagedProcess;

  constructor(name: string, healing: HealingStack, manager: ManagedProcess) {
    this.name = name;
    this.healing = healing;
    this.#manager = manager;
  }

  async killManager(): Promise<void> {
    await this.#manager.kill('SIGKILL');
  }

  async startManager(): Promise<void> {
    await this.#manager.start();
  }

  async status(volume = VOLUME): Promise<VolumeDescription> {
    return (await this.healing.bus.request('volume.status', { volume })).volume;
  }

  /** Until the volume is what is wanted; when it never is, the error says what it was last. */
  async until(
    what: string,
    is: (volume: VolumeDescription) => boolean,
    volume = VOLUME,
  ): Promise<VolumeDescription> {
    let last: VolumeDescription | string = 'nothing';
    const isSo = async (): Promise<boolean> => {
      try {
        last = await this.status(volume);
        return is(last);
      } catch (error) {
        // A manager that was killed answers when it is back.
        last = messageOf(error);
        if (codeOf(error) === 'unknown-volume') throw error;
        return false;
      }
    };
    try {
      await until(isSo, { what: `zone ${this.name}: ${what}`, timeoutMs: STATE_TIMEOUT_MS, intervalMs: 50 });
    } catch (error) {
      throw new Error(
        `${messageOf(error)}; last: ${JSON.stringify(last)}\n--- end of the log of its manager\n${this.#managerLog()}`,
      );
    }
    return last as unknown as VolumeDescription;
  }

  #managerLog(): string {
    return readFileSync(this.#manager.logFile, 'utf8').slice(-LOG_TAIL_CHARS);
  }

  untilStatus(status: string): Promise<VolumeDescription> {
    return this.until(status, (volume) => volume.status === status);
  }

  /** A connection to the vdisk, as soon as it is served. */
  async connected(vdisk = VDISK): Promise<NbdClient> {
    let client: NbdClient | null = null;
    const connects = async (): Promise<boolean> => {
      client = await NbdClient.connect(this.healing.server.unixUri(vdisk)).catch(() => null);
      return client !== null;
    };
    await until(connects, { what: `zone ${this.name} serves ${vdisk}`, timeoutMs: STATE_TIMEOUT_MS });
    if (client === null) throw new Error('not connected');
    return client;
  }

  /** How much of its own log the hot tail has, and how far its stream goes. */
  async log(): Promise<{ readonly segments: number; readonly newest: number }> {
    const { container } = await this.status();
    const { logStreams } = this.healing.bus;
    const facts = await logStreams.facts(`TLOG_${container}`, `salvor.tlog.v1.${container}.${VDISK}`);
    return { segments: facts.subjectMessages, newest: facts.lastSequence };
  }

  /** Until all but the newest segment of its log is in the archive alone. */
  async untilTrimmed(): Promise<void> {
    const isTrimmed = async (): Promise<boolean> => (await this.log()).segments <= 1;
    await until(isTrimmed, { what: `zone ${this.name} archives`, timeoutMs: STATE_TIMEOUT_MS });
  }

  /** Until no server has the vdisk. */
  async untilReleased(vdisk = VDISK): Promise<void> {
    const isFree = async (): Promise<boolean> =>
      (await this.healing.bus.request('vdisk.describe', { vdisk })).vdisk.owner === undefined;
    await until(isFree, { what: `zone ${this.name} has given ${vdisk} back`, timeoutMs: STATE_TIMEOUT_MS });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#manager.kill('SIGKILL').catch(() => undefined);
    await this.healing[Symbol.asyncDispose]();
  }
}

/** Two zones and the lines between them. */
export class TwoZones implements AsyncDisposable {
  readonly north: Zone;
  readonly south: Zone;
  readonly #lines: readonly CuttableLine[];

  private constructor(north: Zone, south: Zone, lines: readonly CuttableLine[]) {
    this.north = north;
    this.south = south;
    this.#lines = lines;
  }

  /**
   * @param isArchived the logs are archived within a moment, and let go of; `later`: as they are by default
   * @param hooksFile of the coordinators of both zones
   * @param nbdServers of each zone
   * @param managerEnv of the replication-managers of both zones
   */
  static async start({
    isArchived,
    hooksFile,
    nbdServers = 1,
    managerEnv = {},
    spares = 0,
    consoleTokens,
  }: {
    readonly isArchived: boolean | 'later';
    readonly hooksFile?: string;
    readonly nbdServers?: number;
    readonly managerEnv?: NodeJS.ProcessEnv;
    readonly spares?: number;
    /** Each zone has a console where these may act. */
    readonly consoleTokens?: string;
  }): Promise<TwoZones> {
    const soon = { SALVOR_ARCHIVE_MAX_AGE_MS: '200', SALVOR_ARCHIVE_POLL_MS: '100' };
    const options = {
      ...{ primaries: 2, slaves: 2, spares, nbdServers },
      services: {
        'tlog-replayer': isArchived === true ? { env: soon } : isArchived === 'later' ? {} : { replicas: 0 },
        'health-analyzer': { replicas: 0 },
        ...(consoleTokens === undefined
          ? {}
          : { console: { replicas: 1, env: { SALVOR_CONSOLE_TOKENS: consoleTokens } } }),
        ...(hooksFile === undefined
          ? {}
          : { 'repair-coordinator': { env: { SALVOR_HOOKS_FILE: hooksFile } } }),
      },
      // No engine fails here, however busy the machine is.
      nbdServerEnv: { SALVOR_ENGINE_CONNECT_TIMEOUT_MS: '10000', SALVOR_ENGINE_COMMAND_TIMEOUT_MS: '10000' },
      readyTimeoutMs: READY_TIMEOUT_MS,
    };
    const north = await HealingStack.start(options);
    const south = await HealingStack.start(options);
    const toSouth = await CuttableLine.to(portOf(south));
    const toNorth = await CuttableLine.to(portOf(north));
    return new TwoZones(
      new Zone('north', north, await startManager(north, 'north', south, 'south', toSouth, managerEnv)),
      new Zone('south', south, await startManager(south, 'south', north, 'north', toNorth, managerEnv)),
      [toSouth, toNorth],
    );
  }

  /** A volume whose primary is in zone north, and which zone south follows. */
  async replicate(): Promise<void> {
    for (const { healing } of [this.north, this.south]) {
      await healing.bus.request('vdisk.create', {
        ...{ vdisk: PLAIN, type: 'db', sizeGiB: 1, cluster: 'p1', slaveCluster: 's1' },
      });
      await healing.bus.request('vdisk.create', {
        ...{ vdisk: VDISK, type: 'db', sizeGiB: 1, cluster: 'p1', slaveCluster: 's1', tlog: 'block' },
      });
    }
    const [north, south] = [this.north.healing.bus, this.south.healing.bus];
    await north.request('volume.enable', { volume: VOLUME, vdisk: VDISK });
    await north.request('volume.replicate', { volume: VOLUME, to: 'south' });
    await south.request('volume.enable', { volume: VOLUME, vdisk: VDISK, from: 'north' });
  }

  /** That zone north answered to the manager of zone south. */
  get bytesToSouth(): number {
    return this.lineOf(this.south).answeredBytes;
  }

  /** What the manager of a zone asks of the other one, and is answered. */
  lineOf(zone: Zone): CuttableLine {
    const line = this.#lines[zone === this.north ? 0 : 1];
    if (line === undefined) throw new Error('no such zone');
    return line;
  }

  cut(): void {
    for (const line of this.#lines) line.cut();
  }

  mend(): void {
    for (const line of this.#lines) line.mend();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.north[Symbol.asyncDispose]();
    await this.south[Symbol.asyncDispose]();
    for (const line of this.#lines) await line[Symbol.asyncDispose]();
  }
}

function portOf({ stack }: HealingStack): number {
  return Number(new URL(stack.natsUrl).port);
}

async function startManager(
  { stack }: HealingStack,
  zone: string,
  { stack: { options: there } }: HealingStack,
  other: string,
  line: CuttableLine,
  env: NodeJS.ProcessEnv,
): Promise<ManagedProcess> {
  const port = await freePort();
  const tlogStore = join(there.dir, 'tier2');
  const peers = [{ zone: other, natsServers: [`nats://${line.address}`], tlogStore }];
  const archives = [{ archive: `archive-${zone}`, tlogStore: join(stack.options.dir, 'archive') }];
  return ManagedProcess.start({
    name: `replication-manager-${zone}`,
    command: process.execPath,
    args: [serviceMain('replication-manager')],
    env: {
      PATH: process.env.PATH,
      ...{ SALVOR_ZONE: zone, SALVOR_ZONE_PEERS: JSON.stringify(peers), SALVOR_HTTP_PORT: String(port) },
      ...{ SALVOR_NATS_SERVERS: stack.natsUrl, SALVOR_ETCD_ENDPOINTS: stack.etcdEndpoints.join(',') },
      SALVOR_ENGINE_TIMEOUT_MS: '10000',
      ...{ SALVOR_ARCHIVES: JSON.stringify(archives), SALVOR_ARCHIVE_MAX_AGE_MS: '200' },
      ...{ SALVOR_TLOG_STORE: join(stack.options.dir, 'tier2'), SALVOR_REPLICATION_BANDWIDTH_MIB: '8' },
      ...env,
    },
    logFile: join(stack.options.dir, `replication-manager-${zone}.log`),
    ready: async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok,
    readyTimeoutMs: READY_TIMEOUT_MS,
  });
}
