import { type ConfigStore, ownerKey, type Watch } from '@salvor/config-store';
import { pause } from '@salvor/service-kit';

/** After a server took a vdisk it waits this long, or a little less, for word of its volume. */
const MOUNTING_MS = 300;

/** Notices that a server takes the vdisk of a primary: it serves nobody before it has heard what is seen of the volume now. */
export class OwnerWatch {
  readonly #store: Pick<ConfigStore, 'watch'>;
  #vdisk: string | null = null;
  #watch: Watch | null = null;
  #changedAt = Number.NEGATIVE_INFINITY;
  #wake: AbortController | null = null;

  constructor(store: Pick<ConfigStore, 'watch'>) {
    this.#store = store;
  }

  /** A server may be waiting. */
  get isMounting(): boolean {
    return performance.now() - this.#changedAt < MOUNTING_MS;
  }

  /** From now on this one; null: none. Throws StoreError. */
  async watch(vdisk: string | null): Promise<void> {
    if (vdisk === this.#vdisk) return;
    this.close();
    if (vdisk === null) return;
    this.#watch = await this.#store.watch({ prefixes: [ownerKey(vdisk)] }, () => {
      this.#changedAt = performance.now();
      this.wake();
    });
    this.#vdisk = vdisk;
  }

  /** Ends the pause of now, if there is one. */
  wake(): void {
    this.#wake?.abort();
  }

  /** Ends early when a server takes the vdisk. */
  async pause(ms: number, signal: AbortSignal): Promise<void> {
    const wake = new AbortController();
    const end = (): void => wake.abort();
    this.#wake = wake;
    signal.addEventListener('abort', end, { once: true });
    if (!signal.aborted) await pause(ms, wake.signal);
    signal.removeEventListener('abort', end);
  }

  close(): void {
    this.#watch?.close();
    this.#watch = null;
    this.#vdisk = null;
  }
}
