/** Watchers of a process share one gRPC stream: each stream takes hundreds of kilobytes, and a process may have thousands of watches. */
import { messageOf } from '@salvor/service-kit';
import type { IWatchCreateRequest, IWatchResponse } from 'etcd3';
import type { EtcdCalls, WatchStream } from './etcd-calls.ts';

/** What concerns one watcher. */
export interface Watcher {
  onResponse(response: IWatchResponse): void;
  /** Called once: nothing comes any more, and nothing is known about what was missed. */
  onEnd(reason: string): void;
}

const shared = new WeakMap<EtcdCalls, Promise<SharedWatchStream>>();

/** The stream that new watchers of this connection join; opened when there is none. */
export function sharedWatchStream(etcd: EtcdCalls): Promise<SharedWatchStream> {
  const open = shared.get(etcd);
  if (open !== undefined) return open;
  const forget = (): void => {
    if (shared.get(etcd) === opening) shared.delete(etcd);
  };
  const opening = etcd.openWatchStream().then((stream) => new SharedWatchStream(stream, forget));
  opening.catch(forget);
  shared.set(etcd, opening);
  return opening;
}

/** One watch stream and the watchers on it, told apart by the ids they were created with. */
export class SharedWatchStream {
  readonly #stream: WatchStream;
  readonly #watchers = new Map<number, Watcher>();
  readonly #forget: () => void;
  #lastId = 0;
  #heard = 0;
  #ended: string | null = null;

  /** `forget` is called once: nobody may join any more. */
  constructor(stream: WatchStream, forget: () => void) {
    this.#stream = stream;
    this.#forget = forget;
    stream.on('error', (error) => this.end(`stream failed: ${messageOf(error)}`));
    stream.on('end', () => this.end('stream ended'));
    stream.on('data', (response: IWatchResponse) => {
      this.#heard++;
      this.#watchers.get(Number(response.watch_id))?.onResponse(response);
    });
  }

  /** Responses that came so far, of all watchers. */
  get heard(): number {
    return this.#heard;
  }

  /** Creates a watcher; its id. On a stream that has ended `onEnd` is called at once. */
  add(request: IWatchCreateRequest, watcher: Watcher): number {
    const id = ++this.#lastId;
    if (this.#ended !== null) {
      watcher.onEnd(this.#ended);
      return id;
    }
    this.#watchers.set(id, watcher);
    this.#stream.write({ create_request: { ...request, watch_id: id } });
    return id;
  }

  /** Ends a watcher; the last one takes the stream with it. */
  remove(id: number): void {
    if (!this.#watchers.delete(id) || this.#ended !== null) return;
    if (this.#watchers.size === 0) this.end('nobody watches');
    else this.#stream.write({ cancel_request: { watch_id: id } });
  }

  /** Ends it for everybody on it. */
  end(reason: string): void {
    if (this.#ended !== null) return;
    this.#ended = reason;
    this.#forget();
    // Ended first: the client takes the error of a writable stream for a broken host.
    this.#stream.end();
    this.#stream.cancel();
    const watchers = [...this.#watchers.values()];
    this.#watchers.clear();
    for (const watcher of watchers) watcher.onEnd(reason);
  }
}
