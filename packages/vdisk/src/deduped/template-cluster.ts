import {
  type ClusterStorage,
  type ConfigStore,
  clusterStorageKey,
  parseClusterStorage,
  type StoreEntry,
  salvorClusterKey,
  type Watch,
} from '@salvor/config-store';
import { identityKey, identityText } from '../engine-keys.ts';
import { EngineError, errno, VdiskIoError } from '../errors.ts';
import type { PairSettings } from '../pair-context.ts';
import { Frame, type RespValue } from '../resp.ts';
import { RespLink, throwIfError } from '../resp-link.ts';
import { placeBlock } from '../sharding.ts';
import type { TemplateContent } from './content-store.ts';

/** The clusters that hold a template. */
export interface TemplateClusters {
  readonly cluster: string;
  /** Holds all that `cluster` holds; null where there is none, or it is not known to. */
  readonly slave: string | null;
}

export interface TemplateClusterOptions extends TemplateClusters {
  readonly store: ConfigStore;
  /** The vdisk that is made from the template. */
  readonly vdisk: string;
  readonly settings: PairSettings;
}

interface TemplateEngine {
  readonly role: 'primary' | 'slave';
  readonly address: string;
  readonly db: number;
  /** What must be under `salvor:identity`; null for a cluster of 0-Disk's, which has none. */
  readonly identity: string | null;
}

/**
 * Reads from a cluster that is not the vdisk's own and that it never writes. Every answer is that of an engine which etcd
 * records as online and which is, at that moment, who it should be: one that lost its data does not pass for an empty one.
 */
export class TemplateCluster implements TemplateContent {
  readonly #options: TemplateClusterOptions;
  readonly #watch: Watch;
  readonly #links = new Map<string, Promise<RespLink>>();
  #closed = false;

  private constructor(options: TemplateClusterOptions, watch: Watch) {
    this.#options = options;
    this.#watch = watch;
  }

  static async open(options: TemplateClusterOptions): Promise<TemplateCluster> {
    const clusters = [options.cluster, options.slave].filter((cluster) => cluster !== null);
    const keys = clusters.flatMap((cluster) => [clusterStorageKey(cluster), salvorClusterKey(cluster)]);
    return new TemplateCluster(options, await options.store.watch({ keys }, () => undefined));
  }

  async read(hash: Buffer): Promise<Buffer | null> {
    const shard = this.shardOf(hash[0] ?? 0);
    const { replies, role } = await this.#askShard(shard, (frame) => frame.command('GET', hash));
    const [value] = replies;
    if (Buffer.isBuffer(value)) return value;
    // Not every vdisk of the cluster has a second copy.
    if (role === 'slave')
      throw this.#unavailable(
        `the engine of shard ${shard} does not answer, and its partner lacks the content`,
      );
    return null;
  }

  /** Servers of the cluster, `rip` ones included. */
  get shards(): number {
    return this.#storage(this.#options.cluster).servers.length;
  }

  isRip(shard: number): boolean {
    return this.#storage(this.#options.cluster).servers[shard]?.status === 'rip';
  }

  shardOf(index: number): number {
    return placeBlock(index, this.shards, (shard) => !this.isRip(shard));
  }

  /** Replies to reading commands of the shard that `index` is placed on. Rejects with VdiskIoError `template-unavailable`. */
  async ask(index: number, fill: (frame: Frame) => void): Promise<RespValue[]> {
    return (await this.#askShard(this.shardOf(index), fill)).replies;
  }

  async #askShard(
    shard: number,
    fill: (frame: Frame) => void,
  ): Promise<{ replies: RespValue[]; role: TemplateEngine['role'] }> {
    const problems: string[] = [];
    for (const engine of this.#engines(shard)) {
      try {
        return { replies: await this.#askEngine(engine, fill), role: engine.role };
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
        problems.push(error.message);
      }
    }
    throw this.#unavailable(
      problems.length === 0 ? `no engine of shard ${shard} is online` : problems.join('; '),
    );
  }

  close(): void {
    this.#closed = true;
    this.#watch.close();
    for (const link of this.#links.values()) link.then((open) => open.close()).catch(() => undefined);
    this.#links.clear();
  }

  async #askEngine(engine: TemplateEngine, fill: (frame: Frame) => void): Promise<RespValue[]> {
    const link = await this.#link(engine);
    const frame = new Frame();
    fill(frame);
    const replies = await link.request(frame.command('GET', identityKey));
    const identity = replies.pop() ?? null;
    for (const reply of replies) throwIfError(engine.address, reply);
    const found = Buffer.isBuffer(identity) ? identity.toString('utf8') : null;
    if (engine.identity !== null && found !== engine.identity) {
      const message = `engine ${engine.address}: expected identity ${engine.identity}, found ${found ?? 'none'}`;
      throw new EngineError(found === null ? 'identity-lost' : 'identity-mismatch', message);
    }
    return replies;
  }

  #link({ address, db }: TemplateEngine): Promise<RespLink> {
    if (this.#closed) throw this.#unavailable('the vdisk was unmounted');
    const name = `${address}@${db}`;
    const known = this.#links.get(name);
    if (known !== undefined) return known;
    const { vdisk, settings } = this.#options;
    const { login, connectTimeoutMs, commandTimeoutMs } = settings;
    const clientName = `salvor:template-reader:${vdisk}`;
    const link = RespLink.connect({ address, db, login, connectTimeoutMs, commandTimeoutMs, clientName });
    this.#links.set(name, link);
    const forget = (): void => {
      if (this.#links.get(name) === link) this.#links.delete(name);
    };
    link.then((open) => {
      open.onClose = forget;
      if (this.#closed || open.broken !== null) open.close();
      if (open.broken !== null) forget();
    }, forget);
    return link;
  }

  /** Those that may answer for a shard, the best first. */
  #engines(shard: number): TemplateEngine[] {
    const { cluster, slave } = this.#options;
    const places = [{ cluster, role: 'primary' as const }];
    return [...places, ...(slave === null ? [] : [{ cluster: slave, role: 'slave' as const }])].flatMap(
      ({ cluster: id, role }) => {
        const server = this.#storage(id).servers[shard];
        if (server === undefined || server.status !== 'online') return [];
        const { address, db, generation } = server;
        const isOurs = this.#entries().has(salvorClusterKey(id));
        const identity = isOurs ? identityText({ cluster: id, role, shard, generation }) : null;
        return [{ role, address, db, identity }];
      },
    );
  }

  #storage(cluster: string): ClusterStorage {
    const entry = this.#entries().get(clusterStorageKey(cluster));
    if (entry === undefined) throw this.#unavailable(`there is no storage cluster ${cluster}`);
    return parseClusterStorage(entry.value);
  }

  #entries(): ReadonlyMap<string, StoreEntry> {
    return this.#watch.entries();
  }

  #unavailable(reason: string): VdiskIoError {
    const { vdisk, cluster } = this.#options;
    return new VdiskIoError(
      'template-unavailable',
      `vdisk ${vdisk}: its template on cluster ${cluster} cannot be read: ${reason}`,
      errno.io,
    );
  }
}
