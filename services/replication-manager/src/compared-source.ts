import {
  type ConfigStore,
  parseRecord,
  readVolume,
  sameGeneration,
  vdiskLifecycleKey,
  vdiskLifecycleSchema,
} from '@salvor/config-store';
import type { VolumeCompareReplyInit, VolumeCompareRequest } from '@salvor/contracts';
import { SalvorError } from '@salvor/service-kit';
import type { EngineLogin } from '@salvor/vdisk';
import { LiveImage } from '@salvor/vdisk';
import { answerOf } from './compare-answer.ts';
import { readLogStanding } from './log-standing.ts';

export interface ComparedSourceOptions {
  readonly store: ConfigStore;
  readonly zone: string;
  readonly access: { readonly timeoutMs: number; readonly login: EngineLogin | undefined };
}

/** Answers that are made at once: each holds a range. */
const ANSWERS_MAX = 4;
const IMAGES_MAX = 16;

/** Tells other zones hashes of a primary, and the blocks that they lack, read from the engines beside whoever writes it. */
export class ComparedSource {
  readonly #options: ComparedSourceOptions;
  /** By volume, the one that was asked for last at the end. */
  readonly #images = new Map<string, Promise<LiveImage>>();
  readonly #waiting: (() => void)[] = [];
  #answering = 0;

  constructor(options: ComparedSourceOptions) {
    this.#options = options;
  }

  /** @throws SalvorError `unknown-volume`, `wrong-role`, `source-changed`, `source-stale`, `invalid-range`; EngineError */
  async answer(request: VolumeCompareRequest): Promise<VolumeCompareReplyInit> {
    if (this.#answering >= ANSWERS_MAX)
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    else this.#answering++;
    try {
      const vdisk = await this.#sourceOf(request);
      const image = await this.#image(request.volume, vdisk);
      try {
        const answer = await answerOf(image, request);
        await this.#assertWhole(vdisk);
        return { ...answer, ...(await readLogStanding(this.#options.store, vdisk)) };
      } catch (error) {
        // A link that broke does not come back.
        if (!(error instanceof SalvorError) || error.code !== 'invalid-range') this.#drop(request.volume);
        throw error;
      }
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#answering--;
      else next();
    }
  }

  close(): void {
    for (const volume of [...this.#images.keys()]) this.#drop(volume);
  }

  async #sourceOf({
    volume,
    generation: number,
    generationZone,
    incarnation,
  }: VolumeCompareRequest): Promise<string> {
    const { store, zone } = this.#options;
    const record = volume === '' ? null : await readVolume(store, volume);
    if (record === null)
      throw new SalvorError('unknown-volume', `there is no volume ${volume} in zone ${zone}`);
    if (record.role !== 'primary')
      throw new SalvorError(
        'wrong-role',
        `volume ${volume} is secondary in zone ${zone}: only a primary is compared with`,
      );
    if (number !== 0 && !sameGeneration(record.generation, { number, zone: generationZone, incarnation }))
      throw new SalvorError(
        'source-changed',
        `volume ${volume} in zone ${zone} is of generation ${record.generation.number} of zone ${record.generation.zone}, asked for was ${number} of zone ${generationZone}`,
      );
    await this.#assertWhole(record.vdisk);
    return record.vdisk;
  }

  /**
   * Blocks that are being brought back from the log are written without being logged again: what is read of them before is in no
   * log that would make up for it.
   */
  async #assertWhole(vdisk: string): Promise<void> {
    const key = vdiskLifecycleKey(vdisk);
    const entry = await this.#options.store.get(key);
    if (entry !== null && parseRecord(vdiskLifecycleSchema, key, entry.value).state === 'restoring')
      throw new SalvorError(
        'source-stale',
        `blocks of vdisk ${vdisk} are lost, and are being brought back from its log: it is compared with when that has ended`,
      );
  }

  async #image(volume: string, vdisk: string): Promise<LiveImage> {
    const { store, access } = this.#options;
    const known = await this.#images.get(volume)?.catch(() => undefined);
    if (known !== undefined && known.map.vdisk === vdisk && (await known.isCurrent(store))) return known;
    if (known !== undefined) this.#drop(volume);
    const opening = this.#images.get(volume) ?? LiveImage.open(store, vdisk, access);
    this.#images.delete(volume);
    this.#images.set(volume, opening);
    for (const oldest of this.#images.keys()) {
      if (this.#images.size <= IMAGES_MAX) break;
      this.#drop(oldest);
    }
    try {
      return await opening;
    } catch (error) {
      this.#images.delete(volume);
      throw error;
    }
  }

  #drop(volume: string): void {
    const image = this.#images.get(volume);
    this.#images.delete(volume);
    image?.then(
      (each) => each.close(),
      () => undefined,
    );
  }
}
