import type { ArchiveRecord } from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';
import { type AppendableStore, openConfiguredStore, VdiskChunks } from '@salvor/tlog';
import type { ArchiveSettings } from '../settings.ts';

/** The Tier-2 roots of the archives that this process knows; each is opened when it is first needed. */
export class ArchiveStores {
  readonly #settings: readonly ArchiveSettings[];
  readonly #opened = new Map<string, Promise<AppendableStore>>();

  constructor(settings: readonly ArchiveSettings[]) {
    this.#settings = settings;
  }

  get names(): readonly string[] {
    return this.#settings.map(({ archive }) => archive);
  }

  /** @throws SalvorError `unknown-archive`; LogError `store` */
  async chunksOf({
    archive,
    volume,
    lineage,
  }: Pick<ArchiveRecord, 'archive' | 'volume' | 'lineage'>): Promise<VdiskChunks> {
    // Archives number their logs by themselves: in the place of a container they have what they are a copy of.
    return new VdiskChunks(await this.#store(archive), lineage, volume);
  }

  async #store(archive: string): Promise<AppendableStore> {
    const settings = this.#settings.find((each) => each.archive === archive);
    if (settings === undefined)
      throw new SalvorError(
        'unknown-archive',
        `archive ${archive} is not configured here (SALVOR_ARCHIVES); known are ${this.names.join(', ') || 'none'}`,
      );
    const known = this.#opened.get(archive) ?? openConfiguredStore(settings);
    this.#opened.set(archive, known);
    try {
      return await known;
    } catch (error) {
      this.#opened.delete(archive);
      throw error;
    }
  }

  /** The next use opens it anew: what it is may have been taken away, and put back. */
  async drop(archive: string): Promise<void> {
    const store = this.#opened.get(archive);
    this.#opened.delete(archive);
    await (await store?.catch(() => null))?.close();
  }

  async close(): Promise<void> {
    await Promise.all(this.names.map((archive) => this.drop(archive)));
  }
}
