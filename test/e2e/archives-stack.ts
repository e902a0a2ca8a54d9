/** One zone with a volume, and replication-managers that write its archives. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArchiveDescription } from '@salvor/contracts';
import { messageOf } from '@salvor/service-kit';
import { freePort, ManagedProcess, NbdClient, serviceMain, until } from '@salvor/testkit';
import { HealingStack } from './healing-stack.ts';

const TIMEOUT_MS = 120_000;
const LOG_TAIL_CHARS = 5_000;
export const VOLUME = 'vol1';
export const VDISK = 'v1';
const RESTORED = 'restored';
export const BLOCK = 4096;
export const BLOCKS = 256;

/** What a vdisk holds, by the first byte of each block. */
export type Content = ReadonlyMap<number, number>;

export class ArchivesStack implements AsyncDisposable {
  readonly healing: HealingStack;
  readonly managers: readonly ManagedProcess[];
  readonly #content = new Map<number, number>();
  #fill = 0;
  #restores = 0;
  #asked = 0;
  #known: number | null = null;

  private constructor(healing: HealingStack, managers: readonly ManagedProcess[]) {
    this.healing = healing;
    this.managers = managers;
  }

  static async start({ managers = 1 }: { readonly managers?: number } = {}): Promise<ArchivesStack> {
    const healing = await HealingStack.start({
      ...{ primaries: 2, slaves: 2, spares: 0 },
      services: { 'tlog-replayer': { replicas: 0 }, 'health-analyzer': { replicas: 0 } },
      // No engine fails here, however busy the machine is.
      nbdServerEnv: { SALVOR_ENGINE_CONNECT_TIMEOUT_MS: '10000', SALVOR_ENGINE_COMMAND_TIMEOUT_MS: '10000' },
      readyTimeoutMs: TIMEOUT_MS,
    });
    for (const archive of ['a1', 'a2', 'a3']) mkdirSync(folderOf(healing, archive), { recursive: true });
    const started = await Promise.all(
      Array.from({ length: managers }, (_, i) => startManager(healing, `replication-manager-${i + 1}`)),
    );
    const create = { vdisk: VDISK, type: 'db' as const, sizeGiB: 1, cluster: 'p1', slaveCluster: 's1' };
    await healing.bus.request('vdisk.create', { ...create, tlog: 'block' });
    return new ArchivesStack(healing, started);
  }

  get content(): Map<number, number> {
    return new Map(this.#content);
  }

  /** The folder that holds the root of an archive. */
  folderOf(archive: string): string {
    return folderOf(this.healing, archive);
  }

  async connected(vdisk = VDISK): Promise<NbdClient> {
    let client: NbdClient | null = null;
    const connects = async (): Promise<boolean> => {
      client = await NbdClient.connect(this.healing.server.unixUri(vdisk)).catch(() => null);
      return client !== null;
    };
    await until(connects, { what: `${vdisk} is served`, timeoutMs: TIMEOUT_MS });
    if (client === null) throw new Error('not connected');
    return client;
  }

  /** Writes blocks with values of their own, and flushes. */
  async write(client: NbdClient, count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.#fill = (this.#fill % 250) + 1;
      const block = (this.#fill * 37 + i * 11) % BLOCKS;
      await client.write(block * BLOCK, Buffer.alloc(BLOCK, this.#fill));
      this.#content.set(block, this.#fill);
    }
    await client.flush();
  }

  /** A time after everything that was written, and before anything that will be. */
  async moment(): Promise<number> {
    const at = Date.now();
    await until(() => Date.now() > at + 1, { what: 'the clock goes on', timeoutMs: TIMEOUT_MS });
    return at;
  }

  async status(archive: string): Promise<ArchiveDescription> {
    const { archives } = await this.healing.bus.request('archive.status', { volume: VOLUME, archive });
    const [found] = archives;
    assert.ok(found !== undefined);
    return found;
  }

  /** Until the archive is what is wanted; when it never is, the error says what it was last. */
  async until(
    archive: string,
    what: string,
    is: (found: ArchiveDescription) => boolean,
  ): Promise<ArchiveDescription> {
    let last: ArchiveDescription | string = 'nothing';
    const isSo = async (): Promise<boolean> => {
      try {
        last = await this.status(archive);
        return is(last);
      } catch (error) {
        // A manager that was killed answers when it is back.
        last = messageOf(error);
        return false;
      }
    };
    try {
      await until(isSo, { what: `archive ${archive}: ${what}`, timeoutMs: TIMEOUT_MS, intervalMs: 50 });
    } catch (error) {
      const logs = this.managers.map(({ logFile }) => readFileSync(logFile, 'utf8').slice(-LOG_TAIL_CHARS));
      throw new Error(`${messageOf(error)}; last: ${JSON.stringify(last)}\n${logs.join('\n---\n')}`);
    }
    return last as unknown as ArchiveDescription;
  }

  /** Until it holds everything that was flushed before this was called. */
  async untilProtected(archive: string): Promise<ArchiveDescription> {
    const container = await this.#container();
    const { logStreams } = this.healing.bus;
    const newest = await logStreams.last(`TLOG_${container}`, `salvor.tlog.v1.${container}.${VDISK}`);
    const name = `all-${this.#asked++}`;
    assert.ok(newest !== null);
    await this.until(
      archive,
      'takes snapshots',
      ({ status }) => status === 'protected' || status === 'catching-up',
    );
    const record = await this.status(archive);
    if (record.source.startsWith('zone')) {
      await this.healing.bus.request('archive.snapshot', { archive, volume: VOLUME, name });
      await this.until(archive, `has ${name}`, ({ snapshots }) =>
        snapshots.some((each) => each.name === name && each.state === 'restorable'),
      );
      await this.healing.bus.request('archive.snapshot', { archive, volume: VOLUME, name, remove: true });
    }
    return this.until(archive, 'protected', ({ status }) => status === 'protected');
  }

  /** Lets go of all but the newest segment of the log, as a retention that is too short does. */
  async dropLog(): Promise<void> {
    const container = await this.#container();
    const { logStreams } = this.healing.bus;
    const [stream, subject] = [`TLOG_${container}`, `salvor.tlog.v1.${container}.${VDISK}`];
    const newest = await logStreams.last(stream, subject);
    assert.ok(newest !== null);
    await logStreams.purge(stream, subject, newest.sequence);
  }

  /** Restores over a vdisk, which is made the first time, and compares it block by block. */
  async assertRestores(
    archive: string,
    expected: Content,
    at: { atTime?: number; atSnapshot?: string; atSequence?: number } = {},
  ): Promise<void> {
    const { operation } = await this.orderRestore(archive, at);
    await this.assertRestored(operation, expected);
  }

  async assertRestored(operation: string, expected: Content): Promise<void> {
    await this.ended(operation, 'completed');
    await this.assertHolds(RESTORED, expected);
    await this.#untilReleased(RESTORED);
  }

  async orderRestore(
    archive: string,
    at: { atTime?: number; atSnapshot?: string; atSequence?: number } = {},
  ): Promise<{ operation: string }> {
    const isFirst = this.#restores++ === 0;
    const made = isFirst ? { cluster: 'p1', slaveCluster: 's1' } : {};
    return this.healing.bus.request('archive.restore', {
      ...{ archive, volume: VOLUME, vdisk: RESTORED, ...made, ...at },
    });
  }

  /** Of the log; it stays the same. */
  async #container(): Promise<number> {
    this.#known ??= (await this.healing.bus.request('volume.status', { volume: VOLUME })).volume.container;
    return this.#known;
  }

  async #untilReleased(vdisk: string): Promise<void> {
    const isFree = async (): Promise<boolean> =>
      (await this.healing.bus.request('vdisk.describe', { vdisk })).vdisk.owner === undefined;
    await until(isFree, { what: `${vdisk} is given back`, timeoutMs: TIMEOUT_MS });
  }

  /** All that the archive holds is gone at one moment. */
  async lose(archive: string): Promise<void> {
    const root = join(this.folderOf(archive), 'root');
    await rename(root, `${root}-lost`);
  }

  /** Chunks that the archive has. */
  async chunksOf(archive: string): Promise<number> {
    const names = await readdir(join(this.folderOf(archive), 'root/tlog/0', VOLUME));
    return names.filter((name) => name.endsWith('.avro') && !name.endsWith('.idx.avro')).length;
  }

  async untilFewerChunks(archive: string, than: number): Promise<void> {
    const isFewer = async (): Promise<boolean> => (await this.chunksOf(archive)) < than;
    await until(isFewer, { what: `archive ${archive} is compacted`, timeoutMs: TIMEOUT_MS });
  }

  logsOfManagers(): string {
    return this.managers.map(({ logFile }) => readFileSync(logFile, 'utf8')).join('');
  }

  async killManagers(): Promise<void> {
    await Promise.all(this.managers.map((manager) => manager.kill('SIGKILL')));
  }

  async startManagers(): Promise<void> {
    await Promise.all(this.managers.map((manager) => manager.start()));
  }

  async assertHolds(vdisk: string, expected: Content): Promise<void> {
    const client = await this.connected(vdisk);
    const found = await client.read(0, BLOCKS * BLOCK);
    for (let block = 0; block < BLOCKS; block++) {
      const content = found.subarray(block * BLOCK, (block + 1) * BLOCK);
      const wanted = expected.get(block) ?? 0;
      assert.ok(
        content.every((byte) => byte === wanted),
        `${vdisk}, block ${block}: ${content[0]}, expected ${wanted}`,
      );
    }
    await client.disconnect();
  }

  async ended(operation: string, wanted: string): Promise<string> {
    let last = '';
    let status = '';
    const isOver = async (): Promise<boolean> => {
      const { operation: found } = await this.healing.bus.request('operation.get', { operation });
      [status, last] = [found.status, found.message ?? ''];
      return status !== 'running';
    };
    await until(isOver, { what: `${operation} ends`, timeoutMs: TIMEOUT_MS });
    assert.equal(status, wanted, last);
    return last;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.managers.map((manager) => manager.kill('SIGKILL').catch(() => undefined)));
    await this.healing[Symbol.asyncDispose]();
  }
}

/** The root of an archive is a folder in it: without it the archive is away, not empty. */
function folderOf({ stack }: HealingStack, archive: string): string {
  return join(stack.options.dir, 'archives', archive);
}

async function startManager(healing: HealingStack, name: string): Promise<ManagedProcess> {
  const { stack } = healing;
  const port = await freePort();
  const archives = ['a1', 'a2', 'a3'].map((archive) => ({
    archive,
    tlogStore: join(folderOf(healing, archive), 'root'),
  }));
  return ManagedProcess.start({
    name,
    command: process.execPath,
    args: [serviceMain('replication-manager')],
    env: {
      PATH: process.env.PATH,
      ...{ SALVOR_ZONE: 'north', SALVOR_ZONE_PEERS: '[]', SALVOR_HTTP_PORT: String(port) },
      ...{ SALVOR_NATS_SERVERS: stack.natsUrl, SALVOR_ETCD_ENDPOINTS: stack.etcdEndpoints.join(',') },
      ...{ SALVOR_ENGINE_TIMEOUT_MS: '10000', SALVOR_ARCHIVE_MAX_AGE_MS: '200' },
      ...{ SALVOR_ARCHIVES: JSON.stringify(archives), SALVOR_ARCHIVE_COMPACT_INTERVAL_MS: '500' },
    },
    logFile: join(stack.options.dir, `${name}.log`),
    ready: async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok,
    readyTimeoutMs: TIMEOUT_MS,
  });
}
