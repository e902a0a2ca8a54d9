import { type ConfigStore, ownerKey, type VdiskTemplate, vdiskTemplateKey } from '@salvor/config-store';
import { type Logger, messageOf, pause } from '@salvor/service-kit';
import { errno, VdiskIoError } from '../errors.ts';
import type { Pair } from '../pair.ts';
import type { PairSettings } from '../pair-context.ts';
import type { DedupedVdisk } from './deduped-vdisk.ts';
import { TemplateCluster } from './template-cluster.ts';
import { copyBlockMap, type MapCopyTask } from './template-map.ts';

/** How long a copy that failed waits before it is tried again. */
const RETRY_MS = 500;

/** Whether the block map may be used yet. */
export interface MapGate {
  readonly isOpen: boolean;
  /** Resolves when it is open; rejects with VdiskIoError after a bounded wait. */
  opened(): Promise<void>;
}

export interface MapFillingOptions {
  readonly store: ConfigStore;
  readonly log: Logger;
  readonly vdisk: string;
  /** Create revision of the owner key. */
  ownerRevision(): string;
  readonly template: VdiskTemplate;
  readonly settings: PairSettings;
  readonly sectors: number;
  pairs(): readonly Pair[];
}

/**
 * Gives a new vdisk the block map of its template, before anybody reads or writes it. That it is done is recorded in etcd
 * in a transaction that proves ownership; until then every owner does it again.
 */
export class MapFilling implements MapGate {
  readonly #options: MapFillingOptions;
  #done: Promise<void> = Promise.resolve();
  #problem = 'it is still being copied';
  #isOpen = false;
  #ended = false;

  constructor(options: MapFillingOptions) {
    this.#options = options;
  }

  /** From when the pairs of the vdisk are mounted. */
  start(device: Pick<DedupedVdisk, 'adoptSector'>): void {
    this.#done = this.#fill((sector, content) => device.adoptSector(sector, content));
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  async opened(): Promise<void> {
    const { holdMaxMs } = this.#options.settings;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, holdMaxMs);
    });
    await Promise.race([this.#done, late]);
    clearTimeout(timer);
    if (this.#isOpen) return;
    const { vdisk, template } = this.#options;
    const what = `vdisk ${vdisk} does not have the block map of its template ${template.vdisk} yet`;
    throw new VdiskIoError('template-unavailable', `${what}: ${this.#problem}`, errno.io);
  }

  /** The vdisk is unmounted. */
  end(): void {
    this.#ended = true;
  }

  async #fill(write: MapCopyTask['write']): Promise<void> {
    const { vdisk, template, log } = this.#options;
    while (!this.#ended) {
      try {
        const sectors = await this.#copy(write);
        while (!this.#ended && !(await this.#record())) await pause(RETRY_MS);
        if (this.#ended) return;
        log.info({ vdisk, template: template.vdisk, sectors }, 'block map of the template copied');
        this.#isOpen = true;
        return;
      } catch (error) {
        this.#problem = messageOf(error);
        log.warn(
          { vdisk, template: template.vdisk, error: this.#problem },
          'block map of the template not copied',
        );
      }
      await pause(RETRY_MS);
    }
  }

  async #copy(write: MapCopyTask['write']): Promise<number> {
    const { store, vdisk, settings, template, sectors, pairs } = this.#options;
    const { cluster, slaveCluster } = template;
    const source = await TemplateCluster.open({
      store,
      vdisk,
      settings,
      cluster,
      slave: slaveCluster ?? null,
    });
    try {
      return await copyBlockMap({ sectors, pairs: pairs(), write, template: source, from: template.vdisk });
    } finally {
      source.close();
    }
  }

  /**
   * False when the owner key is not ours now: the lease ran out. Either the vdisk is taken again, under another key, or this
   * ends because another owner has it, which does it itself.
   */
  async #record(): Promise<boolean> {
    const { store, vdisk, ownerRevision } = this.#options;
    const { ok } = await store.transact({
      compare: [{ key: ownerKey(vdisk), createRevision: ownerRevision() }],
      deletes: [vdiskTemplateKey(vdisk)],
    });
    if (!ok) this.#problem = 'the ownership is not confirmed by etcd';
    return ok;
  }
}
