/** The connection to etcd: every unary call has a deadline, and is tried again within it while the error may pass. */
import type { TlsMaterial } from '@salvor/service-kit';
import { ExponentialBackoff, handleWhen, noop, retry } from 'cockatiel';
import {
  Etcd3,
  EtcdLeaseInvalidError,
  type IDuplexStream,
  type ILeaseKeepAliveRequest,
  type ILeaseKeepAliveResponse,
  type IOptions,
  type IWatchRequest,
  type IWatchResponse,
  isRecoverableError,
  type KVClient,
  type LeaseClient,
} from 'etcd3';
import { StoreError } from './errors.ts';

export type WatchStream = IDuplexStream<IWatchRequest, IWatchResponse>;
export type KeepAliveStream = IDuplexStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>;

/** Options of one attempt: `deadline` is wall-clock milliseconds, as gRPC wants it. */
export interface AttemptOptions {
  readonly deadline: number;
}

export interface EtcdCalls {
  readonly kv: KVClient;
  readonly lease: LeaseClient;
  openWatchStream(): Promise<WatchStream>;
  openKeepAliveStream(timeoutMs: number): Promise<KeepAliveStream>;
  /**
   * Runs `attempt` until it succeeds, fails for good, or `timeoutMs` (default: the store's call timeout) is over.
   * Throws `StoreError`; `what` names the call in it.
   */
  call<T>(what: string, attempt: (options: AttemptOptions) => Promise<T>, timeoutMs?: number): Promise<T>;
  close(): void;
}

const ATTEMPT_TIMEOUT_MS = 1_500;
const FIRST_RETRY_DELAY_MS = 50;
const MAX_RETRY_DELAY_MS = 500;
const MAX_ATTEMPTS = 200;
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

export function connectEtcd(
  endpoints: readonly string[],
  callTimeoutMs: number,
  tls?: TlsMaterial,
): EtcdCalls {
  const client = new Etcd3({
    hosts: tls === undefined ? [...endpoints] : endpoints.map((endpoint) => `https://${endpoint}`),
    ...(tls === undefined ? {} : { credentials: credentialsOf(tls) }),
    grpcOptions: {
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 3_000,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      // With connections of its own, a failed call makes the next one connect anew: a link that stays open but carries
      // nothing (a lost NAT entry, a hung host) would otherwise be shared for ever.
      'grpc.use_local_subchannel_pool': 1,
    },
    // Retrying is done by `call`, which knows the deadline of the whole call.
    faultHandling: { host: () => noop, global: noop },
  });
  const policy = retry(handleWhen(isRecoverableError), {
    maxAttempts: MAX_ATTEMPTS,
    backoff: new ExponentialBackoff({ initialDelay: FIRST_RETRY_DELAY_MS, maxDelay: MAX_RETRY_DELAY_MS }),
  });
  let closed = false;

  return {
    kv: client.kv,
    lease: client.leaseClient,
    openWatchStream: () => client.watchClient.watch(),
    openKeepAliveStream: (timeoutMs) =>
      client.leaseClient.leaseKeepAlive({ deadline: Date.now() + timeoutMs }),

    async call(what, attempt, timeoutMs = callTimeoutMs) {
      const endMs = performance.now() + timeoutMs;
      const over = new AbortController();
      let lastError: unknown;
      const once = async () => {
        const remainingMs = endMs - performance.now();
        if (closed) throw new StoreError('store-closed', `${what}: the store was closed`);
        if (remainingMs <= 0) {
          over.abort();
          throw lastError;
        }
        try {
          return await attempt({ deadline: Date.now() + Math.min(remainingMs, ATTEMPT_TIMEOUT_MS) });
        } catch (error) {
          lastError = error;
          throw error;
        }
      };
      try {
        return await policy.execute(once, over.signal);
      } catch (error) {
        throw storeError(what, error, timeoutMs, closed);
      }
    },

    close() {
      closed = true;
      client.close();
    },
  };
}

function credentialsOf({ ca, cert, privateKey }: TlsMaterial): NonNullable<IOptions['credentials']> {
  return {
    rootCertificate: Buffer.from(ca),
    ...(cert === undefined || privateKey === undefined
      ? {}
      : { certChain: Buffer.from(cert), privateKey: Buffer.from(privateKey) }),
  };
}

function storeError(what: string, error: unknown, timeoutMs: number, closed: boolean): StoreError {
  if (error instanceof StoreError) return error;
  const cause = error instanceof Error ? error : new Error(String(error));
  if (closed) return new StoreError('store-closed', `${what}: the store was closed`, { cause });
  if (cause instanceof EtcdLeaseInvalidError) {
    return new StoreError('lease-lost', `${what}: the lease no longer exists`, { cause });
  }
  if (isRecoverableError(cause)) {
    const message = `${what}: no answer from etcd within ${timeoutMs} ms (${cause.message}); is etcd up and reachable?`;
    return new StoreError('store-unavailable', message, { cause });
  }
  return new StoreError('store-refused', `${what}: etcd refused (${cause.message})`, { cause });
}
